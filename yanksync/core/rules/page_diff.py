"""Stage 4: compares two pages, and finds each difference's entry (pure).

The history has each journal entry once; comparing pages must not add it a second time (rule R6). A
page of serial S is *settled* when the cursor has reached S: only then all entries between the page
before and this one are known. Settling gives the page's reason to the entry of that yank. A change
that no entry explains becomes an observed change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from yanksync.core.model import File, HistoryAction, Page, PageChange, Yank
from yanksync.core.rules.averted import HiddenReleases
from yanksync.core.rules.entry_index import EntryIndex
from yanksync.core.versions import VersionKey, file_versions, version_key, versions_by_file

_CLOSED = timedelta(days=14)

Reasons = tuple[tuple[str, str], ...]
"""Pairs of (version, reason) of the versions that a page shows yanked."""


BEFORE_ALL = -1
"""As the serial of the page before, if it had none: then every entry may explain a difference."""


class PendingDiff(Struct, frozen=True, kw_only=True):
    """The changes of a page that the journal has not reached yet."""

    low: int | None  # serial of the page before, or BEFORE_ALL; None: first page, no history
    high: int | None  # the page's serial; None: upstream gives none
    changes: tuple[PageChange, ...] = ()
    reasons: Reasons = ()
    hidden: HiddenReleases | None = None  # releases of the page before that cooldown hid


class AttributedDiff(Struct, frozen=True):
    """The result for a :class:`PendingDiff`."""

    reasons: tuple[tuple[int, str], ...]  # (serial of the yank's entry, the exact reason)
    observed: tuple[PageChange, ...]


def diff_pages(
    before: Page | None, after: Page | None, *, withdrawn: Collection[str] = ()
) -> tuple[PageChange, ...]:
    """Return the changes from ``before`` to ``after`` for the history.

    ``before`` is None if the project was gone, ``after`` is None if it is gone now. ``withdrawn``
    are versions whose newest row of the history is a removal: these return, while others are new. A
    file that appears already yanked is not a yank.
    """
    if before is None and after is None:
        return ()
    if before is None:
        return (PageChange(action=HistoryAction.RETURN),)
    if after is None:
        return (PageChange(action=HistoryAction.REMOVE),)
    if after.quarantined:
        return () if before.quarantined else (PageChange(action=HistoryAction.QUARANTINE),)
    if before.quarantined:
        return (PageChange(action=HistoryAction.UNQUARANTINE),)
    return (
        *_losses(before, after),
        *_returns(before, after, withdrawn),
        *_yanks(before, after),
    )


def yank_reasons(page: Page) -> Reasons:
    """Return the yanked versions of ``page``, each with its reason.

    The reason is that of its first file.
    """
    found: dict[str, str] = {}
    for file, version in zip(page.files, file_versions(page), strict=True):
        if file.yanked is not None and version is not None:
            found.setdefault(version, file.yanked.reason)
    return tuple(found.items())


def files_added_late(before: Page, after: Page) -> tuple[str, ...]:
    """Return new files on releases that are two weeks old.

    PyPI closes releases after that time.
    """
    known = {file.filename for file in before.files}
    fresh = [file for file in after.files if file.filename not in known and file.upload_time]
    if not fresh:
        return ()
    first: dict[str | None, datetime] = {}
    for file, version in zip(before.files, file_versions(before), strict=True):
        moment = _moment(file)
        if moment is not None:
            first[version] = min(moment, first.get(version, moment))
    late = []
    versions = versions_by_file(after)
    for file in fresh:
        moment = _moment(file)
        version = versions[file.filename]
        begun = None if version is None else first.get(version)
        if moment is not None and begun is not None and moment - begun > _CLOSED:
            late.append(file.filename)
    return tuple(late)


def _moment(file: File) -> datetime | None:
    try:
        moment = datetime.fromisoformat(file.upload_time or "")
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def attribute_changes(diff: PendingDiff, entries: EntryIndex) -> AttributedDiff:
    """Give reasons to entries, and find changes that no entry explains.

    ``entries`` are the project's entries in the history. Entries above ``seen.high`` are ignored.
    Entries at or below ``seen.low`` explain nothing, but they may still get the reason, because the
    page before may have hidden the release (a quarantine, a stale page). A quarantine, or its end,
    does not end a yank (Warehouse refuses yanks during a quarantine). So it does not separate an
    entry from its reason.
    """
    exact = dict(reversed(diff.reasons))  # of equal versions, the first one counts
    equal: dict[VersionKey, str] = {}
    for version, reason in diff.reasons:
        equal.setdefault(version_key(version), reason)
    reasons = [
        (serial, exact.get(text, reason))
        for key, reason in equal.items()
        for text, serial in entries.yanked(key, diff.high)
    ]
    if diff.low is None:
        return AttributedDiff(tuple(reasons), ())
    low = diff.low
    homeless = {
        change.reason
        for change in diff.changes
        if change.action is HistoryAction.YANK and change.version is None
    }
    if len(homeless) == 1:  # yanks of versions without a known yanked file
        silent = [serial for key, serial in entries.yanks(low, diff.high) if key not in equal]
        if len(silent) == 1:
            reasons.append((silent[0], homeless.pop()))
    observed = [one for one in diff.changes if not entries.explain(one, low, diff.high)]
    return AttributedDiff(tuple(reasons), tuple(observed))


def _losses(before: Page, after: Page) -> Iterable[PageChange]:
    kept = {file.filename for file in after.files}
    lost: dict[str | None, list[str]] = {}
    left: set[str | None] = set()
    for file, version in zip(before.files, file_versions(before), strict=True):
        if file.filename in kept:
            left.add(version)
        else:
            lost.setdefault(version, []).append(file.filename)
    for version, names in lost.items():
        if version is None or version in left:
            for name in names:
                yield PageChange(action=HistoryAction.REMOVE, version=version, file=name)
        else:
            yield PageChange(action=HistoryAction.REMOVE, version=version)


def _returns(before: Page, after: Page, withdrawn: Collection[str]) -> Iterable[PageChange]:
    if not withdrawn:
        return
    there = set(file_versions(before))
    for version in dict.fromkeys(file_versions(after)):
        if version is not None and version not in there and version in withdrawn:
            yield PageChange(action=HistoryAction.RETURN, version=version)


def _yanks(before: Page, after: Page) -> Iterable[PageChange]:
    known = {file.filename: file.yanked for file in before.files}
    groups: dict[tuple[str | None, Yank | None], list[str]] = {}
    marks: dict[str | None, set[Yank | None]] = {}
    for file, version in zip(after.files, file_versions(after), strict=True):
        marks.setdefault(version, set()).add(file.yanked)
        if file.filename in known and known[file.filename] != file.yanked:
            groups.setdefault((version, file.yanked), []).append(file.filename)
    for (version, yank), names in groups.items():
        # Files that lack a version are no release. A change that has no version or files is about
        # the whole project.
        whole = version is not None and len(marks[version]) == 1
        yield PageChange(
            action=HistoryAction.UNYANK if yank is None else HistoryAction.YANK,
            version=version,
            files=() if whole else tuple(names),
            reason="" if yank is None else yank.reason,
        )
