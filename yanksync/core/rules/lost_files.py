"""Finds the files that a new page takes away (pure).

A file that vanishes without a reason, or gets another hash, may be upstream's fault or an attack.
Only such a file is held back: it stays as it was published. Everything else of the new page is
published at once, yanks above all (rules R7 and R8).

If the hash of a file was in doubt, the file is remembered after it is no longer published. If it
ever comes back with another hash than the published one, a person must approve that.

Installers never saw a file that cooldown hides. So its removal takes effect at once, with no guard.
If only the journal has shown the removal so far, the file is withheld until a page shows it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from yanksync.core.model import File, Hashes, Page, Yank
from yanksync.core.rules.journal_entries import JournalEvent
from yanksync.core.rules.loss_entries import LossEntries
from yanksync.core.rules.lost_file import LostFile, Observation, with_mark
from yanksync.core.versions import file_versions, versions_by_file

_VARIANTS = "-variants.json"
"""Files that describe a release's variants may change under their name (PEP 825, a draft)."""


def find_lost_files(
    before: Page | None,
    lost: Sequence[LostFile],
    after: Page,
    events: Sequence[JournalEvent],
    observation: Observation,
    hidden: Collection[str] = (),
) -> tuple[LostFile, ...]:
    """Return the files that stay published although ``after`` takes them away.

    Args:
        before: the page recorded last, with the serial that it is held at; None: there is none.
        lost: what its publication already held back.
        after: upstream's page now.
        events: the project's journal entries, oldest first, from below every ``low`` on.
        observation: when it is looked at.
        hidden: files of ``before`` that the mirror did not offer. Guards do not keep them.

    A quarantined page explains every loss (PEP 792), and so do journal entries that remove the
    file, its release or its project. Such files are left out; hashes in doubt are remembered.
    """
    known = {one.file.filename: one for one in lost}
    if after.quarantined:
        return tuple(_quarantined(before, known, events, observation))
    now = {file.filename: file for file in after.files}
    withheld = {one.file.filename: one for one in lost if one.withheld}
    going = [
        file
        for file in _published(before, known)
        if file.filename not in withheld and not _as_it_was(file, now.get(file.filename))
    ]
    if not going and not withheld:
        return ()
    entries, marks = LossEntries(events), _marks_of(after)
    versions = {} if before is None else versions_by_file(before)
    found = [
        one
        for name, one in withheld.items()
        if name in now and entries.remove_after(after.serial, one)
    ]
    for file in going:
        new = now.get(file.filename)
        old = known.get(file.filename)
        old = old or _first_seen(file, versions, before, observation, hidden)
        if new is None and old.withheld:
            continue
        if entries.explain(old, vanished=old.shown and new is None):
            found += _kept(old, entries)
            continue
        hashes = None if new is None else new.hashes
        if old.hashes != hashes:
            old = _with_hashes(old, hashes, observation)
        mark = None if old.version is None else marks.get(old.version)
        old = entries.marked(_marked_by_page(old, new, mark), mark)
        found.append(confirm_lost(old, observation))
    return tuple(found)


def confirm_lost(lost: LostFile, observation: Observation) -> LostFile:
    """Confirm a loss that a later page shows again (R7)."""
    early = (
        lost.run >= observation.run
        or not 0 <= observation.now - lost.since >= observation.confirm_after
    )
    return lost if lost.confirmed or early or not lost.vanished else replace(lost, confirmed=True)


def remembered(lost: LostFile) -> LostFile:
    """Return what to remember of a file that is no longer published."""
    return replace(
        lost, hashes=None, confirmed=False, held=None, held_since=None, approved=False, shown=False
    )


def unpublished(lost: Iterable[LostFile]) -> tuple[LostFile, ...]:
    """Return ``lost`` for a project that is no longer published."""
    return tuple(remembered(one) for one in lost if one.suspect and not _is_new_approved(one))


def apply_entries(lost: Sequence[LostFile], events: Sequence[JournalEvent]) -> tuple[LostFile, ...]:
    """Return ``lost`` without what newer journal entries explain.

    An entry that removes a file explains its loss. An entry that yanks its release adds the mark.
    """
    entries = LossEntries(events)
    left: list[LostFile] = []
    for one in lost:
        if entries.explain(one, vanished=one.vanished):
            left += _kept(one, entries)
        else:
            left.append(entries.marked(one, None))
    return tuple(left)


