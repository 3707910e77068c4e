"""The history: yanks, unyanks, removals, quarantines and returns, each once (rule R6)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter

import msgspec

from yanksync.core.model import HistoryAction, JournalEntry, PageChange
from yanksync.core.names import NormalizedName
from yanksync.core.rules.averted import Averted, HiddenReleases, averted_part
from yanksync.core.rules.entry_index import EntryIndex
from yanksync.core.rules.journal_entries import HISTORY_ACTIONS, EntryKind, JournalEvent
from yanksync.core.rules.page_diff import BEFORE_ALL, PendingDiff, attribute_changes
from yanksync.state.observed_rows import ObservedRow, ObservedRows, observed_row
from yanksync.state.sqlite.database import Database
from yanksync.state.texts import encode_names, encode_text, plain_text


class History:
    """The tables ``history`` and ``unsettled``."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.averted_files = 0  #: files that were withdrawn while hidden, in this run
        self.explained: list[int] = []  #: rows that got their reason, in this run

    @property
    def _epoch(self) -> int:
        row = self._db.first_row("SELECT value FROM meta WHERE key = 'era'")
        return 0 if row is None else int(row[0])

    def start_epoch(self) -> None:
        """Start an epoch, for the serials of another journal (R14)."""
        self.attribute(None, 0.0)
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('era', ?)", (self._epoch + 1,))

    def add(self, events: Iterable[JournalEvent]) -> None:
        """Add journal entries, oldest first; those recorded before are recognised by serial.

        A ``create`` or ``new release`` is a return only if the newest row of that project or
        version is a removal. An entry replaces an observed row that it explains.
        """
        told = [event for event in events if event.kind in HISTORY_ACTIONS]
        if not told:
            return
        epoch, rows = self._epoch, _RowWriter(self._db)
        known, observed = self._known(told, epoch), self._observed(told, epoch)
        for event in told:
            entry, action = event.entry, HISTORY_ACTIONS[event.kind]
            if entry.serial in known:
                continue
            if action is HistoryAction.RETURN and not self._was_removed(event, epoch, rows):
                continue
            known.add(entry.serial)
            reason = None if event.kind is EntryKind.YANK else ""
            averted = None
            if event.name in observed:
                reason, averted = self._replace(observed[event.name], event, action, reason, rows)
            rows.add(
                (
                    epoch,
                    entry.serial,
                    entry.serial,
                    entry.timestamp,
                    event.name,
                    plain_text(entry.version),
                    event.kind,
                    action,
                    plain_text(event.file),
                    encode_text(reason),
                    averted,
                )
            )
        rows.write()

    def _known(self, events: Sequence[JournalEvent], epoch: int) -> set[int]:
        """Return the recorded serials of ``events``, and maybe others."""
        serials = [event.entry.serial for event in events]
        rows = self._db.execute(
            "SELECT serial FROM history WHERE era = ? AND serial BETWEEN ? AND ?",
            (epoch, min(serials), max(serials)),
        )
        return {row[0] for row in rows}

    def _was_removed(self, event: JournalEvent, epoch: int, rows: _RowWriter) -> bool:
        rows.write()
        row = self._db.first_row(
            """SELECT action FROM history WHERE project = ? AND version IS ? AND file IS NULL
            AND (era, place) < (?, ?) ORDER BY era DESC, place DESC, id DESC LIMIT 1""",
            (event.name, plain_text(event.entry.version), epoch, event.entry.serial),
        )
        return row is not None and row[0] == HistoryAction.REMOVE

    def _observed(self, events: Sequence[JournalEvent], epoch: int) -> dict[str, ObservedRows]:
        """Return the observed rows that ``events`` may explain, by project."""
        first = min(event.entry.serial for event in events)
        projects = json.dumps(list({event.name for event in events}))
        rows: dict[str, list[ObservedRow]] = {}
        for where in ("high >= ?3", "high IS NULL AND ?3 = ?3"):
            found = self._db.execute(
                f"""SELECT project, id, place, low, high, action, version, file, files, reason,
                averted FROM history WHERE serial IS NULL AND era = ?1 AND {where}
                AND project IN (SELECT value FROM json_each(?2))""",
                (epoch, projects, first),
            )
            for project, *row in found:
                rows.setdefault(project, []).append(observed_row(row))
        return {project: ObservedRows(some) for project, some in rows.items()}

    def _replace(
        self,
        observed: ObservedRows,
        event: JournalEvent,
        action: HistoryAction,
        reason: str | None,
        rows: _RowWriter,
    ) -> tuple[str | None, str | None]:
        """Drop the rows that ``event`` explains.

        Return the facts that these rows have about it. These are the reason, and what was averted.
        """
        serial, averted = event.entry.serial, None
        for row in observed.take(event, action):
            if row.position < serial and self._returned(event, row.position, rows):
                continue
            self._db.execute("DELETE FROM history WHERE id = ?", (row.id,))
            reason = row.reason if action is HistoryAction.YANK else reason
            averted = averted or row.averted
        return reason, averted

    def _returned(self, event: JournalEvent, position: int, rows: _RowWriter) -> bool:
        """Return whether something of the project returned between ``position`` and ``event``."""
        rows.write()
        row = self._db.first_row(
            """SELECT 1 FROM history WHERE project = ? AND era = ? AND action = 'return'
            AND place > ? AND place < ? LIMIT 1""",
            (event.name, self._epoch, position, event.entry.serial),
        )
        return row is not None

    def events(self, project: str, above: int | None) -> tuple[JournalEvent, ...]:
        """Return the journal entries of a project after serial ``above``, oldest first."""
        rows = self._db.execute(
            """SELECT serial, timestamp, version, kind, file FROM history
            WHERE project = ? AND era = ? AND place > ? AND serial IS NOT NULL ORDER BY place""",
            (project, self._epoch, BEFORE_ALL if above is None else above),
        )
        return tuple(_event(project, row) for row in rows)

    def removed_versions(self, project: str, upto: int | None) -> frozenset[str]:
        """Return the versions whose newest row is a removal.

        ``upto`` is the serial of a page, which cannot show later events; None: all.
        """
        rows = self._db.execute(
            """SELECT version, action FROM history WHERE project = ?1 AND version IS NOT NULL
            AND file IS NULL AND (?2 IS NULL OR era < ?3 OR place <= ?2) ORDER BY era, place, id""",
            (project, upto, self._epoch),
        )
        newest = dict(rows)
        return frozenset(v for v, action in newest.items() if action == HistoryAction.REMOVE)

    def add_diff(
        self, project: str, pages: Iterable[PendingDiff], now: float, *, settled: bool
    ) -> None:
        """Add the changes of a recorded page.

        ``settled``: the journal is read up to its serial.

        A page has several parts if its lost files were last on different pages.
        """
        parts = [diff for diff in pages if diff.changes or diff.reasons]
        at_once = [diff for diff in parts if settled or diff.high is None]
        if at_once:
            entries = EntryIndex(self.events(project, None))
            for diff in at_once:
                self._attribute(project, diff, entries, now)
        self._db.execute_many(
            "INSERT INTO unsettled (project, high, seen) VALUES (?, ?, ?)",
            [
                (project, diff.high, _dump_diff(diff))
                for diff in parts
                if not settled and diff.high is not None
            ],
        )

    def attribute(self, cursor: int | None, now: float) -> None:
        """Settle the pages that the journal has reached.

        All pages if ``cursor`` is None.
        """
        rows = self._db.execute(
            """SELECT project, seen, id FROM unsettled
            WHERE ?1 IS NULL OR high <= ?1 ORDER BY project, high, id""",
            (cursor,),
        )
        for project, some in groupby(rows, key=itemgetter(0)):
            entries = EntryIndex(self.events(project, None))
            for _, text, _ in some:
                self._attribute(project, _load_diff(text), entries, now)
        self._db.execute_many("DELETE FROM unsettled WHERE id = ?", [(row[2],) for row in rows])

    def _attribute(self, project: str, diff: PendingDiff, entries: EntryIndex, now: float) -> None:
        outcome, epoch = attribute_changes(diff, entries), self._epoch
        for serial, reason in outcome.reasons:
            row = self._db.first_row(
                "SELECT id FROM history WHERE era = ? AND serial = ? AND reason IS NULL",
                (epoch, serial),
            )
            if row is not None:
                self.explained.append(int(row[0]))
                update = "UPDATE history SET reason = ? WHERE id = ?"
                self._db.execute(update, (encode_text(reason), row[0]))
        self.add_observed(
            project, outcome.observed, now, low=diff.low, high=diff.high, hidden=diff.hidden
        )

    def add_observed(
        self,
        project: str,
        changes: Sequence[PageChange],
        now: float,
        *,
        low: int | None = None,
        high: int | None = None,
        hidden: HiddenReleases | None = None,
    ) -> None:
        """Add changes that no entry explains.

        They were seen between pages with the serials ``low`` and ``high``. ``hidden`` are the
        releases of the page before that cooldown hid.
        """
        if not changes:
            return
        epoch = self._epoch
        if high is None:
            position = max(self._last_position(epoch), low or 0)
        else:
            position = self._position_of(project, high, epoch)
        self._db.execute_many(
            """INSERT INTO history (era, place, timestamp, project, version, action, file,
                files, reason, low, high, averted) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            [
                (
                    epoch,
                    position,
                    int(now),
                    project,
                    plain_text(change.version),
                    change.action,
                    plain_text(change.file),
                    encode_names(change.files),
                    encode_text(change.reason),
                    low,
                    high,
                    self._averted(change, hidden),
                )
                for change in changes
            ],
        )

    def _averted(self, change: PageChange, hidden: HiddenReleases | None) -> str | None:
        part = None
        if change.action in (HistoryAction.REMOVE, HistoryAction.QUARANTINE):
            part = averted_part(hidden, change.version, change.file)
        return None if part is None else self._counted(part)

    def _counted(self, part: Averted) -> str:
        self.averted_files += part.count
        return json.dumps(msgspec.to_builtins(part))

    def set_averted(self, serial: int, part: Averted) -> None:
        """Mark a recorded withdrawal whose releases were hidden."""
        where = "era = ? AND serial = ? AND averted IS NULL"
        key = (self._epoch, serial)
        if self._db.first_row(f"SELECT 1 FROM history WHERE {where}", key) is not None:
            self._db.execute(
                f"UPDATE history SET averted = ? WHERE {where}", (self._counted(part), *key)
            )

    def _position_of(self, project: str, serial: int, epoch: int) -> int:
        """Return the place in the history of a page of ``serial``.

        It is never before earlier observations.
        """
        row = self._db.first_row(
            """SELECT place FROM history WHERE project = ? AND place > ? AND era = ?
            AND serial IS NULL ORDER BY place DESC LIMIT 1""",
            (project, serial, epoch),
        )
        return serial if row is None else int(row[0])

    def _last_position(self, epoch: int) -> int:
        return self._db.count("SELECT coalesce(max(place), 0) FROM history WHERE era = ?", (epoch,))


class _RowWriter:
    """Collects journal entries for the table.

    Call :meth:`write` before reading the table.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._waiting: list[tuple[object, ...]] = []

    def add(self, row: tuple[object, ...]) -> None:
        """Collect a row."""
        self._waiting.append(row)

    def write(self) -> None:
        """Write the collected rows."""
        if self._waiting:
            self._db.execute_many(
                """INSERT INTO history (era, place, serial, timestamp, project, version, kind,
                    action, file, reason, averted) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                self._waiting,
            )
            self._waiting = []


def _event(project: str, row: Sequence[object]) -> JournalEvent:
    serial, timestamp, version, kind, file = row
    action = str(kind) if file is None else f"remove file {file}"
    entry = JournalEntry(project, version, timestamp, action, serial)  # type: ignore[arg-type]
    return JournalEvent(NormalizedName(project), EntryKind(str(kind)), entry)


def _dump_diff(diff: PendingDiff) -> str:
    return json.dumps(msgspec.to_builtins(diff))


def _load_diff(text: str) -> PendingDiff:
    return msgspec.convert(json.loads(text), type=PendingDiff)
