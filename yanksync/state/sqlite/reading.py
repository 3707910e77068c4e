"""Reads the database, also without the right to write beside it."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from yanksync.core.errors import StateError
from yanksync.state.sqlite.database import BATCH, Database, SqlRow
from yanksync.state.sqlite.errors import lacks_files
from yanksync.state.sqlite.files import wal
from yanksync.system.file_lock import holder

_CHANGES = 1.0  # seconds in which another program opens or closes the database
_WAIT = 8.0  # the same for a run; many monitors give up after ten
_LOOK = 0.02  # seconds between two looks
_LOOKS = 20  # at a database that is written again and again

T = TypeVar("T")


class _Unwritten(Struct, frozen=True):
    """A database without a log that this user may only read.

    SQLite writes beside a database even to read it. Without its log no process has it open. So it
    can be read like a file that stays the same, and a monitor needs no right to write.
    """

    path: Path
    version: tuple[int, int, int]  # inode; bytes; nanoseconds of its last change

    @classmethod
    def find(cls, path: Path) -> _Unwritten | None:
        """Return the database at ``path``; None: it is no such one."""
        if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
            return None
        if not _is_readable(path):
            return None
        version = _version(path)  # before the look for the log: a run may begin now
        logs = (wal(path), path.with_name(f"{path.name}-journal"))
        return None if version is None or any(map(os.path.exists, logs)) else cls(path, version)

    def is_written(self) -> bool:
        """Return whether a run has written the file since."""
        return _version(self.path) != self.version


def _version(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


class ReadOnlyDatabase(Database):
    """A connection that only reads.

    A run makes and removes SQLite's files beside the database. A reader without the right to write
    there cannot open a database that has only some of these files: it waits. It reads a database
    that has none of them as a file that stays the same. What it reads while a run writes may be
    half old and half new: it reads again.
    """

    def __init__(self, path: Path) -> None:
        """Open ``path``. Raises :class:`StateError`."""
        self._unwritten: _Unwritten | None = None
        self._streamed: list[sqlite3.Connection] = []  # once for each stream that reads it
        super().__init__(path, create=False)

    def _open(self, *, create: bool) -> None:
        begun = time.monotonic()
        while True:
            self._refuse_missing()
            self._unwritten = _Unwritten.find(self.path)
            try:
                return super()._open(create=False)
            except StateError as error:
                # A run that upgrades the database has the lock before it writes.
                upgrades = self._unwritten is not None and holder(self.path) is not None
                if not upgrades and not self._is_passing(error):
                    raise
                waited = time.monotonic() - begun
                if waited > (_CHANGES if holder(self.path) is None else _WAIT):
                    raise
            time.sleep(_LOOK)

    def _mode(self) -> str:
        return super()._mode() if self._unwritten is None else "immutable=1"

    def _version_once_made(self) -> int:
        # What is read as a file that stays the same never shows another run's upgrade.
        return super()._version_once_made() if self._unwritten is None else self._version()

    def close(self) -> None:
        """Close the connections."""
        super().close()
        for connection in self._streamed:
            connection.close()

    def execute(self, sql: str, parameters: SqlRow = ()) -> list[Any]:
        """Run one statement and return its rows. Raises :class:`StateError`."""
        return self._unmixed(lambda: super(ReadOnlyDatabase, self).execute(sql, parameters))

    def first_row(self, sql: str, parameters: SqlRow = ()) -> Any:
        """Return the first row of a query, or None."""
        return self._unmixed(lambda: super(ReadOnlyDatabase, self).first_row(sql, parameters))

    def stream(self, sql: str, parameters: SqlRow = ()) -> Iterator[Any]:
        """Yield the rows of a query, few in memory at once.

        Raises :class:`StateError`, also if a run wrote the database after rows were yielded.
        """

        def begin() -> tuple[sqlite3.Cursor, list[Any]]:
            with self._errors():
                cursor = self._connection.execute(sql, parameters)
                return cursor, cursor.fetchmany(BATCH)

        cursor, rows = self._unmixed(begin)
        source = self._unwritten
        with self._kept(self._connection):
            yield from rows
            while len(rows) == BATCH:
                try:
                    with self._errors():
                        rows = cursor.fetchmany(BATCH)
                except StateError:
                    if not _is_written(source):
                        raise
                if _is_written(source):
                    raise self._changed()
                yield from rows

    @contextmanager
    def _kept(self, connection: sqlite3.Connection) -> Iterator[None]:
        """Keep the connection open while a stream reads it."""
        self._streamed.append(connection)
        try:
            yield
        finally:
            self._streamed.remove(connection)
            if connection is not self._connection and connection not in self._streamed:
                connection.close()

    def _unmixed(self, read: Callable[[], T]) -> T:
        """Return what ``read`` reads in one piece."""
        for looks in range(1, _LOOKS + 1):
            try:
                found = read()
            except StateError as error:
                if looks == _LOOKS or not self._is_passing(error):
                    raise
            else:
                if not _is_written(self._unwritten):
                    return found
            if self._connection not in self._streamed:
                self._connection.close()
            self._open(create=False)
        raise self._changed()

    def _is_passing(self, error: StateError) -> bool:
        """Return whether the error may be gone at the next look."""
        if _is_written(self._unwritten):
            return True
        return lacks_files(error.__cause__) and _is_readable(self.path)

    def _changed(self) -> StateError:
        return StateError(str(self.path), "a run wrote it while it was read; run this again")


def _is_readable(path: Path) -> bool:
    return os.path.isfile(path) and os.access(path, os.R_OK)


def _is_written(source: _Unwritten | None) -> bool:
    return source is not None and source.is_written()