def page_with_lost_files(page: Page, lost: Sequence[LostFile]) -> Page:
    """Return ``page`` with the lost files as they were published.

    A file that was not published when its hash changed is left out.
    """
    if not lost or page.quarantined:
        return page
    hidden = {one.file.filename for one in lost if not one.shown}
    files = {file.filename: file for file in page.files if file.filename not in hidden}
    files.update((one.file.filename, one.file) for one in lost if one.shown)
    versions = page.versions
    if versions is not None:
        missing = [one.version for one in lost if one.shown and one.version is not None]
        versions = tuple(dict.fromkeys((*versions, *missing)))
    return replace(page, files=tuple(files.values()), versions=versions)


def previously_shown(
    before: Page,
    lost: Sequence[LostFile],
    shown: Page,
    lost_now: Sequence[LostFile],
    events: Sequence[JournalEvent],
) -> Page:
    """Return the page published before ``shown``, for comparing the two.

    Journal entries show yanks before a page does, and mark lost files. Such a mark is no new
    change, because the history has the entry.
    """
    entries = LossEntries(events) if lost or lost_now else None
    marked = {
        one.file.filename
        for one in (*lost, *lost_now)
        if entries is not None and entries.mark(one) is not None
    }
    files = {file.filename: file for file in shown.files if file.filename in marked}
    page = page_with_lost_files(before, lost)
    if not files:
        return page
    return replace(page, files=tuple(files.get(file.filename, file) for file in page.files))


def _published(before: Page | None, known: Mapping[str, LostFile]) -> Iterator[File]:
    """Yield the files that are published."""
    if before is not None and not before.quarantined:
        for file in before.files:
            if file.filename not in known:
                yield file
    for one in known.values():
        yield one.file


def _quarantined(
    before: Page | None,
    known: Mapping[str, LostFile],
    events: Sequence[JournalEvent],
    observation: Observation,
) -> Iterator[LostFile]:
    """Yield what to remember of files that a quarantine takes away.

    It remembers all of them, because the quarantine may end. It needs only their hashes, and not
    the release of each.
    """
    entries, low = LossEntries(events), None if before is None else before.serial
    for file in _published(before, known):
        old = known.get(file.filename) or LostFile(
            file=file, version=None, low=low, since=observation.now, run=observation.run
        )
        if file.hashes and not _is_new_approved(old):
            yield from _kept(replace(old, suspect=True), entries)


def _kept(lost: LostFile, entries: LossEntries) -> tuple[LostFile, ...]:
    """Return what to remember of a file whose loss is accepted."""
    if not lost.suspect or entries.explain(lost, vanished=False):
        return ()
    return (remembered(lost),)


def _is_new_approved(lost: LostFile) -> bool:
    """Return whether a person has approved the hash that upstream has."""
    return lost.approved and lost.hashes is not None


def _first_seen(
    file: File,
    versions: Mapping[str, str | None],
    before: Page | None,
    observation: Observation,
    hidden: Collection[str],
) -> LostFile:
    assert before is not None  # the file is on it
    return LostFile(
        file=file,
        version=versions[file.filename],
        low=before.serial,
        since=observation.now,
        run=observation.run,
        shown=file.filename not in hidden,
    )


def _with_hashes(lost: LostFile, hashes: Hashes | None, observation: Observation) -> LostFile:
    """Return ``lost`` changed so that it is judged again.

    Upstream has these ``hashes`` now.
    """
    return replace(
        lost,
        hashes=hashes,
        since=observation.now,
        run=observation.run,
        confirmed=hashes is not None,
        held=None,
        held_since=None,
        approved=False,
        suspect=lost.suspect or hashes is not None,
    )


def _marked_by_page(lost: LostFile, new: File | None, mark: Yank | None) -> LostFile:
    """Return ``lost`` with the mark of upstream's file or release."""
    if new is not None and new.yanked is not None:
        lost = with_mark(lost, new.yanked)
    return with_mark(lost, mark) if mark is not None and lost.vanished else lost


def _as_it_was(file: File, new: File | None) -> bool:
    """Return whether the hashes show the same file."""
    if new is None:
        return False
    if file.hashes == new.hashes or file.filename.endswith(_VARIANTS):
        return True
    known = dict(file.hashes)
    return all(known.get(name, digest) == digest for name, digest in new.hashes)


def _marks_of(page: Page) -> dict[str, Yank]:
    """Return the mark of the first yanked file of each version."""
    marks: dict[str, Yank] = {}
    for file, version in zip(page.files, file_versions(page), strict=True):
        if version is not None and file.yanked is not None:
            marks.setdefault(version, file.yanked)
    return marks
