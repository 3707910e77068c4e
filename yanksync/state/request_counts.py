"""Requests of clients for files, counted in a temporary database.

It has no name, and SQLite keeps it in memory until it is too long for that.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from msgspec import Struct

from yanksync.core.errors import StateError

_HELD = 1 << 14  # pairs of a file and a client that are counted before they are written
_CACHE = -(8 << 10)  # KiB of the database that SQLite keeps in memory


class RequestCount(Struct):
    """What one client requested of a file."""

    before: int = 0  # requests before a certain time
    after: int = 0
    unchanged: int = 0  # it had the file already
    last: float = 0.0  # UTC seconds of the newest request


class FileTotals(Struct, frozen=True):
    """All requests for one file."""

    before: int
    after: int
    unchanged: int
    clients_before: int  # clients with a request before that time
    clients_after: int


class RequestCounts:
    """Counts by file, a number, and client, a text.

    Memory grows with neither of them. Every method raises :class:`StateError` where there is no
    room for the temporary file.
    """

    def __init__(self) -> None:
        self._held: dict[tuple[int, bytes], RequestCount] = {}
        with _errors():
            self._connection = sqlite3.connect("", isolation_level=None)
            for statement in (
                f"PRAGMA cache_size = {_CACHE}",
                "PRAGMA temp_store = FILE",  # for what is sorted
                "PRAGMA journal_mode = OFF",
                "PRAGMA synchronous = OFF",
                """CREATE TABLE requests (file INTEGER, client BLOB, before INTEGER,
                after INTEGER, unchanged INTEGER, last REAL, PRIMARY KEY (file, client))
                WITHOUT ROWID""",
            ):
                self._connection.execute(statement)

    def __enter__(self) -> RequestCounts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._connection.close()

    def of(self, file: int, client: str) -> RequestCount:
        """Return the counts to add requests to; use them at once."""
        key = file, client.encode("utf-8", "surrogatepass")
        found = self._held.get(key)
        if found is None:
            if len(self._held) >= _HELD:
                self._write()
            found = self._held[key] = RequestCount()
        return found

    def _write(self) -> None:
        with _errors():
            self._connection.execute("BEGIN")
            self._connection.executemany(
                """INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT (file, client) DO UPDATE SET before = before + excluded.before,
                after = after + excluded.after, unchanged = unchanged + excluded.unchanged,
                last = max(last, excluded.last)""",
                (
                    (*key, one.before, one.after, one.unchanged, one.last)
                    for key, one in sorted(self._held.items(), key=lambda item: item[0])
                ),
            )
            self._connection.execute("COMMIT")
        self._held.clear()

    def totals(self) -> dict[int, FileTotals]:
        """Return the totals of each file."""
        self._write()
        with _errors():
            rows = self._connection.execute(
                """SELECT file, sum(before), sum(after), sum(unchanged), sum(before > 0),
                sum(after > 0) FROM requests GROUP BY file"""
            )
            return {file: FileTotals(*totals) for file, *totals in rows}

    def clients(self, file: int) -> Iterator[tuple[str, RequestCount]]:
        """Yield a file's clients, most requests after that time first."""
        self._write()
        with _errors():
            rows = self._connection.execute(
                """SELECT client, before, after, unchanged, last FROM requests WHERE file = ?
                ORDER BY after DESC, before DESC, client""",
                (file,),
            )
            for client, *counts in rows:
                yield client.decode("utf-8", "surrogatepass"), RequestCount(*counts)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        why = f"no room for the counts of requests: {error}; set TMPDIR to a directory with room"
        raise StateError(tempfile.gettempdir(), why) from error
