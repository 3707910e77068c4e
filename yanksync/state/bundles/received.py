"""The files that bundles brought: the table ``received``."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from yanksync.core.layout import PACKAGES
from yanksync.state.sqlite.database import Database


class ReceivedFile(Struct, frozen=True, array_like=True):
    """A file of the output, as a bundle had it."""

    path: str  # below the output
    size: int  # bytes
    digest: bytes


class ReceivedCounts(Struct, frozen=True):
    """Counts of what bundles brought."""

    projects: int = 0
    files: int = 0  # package files, metadata does not count
    bytes: int = 0  # of these files


class ReceivedTable:
    """The table ``received``."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def put(self, files: Iterable[ReceivedFile]) -> None:
        """Note files; each replaces the one at its path."""
        self._db.execute_many(
            "INSERT OR REPLACE INTO received VALUES (?, ?, ?)",
            ((one.path, one.size, one.digest) for one in files),
        )

    def remove(self, paths: Iterable[str]) -> None:
        """Note that files were removed."""
        self._db.execute_many("DELETE FROM received WHERE path = ?", ((one,) for one in paths))

    def remove_below(self, directory: str) -> None:
        """Note that all files below a directory were removed."""
        self._db.execute("DELETE FROM received WHERE path > ? AND path < ?", _below(directory))

    def clear(self) -> None:
        """Note that all files were removed."""
        self._db.execute("DELETE FROM received")

    def get(self, path: str) -> ReceivedFile | None:
        """Return the file that bundles brought to a path."""
        row = self._db.first_row("SELECT * FROM received WHERE path = ?", (path,))
        return None if row is None else ReceivedFile(*row)

    def counts(self) -> ReceivedCounts:
        """Count projects and package files. It reads every row."""
        row = self._db.first_row(
            """SELECT count(*) FILTER (WHERE path LIKE 'simple/%/index.v1_json'),
                count(*) FILTER (WHERE path LIKE 'packages/%' AND path NOT LIKE '%.metadata'),
                coalesce(sum(size) FILTER (WHERE path LIKE 'packages/%'), 0)
            FROM received"""
        )
        return ReceivedCounts(*row)

    def files_up_to(self, path: str) -> int:
        """Count the package files up to a path, without their metadata."""
        return self._db.count(
            """SELECT count(*) FROM received WHERE path > ? AND path <= ?
            AND path NOT LIKE '%.metadata'""",
            (_below(PACKAGES)[0], path),
        )

    def batch(self, directory: str, after: str, limit: int) -> list[ReceivedFile]:
        """Return the next files below a directory, by path.

        The first one is behind the path ``after``.
        """
        first, behind = _below(directory)
        rows = self._db.execute(
            "SELECT * FROM received WHERE path > ? AND path < ? ORDER BY path LIMIT ?",
            (max(after, first), behind, limit),
        )
        return [ReceivedFile(*row) for row in rows]

    def known(self, paths: Iterable[str]) -> set[str]:
        """Return those of ``paths`` that bundles brought."""
        found = "SELECT 1 FROM received WHERE path = ?"
        texts = filter(_is_text, paths)
        return {path for path in texts if self._db.first_row(found, (path,)) is not None}


def _is_text(path: str) -> bool:
    """Return False for a name that is not UTF-8.

    No bundle has one.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _below(directory: str) -> tuple[str, str]:
    """Return bounds of the paths below a directory."""
    return f"{directory}/", f"{directory}0"  # "0" is the character after "/"
