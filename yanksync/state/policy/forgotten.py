"""Stores forgotten projects and the hashes of their files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from yanksync.core.model import Hashes
from yanksync.core.names import NormalizedName
from yanksync.state.sqlite.database import Database

# The tables with the name of a project. Rows that refer to its row of ``projects`` are deleted with
# that row.
_BY_PROJECT = ("history", "unsettled", "ahead", "package_files", "unchosen")
_BY_NAME = ("projects", "pending")


class ForgottenProject(Struct, frozen=True):
    """A project that is not mirrored, because an operator used ``forget``."""

    name: NormalizedName
    since: float  # UTC seconds
    is_erased: bool  # its texts are no longer in the state
    files: int  # whose hashes the state keeps


class ForgottenTable:
    """The tables ``forgotten`` and ``forgotten_files``."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def all(self) -> list[ForgottenProject]:
        """Return the forgotten projects, by name."""
        rows = self._db.execute(
            """SELECT project, since, erased, (SELECT count(DISTINCT file) FROM forgotten_files
                AS files WHERE files.project = forgotten.project)
            FROM forgotten ORDER BY project"""
        )
        return [
            ForgottenProject(NormalizedName(name), since, bool(erased), files)
            for name, since, erased, files in rows
        ]

    def names(self) -> list[NormalizedName]:
        """Return the names of the forgotten projects."""
        return [row[0] for row in self._db.execute("SELECT project FROM forgotten")]

    def unfinished(self) -> list[NormalizedName]:
        """Return the projects that are not yet fully removed."""
        rows = self._db.execute("SELECT project FROM forgotten WHERE NOT erased")
        return [row[0] for row in rows]

    def hashes(self, project: str | None = None) -> frozenset[tuple[str, str]]:
        """Return the hashes of forgotten files, as pages have them.

        Without ``project``, of all projects.
        """
        rows = self._db.execute(
            "SELECT algorithm, digest FROM forgotten_files WHERE ?1 IS NULL OR project = ?1",
            (project,),
        )
        return frozenset((row[0], row[1]) for row in rows)

    def add(self, project: str, files: Iterable[Hashes], now: float) -> None:
        """Note a project to forget.

        ``files`` are the hashes of each of its files.
        """
        self._db.execute(
            """INSERT INTO forgotten VALUES (?, ?, 0)
            ON CONFLICT (project) DO UPDATE SET erased = 0""",
            (project, now),
        )
        self._db.execute_many(
            "INSERT OR IGNORE INTO forgotten_files VALUES (?, ?, ?, ?)",
            [
                (project, algorithm, digest, file)
                for file, hashes in enumerate(dict.fromkeys(files))
                for algorithm, digest in hashes
            ],
        )

    def drop(self, project: str) -> None:
        """Let a project be mirrored again, with its files."""
        self._db.execute("DELETE FROM forgotten_files WHERE project = ?", (project,))
        self._db.execute("DELETE FROM forgotten WHERE project = ?", (project,))

    def is_known(self, project: str) -> bool:
        """Return True if the state has anything of a project."""
        tables = (*((one, "name") for one in _BY_NAME), *((one, "project") for one in _BY_PROJECT))
        return any(
            self._db.first_row(f"SELECT 1 FROM {table} WHERE {column} = ? LIMIT 1", (project,))
            for table, column in (*tables, ("events", "project"))
        )

    def count_history(self, project: str) -> int:
        """Return how many rows of the history a project has."""
        return self._db.count("SELECT count(*) FROM history WHERE project = ?", (project,))

    def erase(self, project: str) -> None:
        """Erase all texts of a project. Use inside a transaction.

        SQLite overwrites the freed parts of the file.
        """
        from yanksync.state.withdrawals.event_log import EventLog  # start-up

        self._db.execute("PRAGMA secure_delete = ON")
        EventLog(self._db).forget_project(project)
        for table in _BY_PROJECT:
            self._db.execute(f"DELETE FROM {table} WHERE project = ?", (project,))
        for table in _BY_NAME:
            self._db.execute(f"DELETE FROM {table} WHERE name = ?", (project,))
        self._db.execute("UPDATE runs SET problem = NULL WHERE instr(problem, ?) > 0", (project,))

    def finish(self, projects: Sequence[str]) -> None:
        """Note that these projects are fully removed."""
        self._db.execute_many(
            "UPDATE forgotten SET erased = 1 WHERE project = ?", [(one,) for one in projects]
        )
