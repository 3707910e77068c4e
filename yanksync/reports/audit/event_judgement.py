"""Judges a pin by the events of its project (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from yanksync.core.model import HistoryAction
from yanksync.core.pins import Pin, PinnedFile
from yanksync.core.versions import VersionKey, version_key
from yanksync.core.withdrawals.event import WithdrawalEvent
from yanksync.reports.audit.findings import Finding, FindingKind


class _Release(Struct):
    """What the events say about one version."""

    yank: WithdrawalEvent | None = None  # of all its files except those in ``spared``
    removal: WithdrawalEvent | None = None
    quarantine: WithdrawalEvent | None = None
    spared: frozenset[str] = frozenset()
    yanked: dict[str, WithdrawalEvent] = {}
    removed: dict[str, WithdrawalEvent] = {}

    def take(self, event: WithdrawalEvent) -> None:
        """Take in the next event."""
        action, some = event.action, dict.fromkeys(event.files, event)
        if action is HistoryAction.YANK:
            self.yanked |= some
            self.spared = self.spared - some.keys() if some else frozenset()
            self.yank = self.yank if some else event
        elif action is HistoryAction.UNYANK:
            self.yanked = _without(self.yanked, some)
            self.spared |= some.keys()
            self.yank = self.yank if some else None
        elif action is HistoryAction.REMOVE:
            self.removed |= some
            self.removal = self.removal if some else event
        elif action is HistoryAction.RETURN:
            self.removed = _without(self.removed, some)
            self.removal = None
        elif action is HistoryAction.QUARANTINE:
            self.quarantine = event
        elif action is HistoryAction.UNQUARANTINE:
            self.quarantine = None


def _without(
    known: dict[str, WithdrawalEvent], some: dict[str, WithdrawalEvent]
) -> dict[str, WithdrawalEvent]:
    """Return ``known`` without ``some``; empty if ``some`` is empty."""
    return {name: one for name, one in known.items() if some and name not in some}


class _Project(Struct):
    """What the events say about a project."""

    removal: WithdrawalEvent | None = None
    quarantine: WithdrawalEvent | None = None
    returned: WithdrawalEvent | None = None
    releases: dict[VersionKey, tuple[str, _Release]] = {}

    def take(self, event: WithdrawalEvent) -> None:
        """Take in the next event."""
        if event.versions:
            for version in event.versions:
                new = (version, _Release())
                self.releases.setdefault(version_key(version), new)[1].take(event)
        elif not event.files:
            self._take_whole(event)

    def _take_whole(self, event: WithdrawalEvent) -> None:
        if event.action is HistoryAction.REMOVE:
            self.removal, self.quarantine = event, None
            self.releases = {}  # a later project of this name is another one
        elif event.action is HistoryAction.RETURN and self.removal is not None:
            self.removal, self.returned = None, event
        elif event.action is HistoryAction.QUARANTINE:
            self.quarantine = event
        elif event.action is HistoryAction.UNQUARANTINE:
            self.quarantine = None


def findings_by_events(pin: Pin, events: Sequence[WithdrawalEvent]) -> tuple[Finding, ...]:
    """Return what is wrong with ``pin``.

    ``events`` are those of its project, oldest first.
    """
    project = _Project()
    for event in events:
        project.take(event)
    if project.removal is not None:
        return (Finding(kind=FindingKind.PROJECT_GONE, since=project.removal.time),)
    if project.quarantine is not None:
        return (_quarantined(project.quarantine),)
    return tuple(_findings(pin, project))


def _findings(pin: Pin, project: _Project) -> Iterator[Finding]:
    if project.returned is not None:
        yield Finding(kind=FindingKind.PROJECT_RECREATED, since=project.returned.time)
    for version, release in project.releases.values():
        if pin.allows(version):
            yield from _of_release(pin, release)


def _of_release(pin: Pin, release: _Release) -> Iterator[Finding]:
    if release.quarantine is not None:
        yield _quarantined(release.quarantine)
        return
    if release.removal is not None:
        yield Finding(kind=FindingKind.REMOVED, since=release.removal.time)
        return
    if release.yank is not None and not _are_spared(pin.files, release.spared):
        reason = release.yank.reason
        yield Finding(kind=FindingKind.YANKED, reason=reason, since=release.yank.time)
    elif some := _pinned(pin.files, release.yanked, unknown=True):
        newest = release.yanked[some[-1]]
        yield Finding(kind=FindingKind.YANKED, reason=newest.reason, since=newest.time, files=some)
    # A pin that names no files can use the files that are left.
    if gone := _pinned(pin.files, release.removed, unknown=False):
        since = max(release.removed[name].time for name in gone)
        yield Finding(kind=FindingKind.REMOVED, since=since, files=gone)


def _are_spared(files: Sequence[PinnedFile], spared: frozenset[str]) -> bool:
    """Return whether the pin's files were unyanked again."""
    return bool(files) and all(one.filename in spared for one in files)


def _pinned(
    files: Sequence[PinnedFile], known: dict[str, WithdrawalEvent], *, unknown: bool
) -> tuple[str, ...]:
    """Return the names in ``known`` that the pin allows.

    ``unknown``: return all of them if the pin does not name its files, because an event has no
    hashes.
    """
    names = {one.filename for one in files if one.filename is not None}
    if not names:
        return tuple(known) if unknown else ()
    return tuple(name for name in known if name in names)


def _quarantined(event: WithdrawalEvent) -> Finding:
    return Finding(kind=FindingKind.QUARANTINED, reason=event.reason or "", since=event.time)
