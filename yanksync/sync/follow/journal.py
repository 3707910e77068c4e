"""Stage 1: reads the journal, and stores it before acting on it.

One transaction stores the entries about withdrawals and returns, marks every project that they
name, and moves the cursor. After that nothing can be lost (R2). Two kinds of entries withdraw a
project before its page is fetched; that is in the same transaction.
"""

from __future__ import annotations

from collections.abc import Sequence

from yanksync.config.settings import JournalSource
from yanksync.core.errors import JournalReplaced, JournalUnavailable, RateLimited, UpstreamRefused
from yanksync.core.model import JournalEntry
from yanksync.core.names import NormalizedName, normalize
from yanksync.core.project_state import Presence
from yanksync.core.rules.journal_entries import (
    EntryKind,
    JournalEvent,
    ProjectMark,
    check_continuity,
    interpret,
    mirrored_names,
)
from yanksync.core.rules.lost_files import apply_entries
from yanksync.core.rules.transitions import QuarantinedByJournal, RemovedByJournal, transition
from yanksync.core.urls import redacted
from yanksync.mirror.context import Mirror, log
from yanksync.output.inventory import is_project_directory
from yanksync.state.facts import READ, UNREAD, Facts, JournalPosition, Recovery, SourceChoice
from yanksync.state.project_rows import ProjectRow
from yanksync.state.state import State
from yanksync.sync.follow.named_projects import mark_named
from yanksync.sync.follow.project_list import first_build, follow_list
from yanksync.sync.follow.source_choice import address_advice, current_source, note_journal_refused
from yanksync.sync.follow.upstream_change import mark_trusted, restart_if_approved
from yanksync.sync.policy.averted import note_averted
from yanksync.sync.policy.times import note_entries
from yanksync.sync.recovery.output_survey import older_than_output

_PATIENCE = 86400.0  # seconds; a longer wait comes from a clock that was set back since


def read_changes(mirror: Mirror) -> bool:
    """Read the journal, or its substitute, from the cursor on.

    Returns whether it was read to its end. With an empty state only the list is read: fetching the
    pages takes long, so the journal is read after them.

    Raises :class:`yanksync.core.errors.UpstreamError`: then the failed answer has changed nothing,
    and everything that was stored before it stays.
    """
    source = current_source(mirror)
    started = mirror.now()
    read_on = source is not JournalSource.XMLRPC or mirror.state.facts.cursor is not None
    if source is JournalSource.XMLRPC:
        _respect_retry_after(mirror, started)
        try:
            _follow_journal(mirror, started)
        except JournalUnavailable as error:
            note_journal_refused(mirror)
            check = "check upstream.simple_url and upstream.journal_url"
            why = f"{error.problem}; {address_advice(mirror, check)}"
            raise JournalUnavailable(error.url, why) from error
        except UpstreamRefused as error:
            why = "; ".join(filter(None, (error.problem, address_advice(mirror, ""))))
            raise UpstreamRefused(error.url, error.status, why) from error
        except RateLimited as throttled:
            mirror.state.facts.change(JournalPosition, not_before=started + throttled.seconds)
            raise
        mirror.state.facts.change(SourceChoice, refused_since=None, refused=None)
    elif source is JournalSource.LISTING:
        try:
            follow_list(mirror, started)
            mark_trusted(mirror.state.facts)
        except JournalReplaced as replaced:
            restart_if_approved(mirror, replaced, started)
        else:
            mark_trusted(mirror.state.facts)
    else:
        if (mirror.state.facts.recovery.serial or 0) > 0:
            # with no followed serial, it would stay out of reach
            mirror.state.facts.change(Recovery, serial=0)
        mark_named(mirror, started)
    _note_read(mirror.state.facts)
    mirror.state.runs.read_began(started, mirror.state.facts.followed_serial)
    return read_on


def _note_read(facts: Facts) -> None:
    """Note that upstream was read to its end."""
    read = max(facts.cursor or 0, facts.upstream_list.serial or 0)
    if facts.recovery.phase == UNREAD and read >= (facts.recovery.serial or 0):
        facts.change(Recovery, phase=READ)


def _respect_retry_after(mirror: Mirror, now: float) -> None:
    """Make the pause that the journal asked for (R13)."""
    until = mirror.state.facts.journal.not_before or 0.0
    if 0 < until - now <= _PATIENCE:
        raise RateLimited(redacted(mirror.settings.upstream.urls[1]), until - now)


def _follow_journal(mirror: Mirror, started: float) -> None:
    """Read the journal to its end.

    If it is another journal, hold everything (R14).
    """
    try:
        if mirror.state.facts.cursor is None:
            first_build(mirror, started)
        else:
            _read_on(mirror, mirror.state.facts.cursor, started)
    except JournalReplaced as replaced:
        restart_if_approved(mirror, replaced, started)


