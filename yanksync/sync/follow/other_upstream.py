"""Collects facts about another upstream for a person's decision (R14).

An approval is for the upstream that the person saw. In the next run upstream may be a third one.
"""

from __future__ import annotations

from itertools import islice

import msgspec
from msgspec import Struct

from yanksync.config.settings import JournalSource
from yanksync.core.errors import JournalReplaced, UpstreamError
from yanksync.core.model import JournalEntry, ProjectList
from yanksync.core.rules.journal_entries import check_continuity
from yanksync.core.urls import without_userinfo
from yanksync.mirror.context import Mirror
from yanksync.state.facts import ReplacedJournal
from yanksync.sync.follow.project_list import read_list
from yanksync.upstream.client import RawList, UpstreamClient

_BATCH = 2000  # names of the list looked up at once


class UpstreamSnapshot(Struct, frozen=True, kw_only=True):
    """The facts about another upstream."""

    address: str
    serial: int | None = None  # its newest serial; None: it has none
    row: JournalEntry | None = None  # row of its journal at that serial
    missing: int | None = None  # published projects that its list lacks; None: not known
    published: int = 0

    @property
    def text(self) -> str:
        """The text for the person."""
        ends = "" if self.serial is None else f"; its newest serial is {self.serial}"
        if self.missing is None:
            return ends
        return f"{ends}; its list lacks {self.missing} of the {self.published} published projects"


class FetchedList(Struct, frozen=True):
    """The list and the serial that were read."""

    last: int | None = None  # newest serial of the journal
    raw: RawList | None = None
    projects: ProjectList | None = None


def take_snapshot(mirror: Mirror, source: JournalSource) -> tuple[UpstreamSnapshot, FetchedList]:
    """Return what upstream has. Raises :class:`yanksync.core.errors.UpstreamError`."""
    address = without_userinfo(mirror.upstream.simple_url)
    last = (mirror.upstream.last_serial() or 0) if source is JournalSource.XMLRPC else None
    row = None if not last else _row(mirror.upstream, last)
    named = mirror.settings.mirror.selection.explicit_names is not None
    if source is JournalSource.NONE or (named and source is JournalSource.XMLRPC):
        return UpstreamSnapshot(address=address, serial=last, row=row), FetchedList(last)
    raw, projects = read_list(mirror)
    rows, listed, state = projects.projects, 0, mirror.state.projects
    while batch := {row.name for row in islice(rows, _BATCH)}:
        listed += state.count_offering(batch)
    published = state.count_offering()
    seen = UpstreamSnapshot(
        address=address,
        serial=projects.serial if last is None else last,
        row=row,
        missing=max(published - listed, 0),
        published=published,
    )
    return seen, FetchedList(last, raw, projects)


def _row(upstream: UpstreamClient, serial: int) -> JournalEntry | None:
    rows = next(iter(upstream.entries(serial - 1)), ())
    return rows[0] if rows and rows[0].serial == serial else None


def store_snapshot(mirror: Mirror, source: JournalSource) -> None:
    """Record facts about upstream, to show them before an approval."""
    try:
        seen = take_snapshot(mirror, source)[0]
    except UpstreamError:
        return
    note_snapshot(mirror, seen)


def note_snapshot(mirror: Mirror, seen: UpstreamSnapshot) -> None:
    """Note facts about upstream, for the person who decides."""
    text = msgspec.json.encode(seen).decode()
    mirror.state.facts.change(ReplacedJournal, seen=text, seen_text=seen.text)


def is_outdated(mirror: Mirror, source: JournalSource) -> bool:
    """Return True if the recorded upstream has another journal."""
    text = mirror.state.facts.replaced_journal.seen
    if text is None:
        return True
    seen = msgspec.json.decode(text, type=UpstreamSnapshot)
    if seen.address != without_userinfo(mirror.upstream.simple_url):
        return True
    if source is not JournalSource.XMLRPC or seen.serial is None:
        return False  # only the list would show that
    try:
        last = mirror.upstream.last_serial() or 0
        return last < seen.serial or _other_entry(mirror, seen) is not None
    except UpstreamError:  # nothing newer can be shown
        return False


def changed_since_approval(mirror: Mirror, now: UpstreamSnapshot) -> str | None:
    """Return what changed since the approval; None: nothing.

    Raises :class:`yanksync.core.errors.UpstreamError`.
    """
    text = mirror.state.facts.replaced_journal.seen
    if text is None:
        return "it did not answer before that was approved"
    seen = msgspec.json.decode(text, type=UpstreamSnapshot)
    if now.address != seen.address:
        return f"its address was {seen.address} when that was approved"
    if seen.serial is not None and (now.serial is None or now.serial < seen.serial):
        return f"it ends at serial {now.serial}, and at {seen.serial} when that was approved"
    if seen.missing is not None and now.missing is not None and now.missing > seen.missing:
        return (
            f"its list lacks more of the published projects than when that was approved{now.text}"
        )
    other = _other_entry(mirror, seen)
    if other is not None:
        return f"at serial {seen.serial}, seen when that was approved, {other}"
    return None


def _other_entry(mirror: Mirror, seen: UpstreamSnapshot) -> str | None:
    """Return what is wrong with the journal where ``seen`` ended.

    None if the journal continues from there.
    """
    if seen.serial is None or seen.row is None:
        return None
    try:
        rows = next(iter(mirror.upstream.entries(seen.serial - 1)), ())
        check_continuity(rows, seen.serial, seen.row)
    except JournalReplaced as replaced:
        return replaced.problem
    return None
