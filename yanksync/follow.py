"""Stage 1: reads what upstream says has changed, and stores it before anything is done about it.

One transaction stores the entries that tell of withdrawals and returns, marks every project they
name, and moves the cursor: from then on nothing can be lost (R2). Where the journal stands in for
the page, in the two withdrawals on its word, that is in the same transaction.
"""

from __future__ import annotations

from collections.abc import Sequence

from yanksync.errors import (
    BadAnswer,
    ConfigError,
    JournalRefused,
    JournalReplaced,
    Throttled,
)
from yanksync.guards import EXPLAINED_FLOOR, limit
from yanksync.journal import Kind, check_cursor, named, read
from yanksync.mirror import Mirror, log
from yanksync.model import JournalEntry, ListedProject, ProjectList
from yanksync.settings import JournalSource, redacted
from yanksync.state.unpublished import Sort
from yanksync.upstream.parsing import is_json, parse_list
from yanksync.upstream.rules import Broken
from yanksync.upstream.source import RawList

_LASTING = 3600.0  # seconds that XML-RPC must have been refused for, in passes enough (R15)
_PASSES = 3
_PATIENCE = 86400.0  # seconds; a longer wait is one that a clock since set back has left
_PROBE = 3600.0  # seconds between questions whether a journal that was left has returned


def follow(mirror: Mirror) -> None:
    """Read the journal, or what stands in for it, from where the last run left off.

    Raises :class:`yanksync.errors.UpstreamError`: then nothing was changed by the answer that
    failed, and what was stored before it stays.
    """
    source = _source(mirror)
    started = mirror.now()
    if source is JournalSource.XMLRPC:
        _stay_away(mirror, started)
        try:
            _follow_journal(mirror, started)
        except JournalRefused:
            _note_refusal(mirror)
            raise
        except Throttled as throttled:
            mirror.state.meta.put(journal_not_before=started + throttled.seconds)
            raise
        mirror.state.meta.put(refused_since=None, refused=None)
    elif source is JournalSource.LISTING:
        _follow_list(mirror, started)
    else:
        _mark_named(mirror, started)
    mirror.state.runs.read_began(started)


def widen(mirror: Mirror) -> None:
    """Take up the projects that a changed configuration adds (design.md, change of configuration).

    The list names them; the journal is read again from the list's serial, for entries about them
    were skipped so far. Recorded entries are recognised.
    """
    meta = mirror.state.meta
    source = _source(mirror)
    if source is JournalSource.NONE:
        return
    if source is JournalSource.LISTING:  # the list is read anyway, and now in full
        meta.put(selection=mirror.settings.mirror.selection.fingerprint, list_etag=None)
        return
    started = mirror.now()
    _, projects = read_list(mirror)
    with mirror.state.transaction():
        load(mirror, projects)
        mirror.state.listed.mark_missing(started)
        _mark_unlisted(mirror, projects, started)
        mirror.state.listed.drop()
        cursor = meta.cursor
        if cursor is not None and projects.serial is not None and projects.serial < cursor:
            meta.move_cursor(projects.serial, None)
        meta.put(selection=mirror.settings.mirror.selection.fingerprint)


def _stay_away(mirror: Mirror, now: float) -> None:
    """Ask nothing of a journal that has asked for patience, in this run or one before (R13)."""
    until = mirror.state.meta.moment("journal_not_before") or 0.0
    if 0 < until - now <= _PATIENCE:
        raise Throttled(redacted(mirror.settings.upstream.urls[1]), until - now)


def resync(mirror: Mirror) -> None:
    """Ask for every project again, without ETags; go on with a full-resync that was interrupted."""
    meta = mirror.state.meta
    source = _source(mirror)
    if source is JournalSource.NONE:
        _mark_named(mirror, mirror.now(), forced=True)
        return
    if meta.moment("resync") is not None and mirror.state.pending.forced():
        log.info("going on with the full-resync begun before")
        return
    started = mirror.now()
    last = None
    if source is JournalSource.XMLRPC and meta.cursor is None:
        last = mirror.upstream.last_serial() or 0
    raw, projects = read_list(mirror)
    with mirror.state.transaction():
        load(mirror, projects)
        mirror.state.listed.mark_all(started)
        _leave(mirror, projects, started)
        _mark_unlisted(mirror, projects, started)
        mirror.state.listed.drop()
        meta.put(resync=started)
        _start(mirror, source, raw, projects, last)


def _source(mirror: Mirror) -> JournalSource:
    """Return where changes are learnt from; decides once, and remembers (R15)."""
    meta = mirror.state.meta
    configured = mirror.settings.upstream.journal
    if configured is not JournalSource.AUTO:
        if meta.text("journal") != configured:
            with mirror.state.transaction():
                mirror.state.history.settle(None, mirror.now())
                meta.put(journal=configured.value, refused=None, refused_since=None)
        return configured
    known = meta.text("journal")
    if known is None:
        known = _probe(mirror)
        meta.put(journal=known)
    elif known != JournalSource.XMLRPC and meta.cursor is not None:
        known = _probe_again(mirror, known)
    return JournalSource(known)


