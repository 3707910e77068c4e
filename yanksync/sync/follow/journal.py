"""Stage 1: reads what upstream says has changed, and stores it before anything is done about it.

One transaction stores the entries that tell of withdrawals and returns, marks every project they
name, and moves the cursor: from then on nothing can be lost (R2). Where the journal stands in for
the page, in the two withdrawals on its word, that is in the same transaction.
"""

from __future__ import annotations

from collections.abc import Sequence

from yanksync.config.settings import JournalSource
from yanksync.core.errors import JournalRefused, JournalReplaced, Throttled
from yanksync.core.model import JournalEntry
from yanksync.core.names import NormalizedName, normalized
from yanksync.core.project_state import Presence, Sort
from yanksync.core.rules.journal_entries import Event, Kind, Mark, check_cursor, named, read
from yanksync.core.rules.lost_files import told
from yanksync.core.urls import redacted
from yanksync.mirror.context import Mirror, log
from yanksync.output.inventory import holds_ours
from yanksync.state.facts import READ, UNREAD
from yanksync.state.project_rows import Project
from yanksync.sync.follow.project_list import first_build, follow_list, mark_named
from yanksync.sync.follow.source_choice import address_advice, note_refusal, source_of
from yanksync.sync.follow.upstream_change import restart, trust
from yanksync.sync.output_survey import behind_output

_PATIENCE = 86400.0  # seconds; a longer wait is one that a clock since set back has left


def follow(mirror: Mirror) -> bool:
    """Read the journal, or what stands in for it, from where the last run left off.

    Returns whether it was read to its end. On an empty state only the list is: its pages take so
    long that the journal is read behind them.

    Raises :class:`yanksync.core.errors.UpstreamError`: then nothing was changed by the answer that
    failed, and what was stored before it stays.
    """
    source = source_of(mirror)
    started = mirror.now()
    read_on = source is not JournalSource.XMLRPC or mirror.state.meta.cursor is not None
    if source is JournalSource.XMLRPC:
        _stay_away(mirror, started)
        try:
            _follow_journal(mirror, started)
        except JournalRefused as error:
            note_refusal(mirror)
            check = "check upstream.simple_url and upstream.journal_url"
            why = f"{error.problem}; {address_advice(mirror, check)}"
            raise JournalRefused(error.url, why) from error
        except Throttled as throttled:
            mirror.state.meta.put(journal_not_before=started + throttled.seconds)
            raise
        mirror.state.meta.put(refused_since=None, refused=None)
    elif source is JournalSource.LISTING:
        try:
            follow_list(mirror, started)
            trust(mirror)
        except JournalReplaced as replaced:
            restart(mirror, replaced, started)
        else:
            trust(mirror)
    else:
        if (mirror.state.meta.number("tree_serial") or 0) > 0:
            mirror.state.meta.put(tree_serial=0)  # no serial is followed that could reach it
        mark_named(mirror, started)
    _note_read(mirror)
    followed = "cursor" if source is JournalSource.XMLRPC else "list_serial"
    mirror.state.runs.read_began(started, mirror.state.meta.number(followed))
    return read_on


def _note_read(mirror: Mirror) -> None:
    """Note that upstream was read to its end, and at least as far as the output had been."""
    meta = mirror.state.meta
    read = max(meta.cursor or 0, meta.number("list_serial") or 0)
    if meta.text("catching_up") == UNREAD and read >= (meta.number("tree_serial") or 0):
        meta.put(catching_up=READ)


def _stay_away(mirror: Mirror, now: float) -> None:
    """Ask nothing of a journal that has asked for patience, in this run or one before (R13)."""
    until = mirror.state.meta.moment("journal_not_before") or 0.0
    if 0 < until - now <= _PATIENCE:
        raise Throttled(redacted(mirror.settings.upstream.urls[1]), until - now)


def _follow_journal(mirror: Mirror, started: float) -> None:
    """Read the journal to its end; hold everything if it is another one (R14)."""
    try:
        if mirror.state.meta.cursor is None:
            first_build(mirror, started)
        else:
            _read_on(mirror, mirror.state.meta.cursor, started)
    except JournalReplaced as replaced:
        restart(mirror, replaced, started)


def _read_on(mirror: Mirror, cursor: int, started: float) -> None:
    meta = mirror.state.meta
    tree = meta.number("tree_serial") or 0
    # A state that was put back, or lost, knows no row that could be another.
    if cursor < tree and (last := mirror.upstream.last_serial() or 0) < tree:
        raise behind_output(last, tree)
    first = True
    mirror.progress.expect("reading the journal", 0)
    for rows in mirror.upstream.entries(max(cursor - 1, 0)):
        mirror.progress.advance(len(rows))
        if first:
            check_cursor(rows, cursor, meta.cursor_row)
        _check_ahead(mirror, rows)
        if first and cursor >= tree:
            trust(mirror)
        take_entries(mirror, [row for row in rows if row.serial > cursor], started)
        if first and meta.cursor == cursor and meta.cursor_row is None:
            _learn_row(mirror, rows, cursor)
        first = False
    end = meta.cursor or 0
    if end < tree:
        raise behind_output(end, tree)
    if cursor < tree:
        trust(mirror)


