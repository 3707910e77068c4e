"""Copies of files that upstream removed, and their index."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from yanksync.core.model import HistoryAction
from yanksync.core.package_files.copies import PackageFile
from yanksync.core.package_files.retention import Withdrawal
from yanksync.state.sqlite.database import Database

LIST = ""
"""Stands for the list of the deleted index, where a project is expected."""


class KeptFiles:
    """The kept copies in the table ``package_files``, and the table ``deleted_pages``."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def note(self, copies: Iterable[PackageFile]) -> None:
        """Note the decisions about these copies."""
        self._db.execute_many(
            """UPDATE package_files SET removed_at = ?, removed_on = ?, kept = ?, restored = ?
            WHERE id = ?""",
            [(one.removed_at, one.removed_on, one.kept, one.restored, one.id) for one in copies],
        )

    def withdrawals(self, project: str) -> list[Withdrawal]:
        """Return what happened to a project, oldest first."""
        rows = self._db.execute(
            """SELECT action, version, file, timestamp FROM history WHERE project = ?
            AND action IN ('remove', 'quarantine', 'unquarantine', 'return')
            ORDER BY era, place, id""",
            (project,),
        )
        return [Withdrawal(HistoryAction(row[0]), row[1], row[2], row[3]) for row in rows]

    def projects(self, removed_before: float | None = None) -> list[str]:
        """Return the projects with kept files.

        With a time, those with files that upstream removed before it.
        """
        rows = self._db.execute(
            """SELECT DISTINCT project FROM package_files WHERE kept
            AND (?1 IS NULL OR removed_at <= ?1 AND NOT restored) ORDER BY project""",
            (removed_before,),
        )
        return [row[0] for row in rows]

    def withheld_for_removal(self, copies: Iterable[tuple[int, str, float]]) -> None:
        """Note that withheld copies go: (id, why, when).

        They waited for the end of a quarantine, but upstream no longer has them.
        """
        self._db.execute_many(
            """UPDATE package_files SET cause = ?2, delete_at = ?3, kept = 0, restored = 0
            WHERE id = ?1""",
            list(copies),
        )

    def restore(self, copies: Iterable[PackageFile]) -> None:
        """Let the next pass put these copies back, and keep them."""
        self._db.execute_many(
            """UPDATE package_files SET status = 'wanted', kept = 1, restored = 1, removed_at = ?,
                removed_on = ?, cause = NULL, delete_at = NULL, next_try = 0, problem = NULL
            WHERE id = ?""",
            [(one.removed_at, one.removed_on, one.id) for one in copies],
        )

    def changed_pages(self, limit: int) -> list[str]:
        """Return projects with a changed page in the deleted index."""
        rows = self._db.execute(
            "SELECT project FROM deleted_pages WHERE digest IS NULL AND project <> '' LIMIT ?",
            (limit,),
        )
        return [row[0] for row in rows]

    def page_digests(self) -> dict[str, bytes]:
        """Return the digests of the published pages of the deleted index."""
        rows = self._db.execute(
            "SELECT project, digest FROM deleted_pages WHERE digest IS NOT NULL ORDER BY project"
        )
        return dict(rows)

    def page_names(self) -> list[str]:
        """Return projects that may have pages in the deleted index ("": list)."""
        return [row[0] for row in self._db.execute("SELECT project FROM deleted_pages")]

    def is_list_due(self) -> bool:
        """Return True if the deleted index needs a new list."""
        row = self._db.first_row("SELECT digest FROM deleted_pages WHERE project = ''")
        return row is None or row[0] is None

    def pages_written(
        self, digests: Iterable[tuple[str, bytes | None]], gone: Sequence[str]
    ) -> None:
        """Note written and deleted pages of the deleted index."""
        self._db.execute_many("INSERT OR REPLACE INTO deleted_pages VALUES (?, ?)", list(digests))
        self._db.execute(
            "DELETE FROM deleted_pages WHERE project IN (SELECT value FROM json_each(?))",
            (json.dumps(gone),),
        )

    def distrust_pages(self, project: str | None = None) -> None:
        """Let a page, or the whole deleted index, be written again."""
        where = "?1 IS NULL OR project = ?1"
        self._db.execute(f"UPDATE deleted_pages SET digest = NULL WHERE {where}", (project,))
