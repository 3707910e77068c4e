"""The table ``package_files``.

It has the copies of package files, and the files to copy.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from yanksync.core.model import File
from yanksync.core.package_files.copies import (
    CopyChanges,
    CopyStatus,
    LeaveCause,
    PackageFile,
    metadata_hash,
)
from yanksync.core.package_files.paths import paths_of
from yanksync.core.policies.cooldown import format_time
from yanksync.state.package_files.copy_counts import (
    CopyCounts,
    FailingFile,
    count_copies,
    count_outstanding,
    failing_files,
)
from yanksync.state.sqlite.database import Database

_COLUMNS = (
    "id, project, path, file, status, size, has_metadata, cause, since, delete_at, "
    "was_quarantined, added, removed_at, removed_on, kept, restored"
)


class CopyDone(Struct, frozen=True):
    """The result of one download."""

    id: int
    size: int  # bytes
    has_metadata: bool
    metadata_problem: str | None = None  # why it was not copied


_NEXT_TRY = "?1 + min(3600.0, 60.0 * (1 << min(attempts, 6)))"
"""A minute after the first failure (``?1``), then doubling to an hour."""


class PackageFileTable:
    """The table ``package_files``."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def by_project(self, names: Sequence[str]) -> dict[str, tuple[PackageFile, ...]]:
        """Return the copies of these projects, by name."""
        found: dict[str, list[PackageFile]] = defaultdict(list)
        for one in self._select(
            "project IN (SELECT value FROM json_each(?)) ORDER BY project, id", json.dumps(names)
        ):
            found[one.project].append(one)
        return {name: tuple(copies) for name, copies in found.items()}

    def change(
        self,
        project: str,
        changes: CopyChanges,
        causes: Mapping[int, LeaveCause],
        now: float,
    ) -> None:
        """Note what a new page changes. Use inside a transaction.

        A file that returns is wanted, even if it was still leaving: a dead run may have moved it.
        ``causes``: why each of ``changes.leaving`` leaves, by its id.
        """
        self.add(project, changes.added, now)
        self.leave(causes, now)
        self._db.execute_many(
            """UPDATE package_files SET status = 'wanted', cause = NULL, delete_at = NULL,
                problem = NULL, since = ?, next_try = 0
            WHERE id = ?""",
            [(now, one.id) for one in changes.returning],
        )
        # The next pass copies metadata that is new or has changed, like a file.
        self._db.execute_many(
            """UPDATE package_files SET file = ?2, has_metadata = has_metadata AND NOT ?3,
                next_try = CASE WHEN ?3 AND ?4 AND status = 'served' THEN ?1 ELSE next_try END
            WHERE id = ?5""",
            [
                (now, _dump(file), metadata_hash(file) != metadata_hash(one.file),
                 metadata_hash(file) is not None, one.id)
                for one, file in changes.updated
            ],
        )  # fmt: skip

    def add(self, project: str, files: Iterable[File], now: float) -> None:
        """Note files that are to be copied."""
        for file in files:
            for path in paths_of(file):
                if self._db.execute(
                    """INSERT OR IGNORE INTO package_files
                        (project, path, file, status, since, added)
                    VALUES (?1, ?2, ?3, 'wanted', ?4, ?4) RETURNING id""",
                    (project, path, _dump(file), now),
                ):
                    break

    def leave(self, causes: Mapping[int, LeaveCause], now: float) -> None:
        """Note the copies, by id, that no page names any more.

        Copies that were never finished leave, too: a dead run may have put them in their places.
        """
        self._db.execute_many(
            """UPDATE package_files SET status = 'leaving', cause = ?1, since = ?2,
                delete_at = NULL, problem = NULL, kept = kept AND ?1 IN ('hidden', 'unchosen'),
                restored = restored AND kept AND ?1 IN ('hidden', 'unchosen'),
                was_quarantined = was_quarantined OR ?1 = 'quarantined'
            WHERE id = ?3 AND status IN ('served', 'wanted')""",
            [(cause, now, id_) for id_, cause in causes.items()],
        )

    def give_up(self, cause: LeaveCause, now: float, delete_at: float) -> bool:
        """Let copies leave that no page can name.

        If a page waits to be published, its copies stay, because the published page may name them.
        Returns True if copies are left.
        """
        self._db.execute(
            """UPDATE package_files SET status = 'leaving', cause = ?, since = ?
            WHERE status IN ('served', 'wanted') AND project NOT IN (
                SELECT name FROM projects JOIN unpublished ON unpublished.id = projects.id
            )""",
            (cause, now),
        )
        self._db.execute(
            """UPDATE package_files SET delete_at = ?
            WHERE status = 'withheld' AND delete_at IS NULL""",
            (delete_at,),
        )
        return self._db.first_row("SELECT 1 FROM package_files LIMIT 1") is not None

    def mark_quarantined(self, project: str) -> None:
        """Note that the copies of a project were under quarantine."""
        self._db.execute(
            """UPDATE package_files SET was_quarantined = 1
            WHERE project = ? AND NOT was_quarantined""",
            (project,),
        )

    def wanted(self, now: float, limit: int, after: int = 0) -> list[PackageFile]:
        """Return the first ``limit`` files to copy now, oldest first."""
        where = "status = 'wanted' AND id > ? AND next_try <= ? ORDER BY id LIMIT ?"
        return list(self._select(where, after, now, limit))

    def lacking_metadata(self, now: float, limit: int, after: int = 0) -> list[PackageFile]:
        """Return served copies whose metadata is to be copied now."""
        where = """status = 'served' AND next_try > 0 AND id > ? AND next_try <= ?
            ORDER BY id LIMIT ?"""
        return list(self._select(where, after, now, limit))

    def are_wanted(self, paths: Iterable[str]) -> set[str]:
        """Return those of ``paths`` at which a copy is wanted."""
        rows = self._db.execute(
            """SELECT path FROM package_files
            WHERE status = 'wanted' AND path IN (SELECT value FROM json_each(?))""",
            (json.dumps(list(paths)),),
        )
        return {row[0] for row in rows}

    def by_path(self, paths: Iterable[str]) -> dict[str, PackageFile]:
        """Return the copies of these paths."""
        where = "path IN (SELECT value FROM json_each(?))"
        return {one.path: one for one in self._select(where, json.dumps(list(paths)))}

    def projects_to_copy(self, names: Iterable[str], now: float) -> set[str]:
        """Return those of ``names`` with files to copy now."""
        rows = self._db.execute(
            """SELECT DISTINCT project FROM package_files WHERE status = 'wanted'
            AND next_try <= ? AND project IN (SELECT value FROM json_each(?))""",
            (now, json.dumps(list(names))),
        )
        return {row[0] for row in rows}

    def mark_served(self, done: Iterable[CopyDone], now: float) -> None:
        """Note copies that are at their paths."""
        self._db.execute_many(
            f"""UPDATE package_files SET status = 'served', size = ?2, has_metadata = ?3,
                since = CASE status WHEN 'served' THEN since ELSE ?1 END, problem = ?4,
                attempts = CASE WHEN ?4 IS NULL THEN 0 ELSE attempts + 1 END,
                next_try = CASE WHEN ?4 IS NULL THEN 0 ELSE {_NEXT_TRY} END,
                cause = NULL, delete_at = NULL
            WHERE id = ?5 AND status IN ('wanted', 'served')""",
            [(now, one.size, one.has_metadata, one.metadata_problem, one.id) for one in done],
        )

    def mark_failed(self, id_: int, problem: str, now: float) -> None:
        """Note why a file was not copied; a later pass tries again."""
        self._db.execute(
            f"""UPDATE package_files SET next_try = {_NEXT_TRY}, attempts = attempts + 1,
                problem = ?2 WHERE id = ?3 AND status = 'wanted'""",
            (now, problem, id_),
        )

    def leaving(self, limit: int, after: int = 0) -> list[PackageFile]:
        """Return copies that are to be moved out of the output."""
        where = "status = 'leaving' AND id > ? ORDER BY id LIMIT ?"
        return list(self._select(where, after, limit))

    def mark_withheld(self, delete_at: Mapping[int, float | None]) -> None:
        """Note copies that were moved out, and when to delete them."""
        self._db.execute_many(
            """UPDATE package_files SET status = 'withheld', delete_at = ?, problem = NULL
            WHERE id = ?""",
            [(moment, id_) for id_, moment in delete_at.items()],
        )

    def out_of_service(self) -> Iterator[PackageFile]:
        """Yield the copies that no page names, by project."""
        return self._select(
            "status IN ('leaving', 'withheld') AND size IS NOT NULL ORDER BY project, id"
        )

    def to_delete(self, now: float, limit: int) -> list[PackageFile]:
        """Return withheld copies whose time is over."""
        return list(
            self._select(
                "status = 'withheld' AND delete_at <= ? ORDER BY delete_at, id LIMIT ?", now, limit
            )
        )

    def forget(self, ids: Iterable[int]) -> None:
        """Forget copies that were deleted."""
        self._db.execute_many("DELETE FROM package_files WHERE id = ?", [(one,) for one in ids])

    def in_batches(self, size: int = 500) -> Iterator[list[PackageFile]]:
        """Yield all copies, by project and age."""
        after = 0
        while batch := list(self._select("id > ? ORDER BY id LIMIT ?", after, size)):
            after = batch[-1].id
            yield batch

    def served_at(self, paths: Sequence[str]) -> dict[str, PackageFile]:
        """Return the copies that are served at these places."""
        found = self._select(
            "status = 'served' AND path IN (SELECT value FROM json_each(?))", json.dumps(paths)
        )
        return {one.path: one for one in found}

    def uploaded_before(self, moment: float) -> list[str]:
        """Return the projects with a copy whose upload-time is before a moment."""
        rows = self._db.execute(
            """SELECT DISTINCT project FROM package_files
            WHERE json_extract(file, '$.upload_time') < ? ORDER BY project""",
            (format_time(moment),),
        )
        return [row[0] for row in rows]

    def note_unchosen(self, project: str, rules: str) -> bool:
        """Note which rules leave out every file of a project.

        ``rules`` is empty if files are left. Returns True if the rules are new. Use inside a
        transaction.
        """
        row = self._db.first_row("SELECT rules FROM unchosen WHERE project = ?", (project,))
        if (row[0] if row else "") == rules:
            return False
        if rules:
            self._db.execute("INSERT OR REPLACE INTO unchosen VALUES (?, ?)", (project, rules))
        else:
            self._db.execute("DELETE FROM unchosen WHERE project = ?", (project,))
        return True

    def forget_unchosen(self) -> None:
        """Forget all projects that :meth:`note_unchosen` noted."""
        self._db.execute("DELETE FROM unchosen")

    def counts(self) -> CopyCounts:
        """Count all copies. It reads every row."""
        return count_copies(self._db)

    def outstanding(self) -> CopyCounts:
        """Count what is still to be copied, and that alone."""
        return count_outstanding(self._db)

    def failing(self, limit: int) -> list[FailingFile]:
        """Return the first files that could not be copied."""
        return failing_files(self._db, limit)

    def _select(self, where: str, *parameters: object) -> Iterator[PackageFile]:
        for row in self._db.execute(
            f"SELECT {_COLUMNS} FROM package_files WHERE {where}", parameters
        ):
            yield _load(row)


def _dump(file: File) -> str:
    # The json module writes this, because names and reasons may have lone surrogates, which msgspec
    # refuses.
    return json.dumps(msgspec.to_builtins(file))


def _load(row: Sequence[Any]) -> PackageFile:
    id_, project, path, file, status, size, has_metadata, cause, since, delete_at = row[:10]
    quarantined, added, removed_at, removed_on, kept, restored = row[10:]
    return PackageFile(
        id=id_,
        project=project,
        path=path,
        file=msgspec.convert(json.loads(file), type=File),
        status=CopyStatus(status),
        size=size,
        has_metadata=bool(has_metadata),
        cause=None if cause is None else LeaveCause(cause),
        since=since,
        delete_at=delete_at,
        was_quarantined=bool(quarantined),
        added=added,
        removed_at=removed_at,
        removed_on=removed_on,
        kept=bool(kept),
        restored=bool(restored),
    )
