"""Finds history rows that late journal entries explain (R15).

Entries come in ascending order. So each row is added once, when the entries reach the page before
it, and is checked once more, by the first entry that explains it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from yanksync.core.model import HistoryAction, PageChange
from yanksync.core.rules.entry_index import Scope, scopes_of_change, scopes_of_event
from yanksync.core.rules.journal_entries import JournalEvent
from yanksync.core.rules.page_diff import BEFORE_ALL
from yanksync.state.texts import decode_names, decode_text


class ObservedRow(Struct):
    """An observed row, seen between pages of serials ``low`` and ``high``."""

    id: int
    position: int
    low: int
    high: int | None
    change: PageChange
    reason: str | None
    averted: str | None
    over: bool = False  # an entry has replaced it, or no entry can do so any more

    @property
    def order(self) -> tuple[int, int]:
        """Its place in the history."""
        return self.position, self.id


class ObservedRows:
    """The observed rows of one project."""

    def __init__(self, rows: Iterable[ObservedRow]) -> None:
        self._later = sorted(rows, key=lambda row: row.low, reverse=True)
        self._open: dict[tuple[HistoryAction, Scope], list[ObservedRow]] = {}

    def take(self, event: JournalEvent, action: HistoryAction) -> list[ObservedRow]:
        """Return the rows that ``event`` of ``action`` explains.

        It is called once for each event.
        """
        serial = event.entry.serial
        while self._later and self._later[-1].low < serial:
            row = self._later.pop()
            for address in scopes_of_change(row.change):
                self._open.setdefault((row.change.action, address), []).append(row)
        found = []
        for row in self._at(event, action):
            if not row.over and (row.high is None or row.high >= serial):
                found.append(row)
            row.over = True
        return sorted(found, key=lambda row: row.order)

    def _at(self, event: JournalEvent, action: HistoryAction) -> Iterator[ObservedRow]:
        # A quarantined release may look like a removed one.
        for sort in {action, HistoryAction.REMOVE if event.removes else action}:
            for address in scopes_of_event(event, removal=sort is HistoryAction.REMOVE):
                yield from self._open.pop((sort, address), ())


def observed_row(row: Sequence[Any]) -> ObservedRow:
    """Return an observed row from its columns."""
    id_, position, low, high, action, version, file, files, reason, averted = row
    return ObservedRow(
        id=id_,
        position=position,
        low=BEFORE_ALL if low is None else low,
        high=high,
        change=PageChange(
            action=HistoryAction(action), version=version, file=file, files=decode_names(files)
        ),
        reason=decode_text(reason),
        averted=averted,
    )