def _probe(mirror: Mirror) -> str:
    try:
        mirror.upstream.last_serial()
        return JournalSource.XMLRPC.value
    except JournalRefused as refusal:
        log.info("%s", refusal)
    return _without_journal(mirror)


def _without_journal(mirror: Mirror) -> str:
    """Return what to follow instead: the list if it has serials, else the named pages."""
    try:
        raw = mirror.upstream.list(None)
        listing = raw is not None and _has_serials(mirror, raw)
    except BadAnswer as error:
        log.info("%s", error)
        listing = False
    if listing:
        return JournalSource.LISTING.value
    if mirror.settings.mirror.selection.explicit is None:
        raise ConfigError(
            "mirror.projects",
            str(mirror.settings.source or "the configuration"),
            "this upstream has neither a journal nor serials in its list of projects, so projects "
            "have to be named one by one, without wildcards",
        )
    return JournalSource.NONE.value


def _has_serials(mirror: Mirror, raw: RawList) -> bool:
    try:
        if not is_json(raw.media):
            return False
    except Broken:
        return False
    projects = parse_list(raw.body, raw.media, mirror.upstream.rules, raw.header_serial)
    return bool(projects.projects) and all(row.serial is not None for row in projects.projects)


def _probe_again(mirror: Mirror, known: str) -> str:
    """See now and then whether the journal that was left has returned; its cursor stayed."""
    meta = mirror.state.meta
    now = mirror.now()
    asked = meta.moment("journal_probe") or 0.0
    if 0 <= now - asked < _PROBE:
        return known
    meta.put(journal_probe=now)
    try:
        mirror.upstream.last_serial()
    except JournalRefused:
        return known
    log.warning("the journal has returned; following it from serial %s", meta.cursor)
    meta.put(journal=JournalSource.XMLRPC.value)
    return JournalSource.XMLRPC.value


def _note_refusal(mirror: Mirror) -> None:
    """Leave XML-RPC only when it was refused for good: three passes, over an hour (R15)."""
    meta = mirror.state.meta
    if mirror.settings.upstream.journal is not JournalSource.AUTO:
        return
    now = mirror.now()
    since = meta.moment("refused_since") or now
    passes = (meta.number("refused") or 0) + 1
    meta.put(refused_since=since, refused=passes)
    if passes >= _PASSES and now - since >= _LASTING:
        instead = _without_journal(mirror)
        log.warning("the journal is refused for good; following %r instead", instead)
        with mirror.state.transaction():
            mirror.state.history.settle(None, now)
            meta.put(journal=instead, journal_probe=now, refused=None, refused_since=None)


def _follow_journal(mirror: Mirror, started: float) -> None:
    meta = mirror.state.meta
    if meta.cursor is None:
        _first_build(mirror, JournalSource.XMLRPC, started)
    cursor = meta.cursor or 0
    first = True
    for rows in mirror.upstream.entries(max(cursor - 1, 0)):
        if first:
            try:
                check_cursor(rows, cursor, meta.cursor_row)
            except JournalReplaced as replaced:
                _replaced(mirror, replaced, started)
                return
            meta.put(journal_replaced=None, journal_replaced_since=None, approve_journal=None)
        take_entries(mirror, [row for row in rows if row.serial > cursor], started)
        if first and meta.cursor == cursor and meta.cursor_row is None:
            _learn_row(mirror, rows, cursor)
        first = False


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
            if row.serial is not None and row.serial >= mark.reach:
                continue  # its page is there already: no request (R3)
            if row.entry_serial is not None and row.entry_serial >= mark.reach:
                continue  # read before
            state.pending.mark(mark.name, mark.reach, started, urgent=mark.urgent)
            if mark.kind is Kind.REMOVE_PROJECT:
                state.projects.remove(mark.name, mark.reach)  # no older page brings it back (R3)
                if row.presence == "present":
                    state.unpublished.add(row.id, Sort.EXPLAINED, started)
            elif mark.kind is Kind.QUARANTINE_PROJECT and row.presence == "present":
                state.projects.withdraw(mark.name, mark.reach)
                state.unpublished.add(row.id, Sort.PAGE, started)
        last = rows[-1]
        state.meta.move_cursor(last.serial, last)
        state.history.settle(last.serial, started)
    if reading.skipped:
        log.info("%d journal rows name no valid project; skipped", reading.skipped)


def _first_build(mirror: Mirror, source: JournalSource, started: float) -> None:
    last = mirror.upstream.last_serial() or 0 if source is JournalSource.XMLRPC else None
    raw, projects = read_list(mirror)
    with mirror.state.transaction():
        load(mirror, projects)
        mirror.state.listed.mark_newer(started)
        _mark_unlisted(mirror, projects, started)
        mirror.state.listed.drop()
        _start(mirror, source, raw, projects, last)


