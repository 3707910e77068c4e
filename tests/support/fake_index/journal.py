"""The fake upstream's journal: rows, serials, and the page serials that follow from them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from tests.support.fake_index.values import Row
from yanksync.core.model import JournalEntry


class Journal:
    """Rows in the order of their serials; gaps are normal, timestamps are whatever they are."""

    def __init__(self, rows: Iterable[Row] = (), next_serial: int = 1) -> None:
        self.rows: list[Row] = []
        self.next_serial = next_serial
        self._newest: dict[str | None, int] = {}
        self._entries: list[JournalEntry] = []
        for row in rows:
            self.add(row)

    def add(self, row: Row) -> None:
        """Append ``row``; its serial must be above all others."""
        if row.serial <= self.last_serial:
            raise ValueError(f"serial {row.serial} is not above {self.last_serial}")
        self.rows.append(row)
        self._entries.append(
            JournalEntry(
                name=row.name or "",
                version=row.version,
                timestamp=row.timestamp,
                action=row.action or "",
                serial=row.serial,
            )
        )
        self._newest[row.name] = row.serial
        self.next_serial = max(self.next_serial, row.serial + 1)

    @property
    def last_serial(self) -> int:
        """The newest row's serial, 0 when there is none; burnt serials do not count."""
        return self.rows[-1].serial if self.rows else 0

    def page_serial(self, display: str) -> int:
        """Return the newest serial of rows under exactly this spelling."""
        return self._newest.get(display, 0)

    def since(self, serial: int, limit: int) -> list[Row]:
        """Return at most ``limit`` rows after ``serial``, exclusive."""
        start = bisect_right(self.rows, serial, key=lambda row: row.serial)
        return self.rows[start : start + limit]

    def entries(self) -> list[JournalEntry]:
        """Return all rows as yanksync's own values."""
        return list(self._entries)
