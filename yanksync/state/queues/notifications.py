"""How far the targets of ``[[withdrawals.notify]]`` have got the log of withdrawals."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from yanksync.state.database import Database


class NotifyPosition(Struct, frozen=True):
    """How far one target has got."""

    epoch: int  # of the log
    cursor: int  # the newest event that it has, or that is none of its own
    waiting: int = 0  # events that it did not take


class NotifyQueue:
    """The table ``notified``."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def position(self, name: str) -> NotifyPosition | None:
        """Return how far a target has got; None: it is new."""
        row = self._db.first_row(
            "SELECT epoch, cursor, waiting FROM notified WHERE name = ?", (name,)
        )
        return None if row is None else NotifyPosition(*row)

    def set(self, name: str, position: NotifyPosition) -> None:
        """Note how far a target has got."""
        self._db.execute(
            "INSERT OR REPLACE INTO notified VALUES (?, ?, ?, ?)",
            (name, position.epoch, position.cursor, position.waiting),
        )

    def keep_only(self, names: Collection[str]) -> list[str]:
        """Forget targets that are not configured any more; return their names."""
        gone = [name for name in self.names() if name not in names]
        for name in gone:
            self._db.execute("DELETE FROM notified WHERE name = ?", (name,))
        return gone

    def names(self) -> list[str]:
        """Return the names of all targets that have a position."""
        return [row[0] for row in self._db.execute("SELECT name FROM notified ORDER BY name")]

    def counts(self) -> dict[str, int]:
        """Return how many events wait for each target for which some do."""
        rows = self._db.execute("SELECT name, waiting FROM notified WHERE waiting > 0")
        return {row[0]: int(row[1]) for row in rows}
