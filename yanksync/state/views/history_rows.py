"""Reads the rows of the history, with averted withdrawals."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from yanksync.core.model import HistoryAction
from yanksync.core.names import NormalizedName
from yanksync.core.rules.averted import Averted
from yanksync.state.sqlite.database import Database
from yanksync.state.texts import decode_names, decode_text

COLUMNS = "serial, timestamp, project, version, action, file, files, reason, averted"


class HistoryRow(Struct, frozen=True, kw_only=True):
    """One row of the history, as ``history --json`` prints it."""

    serial: int | None
    timestamp: int  # UTC seconds
    project: NormalizedName
    version: str | None
    action: HistoryAction
    file: str | None
    files: tuple[str, ...]
    reason: str | None  # exact; None: unknown
    source: str  # "journal" or "observed"


class HistoryRows:
    """Reads the table ``history``; :class:`yanksync.state.history.History` writes it."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def newest(self) -> int:
        """Return the number of the newest row; 0: none."""
        return self._db.count("SELECT coalesce(max(id), 0) FROM history")

    def after(self, number: int, limit: int) -> Iterator[HistoryRow]:
        """Yield up to ``limit`` rows added after this number."""
        return self._read("id > ?", "id LIMIT ?", (number, limit))

    def numbered(self, numbers: Iterable[int]) -> Iterator[HistoryRow]:
        """Yield the rows of these numbers, in their order."""
        for number in sorted(numbers):
            yield from self._read("id = ?", "id", (number,))

    def count_after(self, number: int) -> int:
        """Return how many rows were added after this number."""
        return self._db.count("SELECT count(*) FROM history WHERE id > ?", (number,))

    def select(
        self,
        project: str | None = None,
        version: str | None = None,
        since: float | None = None,
        until: float | None = None,
        *,
        newest_first: bool = False,
    ) -> Iterator[HistoryRow]:
        """Yield rows, oldest first, by project, version and time, ``until`` not included."""
        asked = {
            "project = ?": project,
            "(version = ? OR averted IS NOT NULL)": version,
            "timestamp >= ?": since,
            "timestamp < ?": until,
        }
        where = [clause for clause, value in asked.items() if value is not None]
        order = ("era", "place", "serial IS NULL", "id")
        found = self._read(
            " AND ".join(where or ["true"]),
            ", ".join(f"{key} DESC" if newest_first else key for key in order),
            [value for value in asked.values() if value is not None],
        )
        return (row for row in found if version is None or row.version == version)

    def _read(self, where: str, order: str, values: Sequence[str | float]) -> Iterator[HistoryRow]:
        found = self._db.stream(
            f"SELECT {COLUMNS} FROM history WHERE {where} ORDER BY {order}", values
        )
        return (one for row in found for one in rows_of(row))


def rows_of(row: Sequence[object]) -> Iterator[HistoryRow]:
    """Yield the history rows for the :data:`COLUMNS` of a row.

    There is one more for each averted release, or only these.
    """
    found, averted = _row(row), row[8]
    if averted is None:
        yield found
        return
    part = msgspec.convert(json.loads(str(averted)), type=Averted)
    if not part.is_all:
        yield found
    for version, files in part.releases:
        yield replace(found, version=version, action=HistoryAction.AVERTED, file=None, files=files)


def row_without_averted(row: Sequence[object]) -> HistoryRow | None:
    """Return the part of a row about offered releases; None: no part."""
    averted = row[8]
    part = None if averted is None else msgspec.convert(json.loads(str(averted)), type=Averted)
    return _row(row) if part is None or not part.is_all else None


def _row(row: Sequence[object]) -> HistoryRow:
    serial, timestamp, project, version, action, file, files, reason, _ = row
    return HistoryRow(
        serial=serial,  # type: ignore[arg-type]
        timestamp=timestamp,  # type: ignore[arg-type]
        project=project,  # type: ignore[arg-type]
        version=version,  # type: ignore[arg-type]
        action=HistoryAction(str(action)),
        file=file,  # type: ignore[arg-type]
        files=decode_names(files),
        reason=decode_text(reason),
        source="observed" if serial is None else "journal",
    )
