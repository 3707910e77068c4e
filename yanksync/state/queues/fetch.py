"""The projects that wait to be fetched.

Each project has one row, however many entries name it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from yanksync.core.names import NormalizedName
from yanksync.core.rules.fetch_plan import DAY, FetchTask, backoff, is_overdue
from yanksync.core.rules.lost_file import Observation
from yanksync.state.sqlite.database import Database

_LOOK = """name, reach, urgent, forced, since, CASE WHEN doubt_run < ?1 THEN doubt END,
    doubt_since, approved, behind"""
# If the next try is later than the longest back-off, its time comes from a clock that was set back
# since.
_DUE = "(?3 OR next_try <= ?2 OR next_try > ?2 + CASE WHEN behind THEN 86400 ELSE 3600 END)"


class PendingProject(Struct, frozen=True, kw_only=True, rename={"required_serial": "reach"}):
    """A pending project as ``status`` shows it."""

    name: NormalizedName
    required_serial: int | None
    since: float
    attempts: int
    next_try: float
    behind: bool
    problem: str | None
    held: str | None


class FetchQueue:
    """The table ``pending``.

    :meth:`mark` notes why a page must be fetched; :meth:`reached`, :meth:`failed` and
    :meth:`mark_unconfirmed` note the result. ``run`` is the number of the pass: a pass fetches a
    project once, and once more at its end.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._run = 0  # the pass that last took projects
        self._passed: dict[int, str] = {}  # its last names: of withdrawals and others

    def mark(
        self,
        name: str,
        required_serial: int | None,
        since: float,
        *,
        urgent: bool = False,
        forced: bool = False,
        patient: bool = True,
    ) -> None:
        """Mark the page of ``name`` for fetching.

        A higher serial to reach than before is new. The page may be fetched at once, even if this
        pass has fetched it already. Fetching also starts again after a hold or after giving up
        (R3). Without ``patient`` every mark has this effect.
        """
        self._db.execute(
            """INSERT INTO pending (name, reach, since, urgent, forced) VALUES (?1, ?2, ?3, ?4, ?5)
            ON CONFLICT (name) DO UPDATE SET
                urgent = max(urgent, excluded.urgent), forced = max(forced, excluded.forced),
                reach = CASE WHEN reach IS NULL OR excluded.reach IS NULL
                        THEN coalesce(reach, excluded.reach) ELSE max(reach, excluded.reach) END,
                attempts = CASE WHEN ?6 OR news THEN 0 ELSE attempts END,
                next_try = CASE WHEN ?6 OR news THEN 0 ELSE next_try END,
                asked = CASE WHEN ?6 OR news THEN 0 ELSE asked END,
                behind = CASE WHEN ?6 OR news THEN 0 ELSE behind END,
                stale_since = CASE WHEN ?6 OR news THEN NULL ELSE stale_since END,
                held = CASE WHEN ?6 OR news THEN NULL ELSE held END,
                held_since = CASE WHEN ?6 OR news THEN NULL ELSE held_since END,
                approved = CASE WHEN ?6 OR news THEN 0 ELSE approved END""".replace(
                "news", "coalesce(excluded.reach > coalesce(reach, -1), 0)"
            ),
            (name, required_serial, since, urgent, forced, not patient),
        )

    def take(self, run: int, now: float, limit: int, *, at_once: bool = False) -> list[FetchTask]:
        """Take up to ``limit`` due projects for ``run``.

        Withdrawals come first. With ``at_once`` the back-off does not count. Projects before the
        last one taken come again when nothing else is left, or after :meth:`rewind`. So a pass does
        not read all its earlier projects each time that it takes more.
        """
        if run != self._run:
            self.rewind()
            self._run = run
        rows = self._next(run, now, limit, at_once)
        if not rows and self._passed:
            self.rewind()
            rows = self._next(run, now, limit, at_once)
        names = json.dumps([row[0] for row in rows])
        self._db.execute(
            "UPDATE pending SET asked = ? WHERE name IN (SELECT value FROM json_each(?))",
            (run, names),
        )
        return [_task(row) for row in rows]

    def rewind(self) -> None:
        """Let :meth:`take` begin again: there may be new withdrawals."""
        self._passed.clear()

    def _next(self, run: int, now: float, limit: int, at_once: bool) -> list[Any]:
        found: list[Any] = []
        for urgent in (1, 0):
            if len(found) == limit:
                break
            rows = self._db.execute(
                f"""SELECT {_LOOK} FROM pending WHERE behind = 0 AND urgent = ?5 AND name > ?6
                AND held IS NULL AND asked <> ?1 AND {_DUE} ORDER BY name LIMIT ?4""",
                (run, now, at_once, limit - len(found), urgent, self._passed.get(urgent, "")),
            )
            if rows:
                self._passed[urgent] = rows[-1][0]
            found += rows
        return found

    def ready(
        self, now: float, limit: int, *, at_once: bool = False
    ) -> tuple[list[FetchTask], int]:
        """Return the first projects that a pass would fetch, and their number."""
        where = f"behind = 0 AND held IS NULL AND ?1 = ?1 AND {_DUE}"
        rows = self._db.execute(
            f"SELECT {_LOOK} FROM pending WHERE {where} ORDER BY urgent DESC, name LIMIT ?4",
            (1 << 62, now, at_once, limit),
        )
        total = self._db.count(f"SELECT count(*) FROM pending WHERE {where}", (0, now, at_once))
        return [_task(row) for row in rows], total

    def take_again(self, run: int, names: Sequence[str]) -> list[FetchTask]:
        """Return those of ``names`` that ``run`` fetches once more."""
        rows = self._db.execute(
            f"""SELECT {_LOOK} FROM pending
            WHERE asked = ?1 AND held IS NULL AND name IN (SELECT value FROM json_each(?2))""",
            (run, json.dumps(names)),
        )
        return [_task(row) for row in rows]

    def take_behind(self, run: int, now: float, limit: int) -> list[FetchTask]:
        """Take up to ``limit`` stale projects that waited for a day."""
        rows = self._db.execute(
            f"""SELECT {_LOOK} FROM pending WHERE behind AND held IS NULL AND asked <> ?1
            AND {_DUE} ORDER BY next_try LIMIT ?4""",
            (run, now, False, limit),
        )
        self._db.execute_many(
            "UPDATE pending SET asked = ? WHERE name = ?", [(run, r[0]) for r in rows]
        )
        return [_task(row) for row in rows]

    def has(self, name: str) -> bool:
        """Return whether ``name`` waits to be asked for."""
        return self._db.first_row("SELECT 1 FROM pending WHERE name = ?", (name,)) is not None

    def without_page(self) -> Iterator[NormalizedName]:
        """Yield the pending projects without a held page."""
        rows = self._db.stream(
            """SELECT name FROM pending WHERE name NOT IN
            (SELECT name FROM projects WHERE presence = 'present') ORDER BY name"""
        )
        return (row[0] for row in rows)

    def required_serials(self, names: Iterable[str]) -> dict[str, int | None]:
        """Return the pending ones of ``names`` with their required serials."""
        rows = self._db.execute(
            "SELECT name, reach FROM pending WHERE name IN (SELECT value FROM json_each(?))",
            (json.dumps(list(names)),),
        )
        return {row[0]: row[1] for row in rows}

    def stale(self, names: Iterable[str]) -> set[NormalizedName]:
        """Return those of ``names`` whose last answer was stale."""
        rows = self._db.execute(
            """SELECT name FROM pending WHERE stale_since IS NOT NULL
            AND name IN (SELECT value FROM json_each(?))""",
            (json.dumps(list(names)),),
        )
        return {row[0] for row in rows}

    def reached(self, name: str, serial: int | None) -> None:
        """Remove ``name`` if its page at ``serial`` is enough.

        None: in any case.
        """
        self._db.execute(
            "DELETE FROM pending WHERE name = ?1 AND (reach IS NULL OR ?2 IS NULL OR reach <= ?2)",
            (name, serial),
        )

    def forced(self) -> int:
        """Return how many pages a full-resync must still fetch."""
        return self._db.count("SELECT count(*) FROM pending WHERE forced AND behind = 0")

    def mark_unconfirmed(self, name: str, seen: str, why: str, at: Observation) -> None:
        """Record a 404 without explanation, for a later pass (R7)."""
        self.mark(name, None, at.now)
        self._db.execute(
            """UPDATE pending SET problem = ?3,
                doubt_run = CASE WHEN doubt IS ?2 THEN coalesce(doubt_run, ?4) ELSE ?4 END,
                doubt_since = CASE WHEN doubt IS ?2 THEN coalesce(doubt_since, ?5) ELSE ?5 END,
                doubt = ?2 WHERE name = ?1""",
            (name, seen, why, at.run, at.now),
        )
        self._db.execute(
            "UPDATE pending SET next_try = max(doubt_since + ?2, ?3) WHERE name = ?1",
            (name, at.confirm_after, at.now),
        )

    def confirm_at(self, name: str, why: str, since: float, moment: float, *, run: int) -> None:
        """Fetch the page of ``name`` again after ``moment``, to confirm it.

        A later pass than ``run`` does this. A page that waits for a serial is fetched anyway.
        """
        self.mark(name, None, since)
        self._db.execute(
            """UPDATE pending SET problem = ?, next_try = ?, asked = ?
            WHERE name = ? AND reach IS NULL""",
            (why, moment, run, name),
        )

    def drop_confirmation(self, name: str) -> None:
        """Remove a pending project that only waited for confirmation."""
        self._db.execute(
            """DELETE FROM pending
            WHERE name = ? AND reach IS NULL AND NOT urgent AND NOT forced AND doubt IS NULL""",
            (name,),
        )

    def problem(self, name: str, why: str) -> None:
        """Record why the last request failed; the pass tries again."""
        self._db.execute("UPDATE pending SET problem = ? WHERE name = ?", (why, name))

    def failed(self, name: str, why: str, now: float, *, stale: bool) -> None:
        """Postpone ``name``, which this pass could not update (R3).

        ``stale``: an answer came, but it was old. After 26 hours of such answers the project is
        only ``behind``.
        """
        row = self._db.first_row(
            "SELECT attempts, stale_since FROM pending WHERE name = ?", (name,)
        )
        if row is None:
            return
        attempts = row[0] + 1
        since = min(now if row[1] is None else row[1], now) if stale else None
        behind = is_overdue(since, now)
        wait = DAY if behind else backoff(attempts)
        self._db.execute(
            """UPDATE pending SET attempts = ?2, next_try = ?3, problem = ?4, stale_since = ?5,
                behind = ?6 WHERE name = ?1""",
            (name, attempts, now + wait, why, since, behind),
        )

    def hold(self, names: Iterable[str], why: str, now: float) -> None:
        """Do not fetch ``names`` until a person approves (R8)."""
        self._db.execute(
            """UPDATE pending SET held = ?, held_since = coalesce(held_since, ?), approved = 0
            WHERE name IN (SELECT value FROM json_each(?))""",
            (why, now, json.dumps(list(names))),
        )

    def approve(self, names: Sequence[str] | None) -> list[NormalizedName]:
        """Release held projects, and their removals; return their names.

        ``names`` is None: all held projects.
        """
        rows = self._db.execute(
            """UPDATE pending SET held = NULL, approved = 1
            WHERE held IS NOT NULL AND (?1 IS NULL OR name IN (SELECT value FROM json_each(?1)))
            RETURNING name""",
            (None if names is None else json.dumps(names),),
        )
        return [row[0] for row in rows]

    def waiting(self, limit: int) -> list[PendingProject]:
        """Return the first ``limit`` projects with a problem, oldest first."""
        return self._waiting("problem IS NOT NULL OR behind", limit)

    def held(self) -> list[PendingProject]:
        """Return the projects that a guard holds, oldest first."""
        return self._waiting("held IS NOT NULL", -1, since="held_since")

    def _waiting(self, where: str, limit: int, since: str = "since") -> list[PendingProject]:
        rows = self._db.execute(
            f"""SELECT name, reach, {since}, attempts, next_try, behind, problem, held FROM pending
            WHERE {where} ORDER BY {since}, name LIMIT ?""",
            (limit,),
        )
        return [
            PendingProject(
                name=row[0], required_serial=row[1], since=row[2], attempts=row[3], next_try=row[4],
                behind=bool(row[5]), problem=row[6], held=row[7],
            )
            for row in rows
        ]  # fmt: skip

    def start_over(self) -> None:
        """Forget the results of fetches from another address."""
        self._db.execute(
            """UPDATE pending SET attempts = 0, next_try = 0, asked = 0, behind = 0, problem = NULL,
                stale_since = NULL, doubt = NULL, doubt_run = NULL, doubt_since = NULL"""
        )

    def counts(self) -> tuple[int, int, int]:
        """Return how many are pending, held and behind."""
        row = self._db.first_row(
            """SELECT coalesce(sum(NOT behind AND held IS NULL), 0),
                coalesce(sum(held IS NOT NULL), 0),
                coalesce(sum(behind AND held IS NULL), 0) FROM pending"""
        )
        return int(row[0]), int(row[1]), int(row[2])

    def oldest(self) -> float | None:
        """Return the time of the oldest read with a pending project."""
        row = self._db.first_row("SELECT min(since) FROM pending WHERE behind = 0 AND held IS NULL")
        return None if row[0] is None else float(row[0])


def _task(row: Sequence[object]) -> FetchTask:
    name, required_serial, urgent, forced, since, doubt, doubt_since, approved, behind = row
    return FetchTask(
        name=name,  # type: ignore[arg-type]
        required_serial=required_serial,  # type: ignore[arg-type]
        urgent=bool(urgent),
        forced=bool(forced),
        since=since,  # type: ignore[arg-type]
        unconfirmed=doubt,  # type: ignore[arg-type]
        unconfirmed_since=doubt_since,  # type: ignore[arg-type]
        approved=bool(approved),
        behind=bool(behind),
    )
