"""Runs, reads of the journal, and the lag of the mirror."""

from __future__ import annotations

from msgspec import Struct

from yanksync.core.exit_codes import ExitCode
from yanksync.state.sqlite.database import Database


class RunRecord(Struct, frozen=True, kw_only=True):
    """The result of one run."""

    exit_code: ExitCode
    cursor: int | None = None
    asked: int = 0
    recorded: int = 0
    published: int = 0
    removed: int = 0
    failed: int = 0
    problem: str | None = None


class FinishedRun(Struct, frozen=True):
    """The end of a run, and its result."""

    ended: float
    exit_code: int
    problem: str | None


_KEPT = 10_000  # runs remembered: a month of them


class Runs:
    """The tables ``runs`` and ``reads``."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def begin(self, command: str, now: float) -> int:
        """Note the start of a run; return its number."""
        row = self._db.first_row(
            "INSERT INTO runs (command, started) VALUES (?, ?) RETURNING id", (command, now)
        )
        self._db.execute("DELETE FROM runs WHERE id <= ?", (row[0] - _KEPT,))
        return int(row[0])

    def end(self, number: int, now: float, run: RunRecord) -> None:
        """Note how a run ended."""
        self._db.execute(
            """UPDATE runs SET ended = ?, exit = ?, cursor = ?, asked = ?, recorded = ?,
                published = ?, removed = ?, failed = ?, problem = ? WHERE id = ?""",
            (now, run.exit_code, run.cursor, run.asked, run.recorded, run.published, run.removed,
             run.failed, run.problem, number),
        )  # fmt: skip

    def last_success(self) -> float | None:
        """Return the end of the last successful run."""
        # By number, because the latest time may come from a clock that was set back since.
        row = self._db.first_row(
            "SELECT ended FROM runs WHERE exit = ? ORDER BY id DESC LIMIT 1", (ExitCode.DONE,)
        )
        return None if row is None else float(row[0])

    def last_exit(self) -> int | None:
        """Return the exit code of the newest finished run."""
        row = self._db.first_row(
            "SELECT exit FROM runs WHERE exit IS NOT NULL ORDER BY id DESC LIMIT 1"
        )
        return None if row is None else int(row[0])

    def newest(self) -> float | None:
        """Return when the newest run ended or began; None: no run."""
        row = self._db.first_row(
            "SELECT coalesce(ended, started) FROM runs ORDER BY id DESC LIMIT 1"
        )
        return None if row is None else float(row[0])

    def last_error(self) -> FinishedRun | None:
        """Return the last failed or held pass since the last success."""
        row = self._db.first_row(
            """SELECT ended, exit, problem FROM runs WHERE exit IN (?1, ?2) AND problem IS NOT NULL
            AND command IN ('sync', 'full-resync', 'run', 'bundle apply')
            AND id > coalesce((SELECT max(id) FROM runs WHERE exit = ?3), 0)
            ORDER BY id DESC LIMIT 1""",
            (ExitCode.FAILED, ExitCode.HELD, ExitCode.DONE),
        )
        return None if row is None else FinishedRun(row[0], row[1], row[2])

    def previous_start(self, number: int) -> float | None:
        """Return the start of the run before ``number``."""
        # By number, because after a clock was set back, the newest time is not that of the newest
        # run.
        row = self._db.first_row(
            "SELECT started FROM runs WHERE id < ? ORDER BY id DESC LIMIT 1", (number,)
        )
        return None if row is None else float(row[0])

    def partial_since(self) -> float | None:
        """Return when the newest unbroken series of partial runs began."""
        row = self._db.first_row(
            """SELECT min(started) FROM runs WHERE exit = ?1 AND id > coalesce(
                (SELECT max(id) FROM runs WHERE exit IS NOT NULL AND exit <> ?1), 0)""",
            (ExitCode.PARTIAL,),
        )
        return None if row[0] is None else float(row[0])

    def read_began(self, now: float, serial: int | None) -> None:
        """Record a read of the journal or list up to ``serial``.

        Reads with a later time come from a clock that was set back since.
        """
        if self._db.execute("DELETE FROM reads WHERE started > ? RETURNING 1", (now,)):
            for table in ("pending", "unpublished"):
                self._db.execute(f"UPDATE {table} SET since = ?1 WHERE since > ?1", (now,))
        self._db.execute("INSERT OR REPLACE INTO reads VALUES (?, ?)", (now, serial))

    def complete(self, outstanding: float | None, now: float) -> None:
        """Drop the reads that a newer complete one makes irrelevant.

        ``outstanding`` is the start of the oldest read with unfinished work. Every read before it
        is published in full. None: no work is left.
        """
        self._db.execute(
            "UPDATE meta SET value = ?1 WHERE key = 'complete_read' AND value > ?1", (now,)
        )
        row = self._db.first_row(
            "SELECT max(started), serial FROM reads WHERE ?1 IS NULL OR started < ?1",
            (outstanding,),
        )
        if row[0] is not None:
            self._db.execute("DELETE FROM reads WHERE started < ?", (row[0],))
            self._db.execute(
                "INSERT OR REPLACE INTO meta VALUES ('complete_read', ?), ('complete_serial', ?)",
                tuple(row),
            )
