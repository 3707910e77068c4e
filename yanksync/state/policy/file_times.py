"""When files were added, and when rules change a page."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from yanksync.core.policies.cooldown import FileTimes
from yanksync.state.sqlite.database import Database


class TimesRow(Struct, frozen=True, kw_only=True):
    """The row of one project."""

    added: Mapping[str, float] = {}  # by file name; 0: its upload-time alone counts
    earliest: float | None = None  # effective time of the oldest removed file
    is_new: bool = False  # the project appeared while upstream was followed
    shown: frozenset[str] = frozenset()

    @property
    def times(self) -> FileTimes:
        """The part that rendering needs."""
        return FileTimes(self.added, self.earliest, self.shown)


NO_ROW = TimesRow()
"""A project of which nothing was noted."""


class OfferNote(Struct, frozen=True, kw_only=True):
    """What to remember of a page that was published under rules."""

    project: int
    changes_at: float | None
    waiting: int
    shown: frozenset[str]


class FileTimesTable:
    """The table ``file_times``; only a project with times has a row."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def get(self, ids: Sequence[int]) -> dict[int, TimesRow]:
        """Return the rows of those of ``ids`` that have one."""
        rows = self._db.execute(
            """SELECT project, added, earliest, is_new, shown FROM file_times
            WHERE project IN (SELECT value FROM json_each(?))""",
            (json.dumps(ids),),
        )
        return {
            row[0]: TimesRow(
                added=_load(row[1]),
                earliest=row[2],
                is_new=bool(row[3]),
                shown=frozenset(json.loads(row[4] or "[]")),
            )
            for row in rows
        }

    def put(self, project: int, row: TimesRow) -> None:
        """Store the times of a project's files.

        This does not change what was published.
        """
        self._db.execute(
            """INSERT INTO file_times (project, added, earliest, is_new) VALUES (?, ?, ?, ?)
            ON CONFLICT (project) DO UPDATE SET added = excluded.added,
                earliest = excluded.earliest, is_new = excluded.is_new""",
            (project, _dump(row.added), row.earliest, row.is_new),
        )

    def restart(self, ids: Iterable[int]) -> None:
        """Forget the files of these projects; they begin again."""
        self._db.execute_many(
            """INSERT INTO file_times (project, is_new) VALUES (?, 1)
            ON CONFLICT (project) DO UPDATE SET added = NULL, earliest = NULL, is_new = 1,
                shown = NULL, waiting = 0, changes_at = NULL""",
            ((id_,) for id_ in ids),
        )

    def note_offers(self, notes: Iterable[OfferNote]) -> None:
        """Note what was published, and when cooldown changes it."""
        rows = [
            (one.changes_at, one.waiting, json.dumps(sorted(one.shown)) if one.shown else None,
             one.project)
            for one in notes
        ]  # fmt: skip
        self._db.execute_many(
            """UPDATE file_times SET changes_at = ?1, waiting = ?2, shown = ?3
            WHERE project = ?4 AND (changes_at, waiting, shown) IS NOT (?1, ?2, ?3)""",
            rows,
        )
        self._db.execute_many(
            """INSERT INTO file_times (changes_at, waiting, shown, project)
            SELECT ?1, ?2, ?3, ?4 WHERE (?1 IS NOT NULL OR ?3 IS NOT NULL)
            AND NOT EXISTS (SELECT 1 FROM file_times WHERE project = ?4)""",
            rows,
        )

    def publish_due(self, cutoff: float, now: float) -> int:
        """Queue the pages that change up to ``cutoff``; return their number."""
        due = """SELECT project FROM file_times CROSS JOIN projects ON id = project
            WHERE changes_at <= ?1 AND presence = 'present'"""
        number = self._db.count(f"SELECT count(*) FROM ({due})", (cutoff,))
        if number:
            self._db.execute(
                f"INSERT OR IGNORE INTO unpublished (id, sort, since) SELECT project, 'page', ?2 "
                f"FROM ({due})",
                (cutoff, now),
            )
        return number

    def forget_shown(self) -> None:
        """Forget which files became visible, because other ages may hide them."""
        self._db.execute("UPDATE file_times SET shown = NULL WHERE shown IS NOT NULL")

    def forget_offers(self) -> None:
        """Forget what was published under rules, because there are no rules now."""
        self._db.execute(
            """UPDATE file_times SET shown = NULL, waiting = 0, changes_at = NULL
            WHERE changes_at IS NOT NULL OR shown IS NOT NULL"""
        )

    def waiting(self) -> tuple[int, float | None]:
        """Return the number of hidden files, and the next time.

        At that time the next one becomes visible.
        """
        row = self._db.first_row(
            """SELECT coalesce(sum(waiting), 0), min(changes_at) FILTER (WHERE waiting > 0)
            FROM file_times WHERE changes_at IS NOT NULL"""
        )
        return int(row[0]), row[1]


def _dump(added: Mapping[str, float]) -> bytes | None:
    # The json module writes this, because names may have lone surrogates, which msgspec refuses.
    return zlib.compress(json.dumps(added).encode()) if added else None


def _load(blob: bytes | None) -> dict[str, float]:
    return {} if blob is None else dict(json.loads(zlib.decompress(blob)))
