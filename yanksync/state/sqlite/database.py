"""Opens the database, and turns SQLite's errors into yanksync's."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from yanksync.core.errors import StateError
from yanksync.state.schema.migrations import VERSION, migrate
from yanksync.state.sqlite.files import exists
from yanksync.system.file_lock import holder
from yanksync.system.ownership import ownership_hint

_WAIT = 10.0  # seconds to wait for another program that uses or makes the database
BATCH = 1000  # rows of a stream that are in memory at once
_LOOK = 0.02  # seconds between two checks
_FIRST = "run 'yanksync sync' first, or 'yanksync bundle apply' where bundles feed the output"

SqlRow = Sequence[Any]


class Database:
    """One connection to the state database. Not for use by several threads."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        """Open ``path``, making or upgrading it when ``create``.

        Raises :class:`StateError` if it is missing (and must exist), is no database, is damaged,
        was made by a newer yanksync, or opening fails. Then it stays as it was.
        """
        self.path = path
        self._depth = 0
        if not create:
            self._refuse_missing()
        try:
            if create:
                path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            why = f"cannot make its directory: {error.strerror}{ownership_hint(path)}"
            raise StateError(str(path), why) from error
        self._open(create=create)

    def _open(self, *, create: bool) -> None:
        address = self.path if create else f"{self.path.absolute().as_uri()}?{self._mode()}"
        with self._errors():
            self._connection = sqlite3.connect(
                address, timeout=_WAIT, isolation_level=None, uri=not create
            )
        try:
            with self._errors():
                self._prepare(create)
        except BaseException:
            self._connection.close()
            raise

    def _mode(self) -> str:
        """Return how an existing file is opened, for SQLite's URI."""
        return "mode=rw"

    def _prepare(self, create: bool) -> None:
        connection = self._connection
        version = self._version() if create else self._version_once_made()
        self._refuse_foreign()
        if version > VERSION:
            raise StateError(
                str(self.path), f"was made by a newer yanksync (schema {version}, known: {VERSION})"
            )
        if version < VERSION and not create:
            raise StateError(str(self.path), f"is of an older schema; {_FIRST}")
        if create:
            connection.execute("PRAGMA journal_mode = WAL")
        # FULL: a commit is on disk when it returns. A digest may be committed only after its file,
        # and a page must be recorded before it is published.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        if version < VERSION:
            migrate(connection)

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    def _version_once_made(self) -> int:
        """Return the schema's version, after another run's upgrade."""
        end = time.monotonic() + _WAIT
        while (version := self._version()) < VERSION and holder(self.path) is not None:
            if time.monotonic() > end:
                break
            time.sleep(_LOOK)
        return version

    def _refuse_missing(self) -> None:
        if not exists(self.path):
            raise StateError(str(self.path), f"there is no such state database; {_FIRST}")

    def _refuse_foreign(self) -> None:
        tables = {row[0] for row in self._connection.execute("SELECT name FROM sqlite_master")}
        if tables and "_sqlite_migrations" not in tables:
            why = "is a database, but not one of yanksync; change mirror.state"
            raise StateError(str(self.path), why)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def _failure(self, error: sqlite3.Error) -> StateError:
        from yanksync.state.sqlite.errors import advice  # start-up

        return StateError(str(self.path), advice(error, self.path))

    def close(self) -> None:
        """Close the connection; an open transaction is rolled back."""
        with suppress(sqlite3.Error):
            self._connection.close()

    def execute(self, sql: str, parameters: SqlRow = ()) -> list[Any]:
        """Run one statement and return its rows. Raises :class:`StateError`."""
        try:  # no context manager: a first build calls this half a million times
            return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def first_row(self, sql: str, parameters: SqlRow = ()) -> Any:
        """Return the first row of a query, or None."""
        try:
            return self._connection.execute(sql, parameters).fetchone()
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def count(self, sql: str, parameters: SqlRow = ()) -> int:
        """Return the single integer of a query."""
        return int(self.first_row(sql, parameters)[0])

    def stream(self, sql: str, parameters: SqlRow = ()) -> Iterator[Any]:
        """Yield the rows of a query, few in memory at once."""
        with self._errors():
            cursor = self._connection.execute(sql, parameters)
            while rows := cursor.fetchmany(BATCH):
                yield from rows

    def execute_many(self, sql: str, rows: Iterable[SqlRow]) -> None:
        """Run one statement for each of ``rows``. Raises :class:`StateError`."""
        with self._errors():
            self._connection.executemany(sql, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything inside together, or nothing; nests as savepoints."""
        depth = self._depth
        outermost = depth == 0
        name = f"level{depth}"
        try:  # a signal may come directly after the beginning
            self.execute("BEGIN IMMEDIATE" if outermost else f"SAVEPOINT {name}")
            self._depth = depth + 1
            yield
        except BaseException:
            self._depth = depth
            with suppress(StateError):
                if outermost:
                    self.execute("ROLLBACK")
                else:
                    self.execute(f"ROLLBACK TO {name}")
                    self.execute(f"RELEASE {name}")
            raise
        self._depth = depth
        try:
            self.execute("COMMIT" if outermost else f"RELEASE {name}")
        except StateError:
            with suppress(StateError):  # otherwise it would stay open, and contain the next one
                self.execute("ROLLBACK")
            raise

    @contextmanager
    def rolled_back(self) -> Iterator[None]:
        """Roll back everything inside, which sees its own writes (``--dry-run``)."""
        self.execute("BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            self.execute("ROLLBACK")

    def empty_log(self) -> None:
        """Write the log (WAL) into the database, and empty it."""
        self.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def backup(self, target: Path) -> None:
        """Write a consistent copy to ``target``, a new file.

        Raises :class:`StateError`, also if the copy is damaged.
        """
        try:
            with closing(sqlite3.connect(target)) as copy:
                self._connection.backup(copy)
                (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.Error as error:
            from yanksync.state.sqlite.errors import primary_code  # start-up

            if primary_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise self._failure(error) from error
            raise StateError(str(target), f"cannot copy the state: {error}") from error
        if found != "ok":
            damaged = sqlite3.DatabaseError(
                f"database disk image is malformed ({found.splitlines()[-1]})"
            )
            raise self._failure(damaged)
