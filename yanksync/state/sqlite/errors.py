"""Says what SQLite's errors mean, and what to do."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from yanksync.system.ownership import ownership_hint

_SCARCE = 1 << 16  # bytes: with less SQLite cannot begin its log


def primary_code(error: sqlite3.Error) -> int:
    """Return SQLite's primary error code; 0: there is none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def lacks_files(error: object) -> bool:
    """Return whether SQLite misses files that it may not make."""
    codes = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
    return isinstance(error, sqlite3.Error) and primary_code(error) in codes


def _is_full(error: sqlite3.Error, path: Path) -> bool:
    """Return whether the disk is full.

    SQLite reports that in the same way as a broken disk.
    """
    if primary_code(error) != sqlite3.SQLITE_IOERR:
        return primary_code(error) == sqlite3.SQLITE_FULL
    from shutil import disk_usage  # start-up

    try:
        return disk_usage(path.parent).free < _SCARCE
    except OSError:
        return False


def advice(error: sqlite3.Error, path: Path) -> str:
    """Return what an error means, and what to do."""
    text = str(error)
    if os.path.isdir(path):
        return "is a directory; mirror.state must name a file"
    if _is_full(error, path):
        return (
            f"the disk is full ({text}). Nothing that was recorded is lost: free some room in "
            f"{path.parent}, and the next run goes on from here"
        )
    if "not a database" in text or "malformed" in text:
        return (
            f"{text}; it was left as it is. Put back a copy made with 'yanksync backup', or move "
            "it away and run 'yanksync full-resync'"
        )
    if "readonly" in text or "unable to open" in text:
        # SQLite writes a little even to read, in the directory of the database.
        hint = ownership_hint(path) or ownership_hint(path.parent)
        if not hint and not os.access(path.parent, os.W_OK):
            hint = (
                f"; {path.parent} is read-only, and this command writes there. Mount it writable; "
                "'yanksync status' and 'yanksync check' only read"
            )
        return f"{text}{hint}"
    if "locked" in text:
        return (
            f"{text}: another program keeps it open for writing. Nothing is lost: end that "
            "program, or wait for it, and run this again"
        )
    return text
