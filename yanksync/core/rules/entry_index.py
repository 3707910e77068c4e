"""Pure: the journal entries of one project, found by what they explain (rule R6).

An entry and a difference between two pages share an address exactly if the entry accounts for the
difference. So each is looked up, and the cost is that of the entries and the differences, not of
their product: an upstream may remove 10,000 releases at once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from functools import cached_property

from yanksync.core.model import Action, Change
from yanksync.core.rules.journal_entries import Event, Kind
from yanksync.core.versions import VersionKey, version_key


class Place(StrEnum):
    """The kinds of addresses, and those that need no text beside them."""

    PROJECT = "all of it"
    HOMELESS = "files that belong to no version"
    HOMELESS_WHOLE = "such files, none of them named as removed"
    RELEASE = "a version"
    RELEASE_WHOLE = "a version, no file of it named as removed"
    FILE = "a removed file"


Address = Place | tuple[Place, VersionKey]


def of_change(change: Change) -> Iterator[Address]:
    """Yield the addresses of a difference."""
    yield Place.PROJECT
    whole = change.file is None
    if change.version is not None:
        key = version_key(change.version)
        yield (Place.RELEASE, key)
        if whole:
            yield (Place.RELEASE_WHOLE, key)
    elif not whole or change.files:  # else the difference is about the project
        yield Place.HOMELESS
        if whole:
            yield Place.HOMELESS_WHOLE
    if change.file is not None:
        yield (Place.FILE, change.file)


def of_event(event: Event, *, removal: bool) -> tuple[Address, ...]:
    """Return the addresses of a journal entry, for removals or for other differences.

    What is missing is explained by an entry that removes; one for a file, only for that file.
    """
    if event.kind in (Kind.LOOK, Kind.ROLE) or (removal and not event.removes):
        return ()
    version, file = event.entry.version, event.file
    if version is None:
        return (Place.PROJECT,)
    if removal and file is not None:
        whole = (Place.RELEASE_WHOLE, version_key(version))
        return ((Place.FILE, file), whole, Place.HOMELESS_WHOLE)
    return ((Place.RELEASE, version_key(version)), Place.HOMELESS)


def explains(event: Event, change: Change) -> bool:
    """Return whether ``event`` accounts for ``change``: the same version, or the whole project."""
    there = of_event(event, removal=change.action is Action.REMOVE)
    return any(address in there for address in of_change(change))


class Entries:
    """The journal entries of one project, oldest first."""

    def __init__(self, events: Iterable[Event]) -> None:
        self._events = tuple(events)

    @cached_property
    def _explaining(self) -> dict[tuple[bool, Address], list[int]]:
        """The serials of the entries at each address: of removals, and of other differences."""
        found: dict[tuple[bool, Address], list[int]] = {}
        for event in self._events:
            for removal in (False, True):
                for address in of_event(event, removal=removal):
                    found.setdefault((removal, address), []).append(event.entry.serial)
        return found

    @cached_property
    def _texts(self) -> dict[VersionKey, dict[str, list[Event]]]:
        """The entries that begin and end yanks, by version and by its text."""
        found: dict[VersionKey, dict[str, list[Event]]] = {}
        for event in self._events:
            version = event.entry.version
            if version is not None and event.kind in _REASONED:
                texts = found.setdefault(version_key(version), {})
                texts.setdefault(version, []).append(event)
        return found

    @cached_property
    def _ended(self) -> list[int]:
        """The serials of the project's removals."""
        return [one.entry.serial for one in self._events if one.kind is Kind.REMOVE_PROJECT]

    def explain(self, change: Change, low: int, high: int | None) -> bool:
        """Return whether an entry above serial ``low``, up to ``high``, accounts for ``change``."""
        removal = change.action is Action.REMOVE
        for address in of_change(change):
            serials = self._explaining.get((removal, address))
            if serials is not None:
                first = bisect_right(serials, low)
                if first < len(serials) and (high is None or serials[first] <= high):
                    return True
        return False

    def yanked(self, key: VersionKey, high: int | None) -> Iterator[tuple[str, int]]:
        """Yield what is yanked at serial ``high``, as (text of the version, serial of its yank).

        ``key`` stands for the version; several texts may name it.
        """
        for text, events in self._texts.get(key, {}).items():
            last = _last(events, high)
            if last is not None and last.kind is Kind.YANK and not self._is_over(last, high):
                yield text, last.entry.serial

    def yanks(self, low: int, high: int | None) -> Iterator[tuple[VersionKey, int]]:
        """Yield the yanks above serial ``low`` that hold at ``high``, as (version, serial)."""
        for event in self._events[bisect_right(self._events, low, key=_serial) :]:
            version, serial = event.entry.version, event.entry.serial
            if high is not None and serial > high:
                return
            if event.kind is not Kind.YANK or version is None:
                continue
            key = version_key(version)
            last = _last(self._texts[key][version], high)
            if last is event and not self._is_over(event, high):
                yield key, serial

    def _is_over(self, event: Event, high: int | None) -> bool:
        """Return whether the project was removed after ``event``, up to serial ``high``."""
        after = bisect_right(self._ended, event.entry.serial)
        return after < len(self._ended) and (high is None or self._ended[after] <= high)


_REASONED = frozenset({Kind.YANK, Kind.UNYANK, Kind.REMOVE_RELEASE})


def _serial(event: Event) -> int:
    return event.entry.serial


def _last(events: Sequence[Event], high: int | None) -> Event | None:
    """Return the last of ``events`` up to serial ``high``."""
    end = len(events) if high is None else bisect_right(events, high, key=_serial)
    return events[end - 1] if end else None