def _read_on(mirror: Mirror, cursor: int, started: float) -> None:
    facts = mirror.state.facts
    tree = facts.recovery.serial or 0
    # A lost or restored state has no row at the cursor to compare.
    if cursor < tree and (last := mirror.upstream.last_serial() or 0) < tree:
        raise older_than_output(last, tree)
    first = True
    mirror.progress.expect("reading the journal", 0)
    for rows in mirror.upstream.entries(max(cursor - 1, 0)):
        mirror.progress.advance(len(rows))
        if first:
            check_continuity(rows, cursor, facts.cursor_row)
        _check_ahead(mirror.state, rows)
        if first and cursor >= tree:
            mark_trusted(mirror.state.facts)
        store_entries(mirror, [row for row in rows if row.serial > cursor], started)
        if first and facts.cursor == cursor and facts.cursor_row is None:
            _remember_row(mirror.state.facts, rows, cursor)
        first = False
    end = facts.cursor or 0
    if end < tree:
        raise older_than_output(end, tree)
    if cursor < tree:
        mark_trusted(mirror.state.facts)


def _check_ahead(state: State, rows: Sequence[JournalEntry]) -> None:
    """Check that the journal has the serials of earlier pages (R14).

    A page's serial is the serial of an entry about its project (Warehouse). If upstream has lost
    its newest entries, it gives out their serials again. Then the page would hide the new entries.
    Raises :class:`JournalReplaced`.
    """
    if not rows:
        return
    ahead = state.unconfirmed_serials.upto(rows[-1].serial)
    if not ahead:
        return
    serials = {serial for _, serial in ahead}
    known = {(normalize(row.name), row.serial) for row in rows if row.serial in serials}
    for name, serial in ahead:
        if (name, serial) not in known:
            why = f"the page of {name} is of serial {serial}, and the journal has no such entry"
            raise JournalReplaced(state.facts.cursor, why)


def _remember_row(facts: Facts, rows: Sequence[JournalEntry], cursor: int) -> None:
    """Remember the row at a list's cursor, for a check (R14)."""
    if rows and rows[0].serial == cursor:
        facts.move_cursor(cursor, rows[0])


def store_entries(mirror: Mirror, rows: Sequence[JournalEntry], started: float) -> None:
    """Store entries, mark their projects, and move the cursor.

    All in one transaction.
    """
    if not rows:
        return
    state = mirror.state
    selects = mirror.settings.is_mirrored
    with state.transaction():
        names = mirrored_names(rows, selects)
        batch = interpret(rows, selects, state.projects.present(names))
        spelled = {event.name: event.entry.name for event in batch.events}
        state.projects.add(spelled.items())
        state.projects.update_display_names(spelled.items())
        state.history.add(batch.events)
        held = state.projects.get(mark.name for mark in batch.marks)
        note_averted(mirror, batch.events, held)
        note_entries(mirror, batch.events, held)
        for mark in batch.marks:
            row = held[mark.name]
            state.projects.note_entry(mark.name, mark.kind, mark.required_serial)
            if (
                row.serial is not None
                and row.serial >= mark.required_serial
                and not row.is_only_published
            ):
                continue  # its page is new enough already: no request (R3)
            if row.entry_serial is not None and row.entry_serial >= mark.required_serial:
                continue  # this row was read before
            state.fetch_queue.mark(mark.name, mark.required_serial, started, urgent=mark.urgent)
            # otherwise a later page is published
            if row.minimum_serial is None or row.minimum_serial < mark.required_serial:
                _withdraw_at_once(mirror, mark, row, started)
        last = rows[-1]
        state.facts.move_cursor(last.serial, last)
        state.history.attribute(last.serial, started)
        state.unconfirmed_serials.confirm(last.serial)
        _update_lost_files(mirror.state, batch.events, started)
    if batch.skipped:
        log.info("%d journal rows name no valid project; skipped", batch.skipped)


def _update_lost_files(state: State, events: Sequence[JournalEvent], started: float) -> None:
    """Drop or mark held files that these entries concern (R8)."""
    if not state.lost_files.any():
        return
    ids = state.lost_files.named()
    about: dict[str, list[JournalEvent]] = {}
    for event in events:
        if event.name in ids:
            about.setdefault(event.name, []).append(event)
    for name, newer in about.items():
        project = ids[NormalizedName(name)]
        before = state.lost_files.one(project)
        lost = apply_entries(before, newer)
        if lost != before:
            state.lost_files.put(project, lost)
            state.publish_queue.add_page(project, started)


def _withdraw_at_once(mirror: Mirror, mark: ProjectMark, row: ProjectRow, started: float) -> None:
    """Apply withdrawals of the journal before any page (R9)."""
    if mark.kind is EntryKind.REMOVE_PROJECT:
        event: type[RemovedByJournal | QuarantinedByJournal] = RemovedByJournal
        serial = mark.required_serial
    elif mark.quarantine is not None:
        event, serial = QuarantinedByJournal, mark.quarantine
    else:
        return
    stands = row.presence is Presence.PRESENT or row.published is not None
    unknown = not stands and is_project_directory(mirror.store.directory_content(mark.name))
    effects = transition(row, event(serial, unknown))
    mirror.state.apply(row, effects, mirror.observation(started))
