"""Counters for Prometheus over all passes; they outlive a process."""

from __future__ import annotations

from collections.abc import Mapping

from yanksync.state.sqlite.database import Database

Labelled = tuple[str, str]
"""The name of a counter and the value of its one label; "" where it has none."""


class Counters:
    """The table ``counters``.

    This table is used only if metrics are configured.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, amounts: Mapping[Labelled, float]) -> None:
        """Add to counters; a new one begins at zero."""
        self._db.execute_many(
            """INSERT INTO counters VALUES (?1, ?2, ?3)
            ON CONFLICT (name, label) DO UPDATE SET value = value + excluded.value""",
            ((name, label, amount) for (name, label), amount in amounts.items()),
        )

    def set(self, name: str, value: float) -> None:
        """Store a figure that takes too long to count in each pass."""
        self._db.execute("INSERT OR REPLACE INTO counters VALUES (?, '', ?)", (name, value))

    def all(self) -> dict[Labelled, float]:
        """Return every counter."""
        rows = self._db.execute("SELECT name, label, value FROM counters ORDER BY name, label")
        return {(row[0], row[1]): float(row[2]) for row in rows}
