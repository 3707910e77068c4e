"""Finds the journal entries that explain a change of a project (R6).

An entry and a difference between two pages share an address exactly if the entry explains the
difference. So each difference is looked up, and the cost grows with the number of entries and of
differences, not with their product. This matters because an upstream may remove 10,000 releases at
once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from functools import cached_property

from yanksync.core.model import HistoryAction, PageChange
from yanksync.core.rules.journal_entries import EntryKind, JournalEvent
from yanksync.core.versions import VersionKey, version_key


class ScopeKind(StrEnum):
    """The kinds of addresses; some kinds need no text."""

    PROJECT = "all of it"
    UNVERSIONED = "files that belong to no version"
    ALL_UNVERSIONED = "such files, none of them named as removed"
    RELEASE = "a version"
    WHOLE_RELEASE = "a version, no file of it named as removed"
    FILE = "a removed file"


Scope = ScopeKind | tuple[ScopeKind, VersionKey]


def scopes_of_change(change: PageChange) -> Iterator[Scope]:
    """Yield the addresses of a difference."""
    yield ScopeKind.PROJECT
    whole = change.file is None
    if change.version is not None:
        key = version_key(change.version)
        yield (ScopeKind.RELEASE, key)
        if whole:
            yield (ScopeKind.WHOLE_RELEASE, key)
    elif not whole or change.files:  # otherwise the difference is about the project
        yield ScopeKind.UNVERSIONED
        if whole:
            yield ScopeKind.ALL_UNVERSIONED
    if change.file is not None:
        yield (ScopeKind.FILE, change.file)


def scopes_of_event(event: JournalEvent, *, removal: bool) -> tuple[Scope, ...]:
    """Return the keys of a journal entry.

    With ``removal`` they explain missing files, otherwise other differences. Only a removing entry
    explains a missing file, and an entry about one file explains only that file.
    """
    if event.kind in (EntryKind.OTHER_CHANGE, EntryKind.ROLE) or (removal and not event.removes):
        return ()
    version, file = event.entry.version, event.file
    if version is None:
        return (ScopeKind.PROJECT,)
    if removal and file is not None:
        whole = (ScopeKind.WHOLE_RELEASE, version_key(version))
        return ((ScopeKind.FILE, file), whole, ScopeKind.ALL_UNVERSIONED)
    return ((ScopeKind.RELEASE, version_key(version)), ScopeKind.UNVERSIONED)


def explains(event: JournalEvent, change: PageChange) -> bool:
    """Return True if ``event`` explains ``change``.

    It does so for the same version, or if it is about the whole project.
    """
    there = scopes_of_event(event, removal=change.action is HistoryAction.REMOVE)
    return any(address in there for address in scopes_of_change(change))


class EntryIndex:
    """The journal entries of one project, oldest first."""

    def __init__(self, events: Iterable[JournalEvent]) -> None:
        self._events = tuple(events)

    @cached_property
    def _explaining(self) -> dict[tuple[bool, Scope], list[int]]:
        """The serials of the entries at each address.

        One mapping is for removals, the other for other differences.
        """
        found: dict[tuple[bool, Scope], list[int]] = {}
        for event in self._events:
            for removal in (False, True):
                for address in scopes_of_event(event, removal=removal):
                    found.setdefault((removal, address), []).append(event.entry.serial)
        return found

    @cached_property
    def _texts(self) -> dict[VersionKey, dict[str, list[JournalEvent]]]:
        """The entries that begin and end yanks, by version and text."""
        found: dict[VersionKey, dict[str, list[JournalEvent]]] = {}
        for event in self._events:
            version = event.entry.version
            if version is not None and event.kind in _REASONED:
                texts = found.setdefault(version_key(version), {})
                texts.setdefault(version, []).append(event)
        return found

    @cached_property
    def _ended(self) -> list[int]:
        """The serials of the project's removals."""
        return [one.entry.serial for one in self._events if one.kind is EntryKind.REMOVE_PROJECT]

    def explain(self, change: PageChange, low: int, high: int | None) -> bool:
        """Return True if an entry in (``low``, ``high``] explains ``change``."""
        removal = change.action is HistoryAction.REMOVE
        for address in scopes_of_change(change):
            serials = self._explaining.get((removal, address))
            if serials is not None:
                first = bisect_right(serials, low)
                if first < len(serials) and (high is None or serials[first] <= high):
                    return True
        return False

    def yanked(self, key: VersionKey, high: int | None) -> Iterator[tuple[str, int]]:
        """Yield (version, serial of its yank) for all yanked at ``high``.

        ``key`` is the version; several texts may name it.
        """
        for text, events in self._texts.get(key, {}).items():
            last = _last(events, high)
            if last is not None and last.kind is EntryKind.YANK and not self._is_over(last, high):
                yield text, last.entry.serial

    def yanks(self, low: int, high: int | None) -> Iterator[tuple[VersionKey, int]]:
        """Yield (version, serial) of yanks after ``low`` still valid at ``high``."""
        for event in self._events[bisect_right(self._events, low, key=_serial) :]:
            version, serial = event.entry.version, event.entry.serial
            if high is not None and serial > high:
                return
            if event.kind is not EntryKind.YANK or version is None:
                continue
            key = version_key(version)
            last = _last(self._texts[key][version], high)
            if last is event and not self._is_over(event, high):
                yield key, serial

    def _is_over(self, event: JournalEvent, high: int | None) -> bool:
        """Return whether the project was removed after ``event``, up to serial ``high``."""
        after = bisect_right(self._ended, event.entry.serial)
        return after < len(self._ended) and (high is None or self._ended[after] <= high)


_REASONED = frozenset({EntryKind.YANK, EntryKind.UNYANK, EntryKind.REMOVE_RELEASE})


def _serial(event: JournalEvent) -> int:
    return event.entry.serial


def _last(events: Sequence[JournalEvent], high: int | None) -> JournalEvent | None:
    """Return the last of ``events`` up to serial ``high``."""
    end = len(events) if high is None else bisect_right(events, high, key=_serial)
    return events[end - 1] if end else None
