"""Stage 4, pure: what differs between two pages, and which entry each difference belongs to.

The history holds each journal entry once and never a second time from comparing pages (rule R6). A
page of serial S is *settled* once the cursor has reached S: only then is it known which entries lie
between the page before and this one. Settling gives the page's reason to the entry that wrote it,
and what no entry explains becomes an observed change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from yanksync.journal import Event, Kind
from yanksync.model import Action, Change, File, Page, Yank
from yanksync.versions import file_version, same_version

_CLOSED = timedelta(days=14)

Reasons = tuple[tuple[str, str], ...]
"""Pairs of (version, reason) of the versions that a page shows yanked."""


class Unsettled(Struct, frozen=True, kw_only=True):
    """What one recorded page showed, until the journal is known up to its serial."""

    low: int | None  # the serial held before; None: a first look, which writes no history
    high: int | None  # the page's serial; None where upstream gives none
    changes: tuple[Change, ...] = ()
    reasons: Reasons = ()


class Settled(Struct, frozen=True):
    """What became of an :class:`Unsettled`."""

    reasons: tuple[tuple[int, str], ...]  # (serial of the yank's entry, the exact reason)
    observed: tuple[Change, ...]


def differences(
    before: Page | None, after: Page | None, *, withdrawn: Collection[str] = ()
) -> tuple[Change, ...]:
    """Return what a reader of the history wants to know of, from ``before`` to ``after``.

    ``before`` None is a project that was gone, ``after`` None one that is gone now. ``withdrawn``
    are versions whose newest row of the history is a removal: they return, others are just new.
    A file that appears already yanked is no yank (interface.md, history).
    """
    if before is None and after is None:
        return ()
    if before is None:
        return (Change(action=Action.RETURN),)
    if after is None:
        return (Change(action=Action.REMOVE),)
    if after.quarantined:
        return () if before.quarantined else (Change(action=Action.QUARANTINE),)
    if before.quarantined:
        return (Change(action=Action.UNQUARANTINE),)
    return (
        *_losses(before, after),
        *_returns(before, after, withdrawn),
        *_yanks(before, after),
    )


def reasons_of(page: Page) -> Reasons:
    """Return the versions that ``page`` shows yanked, each with the reason of its first file."""
    found: dict[str, str] = {}
    for file in page.files:
        if file.yanked is None:
            continue
        version = file_version(file.filename, page.name, page.versions)
        if version is not None:
            found.setdefault(version, file.yanked.reason)
    return tuple(found.items())


def latecomers(before: Page, after: Page) -> tuple[str, ...]:
    """Return the files that are new on a release whose first file is older by two weeks and more.

    PyPI closes releases after that time (spec-checklist G4).
    """
    known = {file.filename for file in before.files}
    fresh = [file for file in after.files if file.filename not in known and file.upload_time]
    if not fresh:
        return ()
    first: dict[str | None, datetime] = {}
    for file in before.files:
        moment = _moment(file)
        if moment is not None:
            version = file_version(file.filename, before.name, before.versions)
            first[version] = min(moment, first.get(version, moment))
    late = []
    for file in fresh:
        moment = _moment(file)
        version = file_version(file.filename, after.name, after.versions)
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


def settle(seen: Unsettled, events: Iterable[Event]) -> Settled:
    """Give reasons to entries and find what no entry explains.

    ``events`` are the project's entries of the history, oldest first; those above ``seen.high`` are
    left aside, and those at or below ``seen.low`` explain nothing. They may still get the reason:
    the page before may have hidden the release (a quarantine, a stale page). An entry that
    quarantines or clears ends no yank (Warehouse refuses yanks meanwhile), so it does not come
    between an entry and its reason.
    """
    upto = [event for event in events if seen.high is None or event.entry.serial <= seen.high]
    last: dict[str, Event] = {}
    for event in upto:
        if event.kind is Kind.REMOVE_PROJECT:
            last.clear()
        elif event.entry.version is not None and event.kind in _REASONED:
            last[event.entry.version] = event
    reasons = []
    silent = []  # yanks of versions that no yanked file is known to belong to
    for version, event in last.items():
        if event.kind is not Kind.YANK:
            continue
        reason = _reason(version, seen.reasons)
        if reason is not None:
            reasons.append((event.entry.serial, reason))
        else:
            silent.append(event.entry.serial)
    if seen.low is None:
        return Settled(tuple(reasons), ())
    low = seen.low
    between = [event for event in upto if event.entry.serial > low]
    homeless = {
        change.reason
        for change in seen.changes
        if change.action is Action.YANK and change.version is None
    }
    silent = [serial for serial in silent if serial > low]
    if len(silent) == len(homeless) == 1:
        reasons.append((silent[0], homeless.pop()))
    observed = tuple(change for change in seen.changes if not _explained(change, between))
    return Settled(tuple(reasons), observed)


_REASONED = frozenset({Kind.YANK, Kind.UNYANK, Kind.REMOVE_RELEASE})


def _reason(version: str, reasons: Reasons) -> str | None:
    exact = [reason for other, reason in reasons if other == version]
    equal = exact or [reason for other, reason in reasons if same_version(other, version)]
    return equal[0] if equal else None


def _explained(change: Change, events: Sequence[Event]) -> bool:
    return any(explains(event, change) for event in events)


def explains(event: Event, change: Change) -> bool:
    """Return whether ``event`` accounts for ``change``: the same version, or the whole project.

    What is missing is explained by an entry that removes; one for a file, only for that file.
    """
    if event.kind in (Kind.LOOK, Kind.ROLE):
        return False
    if change.action is Action.REMOVE:
        if not event.removes:
            return False
        if event.file is not None and change.file is not None:
            return event.file == change.file
    if event.entry.version is None:
        return True
    if change.version is None:  # a file that belongs to no version, or the project as a whole
        return change.file is not None or change.files != ()
    return same_version(event.entry.version, change.version)


def _losses(before: Page, after: Page) -> Iterable[Change]:
    kept = {file.filename for file in after.files}
    lost: dict[str | None, list[str]] = {}
    left: set[str | None] = set()
    for file in before.files:
        version = file_version(file.filename, before.name, before.versions)
        if file.filename in kept:
            left.add(version)
        else:
            lost.setdefault(version, []).append(file.filename)
    for version, names in lost.items():
        if version is None or version in left:
            for name in names:
                yield Change(action=Action.REMOVE, version=version, file=name)
        else:
            yield Change(action=Action.REMOVE, version=version)


def _returns(before: Page, after: Page, withdrawn: Collection[str]) -> Iterable[Change]:
    if not withdrawn:
        return
    there = {file_version(file.filename, before.name, before.versions) for file in before.files}
    now = {file_version(file.filename, after.name, after.versions): None for file in after.files}
    for version in now:
        if version is not None and version not in there and version in withdrawn:
            yield Change(action=Action.RETURN, version=version)


def _yanks(before: Page, after: Page) -> Iterable[Change]:
    known = {file.filename: file.yanked for file in before.files}
    groups: dict[tuple[str | None, Yank | None], list[str]] = {}
    members: dict[str | None, list[File]] = {}
    for file in after.files:
        version = file_version(file.filename, after.name, after.versions)
        members.setdefault(version, []).append(file)
        if file.filename in known and known[file.filename] != file.yanked:
            groups.setdefault((version, file.yanked), []).append(file.filename)
    for (version, yank), names in groups.items():
        # Files that belong to no version are no release: without one and without files, a change
        # is about the whole project.
        whole = version is not None and all(file.yanked == yank for file in members[version])
        yield Change(
            action=Action.UNYANK if yank is None else Action.YANK,
            version=version,
            files=() if whole else tuple(names),
            reason="" if yank is None else yank.reason,
        )
