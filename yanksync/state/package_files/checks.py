"""Lists copies of package files for a check of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct

from yanksync.core.model import File
from yanksync.core.package_files.copies import CopyStatus, PackageFile
from yanksync.core.package_files.paths import metadata_path
from yanksync.state.package_files.copy_counts import LACKING
from yanksync.state.package_files.table import PackageFileTable

_METADATA = metadata_path("")


class CopyTotal(Struct, frozen=True):
    """How many copies there are, and their bytes."""

    files: int
    bytes: int


class CopyState(Struct, frozen=True):
    """What the state says of one copy."""

    status: CopyStatus
    problem: str | None  # why it could not be downloaded


class AdoptedCopy(Struct, frozen=True):
    """A file from another program's tree whose hash was checked."""

    path: str  # below the output
    file: File  # as on the page of the tree
    size: int  # bytes
    has_metadata: bool


class CopyChecks(PackageFileTable):
    """The copies that are served."""

    def served(self, after: int, limit: int) -> list[PackageFile]:
        """Return copies that are served, in the order of their numbers."""
        return list(self._select("status = 'served' AND id > ? ORDER BY id LIMIT ?", after, limit))

    def total(self, after: int = 0) -> CopyTotal:
        """Count the served copies with higher numbers than this."""
        row = self._db.first_row(
            """SELECT count(*), coalesce(sum(size), 0) FROM package_files
            WHERE status = 'served' AND id > ?""",
            (after,),
        )
        return CopyTotal(*row)

    def unknown(self, paths: Sequence[str]) -> list[str]:
        """Return the paths below ``packages/`` at which no copy belongs."""
        bases = [path.removesuffix(_METADATA) for path in paths]
        rows = self._db.execute(
            """SELECT path, has_metadata OR status = 'wanted' FROM package_files
            WHERE status <> 'withheld' AND path IN (SELECT value FROM json_each(?))""",
            (json.dumps([*dict.fromkeys([*paths, *bases])]),),
        )
        known = dict(rows)
        return [
            path
            for path, base in zip(paths, bases, strict=True)
            if path not in known and not (base != path and known.get(base))
        ]

    def want_again(self, paths: Collection[str], now: float) -> list[str]:
        """Note that copies are to be downloaded again; return their projects.

        ``paths`` are paths of copies or of their metadata. A copy of a file that upstream has
        removed is forgotten instead. Use inside a transaction.
        """
        chosen = json.dumps([*paths])
        metadata = json.dumps(
            [path.removesuffix(_METADATA) for path in paths if path.endswith(_METADATA)]
        )
        rows = [
            *self._db.execute(
                """DELETE FROM package_files WHERE status = 'served' AND kept
                AND path IN (SELECT value FROM json_each(?)) RETURNING project""",
                (chosen,),
            ),
            *self._db.execute(
                """UPDATE package_files SET has_metadata = 0 WHERE status = 'served' AND kept
                AND path IN (SELECT value FROM json_each(?)) RETURNING project""",
                (metadata,),
            ),
            *self._db.execute(
                """UPDATE package_files SET status = 'wanted', size = NULL, has_metadata = 0,
                    since = ?1, attempts = 0, next_try = 0, problem = NULL
                WHERE status = 'served' AND NOT kept AND path IN
                    (SELECT value FROM json_each(?2) UNION SELECT value FROM json_each(?3))
                RETURNING project""",
                (now, chosen, metadata),
            ),
        ]
        return sorted({project for (project,) in rows})

    def leave_altered(self, paths: Collection[str], now: float) -> list[str]:
        """Let altered copies leave that upstream removed; return their projects.

        The state knows them until :meth:`forget_altered`: a run that dies leaves the rest to the
        next one. Use inside a transaction.
        """
        rows = self._db.execute(
            """UPDATE package_files SET status = 'leaving', cause = 'altered', since = ?1,
                delete_at = NULL, kept = 0, restored = 0
            WHERE status = 'served' AND kept AND path IN (SELECT value FROM json_each(?2))
            RETURNING project""",
            (now, json.dumps([*paths])),
        )
        return sorted({project for (project,) in rows})

    def altered(self, limit: int, after: int = 0) -> list[PackageFile]:
        """Return what :meth:`leave_altered` noted; it may still be in place."""
        where = "status = 'leaving' AND cause = 'altered' AND id > ? ORDER BY id LIMIT ?"
        return list(self._select(where, after, limit))

    def forget_altered(self, paths: Collection[str]) -> None:
        """Forget altered copies that are out of service and cannot come back."""
        self._db.execute(
            """DELETE FROM package_files WHERE status = 'leaving' AND cause = 'altered'
            AND path IN (SELECT value FROM json_each(?))""",
            (json.dumps([*paths]),),
        )

    def note_lost(self, paths: Collection[str], now: float) -> list[str]:
        """Let a later pass look for missing copies; return their projects.

        Copies of files that upstream removed stay kept: they may come back when their file system
        is mounted again. Use inside a transaction.
        """
        rows = self._db.execute(
            """UPDATE package_files SET status = 'wanted', has_metadata = 0, since = ?1,
                attempts = 0, next_try = ?1 + 60, problem = NULL
            WHERE status = 'served' AND path IN (SELECT value FROM json_each(?2))
            RETURNING project""",
            (now, json.dumps([*paths])),
        )
        return sorted({project for (project,) in rows})

    def outside(self, limit: int, after: int = 0) -> list[PackageFile]:
        """Return copies that are out of service, or must leave."""
        where = """status IN ('leaving', 'withheld') AND size IS NOT NULL
            AND cause IS NOT 'altered' AND id > ? ORDER BY id LIMIT ?"""
        return list(self._select(where, after, limit))

    def note_lacking(self, paths: Collection[str]) -> int:
        """Note copies that must leave and are not there.

        Returns how many were not noted before. They may come back when a file system is mounted
        again.
        """
        rows = self._db.execute(
            """UPDATE package_files SET problem = ?1 WHERE status = 'leaving'
            AND problem IS NOT ?1 AND path IN (SELECT value FROM json_each(?2)) RETURNING id""",
            (LACKING, json.dumps([*paths])),
        )
        return sum(1 for _ in rows)

    def await_return(self, ids: Iterable[int], now: float) -> None:
        """Let missing kept copies leave as soon as they are back."""
        self._db.execute_many(
            """UPDATE package_files SET status = 'leaving', cause = 'removed', since = ?,
                delete_at = NULL, problem = NULL, kept = 0, restored = 0 WHERE id = ?""",
            [(now, one) for one in ids],
        )

    def postpone(self, ids: Iterable[int], moment: float) -> None:
        """Delete withheld copies later."""
        self._db.execute_many(
            "UPDATE package_files SET delete_at = ? WHERE id = ?", [(moment, one) for one in ids]
        )

    def begin_deletion(self, ids: Iterable[int]) -> None:
        """Note that these copies are there and are being deleted.

        If the run dies, the next one does not wait for them to come back.
        """
        self._db.execute_many(
            "UPDATE package_files SET size = NULL WHERE id = ?", [(one,) for one in ids]
        )

    def forget_lacking(self, paths: Collection[str]) -> None:
        """Forget copies out of service that a person says are lost."""
        self._db.execute(
            """DELETE FROM package_files WHERE status IN ('leaving', 'withheld')
            AND path IN (SELECT value FROM json_each(?))""",
            (json.dumps([*paths]),),
        )

    def adopt(self, project: str, copies: Iterable[AdoptedCopy], now: float) -> None:
        """Note copies that are at their paths. Use inside a transaction."""
        for one in copies:
            if not self._serve(project, one, now):
                self.add(project, [one.file], now)
                self._serve(project, one, now)

    def _serve(self, project: str, copy: AdoptedCopy, now: float) -> bool:
        rows = self._db.execute(
            """UPDATE package_files SET status = 'served', size = ?, has_metadata = ?, since = ?,
                attempts = 0, next_try = 0, problem = NULL
            WHERE project = ? AND path = ? AND status = 'wanted' RETURNING id""",
            (copy.size, copy.has_metadata, now, project, copy.path),
        )
        return any(True for _ in rows)

    def state_of(self, path: str) -> CopyState | None:
        """Return what the state says of the copy at a path."""
        row = self._db.first_row(
            """SELECT status, problem FROM package_files
            WHERE path IN (SELECT value FROM json_each(?))""",
            (json.dumps([*_copy_paths([path])]),),
        )
        return None if row is None else CopyState(CopyStatus(row[0]), row[1])


def _copy_paths(paths: Iterable[str]) -> Iterable[str]:
    """Yield the paths, and for metadata also the paths of their copies."""
    for path in paths:
        yield path
        if path.endswith(_METADATA):
            yield path.removesuffix(_METADATA)
