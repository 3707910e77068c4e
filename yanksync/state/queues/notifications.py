"""The positions of ``[[withdrawals.notify]]`` targets in the log."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from yanksync.state.sqlite.database import Database


class NotifyPosition(Struct, frozen=True):
    """The position of one target."""

    epoch: int  # of the log
    cursor: int  # the newest event that it has, or does not want
    waiting: int = 0  # events that it has not accepted


class NotifyQueue:
    """The table ``notified``."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def position(self, name: str) -> NotifyPosition | None:
        """Return the position of a target; None: it is new."""
        row = self._db.first_row(
            "SELECT epoch, cursor, waiting FROM notified WHERE name = ?", (name,)
        )
        return None if row is None else NotifyPosition(*row)

    def set(self, name: str, position: NotifyPosition) -> None:
        """Store the position of a target."""
        self._db.execute(
            "INSERT OR REPLACE INTO notified VALUES (?, ?, ?, ?)",
            (name, position.epoch, position.cursor, position.waiting),
        )

    def keep_only(self, names: Collection[str]) -> list[str]:
        """Forget targets that are no longer configured; return their names."""
        gone = [name for name in self.names() if name not in names]
        for name in gone:
            self._db.execute("DELETE FROM notified WHERE name = ?", (name,))
        return gone

    def names(self) -> list[str]:
        """Return the names of all targets that have a position."""
        return [row[0] for row in self._db.execute("SELECT name FROM notified ORDER BY name")]

    def counts(self) -> dict[str, int]:
        """Return how many events wait, for each target with any."""
        rows = self._db.execute("SELECT name, waiting FROM notified WHERE waiting > 0")
        return {row[0]: int(row[1]) for row in rows}
