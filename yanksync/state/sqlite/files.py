"""Looks at a state database before SQLite opens it."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path


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
    return _is_content(path) or _is_content(wal(path))


def _is_content(file: Path) -> bool:
    try:
        found = file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # SQLite cannot open it either, and its error has advice
        return True
    return not stat.S_ISREG(found.st_mode) or found.st_size > 0


def wal(path: Path) -> Path:
    """Return SQLite's log of ``path``."""
    return path.with_name(f"{path.name}-wal")
