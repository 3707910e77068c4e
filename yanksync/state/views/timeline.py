"""Reads what the mirror did, and awaits, for one project.

Times are UTC seconds.
"""

from __future__ import annotations

from msgspec import Struct

from yanksync.core.project_state import PublishReason
from yanksync.state.sqlite.database import Database
from yanksync.state.views.history_rows import COLUMNS, HistoryRow, rows_of


class EventTimes(Struct, frozen=True, kw_only=True):
    """The times of the mirror's steps for one event.

    None: unknown, or still to come.
    """

    asked: float | None = None  # start of the read that asked for the page
    attempts: int | None = None  # passes that fetched in vain before
    stale_since: float | None = None  # the first answer that was too old
    recorded: float | None = None  # when a page showed it
    published: float | None = None


class TimedEvent(Struct, frozen=True):
    """A row of the history, with the times of the mirror's steps."""

    row: HistoryRow
    times: EventTimes


class FetchWait(Struct, frozen=True, kw_only=True):
    """Why a project waits to be fetched."""

    required_serial: int | None
    since: float
    attempts: int
    stale_since: float | None
    next_try: float
    behind: bool
    problem: str | None
    held: str | None
    held_since: float | None


class PublishWait(Struct, frozen=True, kw_only=True):
    """Why a recorded page is not published."""

    reason: PublishReason
    since: float
    held: str | None
    held_since: float | None
    problem: str | None


class ProjectTimes(Struct, frozen=True, kw_only=True):
    """The last steps of the mirror for a project."""

    recorded: float | None = None
    checked: float | None = None  # when upstream last confirmed the recorded page
    published: float | None = None
    fetch: FetchWait | None = None
    publish: PublishWait | None = None


class Timeline:
    """Reads the times of the mirror's steps."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def events(self, project: str) -> tuple[TimedEvent, ...]:
        """Return the history of a project, oldest first."""
        rows = self._db.execute(
            f"""SELECT {COLUMNS}, asked, attempts, stale_since, recorded, published FROM history
            WHERE project = ? ORDER BY era, place, serial IS NULL, id""",
            (project,),
        )
        return tuple(
            TimedEvent(
                row=one,
                times=EventTimes(
                    asked=row[-5],
                    attempts=row[-4],
                    stale_since=row[-3],
                    recorded=row[-2],
                    published=row[-1],
                ),
            )
            for row in rows
            for one in rows_of(row[:-5])
        )

    def project(self, name: str) -> ProjectTimes:
        """Return the times of a project."""
        row = self._db.first_row(
            "SELECT recorded_at, checked, published_at FROM projects WHERE name = ?", (name,)
        )
        recorded, checked, published = row or (None, None, None)
        return ProjectTimes(
            recorded=recorded,
            checked=checked,
            published=published,
            fetch=self._fetch(name),
            publish=self._publish(name),
        )

    def _fetch(self, name: str) -> FetchWait | None:
        row = self._db.first_row(
            """SELECT reach, since, attempts, stale_since, next_try, behind, problem, held,
            held_since FROM pending WHERE name = ?""",
            (name,),
        )
        if row is None:
            return None
        return FetchWait(
            required_serial=row[0], since=row[1], attempts=row[2], stale_since=row[3],
            next_try=row[4], behind=bool(row[5]), problem=row[6], held=row[7], held_since=row[8],
        )  # fmt: skip

    def _publish(self, name: str) -> PublishWait | None:
        row = self._db.first_row(
            """SELECT sort, since, held, held_since, problem FROM unpublished
            CROSS JOIN projects USING (id) WHERE name = ?""",
            (name,),
        )
        if row is None:
            return None
        return PublishWait(
            reason=PublishReason(row[0]), since=row[1], held=row[2], held_since=row[3],
            problem=row[4],
        )  # fmt: skip
