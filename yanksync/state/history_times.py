"""Stores when the mirror fetched, recorded and published each event."""

from __future__ import annotations

from collections.abc import Iterable

from yanksync.core.model import HistoryAction
from yanksync.state.sqlite.database import Database

_WITHDRAWALS = (HistoryAction.YANK, HistoryAction.REMOVE, HistoryAction.QUARANTINE)


class HistoryTimes:
    """The columns of ``history`` with the times of the mirror's steps."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @property
    def _epoch(self) -> int:
        return self._db.count("SELECT coalesce((SELECT value FROM meta WHERE key = 'era'), 0)")

    def recorded(self, project: str, above: int, upto: int | None, now: float) -> None:
        """Note that a recorded page shows the events between two serials.

        None: all events. It must come before the project leaves the fetch queue.
        """
        self._db.execute(
            """UPDATE history SET recorded = ?1, (asked, attempts, stale_since) =
                (SELECT since, attempts, stale_since FROM pending WHERE name = ?2)
            WHERE project = ?2 AND era = ?3 AND place > ?4 AND (?5 IS NULL OR place <= ?5)
            AND recorded IS NULL""",
            (now, project, self._epoch, above, upto),
        )

    def published(self, rows: Iterable[tuple[str, int, int]], now: float) -> list[float]:
        """Note published projects, as (name, serial before, serial now).

        For each yank, removal and quarantine of the journal in between that is published for the
        first time, this returns how many seconds ago upstream wrote it.
        """
        found: list[float] = []
        epoch = None
        for name, above, upto in rows:
            if above >= upto:
                continue
            epoch = self._epoch if epoch is None else epoch
            written = self._db.execute(
                """UPDATE history SET published = ?1 WHERE project = ?2 AND era = ?3
                AND place > ?4 AND place <= ?5 AND published IS NULL
                RETURNING timestamp, serial, action""",
                (now, name, epoch, above, upto),
            )
            found += [
                max(now - timestamp, 0.0)  # clocks may differ
                for timestamp, serial, action in written
                if serial is not None and action in _WITHDRAWALS
            ]
        return found
