"""Pure: the files that a new page takes away, and the page that is published meanwhile.

A file that vanishes without a reason, or gets another hash, may be upstream's fault or an attack.
Only such a file is held back: it stays as it was published, while everything else of the new page
is published at once, yanks above all (rules R7 and R8).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from yanksync.journal import Event, Kind
from yanksync.model import Action, Change, File, Hashes, Page, Yank
from yanksync.versions import file_version, file_versions, same_version

_VARIANTS = "-variants.json"
"""Files that describe a release's variants may change under their name (PEP 825, a draft)."""


class LostFile(Struct, frozen=True, kw_only=True):
    """A file that stays published though upstream's page lacks it or has another hash for it."""

    file: File  # as it is published, with the yank marks that upstream added since
    version: str | None  # of the release that it belongs to
    low: int | None  # serial of the last page that had it; None where upstream gives none
    since: float  # when upstream's page first differed; UTC seconds
    run: int  # the pass that saw that
    hashes: Hashes | None = None  # upstream's for that name now; None: the file is gone
    confirmed: bool = (
        False  # a hash, or a second look said the same, so that the guards may judge it
    )
    held: str | None = None  # why a guard holds it
    held_since: float | None = None
    approved: bool = False  # a person has let it go

    @property
    def vanished(self) -> bool:
        """Whether upstream's page has no file of that name."""
        return self.hashes is None


class Moment(Struct, frozen=True):
    """When a page is looked at."""

    now: float  # UTC seconds
    run: int  # the number of the pass
    confirm_after: float  # seconds between the first look and the one that confirms it


def lost_files(
    before: Page | None,
    lost: Sequence[LostFile],
    after: Page,
    events: Sequence[Event],
    moment: Moment,
) -> tuple[LostFile, ...]:
    """Return the files that stay published although ``after`` takes them away.

    Args:
        before: the page recorded last, with the serial that it is held at; None: there is none.
        lost: what its publication already held back.
        after: upstream's page now.
        events: the project's journal entries, oldest first, from below every ``low`` on.
        moment: when it is looked at.

    A quarantined page explains every loss (PEP 792), and so do journal entries that remove the
    file, its release or its project.
    """
    if after.quarantined:
        return ()
    known = {one.file.filename: one for one in lost}
    now = {file.filename: file for file in after.files}
    marks: Mapping[str, Yank] | None = None
    found = []
    for file in _published(before, known):
        new = now.get(file.filename)
        if _as_it_was(file, new):
            continue
        old = known.get(file.filename) or _first_seen(file, before, moment)
        since = _since(events, old.low)
        if _explained(old, since, vanished=new is None):
            continue
        hashes = None if new is None else new.hashes
        if old.hashes != hashes:
            old = replace(
                old, hashes=hashes, since=moment.now, run=moment.run, confirmed=hashes is not None,
                held=None, held_since=None, approved=False,
            )  # fmt: skip
        if new is not None and new.yanked is not None:
            old = _marked(old, new.yanked)
        if marks is None:
            marks = _marks_of(after)
        found.append(confirm(_with_marks(old, marks, since), moment))
    return tuple(found)


def confirm(lost: LostFile, moment: Moment) -> LostFile:
    """Return ``lost`` after a page that still lacks the file: a later look confirms it (R7)."""
    early = lost.run >= moment.run or not 0 <= moment.now - lost.since >= moment.confirm_after
    return lost if lost.confirmed or early else replace(lost, confirmed=True)


def told(lost: Sequence[LostFile], events: Sequence[Event]) -> tuple[LostFile, ...]:
    """Return what is left of ``lost`` after journal entries that were read since.

    An entry that removes a file lets it go; one that yanks its release adds the mark.
    """
    left = []
    for one in lost:
        newer = _since(events, one.low)
        if not _explained(one, newer, vanished=one.vanished):
            left.append(_with_events(one, newer, None))
    return tuple(left)


def with_lost(page: Page, lost: Sequence[LostFile]) -> Page:
    """Return the page to publish: ``page`` with the lost files as they were published."""
    if not lost or page.quarantined:
        return page
    files = {file.filename: file for file in page.files}
    files.update((one.file.filename, one.file) for one in lost)
    versions = page.versions
    if versions is not None:
        missing = [one.version for one in lost if one.version is not None]
        versions = tuple(dict.fromkeys((*versions, *missing)))
    return replace(page, files=tuple(files.values()), versions=versions)