def _check_ahead(mirror: Mirror, rows: Sequence[JournalEntry]) -> None:
    """Check that the journal has the serials of the pages that were ahead of it (R14).

    A page's serial is that of an entry about its project (Warehouse). Where upstream has lost its
    newest entries since, their serials are given out anew: the page would hide what comes.
    Raises :class:`JournalReplaced`.
    """
    if not rows:
        return
    ahead = mirror.state.ahead.upto(rows[-1].serial)
    if not ahead:
        return
    serials = {serial for _, serial in ahead}
    known = {(normalized(row.name), row.serial) for row in rows if row.serial in serials}
    for name, serial in ahead:
        if (name, serial) not in known:
            why = f"the page of {name} is of serial {serial}, and the journal has no such entry"
            raise JournalReplaced(mirror.state.meta.cursor, why)


def _learn_row(mirror: Mirror, rows: Sequence[JournalEntry], cursor: int) -> None:
    """Remember the row at a cursor that came from a list, for the check of the next pass (R14)."""
    if rows and rows[0].serial == cursor:
        mirror.state.meta.move_cursor(cursor, rows[0])


def take_entries(mirror: Mirror, rows: Sequence[JournalEntry], started: float) -> None:
    """Store journal entries, mark the projects they name, and move the cursor, all or nothing."""
    if not rows:
        return
    state = mirror.state
    selects = mirror.settings.mirrors
    with state.transaction():
        names = named(rows, selects)
        reading = read(rows, selects, state.projects.present(names))
        spelled = {event.name: event.entry.name for event in reading.events}
        state.projects.add(spelled.items())
        state.projects.spell(spelled.items())
        state.history.add(reading.events)
        held = state.projects.get(mark.name for mark in reading.marks)
        for mark in reading.marks:
            row = held[mark.name]
            state.projects.note_entry(mark.name, mark.kind, mark.reach)
            if row.serial is not None and row.serial >= mark.reach and not row.stands:
                continue  # its page is there already: no request (R3)
            if row.entry_serial is not None and row.entry_serial >= mark.reach:
                continue  # read before
            state.pending.mark(mark.name, mark.reach, started, urgent=mark.urgent)
            if row.floor is None or row.floor < mark.reach:  # else a later page is published
                _take_its_word(mirror, mark, row, started)
        last = rows[-1]
        state.meta.move_cursor(last.serial, last)
        state.history.settle(last.serial, started)
        state.ahead.confirm(last.serial)
        _tell_losses(mirror, reading.events, started)
    if reading.skipped:
        log.info("%d journal rows name no valid project; skipped", reading.skipped)


def _tell_losses(mirror: Mirror, events: Sequence[Event], started: float) -> None:
    """Let go of held files that these entries remove, and mark those that they yank (R8)."""
    state = mirror.state
    if not state.lost.any():
        return
    ids = state.lost.named()
    about: dict[str, list[Event]] = {}
    for event in events:
        if event.name in ids:
            about.setdefault(event.name, []).append(event)
    for name, newer in about.items():
        project = ids[NormalizedName(name)]
        before = state.lost.one(project)
        lost = told(before, newer)
        if lost != before:
            state.lost.put(project, lost)
            state.unpublished.add_page(project, started)


def _take_its_word(mirror: Mirror, mark: Mark, row: Project, started: float) -> None:
    """Withdraw what the journal says is withdrawn, before any page says so (R9)."""
    state = mirror.state
    present = row.presence is Presence.PRESENT
    if mark.kind is Kind.REMOVE_PROJECT:
        state.projects.remove(mark.name, mark.reach)  # no older page brings it back (R3)
        if present or row.published is not None:
            state.unpublished.add(row.id, Sort.EXPLAINED, started)
    elif mark.quarantine is not None and (row.serial or 0) < mark.quarantine:
        # One that was never held, too: no page from before that may bring files.
        state.projects.withdraw(mark.name, mark.quarantine)
        if present or row.published is not None:  # its removal may be held: this is no removal
            state.unpublished.add(row.id, Sort.PAGE, started)
    else:
        return
    if not present and row.published is None and holds_ours(mirror.store.standing(mark.name)):
        # A run published it that this state does not know of: the state was put back.
        state.unpublished.add(row.id, Sort.EXPLAINED, started)
        state.unpublished.begin([row.id])
