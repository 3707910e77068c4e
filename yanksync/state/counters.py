"""What Prometheus wants to be told of every pass together: counters that outlive a process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from yanksync.core.model import HistoryAction
from yanksync.state.database import Database

Labelled = tuple[str, str]
"""The name of a counter and the value of its one label; "" where it has none."""

_WITHDRAWALS = (HistoryAction.YANK, HistoryAction.REMOVE, HistoryAction.QUARANTINE)


class Counters:
    """The table ``counters``, and the times at which withdrawals were published.

    Nothing of this is touched where no metrics are configured.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, amounts: Mapping[Labelled, float]) -> None:
        """Add to counters; one that is not there yet begins at zero."""
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

    def published(self, rows: Iterable[tuple[str, int, int]], now: float) -> list[float]:
        """Count published projects, as (name, serial before, serial now).

        Returns for each yank, removal and quarantine of the journal in between that is there for
        the first time how long ago upstream wrote it, in seconds.
        """
        epoch = self._db.first_row("SELECT value FROM meta WHERE key = 'era'")
        found: list[float] = []
        for name, above, upto in rows:
            written = self._db.execute(
                """UPDATE history SET published = ?1 WHERE project = ?2 AND place > ?3
                AND place <= ?4 AND era = ?5 AND serial IS NOT NULL AND published IS NULL
                AND action IN (?6, ?7, ?8) RETURNING timestamp""",
                (now, name, above, upto, 0 if epoch is None else epoch[0], *_WITHDRAWALS),
            )
            found += [max(now - row[0], 0.0) for row in written]  # clocks differ
        return found