def shown_before(
    before: Page,
    lost: Sequence[LostFile],
    shown: Page,
    lost_now: Sequence[LostFile],
    events: Sequence[Event],
) -> Page:
    """Return what was published before ``shown``, as the history compares the two.

    Journal entries tell of yanks before a page does, and mark lost files. Such a mark is no news:
    the history has the entry.
    """
    marked = {
        one.file.filename
        for one in (*lost, *lost_now)
        if any(_marks(event, one) for event in _since(events, one.low))
    }
    files = {file.filename: file for file in shown.files if file.filename in marked}
    page = with_lost(before, lost)
    if not files:
        return page
    return replace(page, files=tuple(files.get(file.filename, file) for file in page.files))


def seen_since(change: Change, lost: Iterable[LostFile], serial: int | None) -> int | None:
    """Return the serial from which on a journal entry may explain ``change``.

    That is ``serial``, of the page before; for a file that this page had ``lost``, it is the serial
    of the last page that had it.
    """
    lows = [serial, *(one.low for one in lost if _is_about(change, one))]
    return None if None in lows else min(low for low in lows if low is not None)


def removals(page: Page, lost: Iterable[LostFile]) -> tuple[Change, ...]:
    """Return what the history says when these vanished files are let go.

    ``page`` is the page that is published without them.
    """
    left = set(file_versions(page))
    changes: dict[tuple[str | None, str | None], Change] = {}
    for one in lost:
        if one.vanished:
            whole = one.version is not None and one.version not in left
            file = None if whole else one.file.filename
            change = Change(action=Action.REMOVE, version=one.version, file=file)
            changes[one.version, file] = change
    return tuple(changes.values())


def _published(before: Page | None, known: Mapping[str, LostFile]) -> Iterator[File]:
    """Yield the files that are published."""
    if before is not None and not before.quarantined:
        for file in before.files:
            if file.filename not in known:
                yield file
    for one in known.values():
        yield one.file


def _first_seen(file: File, before: Page | None, moment: Moment) -> LostFile:
    assert before is not None  # the file is on it
    return LostFile(
        file=file,
        version=file_version(file.filename, before.name, before.versions),
        low=before.serial,
        since=moment.now,
        run=moment.run,
    )


def _as_it_was(file: File, new: File | None) -> bool:
    """Return whether ``new`` is the same file, as far as their hashes tell."""
    if new is None:
        return False
    if file.hashes == new.hashes or file.filename.endswith(_VARIANTS):
        return True
    known = dict(file.hashes)
    return all(known.get(name, digest) == digest for name, digest in new.hashes)


def _explained(lost: LostFile, events: Sequence[Event], *, vanished: bool) -> bool:
    """Return whether journal entries account for the loss.

    Nothing accounts for another hash, except that the project was removed and made again.
    """
    if not vanished:
        return any(event.kind is Kind.REMOVE_PROJECT for event in events)
    for event in events:
        if not event.removes:
            continue
        if event.entry.version is None or event.file == lost.file.filename:
            return True
        if lost.version is not None and same_version(lost.version, event.entry.version):
            return True
    return False


def _since(events: Sequence[Event], low: int | None) -> list[Event]:
    return [event for event in events if low is None or event.entry.serial > low]


def _marks_of(page: Page) -> Mapping[str, Yank]:
    """Return the mark of each yanked release, that of its first file."""
    found: dict[str, Yank] = {}
    for file, version in zip(page.files, file_versions(page), strict=True):
        if version is not None and file.yanked is not None:
            found.setdefault(version, file.yanked)
    return found


def _with_marks(lost: LostFile, marks: Mapping[str, Yank], events: Sequence[Event]) -> LostFile:
    """Return ``lost`` with the mark that the files left of its release have."""
    mark = None if lost.version is None else marks.get(lost.version)
    if mark is not None and lost.vanished:
        lost = _marked(lost, mark)
    return _with_events(lost, events, mark)


def _with_events(lost: LostFile, events: Sequence[Event], mark: Yank | None) -> LostFile:
    """Return ``lost`` as the newest yank or unyank of its release says."""
    for event in reversed(events):
        if not _marks(event, lost):
            continue
        if event.kind is Kind.YANK:
            # The entry gives no reason; that of the page, or the one known before, stays.
            return lost if lost.file.yanked is not None else _marked(lost, mark or Yank())
        return _marked(lost, None) if lost.vanished and mark is None else lost
    return lost


def _marks(event: Event, lost: LostFile) -> bool:
    """Return whether an entry yanks or unyanks the release of a lost file."""
    version = event.entry.version
    if event.kind not in (Kind.YANK, Kind.UNYANK) or version is None or lost.version is None:
        return False
    return same_version(lost.version, version)


def _is_about(change: Change, lost: LostFile) -> bool:
    if change.version is None or lost.version is None:
        return lost.file.filename in (change.file, *change.files)
    return same_version(change.version, lost.version)


def _marked(lost: LostFile, yanked: Yank | None) -> LostFile:
    return replace(lost, file=replace(lost.file, yanked=yanked))
