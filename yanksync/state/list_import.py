"""Compares a list of projects with the state inside SQLite.

So 750,000 rows never become objects.
"""

from __future__ import annotations

from collections.abc import Iterable

from yanksync.core.names import NormalizedName
from yanksync.core.project_state import EMPTY_LIST
from yanksync.state.sqlite.database import Database


class ListImport:
    """A temporary table of the new list, inside a transaction."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def import_rows(
        self, projects: Iterable[tuple[str, str, int | None, int | None]], *, are_new: bool = False
    ) -> None:
        """Import rows of the list: normalised name, spelling, serial, revision.

        If a name has several spellings, the one with the highest serial counts. With ``are_new``,
        unknown projects have appeared after the list before.
        """
        last = self._db.count("SELECT coalesce(max(id), 0) FROM projects")
        self._db.execute("DROP TABLE IF EXISTS temp.listed")
        self._db.execute(
            "CREATE TEMP TABLE listed (name TEXT PRIMARY KEY, display TEXT, serial INTEGER, "
            "revision INTEGER) "
            "WITHOUT ROWID"
        )
        self._db.execute_many(
            """INSERT INTO listed VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE
            SET display = excluded.display, serial = excluded.serial, revision = excluded.revision
            WHERE coalesce(excluded.serial, 0) > coalesce(listed.serial, 0)""",
            projects,
        )
        self._db.execute(
            """INSERT INTO projects (name, display, presence)
            SELECT name, display, 'new' FROM listed WHERE true ON CONFLICT (name) DO NOTHING"""
        )
        if are_new:
            self._db.execute(
                """INSERT INTO file_times (project, is_new) SELECT id, 1 FROM projects
                WHERE id > ?""",
                (last,),
            )
        self._db.execute(
            """INSERT OR REPLACE INTO meta SELECT 'list_changed', 1 WHERE EXISTS (
                SELECT 1 FROM projects JOIN listed USING (name)
                WHERE projects.listed AND projects.display <> listed.display)"""
        )
        self._db.execute(
            """UPDATE projects SET display = listed.display, listed_at = NULL FROM listed
            WHERE projects.name = listed.name
            AND (projects.display <> listed.display OR listed_at IS NOT NULL)"""
        )

    def below(self, serial: int | None, limit: int) -> dict[NormalizedName, int]:
        """Return up to ``limit`` rows below the held page, by name.

        Only pages count that are not newer than the list of ``serial``. A removed project comes
        back with another serial.
        """
        rows = self._db.execute(
            """SELECT name, listed.serial FROM projects JOIN listed USING (name)
            WHERE (listed.serial < projects.serial
                OR presence = 'gone' AND listed.serial = projects.serial)
            AND projects.serial <= coalesce(?1, (SELECT max(serial) FROM listed))
            ORDER BY name LIMIT ?2""",
            (serial, limit),
        )
        return {row[0]: row[1] for row in rows}

    def mark_newer(self, since: float) -> None:
        """Mark every project whose held page is below its row."""
        self._mark(
            """presence <> 'present' AND (presence <> 'gone' OR coalesce(projects.serial, -1)
                < coalesce(listed.serial, 0)) OR projects.serial < listed.serial""",
            since,
            forced=False,
        )

    def mark_revised(self, since: float) -> None:
        """Mark projects whose page changed without a new serial.

        Their revisions are stored.

        The first revision of a project says nothing, because its page may be older or newer.
        """
        self._db.execute(
            """INSERT INTO pending (name, reach, since)
            SELECT name, NULL, ? FROM projects JOIN listed USING (name)
            WHERE presence = 'present' AND listed.revision <> upstream_revision
            ON CONFLICT (name) DO UPDATE SET asked = 0, next_try = 0, behind = 0""",
            (since,),
        )
        self._db.execute(
            """UPDATE projects SET upstream_revision = listed.revision FROM listed
            WHERE projects.name = listed.name AND upstream_revision IS NOT listed.revision"""
        )

    def mark_missing(self, since: float) -> None:
        """Mark every project without a page in the state."""
        self._mark("presence IN ('new', 'unknown')", since, forced=False)

    def mark_all(self, since: float) -> None:
        """Mark every project of the list and the state, without ETag."""
        self._mark("true", since, forced=True)
        self._db.execute(
            """INSERT INTO pending (name, reach, since, forced)
            SELECT name, NULL, ?, 1 FROM projects
            WHERE (presence = 'present' OR presence = 'new' AND json_digest IS NOT NULL)
            AND name NOT IN (SELECT name FROM listed)
            ON CONFLICT (name) DO UPDATE SET forced = 1, asked = 0, next_try = 0, behind = 0""",
            (since,),
        )

    def _mark(self, where: str, since: float, *, forced: bool) -> None:
        self._db.execute(
            f"""INSERT INTO pending (name, reach, since, forced)
            SELECT name, CASE WHEN listed.serial IS NULL THEN projects.serial
                ELSE max(listed.serial, CASE presence WHEN 'present'
                    THEN coalesce(projects.serial, 0) ELSE 0 END) END, ?1, ?2
            FROM projects JOIN listed USING (name) WHERE {where}
            ON CONFLICT (name) DO UPDATE SET
                forced = max(forced, excluded.forced),
                attempts = CASE WHEN news THEN 0 ELSE attempts END,
                next_try = CASE WHEN news THEN 0 ELSE next_try END,
                asked = CASE WHEN news THEN 0 ELSE asked END,
                behind = CASE WHEN news THEN 0 ELSE behind END,
                stale_since = CASE WHEN news THEN NULL ELSE stale_since END,
                reach = CASE WHEN reach IS NULL OR excluded.reach IS NULL
                    THEN coalesce(reach, excluded.reach) ELSE max(reach, excluded.reach) END
            """.replace(
                "news", "(excluded.forced OR coalesce(excluded.reach > coalesce(reach, -1), 0))"
            ),
            (since, forced),
        )

    def note_left_out(
        self, serial: int | None, since: float, *, empty: bool = False
    ) -> list[NormalizedName]:
        """Mark the held projects that this list newly omits; return them.

        A list that is older than the held page of a project says nothing about it. Quarantined
        projects are never listed. An ``empty`` list is noted as if it were older than everything:
        it is a reason to fetch pages, but no evidence (R7).
        """
        rows = self._db.execute(
            """UPDATE projects SET listed_at = CASE WHEN ?2 THEN ?3 ELSE ?1 END
            WHERE (presence = 'present' OR presence = 'new' AND json_digest IS NOT NULL)
            AND NOT quarantined AND name NOT IN (SELECT name FROM listed)
            AND (listed_at IS NULL OR listed_at < 0 AND NOT ?2)
            AND max(coalesce(projects.serial, 0), coalesce(published_serial, 0)) <= ?1
            AND coalesce(entry_serial, 0) <= ?1
            RETURNING name""",
            (EMPTY_LIST if serial is None else serial, empty, EMPTY_LIST),
        )
        self._db.execute_many(
            """INSERT INTO pending (name, since, urgent) VALUES (?, ?, 1)
            ON CONFLICT (name) DO UPDATE SET urgent = 1, asked = 0, next_try = 0, behind = 0""",
            ((row[0], since) for row in rows),
        )
        if serial is not None and not empty:
            self._explain_removals(serial)
        return [row[0] for row in rows]

    def _explain_removals(self, serial: int) -> None:
        """Stop rechecks of removed projects that the list omits, too."""
        self._db.execute(
            """UPDATE projects SET listed_at = ?1, due = NULL
            WHERE presence = 'gone' AND due IS NOT NULL AND coalesce(projects.serial, 0) <= ?1
            AND name NOT IN (SELECT name FROM listed)""",
            (serial,),
        )

    def release_returned(self) -> None:
        """Release the held projects that are on the list again.

        The earlier list was incomplete.
        """
        self._db.execute(
            """UPDATE pending SET held = NULL, held_since = NULL
            WHERE held IS NOT NULL AND name IN (SELECT name FROM listed)"""
        )

    def drop(self) -> None:
        """Drop the list."""
        self._db.execute("DROP TABLE IF EXISTS temp.listed")
