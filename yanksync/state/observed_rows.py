"""Finds the observed rows of the history that journal entries explain, when these come late (R15).

Entries come in ascending order, so each row is taken up once, when entries reach its page before,
and looked at once more, by the first entry that explains it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from yanksync.core.model import Action, Change
from yanksync.core.rules.entry_index import Address, of_change, of_event
from yanksync.core.rules.journal_entries import Event
from yanksync.state.texts import names_of, text_of


class Seen(Struct):
    """An observed row, seen between pages of serials ``low`` and ``high``."""

    id: int
    place: int
    low: int
    high: int | None
    change: Change
    reason: str | None
    over: bool = False  # an entry has replaced it, or none can any more

    @property
    def order(self) -> tuple[int, int]:
        """Where it stands in the history."""
        return self.place, self.id


class Observed:
    """The observed rows of one project."""

    def __init__(self, rows: Iterable[Seen]) -> None:
        self._later = sorted(rows, key=lambda row: row.low, reverse=True)
        self._open: dict[tuple[Action, Address], list[Seen]] = {}

    def take(self, event: Event, action: Action) -> list[Seen]:
        """Return the rows that ``event``, of ``action``, explains; it is asked once for each."""
        serial = event.entry.serial
        while self._later and self._later[-1].low < serial:
            row = self._later.pop()
            for address in of_change(row.change):
                self._open.setdefault((row.change.action, address), []).append(row)
        found = []
        for row in self._at(event, action):
            if not row.over and (row.high is None or row.high >= serial):
                found.append(row)
            row.over = True
        return sorted(found, key=lambda row: row.order)

    def _at(self, event: Event, action: Action) -> Iterator[Seen]:
        # What is quarantined may look removed.
        for sort in {action, Action.REMOVE if event.removes else action}:
            for address in of_event(event, removal=sort is Action.REMOVE):
                yield from self._open.pop((sort, address), ())


def seen_of(row: Sequence[Any]) -> Seen:
    """Return an observed row of the database: from its id to its reason."""
    id_, place, low, high, action, version, file, files, reason = row
    return Seen(
        id=id_,
        place=place,
        low=-1 if low is None else low,
        high=high,
        change=Change(action=Action(action), version=version, file=file, files=names_of(files)),
        reason=text_of(reason),
    )
