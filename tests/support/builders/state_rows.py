"""A state database in memory's place, and rows to put into it."""

from __future__ import annotations

import zlib

from yanksync.core.model import JournalEntry
from yanksync.core.names import NormalizedName
from yanksync.core.rules.journal_entries import EntryKind, JournalEvent, classify
from yanksync.state.project_rows import ProjectRow, RecordedPage, StoredPage
from yanksync.state.state import State

DEMO = NormalizedName("demo")
NOW = 1_700_000_000.0


def event(action: str, version: str | None, serial: int, name: str = "demo") -> JournalEvent:
    """Return a journal entry, classified."""
    entry = JournalEntry(name, version, int(NOW) - serial, action, serial)
    return JournalEvent(NormalizedName(name), classify(entry), entry)


def stored(body: bytes = b"{}") -> StoredPage:
    return StoredPage(
        body=zlib.compress(body), content_type="x/y", url="https://x.example/simple/demo/"
    )


def record(
    state: State,
    name: str = "demo",
    serial: int | None = 10,
    *,
    quarantined: bool = False,
    due: float | None = None,
) -> int:
    """Have a page of ``name`` recorded; return the project's id."""
    state.projects.add([(name, name)])
    return state.projects.record(
        name,
        RecordedPage(
            serial=serial,
            quarantined=quarantined,
            yanked=1,
            etag='"e"',
            checked=NOW,
            due=due,
            stored=stored(),
        ),
    )


def project(state: State, name: str = "demo") -> ProjectRow:
    return state.projects.get([name])[NormalizedName(name)]


__all__ = ["DEMO", "NOW", "EntryKind", "JournalEvent", "event", "project", "record", "stored"]
