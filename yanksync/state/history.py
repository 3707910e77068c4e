"""The history: yanks, unyanks, removals, quarantines and returns, each once (rule R6)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec import Struct

from yanksync.changes import Unsettled, explains, settle
from yanksync.journal import HISTORY, Event, Kind
from yanksync.model import Action, Change, JournalEntry
from yanksync.names import NormalizedName
from yanksync.state.database import Database


class Row(Struct, frozen=True, kw_only=True):
    """One row of the history, as interface.md describes it."""

    serial: int | None
    timestamp: int  # UTC seconds
    project: NormalizedName
    version: str | None
    action: Action
    file: str | None
    files: tuple[str, ...]
    reason: str | None  # exact; None: unknown
    source: str  # "journal" or "observed"


class History:
    """The tables ``history`` and ``unsettled``."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @property
    def _era(self) -> int:
        row = self._db.one("SELECT value FROM meta WHERE key = 'era'")
        return 0 if row is None else int(row[0])

    def new_era(self) -> None:
        """From now on serials are those of another journal (R14); what is recorded stays."""
        self.settle(None, 0.0)
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('era', ?)", (self._era + 1,))

    def add(self, events: Iterable[Event]) -> None:
        """Add journal entries, oldest first; those recorded before are recognised by serial.

        A ``create`` or ``new release`` is a return only when the newest row of that project or
        version is a removal. An observed row that an entry explains gives way to it.
        """
        era = self._era
        for event in events:
            action = HISTORY.get(event.kind)
            if action is None or (action is Action.RETURN and not self._was_removed(event)):
                continue
            entry = event.entry
            known = self._db.one(
                "SELECT 1 FROM history WHERE era = ? AND serial = ?", (era, entry.serial)
            )
            if known is not None:
                continue
            reason = None if event.kind is Kind.YANK else ""
            reason = self._replace_observed(event, action, reason)
            self._db.execute(
                """INSERT INTO history (era, place, serial, timestamp, project, version, kind,
                    action, file, reason) VALUES (?1, ?2, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)""",
                (era, entry.serial, entry.timestamp, event.name, _plain(entry.version), event.kind,
                 action, _plain(event.file), _text(reason)),
            )  # fmt: skip

    def _was_removed(self, event: Event) -> bool:
        version = event.entry.version
        row = self._db.one(
            """SELECT action FROM history WHERE project = ?1 AND version IS ?2 AND file IS NULL
            AND (era < ?3 OR place < ?4) ORDER BY era DESC, place DESC, id DESC LIMIT 1""",
            (event.name, _plain(version), self._era, event.entry.serial),
        )
        return row is not None and row[0] == Action.REMOVE

    def _replace_observed(self, event: Event, action: Action, reason: str | None) -> str | None:
        missing = Action.REMOVE if event.removes else action  # what is quarantined may look removed
        rows = self._db.execute(
            """SELECT id, action, version, file, files, reason FROM history AS seen
            WHERE project = ?1 AND serial IS NULL AND action IN (?2, ?5) AND era = ?4
            AND (high IS NULL OR high >= ?3) AND coalesce(low, -1) < ?3
            AND NOT EXISTS (SELECT 1 FROM history AS other WHERE other.project = ?1
                AND other.era = ?4 AND other.action = 'return'
                AND other.place > seen.place AND other.place < ?3)""",
            (event.name, action, event.entry.serial, self._era, missing),
        )
        for id_, seen, version, file, files, text in rows:
            names = _names(files)
            change = Change(action=Action(seen), version=version, file=file, files=names)
            if explains(event, change):
                self._db.execute("DELETE FROM history WHERE id = ?", (id_,))
                reason = _untext(text) if action is Action.YANK else reason
        return reason

    def events(self, project: str, above: int | None) -> tuple[Event, ...]:
        """Return the journal entries of a project after serial ``above``, oldest first."""
        rows = self._db.execute(
            """SELECT serial, timestamp, version, kind, file FROM history
            WHERE project = ? AND era = ? AND serial > ? ORDER BY serial""",
            (project, self._era, -1 if above is None else above),
        )
        return tuple(_event(project, row) for row in rows)

    def withdrawn(self, project: str, upto: int | None) -> frozenset[str]:
        """Return the versions whose newest row of the history up to a serial is a removal.

        ``upto`` is the serial of a page, which shows nothing of what came after it; None: all.
        """
        rows = self._db.execute(
            """SELECT version, action FROM history WHERE project = ?1 AND version IS NOT NULL
            AND file IS NULL AND (?2 IS NULL OR era < ?3 OR place <= ?2) ORDER BY era, place, id""",
            (project, upto, self._era),
        )
        newest = dict(rows)
        return frozenset(v for v, action in newest.items() if action == Action.REMOVE)

    def see(self, project: str, seen: Unsettled, now: float, *, settled: bool) -> None:
        """Take in what a recorded page showed; ``settled``: the journal is read up to it."""
        if not seen.changes and not seen.reasons:
            return
        if settled or seen.high is None:
            self._settle(project, seen, now)
        else:
            self._db.execute(
                "INSERT INTO unsettled (project, high, seen) VALUES (?, ?, ?)",
                (project, seen.high, _dump(seen)),
            )

    def settle(self, cursor: int | None, now: float) -> None:
        """Settle every page that the journal has reached; all of them when ``cursor`` is None."""
        rows = self._db.execute(
            """SELECT id, project, seen FROM unsettled
            WHERE ?1 IS NULL OR high <= ?1 ORDER BY high, id""",
            (cursor,),
        )
        for id_, project, text in rows:
            self._settle(project, _load(text), now)
            self._db.execute("DELETE FROM unsettled WHERE id = ?", (id_,))

    def _settle(self, project: str, seen: Unsettled, now: float) -> None:
        outcome = settle(seen, self.events(project, None))
        for serial, reason in outcome.reasons:
            self._db.execute(
                "UPDATE history SET reason = ? WHERE era = ? AND serial = ? AND reason IS NULL",
                (_text(reason), self._era, serial),
            )
        self.observe(project, outcome.observed, now, low=seen.low, high=seen.high)

    def observe(
        self,
        project: str,
        changes: Sequence[Change],
        now: float,
        *,
        low: int | None = None,
        high: int | None = None,
    ) -> None:
        """Add changes that no entry explains, seen between pages of serials ``low``, ``high``."""
        if not changes:
            return
        place = max(self._last_place(), low or 0) if high is None else self._seen_by(project, high)
        for change in changes:
            self._db.execute(
                """INSERT INTO history (era, place, timestamp, project, version, action, file,
                    files, reason, low, high) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                (self._era, place, int(now), project, _plain(change.version), change.action,
                 _plain(change.file), _files(change.files), _text(change.reason), low, high),
            )  # fmt: skip

    def _seen_by(self, project: str, serial: int) -> int:
        """Return the place of what a page of ``serial`` shows: not before what was seen before."""
        row = self._db.one(
            """SELECT place FROM history WHERE project = ? AND place > ? AND era = ?
            AND serial IS NULL ORDER BY place DESC LIMIT 1""",
            (project, serial, self._era),
        )
        return serial if row is None else int(row[0])

    def _last_place(self) -> int:
        return self._db.count(
            "SELECT coalesce(max(place), 0) FROM history WHERE era = ?", (self._era,)
        )

    def rows(
        self, project: str | None = None, version: str | None = None, since: float | None = None
    ) -> Iterator[Row]:
        """Yield rows, oldest first: of a project, of a version text, from a time on."""
        found = self._db.stream(
            """SELECT serial, timestamp, project, version, action, file, files, reason FROM history
            WHERE (?1 IS NULL OR project = ?1) AND (?2 IS NULL OR version = ?2)
            AND (?3 IS NULL OR timestamp >= ?3) ORDER BY era, place, serial IS NULL, id""",
            (project, version, since),
        )
        return (_row(row) for row in found)


def _event(project: str, row: Sequence[object]) -> Event:
    serial, timestamp, version, kind, file = row
    action = str(kind) if file is None else f"remove file {file}"
    entry = JournalEntry(project, version, timestamp, action, serial)  # type: ignore[arg-type]
    return Event(NormalizedName(project), Kind(str(kind)), entry)


def _row(row: Sequence[object]) -> Row:
    serial, timestamp, project, version, action, file, files, reason = row
    return Row(
        serial=serial,  # type: ignore[arg-type]
        timestamp=timestamp,  # type: ignore[arg-type]
        project=project,  # type: ignore[arg-type]
        version=version,  # type: ignore[arg-type]
        action=Action(str(action)),
        file=file,  # type: ignore[arg-type]
        files=_names(files),
        reason=_untext(reason),
        source="observed" if serial is None else "journal",
    )


def _text(reason: str | None) -> str | None:
    """Return a reason as JSON in ASCII: SQLite's text can hold neither NUL nor lone surrogates."""
    return None if reason is None else json.dumps(reason)


def _untext(text: object) -> str | None:
    return None if text is None else str(json.loads(str(text)))


def _dump(seen: Unsettled) -> str:
    return json.dumps(msgspec.to_builtins(seen))


def _load(text: str) -> Unsettled:
    return msgspec.convert(json.loads(text), type=Unsettled)


def _files(names: tuple[str, ...]) -> str | None:
    return json.dumps(names) if names else None


def _names(files: object) -> tuple[str, ...]:
    return () if files is None else tuple(json.loads(str(files)))


def _plain(text: str | None) -> str | None:
    """Return ``text`` as SQLite can keep it: a lone surrogate becomes ``?``."""
    return None if text is None else text.encode("utf-8", "replace").decode()
