"""Single facts of the state: the cursor, what upstream is like, what was configured last."""

from __future__ import annotations

from typing import Any

import msgspec

from yanksync.core.model import JournalEntry
from yanksync.state.database import Database

OTHER_EPOCH = -1
"""As ``tree_serial``: what stands in the output is of an upstream that was put back since."""


UNREAD, READ = "unread", "read"
"""As ``catching_up``: the output may be newer than the state, and upstream is still to be read to
its end; it was read, and only pending projects may still be newer in the output."""


class Facts:
    """Named facts, each read and written by itself. A missing one is None."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def number(self, key: str) -> int | None:
        """Return a whole number."""
        value = self._get(key)
        return None if value is None else int(value)

    def moment(self, key: str) -> float | None:
        """Return a time, UTC seconds."""
        value = self._get(key)
        return None if value is None else float(value)

    def text(self, key: str) -> str | None:
        """Return a text."""
        value = self._get(key)
        return None if value is None else str(value)

    def flag(self, key: str) -> bool:
        """Return whether a flag is set."""
        return bool(self._get(key))

    def _get(self, key: str) -> Any:
        row = self._db.first_row("SELECT value FROM meta WHERE key = ?", (key,))
        return None if row is None else row[0]

    def put(self, **facts: str | float | None) -> None:
        """Set facts; None removes one."""
        for key, value in facts.items():
            if value is None:
                self._db.execute("DELETE FROM meta WHERE key = ?", (key,))
            else:
                self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    @property
    def cursor(self) -> int | None:
        """The serial up to which the journal is recorded; None before the first run."""
        return self.number("cursor")

    @property
    def cursor_row(self) -> JournalEntry | None:
        """The journal's row at the cursor; None when only its serial is known (R14)."""
        text = self.text("cursor_row")
        return None if text is None else msgspec.json.decode(text, type=JournalEntry)

    @property
    def followed_serial(self) -> int | None:
        """The serial up to which upstream was followed: that of the journal, or of its list."""
        return self.cursor if self.text("journal") == "xmlrpc" else self.number("list_serial")

    def move_cursor(self, serial: int, row: JournalEntry | None) -> None:
        """Set the cursor, with the row that stands there if it is known."""
        text = None if row is None else msgspec.json.encode(row).decode()
        self.put(cursor=serial, cursor_row=text)
        self.see_serial(serial)

    @property
    def lag_serials(self) -> int | None:
        """How many serials upstream's newest is above the newest read that is published in full."""
        newest, complete = self.number("upstream_serial"), self.number("complete_serial")
        return None if newest is None or complete is None else max(newest - complete, 0)

    def see_serial(self, serial: int | None) -> None:
        """Remember the newest serial that upstream has shown."""
        if serial is not None and serial > (self.number("upstream_serial") or -1):
            self.put(upstream_serial=serial)
