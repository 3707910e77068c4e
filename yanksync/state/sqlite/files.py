"""Looks at a state database before SQLite opens it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from msgspec import Struct


def is_state(path: Path) -> bool:
    """Return whether ``path`` is a database of yanksync that can be read."""
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return {"_sqlite_migrations", "projects", "meta"} <= {row[0] for row in found}
    except sqlite3.Error:
        return False


def exists(path: Path) -> bool:
    """Return True if ``path`` is a database; an empty file is none.

    A full disk or a crash leaves a file of 0 bytes; for SQLite it would be a new database.
    """
    found = [file for file in (path, _wal(path)) if file.exists()]
    return any(not file.is_file() or file.stat().st_size > 0 for file in found)


class Unwritten(Struct, frozen=True):
    """A database without a WAL that this user may only read.

    SQLite writes beside a database even to read it. Without a WAL no process has it open. So it
    can be read like a file that stays the same, and a monitor needs no right to write.
    """

    path: Path
    version: tuple[int, int]  # bytes; nanoseconds of its last change

    @classmethod
    def find(cls, path: Path) -> Unwritten | None:
        """Return the database at ``path``; None: it is no such one."""
        if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
            return None
        if not os.access(path, os.R_OK):
            return None
        version = _version(path)  # before the look for the WAL: a run may begin now
        return None if version is None or _wal(path).exists() else cls(path, version)

    @property
    def address(self) -> str:
        """The URI to read it as ``immutable``."""
        return f"{self.path.absolute().as_uri()}?immutable=1"

    def is_written(self) -> bool:
        """Return whether a run has written the file since."""
        return _version(self.path) != self.version


def _version(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _wal(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")
