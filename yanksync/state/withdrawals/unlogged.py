"""Finds history rows that will become events of the log."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from yanksync.core.withdrawals.event import decode_event
from yanksync.state.sqlite.database import Database
from yanksync.state.views.history_rows import HistoryRow, row_without_averted

# A row waits until the published page shows it: its project has no work left, and its page has
# reached the entry. A row that a page will never show counts as shown, for example one of an
# excluded project.
_SHOWN = """queued.id IS NULL AND (
    project.id IS NULL OR row.serial IS NULL
    OR row.era < coalesce((SELECT value FROM meta WHERE key = 'era'), 0)
    OR CASE
        WHEN project.presence <> 'present'
            THEN row.place <= project.serial OR waiting.name IS NULL
        WHEN project.published_serial IS NULL THEN waiting.name IS NULL
        ELSE row.place <= project.published_serial
            OR (row.action = 'quarantine' AND row.place <= project.word)
    END)"""
_READY = f"""FROM unlogged JOIN history AS row ON row.id = unlogged.history
    LEFT JOIN projects AS project ON project.name = row.project
    LEFT JOIN unpublished AS queued ON queued.id = project.id
    LEFT JOIN pending AS waiting ON waiting.name = row.project
    WHERE {_SHOWN}"""


class ReadyRow(Struct, frozen=True):
    """A row of the history that the published page shows."""

    id: int
    row: HistoryRow | None  # None: cooldown hid all of it, so it was never shown


class Unlogged:
    """The table ``unlogged``, which triggers of ``history`` fill."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add_all(self) -> None:
        """Let the whole history become events."""
        self._db.execute("INSERT OR IGNORE INTO unlogged SELECT id FROM history")

    def is_any_ready(self) -> bool:
        """Return whether a row can become an event."""
        return self._db.first_row(f"SELECT 1 {_READY} LIMIT 1") is not None

    def ready(self) -> Iterator[ReadyRow]:
        """Yield the rows that can become events, oldest first.

        The caller may drop rows while it reads.
        """
        found = self._db.stream(
            f"""SELECT row.id, row.serial, row.timestamp, row.project, row.version, row.action,
            row.file, row.files, row.reason, row.averted {_READY}
            ORDER BY row.era, row.place, row.serial IS NULL, row.id"""
        )
        return (ReadyRow(id_, row_without_averted(row)) for id_, *row in found)

    def drop(self, history: int) -> None:
        """Drop a row that is an event now, or never will be."""
        self._db.execute("DELETE FROM unlogged WHERE history = ?", (history,))

    def told_before(self, id_: int, row: HistoryRow) -> int | None:
        """Return the cursor of an event that ``row`` replaces; or None.

        That event was made from the same row before its reason was known, or from an observed row.
        In the second case the entry has replaced the observed row.
        """
        about = (row.project, row.action)
        found = self._db.execute(
            """SELECT cursor, line FROM events WHERE history = ? AND replaced_by IS NULL
            AND project = ? AND action = ?""",
            (id_, *about),
        )
        if row.serial is not None:
            found += self._db.execute(
                """SELECT cursor, line FROM events WHERE observed AND replaced_by IS NULL
                AND project = ? AND action = ?
                AND NOT EXISTS (SELECT 1 FROM history WHERE id = events.history)
                ORDER BY cursor DESC""",
                about,
            )
        versions = () if row.version is None else (row.version,)
        files = row.files if row.file is None else (row.file,)
        for cursor, line in found:
            event = decode_event(line)
            if event.versions == versions and event.files in (files, ()):
                return int(cursor)
        return None
