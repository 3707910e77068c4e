"""Finds what is withdrawn of a project now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from yanksync.core.model import HistoryAction
from yanksync.core.versions import VersionKey, version_key
from yanksync.core.withdrawals.event import WithdrawalEvent
from yanksync.core.withdrawals.web.words import ENDS

# If several of these are true for one version, the first one is shown.
_GRAVEST = (HistoryAction.REMOVE, HistoryAction.QUARANTINE, HistoryAction.YANK)


class Withdrawn(Struct, frozen=True):
    """A version, or a whole project, that is withdrawn now."""

    version: str | None  # None: the whole project
    event: WithdrawalEvent  # the one that began it
    files: tuple[str, ...]  # empty: all


class ProjectStanding(Struct, frozen=True):
    """What of a project is withdrawn now."""

    project: Withdrawn | None
    versions: tuple[Withdrawn, ...]  # the newest first


def project_standing(events: Iterable[WithdrawalEvent]) -> ProjectStanding:
    """Return what ``events`` of one project, the oldest first, leave withdrawn.

    A yank lasts through a removal: a release that returns yanked is no new yank.
    """
    held: dict[VersionKey | None, dict[HistoryAction, Withdrawn]] = {}
    for event in events:
        for version in _scope(event):
            key = None if version is None else version_key(version)
            slots = held.setdefault(key, {})
            begun = ENDS.get(event.action)
            if begun is None:
                slots[event.action] = _begin(slots.get(event.action), version, event)
            elif begun in slots:
                rest = _end(slots.pop(begun), event)
                slots.update({} if rest is None else {begun: rest})
    whole = _gravest(held.pop(None, {}))
    versions = filter(None, map(_gravest, held.values()))
    return ProjectStanding(
        whole, tuple(sorted(versions, key=lambda one: one.event.cursor, reverse=True))
    )


def _scope(event: WithdrawalEvent) -> Iterator[str | None]:
    """Yield the versions of an event; None: the whole project.

    It yields nothing for files that lack a version.
    """
    yield from event.versions
    if not event.versions and not event.files:
        yield None


def _begin(before: Withdrawn | None, version: str | None, event: WithdrawalEvent) -> Withdrawn:
    if before is None or not event.files:
        return Withdrawn(version, event, event.files)
    if not before.files:  # all of them already are
        return before
    return Withdrawn(version, event, tuple(dict.fromkeys((*before.files, *event.files))))


def _end(before: Withdrawn, event: WithdrawalEvent) -> Withdrawn | None:
    """Return what is left; None: nothing."""
    if not event.files:
        return None
    left = tuple(name for name in before.files if name not in event.files)
    if before.files and not left:
        return None
    return Withdrawn(before.version, before.event, left)


def _gravest(slots: dict[HistoryAction, Withdrawn]) -> Withdrawn | None:
    return next((slots[action] for action in _GRAVEST if action in slots), None)