def _start(
    mirror: Mirror,
    source: JournalSource,
    raw: RawList,
    projects: ProjectList,
    last: int | None,
) -> None:
    """Set where following begins, if it has not begun, and remember the list."""
    meta = mirror.state.meta
    if source is JournalSource.XMLRPC and last is not None:
        # The list may be half an hour older than the journal (A43).
        start = last if projects.serial is None else min(last, projects.serial)
        meta.move_cursor(start, None)
    meta.see_serial(projects.serial)
    meta.put(
        list_serial=projects.serial,
        list_etag=raw.etag,
        selection=mirror.settings.mirror.selection.fingerprint,
    )


def _follow_list(mirror: Mirror, started: float) -> None:
    """Compare the list of projects with the state (spec-checklist A68)."""
    meta = mirror.state.meta
    raw = mirror.upstream.list(meta.text("list_etag"))
    if raw is None:
        return
    projects = parse_list(raw.body, raw.media, mirror.upstream.rules, raw.header_serial)
    if any(row.serial is None for row in projects.projects):
        raise BadAnswer("the list of projects", "it has no serials, so it cannot be followed")
    known = meta.number("list_serial")
    if known is not None and (projects.serial is None or projects.serial < known):
        log.info("the list of projects is older than the one read before; not taken")
        return
    with mirror.state.transaction():
        load(mirror, projects)
        mirror.state.listed.mark_newer(started)
        _leave(mirror, projects, started)
        _mark_unlisted(mirror, projects, started)
        mirror.state.listed.drop()
        _start(mirror, JournalSource.LISTING, raw, projects, None)


def read_list(mirror: Mirror) -> tuple[RawList, ProjectList]:
    """Return the list of projects, asked for without ETag."""
    raw = mirror.upstream.list(None)
    if raw is None:
        raise BadAnswer("the list of projects", "304, though nothing was asked for by ETag")
    projects = parse_list(raw.body, raw.media, mirror.upstream.rules, raw.header_serial)
    if is_json(raw.media) and not mirror.upstream.json_only:
        mirror.state.meta.put(json=1)  # from here on its HTML would be a fallback's (R15)
        mirror.upstream.json_only = True
    if projects.skipped:
        log.info("%d listed names are no valid project names; skipped", projects.skipped)
    if not projects.projects and mirror.state.meta.cursor is None:
        log.warning("the list of projects is empty")
    return raw, projects


def load(mirror: Mirror, projects: ProjectList) -> None:
    """Hold the list against the state: its mirrored rows only."""
    selects = mirror.settings.mirrors
    rows: Sequence[ListedProject] = projects.projects
    if not mirror.settings.mirror.selection.everything:
        rows = [row for row in rows if selects(row.name)]
    mirror.state.listed.load(rows)


def _leave(mirror: Mirror, projects: ProjectList, started: float) -> None:
    """Ask for the projects that left the list; too many of them are held before that (R8)."""
    left = mirror.state.listed.leave(projects.serial, started)
    most = limit(EXPLAINED_FLOOR, mirror.state.projects.published())
    if len(left) > most:
        why = f"{len(left)} projects left the list of projects at once, more than {most}"
        log.error("held: %s; see 'yanksync holds'", why)
        mirror.state.pending.hold(left, why, mirror.now())


def _mark_unlisted(mirror: Mirror, projects: ProjectList, started: float) -> None:
    """Ask for named projects that the list does not have: quarantined ones are left out of it."""
    explicit = mirror.settings.mirror.selection.explicit
    if explicit is None:
        return
    listed = {row.name for row in projects.projects}
    unlisted = [name for name in explicit if name not in listed]
    mirror.state.projects.add((name, name) for name in unlisted)
    rows = mirror.state.projects.get(unlisted)
    for name in unlisted:
        if rows[name].presence == "new":
            mirror.state.pending.mark(name, None, started)


def _mark_named(mirror: Mirror, started: float, *, forced: bool = False) -> None:
    """Ask for every named project: there is nothing that tells which of them changed."""
    names = mirror.settings.mirror.selection.explicit or ()
    with mirror.state.transaction():
        mirror.state.projects.add((name, name) for name in names)
        for name in names:
            mirror.state.pending.mark(name, None, started, forced=forced, patient=not forced)
        mirror.state.meta.put(selection=mirror.settings.mirror.selection.fingerprint)


def _replaced(mirror: Mirror, replaced: JournalReplaced, started: float) -> None:
    """Hold everything until a person approves that the journal is another one (R14)."""
    meta = mirror.state.meta
    if not meta.flag("approve_journal"):
        if meta.text("journal_replaced") is None:
            meta.put(journal_replaced_since=mirror.now())
        meta.put(journal_replaced=replaced.problem)
        raise replaced
    last = mirror.upstream.last_serial() or 0
    raw, projects = read_list(mirror)
    with mirror.state.transaction():
        mirror.state.start_over()
        load(mirror, projects)
        mirror.state.listed.mark_all(started)
        _leave(mirror, projects, started)
        _mark_unlisted(mirror, projects, started)
        mirror.state.listed.drop()
        meta.put(upstream_serial=None)
        _start(mirror, JournalSource.XMLRPC, raw, projects, last)
        meta.put(
            approve_journal=None, journal_replaced=None, journal_replaced_since=None, resync=started
        )
    log.warning("following the journal from serial %s on, as approved", meta.cursor)
