"""The events of the log, each a line as it is published."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from yanksync.core.model import HistoryAction
from yanksync.core.names import NormalizedName
from yanksync.core.withdrawals.event import (
    DAY,
    FORGET,
    WithdrawalEvent,
    decode_event,
    encode_event,
    forgotten_line,
)
from yanksync.state.facts import EventLogPosition, Facts
from yanksync.state.sqlite.database import Database
from yanksync.state.withdrawals.unlogged import Unlogged


class DayCount(Struct, frozen=True):
    """How many events of one kind a day has."""

    day: int  # days since 1970, in UTC
    action: HistoryAction
    count: int


class LoggedRow(Struct, frozen=True):
    """An event and its row of the history."""

    history: int
    event: WithdrawalEvent


class EventLog:
    """The tables ``events``, ``event_days``, ``event_pages`` and ``unlogged``."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._facts = Facts(db)
        self.unlogged = Unlogged(db)

    def clear(self) -> None:
        """Forget all events, and the rows that would become events."""
        for table in ("events", "event_days", "event_pages", "unlogged"):
            self._db.execute(f"DELETE FROM {table}")

    def newest(self) -> int:
        """Return the cursor of the newest event; 0: there is none."""
        return self._db.count("SELECT coalesce(max(cursor), 0) FROM events")

    def count(self) -> int:
        """Return how many events there are, without replaced ones."""
        return self._db.count("SELECT coalesce(sum(count), 0) FROM event_days")

    def has_work(self, settings: str, now: float) -> bool:
        """Return whether there are events to log or files to write.

        ``settings`` are the settings that the files depend on.
        """
        known = self._facts.event_log
        newest = self.newest()
        return (
            known.epoch is None
            or known.published != newest
            or known.settings != settings
            or known.is_archive_due(newest, now)
            or self.unlogged.is_any_ready()
        )

    def last_logged(self) -> int:
        """Return when the newest event was logged; 0: there is none."""
        row = self._db.first_row("SELECT logged FROM events ORDER BY cursor DESC LIMIT 1")
        return 0 if row is None else int(row[0])

    def full_pages(self, above: int = 0) -> Iterator[tuple[int, str]]:
        """Yield the numbers and hashes of the full pages above a number."""
        found = self._db.stream(
            "SELECT number, sha256 FROM event_pages WHERE number > ? ORDER BY number", (above,)
        )
        return ((row[0], row[1]) for row in found)

    def add_full_page(self, number: int, sha256: str) -> None:
        """Note the hash of a page that is full."""
        self._db.execute("INSERT OR REPLACE INTO event_pages VALUES (?, ?)", (number, sha256))

    def lines(self, above: int, upto: int) -> Iterator[str]:
        """Yield the lines of events.

        Their cursors are above ``above``, up to ``upto``.
        """
        found = self._db.stream(
            "SELECT line FROM events WHERE cursor > ? AND cursor <= ? ORDER BY cursor",
            (above, upto),
        )
        return (row[0] for row in found)

    def after(self, cursor: int, limit: int = -1) -> Iterator[WithdrawalEvent]:
        """Yield up to ``limit`` events after a cursor; -1: all."""
        return self._read("cursor > ? AND project <> ''", "cursor LIMIT ?", (cursor, limit))

    def of_project(self, project: str) -> Iterator[WithdrawalEvent]:
        """Yield the events of a project, oldest first, without replaced ones."""
        where = "project = ? AND replaced_by IS NULL"
        return self._read(where, "cursor", (project,))

    def newest_first(self, *, upto: int | None = None) -> Iterator[WithdrawalEvent]:
        """Yield the events, newest first, without replaced ones.

        ``upto`` is the cursor of the first; None: the newest.
        """
        where = "replaced_by IS NULL AND (?1 IS NULL OR cursor <= ?1)"
        return self._read(where, "cursor DESC", (upto,))

    def recent(
        self, count: int, begun: int, projects: Sequence[str] | None = None
    ) -> Iterator[WithdrawalEvent]:
        """Yield the newest ``count`` events, and all of a day.

        The day ends with the newest of them, and has only events that were logged after ``begun``.
        The newest event comes first; replaced events are left out. ``projects``: only their events;
        None: all events.
        """
        source, where, values = "events", "replaced_by IS NULL", list[str]()
        if projects is not None and len(projects) == 1:
            where, values = f"project = ? AND {where}", [*projects]
        elif projects is not None:
            source = "events INDEXED BY events_project"
            where += " AND project IN (SELECT value FROM json_each(?))"
            values = [json.dumps(projects)]
        found = self._db.stream(
            f"SELECT logged, line FROM {source} WHERE {where} ORDER BY cursor DESC", values
        )
        since = None
        for number, (logged, line) in enumerate(found):
            since = max(logged - DAY, begun + 1) if since is None else since
            if number >= count and logged < since:
                return
            yield decode_event(line)

    def between(self, since: int, until: int) -> Iterator[WithdrawalEvent]:
        """Yield events that happened from ``since`` on and before ``until``.

        Both are UTC seconds. The events are in the order of their times; replaced events are left
        out.
        """
        where = "time >= ? AND time < ? AND replaced_by IS NULL"
        return self._read(where, "time, cursor", (since, until))

    def of_day(self, day: int) -> Iterator[WithdrawalEvent]:
        """Yield what happened on a day (days since 1970, UTC)."""
        return self.between(day * DAY, (day + 1) * DAY)

    def day_counts(self, since: int = 0) -> list[DayCount]:
        """Return what each day has, from day ``since`` on."""
        rows = self._db.execute(
            "SELECT day, action, count FROM event_days WHERE day >= ? AND count > 0",
            (since,),
        )
        return [DayCount(day, HistoryAction(action), count) for day, action, count in rows]

    def projects(self, above: int = 0) -> Iterator[NormalizedName]:
        """Yield the projects that have events after a cursor, by name."""
        found = self._db.stream(
            "SELECT DISTINCT project FROM events WHERE cursor > ? AND project <> '' "
            "ORDER BY project",
            (above,),
        )
        return (NormalizedName(row[0]) for row in found)

    def _read(self, where: str, order: str, values: Sequence[object]) -> Iterator[WithdrawalEvent]:
        found = self._db.stream(f"SELECT line FROM events WHERE {where} ORDER BY {order}", values)
        return (decode_event(row[0]) for row in found)

    def append(self, rows: Iterable[LoggedRow]) -> None:
        """Add events at the end, and take their rows off the queue.

        Their cursors continue from the newest one. An event that knows more than an earlier event
        names it in ``replaces``.
        """
        for row in rows:
            event = row.event
            self._db.execute(
                """INSERT INTO events
                (cursor, history, project, logged, time, action, observed, line)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
                (
                    event.cursor,
                    row.history,
                    event.project,
                    event.logged,
                    event.time,
                    event.action,
                    event.serial is None,
                    encode_event(event),
                ),
            )
            self._count(event.time, event.action, 1)
            if event.replaces is not None:
                self._replace(event.replaces, event.cursor)
            self.unlogged.drop(row.history)

    def forget_project(self, project: str) -> None:
        """Let no text of a project remain in the log.

        The cursors of all events stay; the lines of the project become empty. The log then has
        another epoch, because full pages have changed.
        """
        rows = self._db.execute(
            """SELECT cursor, logged, time, action, replaced_by FROM events WHERE project = ?""",
            (project,),
        )
        for cursor, logged, time, action, replaced_by in rows:
            self._db.execute(
                """UPDATE events SET history = 0, project = '', time = logged, action = ?,
                    observed = 0, replaced_by = cursor, line = ? WHERE cursor = ?""",
                (FORGET, forgotten_line(cursor, logged), cursor),
            )
            if replaced_by is None:
                self._count(time, action, -1)
        known = self._facts.event_log.epoch
        if rows and known is not None:
            self._facts.change(
                EventLogPosition, epoch=known + 1, published=None, archived=None, archived_at=None
            )
            self._db.execute("UPDATE notified SET epoch = ?2 WHERE epoch = ?1", (known, known + 1))

    def _replace(self, old: int, new: int) -> None:
        rows = self._db.execute(
            """UPDATE events SET replaced_by = ? WHERE cursor = ? AND replaced_by IS NULL
            RETURNING time, action""",
            (new, old),
        )
        for time, action in rows:
            self._count(time, action, -1)

    def _count(self, time: int, action: str, step: int) -> None:
        self._db.execute(
            """INSERT INTO event_days VALUES (?, ?, ?)
            ON CONFLICT (day, action) DO UPDATE SET count = count + excluded.count""",
            (time // DAY, action, step),
        )
