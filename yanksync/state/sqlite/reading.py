"""Reads the database, also without the right to write beside it."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from yanksync.core.errors import StateChanged, StateError
from yanksync.state.database import BATCH, Database, SqlRow
from yanksync.state.sqlite.errors import lacks_files
from yanksync.state.sqlite.files import wal
from yanksync.system.file_lock import holder

_CHANGES = 1.0  # seconds in which another program opens or closes the database
_WAIT = 10.0  # the same for a run
_LOOK = 0.02  # seconds between two looks
_LOOKS = 20  # at a database that is written again and again

T = TypeVar("T")


class _Unwritten(Struct, frozen=True):
    """A database without a WAL that this user may only read.

    SQLite writes beside a database even to read it. Without a WAL no process has it open. So it
    can be read like a file that stays the same, and a monitor needs no right to write.
    """

    path: Path
    version: tuple[int, int, int]  # inode; bytes; nanoseconds of its last change

    @classmethod
    def find(cls, path: Path) -> _Unwritten | None:
        """Return the database at ``path``; None: it is no such one."""
        if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
            return None
        if not os.access(path, os.R_OK):
            return None
        version = _version(path)  # before the look for the WAL: a run may begin now
        return None if version is None or wal(path).exists() else cls(path, version)

    @property
    def address(self) -> str:
        """The URI to read it as ``immutable``."""
        return f"{self.path.absolute().as_uri()}?immutable=1"

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
        self._left: list[sqlite3.Connection] = []  # a stream may still read them
        super().__init__(path, create=False)

    def _open(self, *, create: bool, address: str | None = None) -> None:
        begun = time.monotonic()
        while True:
            self._unwritten = _Unwritten.find(self.path)
            address = None if self._unwritten is None else self._unwritten.address
            try:
                return super()._open(create=False, address=address)
            except StateError as error:
                if not self._is_passing(error, self._unwritten):
                    raise
                waited = time.monotonic() - begun
                if waited > (_CHANGES if holder(self.path) is None else _WAIT):
                    raise
            time.sleep(_LOOK)

    def close(self) -> None:
        """Close the connections."""
        super().close()
        for connection in self._left:
            connection.close()

    def execute(self, sql: str, parameters: SqlRow = ()) -> list[Any]:
        """Run one statement and return its rows. Raises :class:`StateError`."""
        return self._unmixed(lambda: super(ReadOnlyDatabase, self).execute(sql, parameters))

    def first_row(self, sql: str, parameters: SqlRow = ()) -> Any:
        """Return the first row of a query, or None."""
        return self._unmixed(lambda: super(ReadOnlyDatabase, self).first_row(sql, parameters))

    def stream(self, sql: str, parameters: SqlRow = ()) -> Iterator[Any]:
        """Yield the rows of a query, few in memory at once.

        Raises :class:`StateError`, and :class:`StateChanged` where rows were yielded before a run
        wrote the database.
        """

        def begin() -> tuple[sqlite3.Cursor, list[Any]]:
            with self._errors():
                cursor = self._connection.execute(sql, parameters)
                return cursor, cursor.fetchmany(BATCH)

        cursor, rows = self._unmixed(begin)
        source = self._unwritten
        yield from rows
        while len(rows) == BATCH:
            try:
                with self._errors():
                    rows = cursor.fetchmany(BATCH)
            except StateError as error:
                raise self._changed() if self._is_passing(error, source) else error from error
            if _is_written(source):
                raise self._changed()
            yield from rows

    def _unmixed(self, read: Callable[[], T]) -> T:
        """Return what ``read`` reads in one piece."""
        for _ in range(_LOOKS):
            try:
                found = read()
            except StateError as error:
                if not self._is_passing(error, self._unwritten):
                    raise
            else:
                if not _is_written(self._unwritten):
                    return found
            self._left.append(self._connection)
            self._open(create=False)
        raise self._changed()

    def _is_passing(self, error: StateError, source: _Unwritten | None) -> bool:
        """Return whether the error may be gone at the next look."""
        if _is_written(source):
            return True
        return lacks_files(error.__cause__) and os.access(self.path, os.R_OK)

    def _changed(self) -> StateChanged:
        return StateChanged(str(self.path), "a run wrote it while it was read; run this again")


def _is_written(source: _Unwritten | None) -> bool:
    return source is not None and source.is_written()
