"""Stage 1, the list of projects: for a first build, a full-resync, a wider selection, or instead of
the journal.

A list is evidence of what is there, and never of what is not unless it is as new as what is known
; names that leave it are counted before any page is asked for (R8).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from yanksync.config.project_filter import ProjectFilter
from yanksync.config.settings import JournalSource
from yanksync.core.errors import AnswerTooLarge, InvalidAnswer
from yanksync.core.formats.parse import is_json, parse_list
from yanksync.core.model import UNKNOWN_FORMS, ProjectList
from yanksync.core.names import normalize
from yanksync.core.project_state import EMPTY_LIST, Presence
from yanksync.core.rules.journal_entries import check_continuity
from yanksync.core.rules.removal_guard import EXPLAINED_FLOOR, LISTED_SHARE, removal_limit
from yanksync.mirror.context import Mirror, log
from yanksync.output.inventory import is_project_directory
from yanksync.state.facts import ListPosition, SelectionChange, UpstreamTraits
from yanksync.sync.follow.set_back import CACHED, check_rows, check_rows_again, refuse_older_list
from yanksync.sync.follow.source_choice import CHECK, address_advice, current_source
from yanksync.sync.output_survey import check_published
from yanksync.upstream.client import RawList

_STANDING = 2000  # directories of the output held against the state at once


def add_selected_projects(mirror: Mirror) -> None:
    """Take up the projects that a changed configuration adds.

    The list names them; the journal is read again from the list's serial, for entries about them
    were skipped so far. Recorded entries are recognised. Raises
    :class:`yanksync.core.errors.UpstreamError`, :class:`yanksync.core.errors.JournalReplaced` among
    them.
    """
    facts = mirror.state.facts
    source = current_source(mirror)
    if source is JournalSource.NONE:
        return
    if source is JournalSource.LISTING:  # the list is read anyway, and now in full
        facts.change(SelectionChange, listed=mirror.settings.mirror.selection.text)
        facts.change(ListPosition, etag=None)
        return
    started = mirror.now()
    section = mirror.settings.mirror
    # While a narrowing waits, projects from before are selected, too; those are known.
    if (
        ProjectFilter(section.selection.projects, section.selection.exclude).explicit_names
        is not None
    ):
        mark_missing_named(mirror, started)
        return
    _, projects = read_list(mirror)
    cursor, known = facts.cursor or 0, facts.cursor_row
    _refuse_empty(mirror, projects, cursor)
    back = cursor if projects.serial is None else min(projects.serial, cursor)
    if back < cursor and known is not None:  # this row is forgotten, and tells what is followed
        check_continuity(next(iter(mirror.upstream.entries(cursor - 1)), ()), cursor, known)
    with mirror.state.transaction():
        import_mirrored_rows(mirror, projects)
        mirror.state.list_import.mark_missing(started)
        mark_unlisted_names(mirror, projects, started)
        mirror.state.list_import.drop()
        if back < cursor:
            facts.move_cursor(back, None)
        facts.change(SelectionChange, listed=mirror.settings.mirror.selection.text)


def begin_full_resync(mirror: Mirror) -> bool:
    """Ask for every project again, without ETags; go on with a full-resync that was interrupted.

    Returns whether this began to follow the journal, on an empty state. Raises
    :class:`yanksync.core.errors.UpstreamError`, :class:`yanksync.core.errors.JournalReplaced` among
    them.
    """
    facts = mirror.state.facts
    source = current_source(mirror)
    if source is JournalSource.NONE:
        mark_named(mirror, mirror.now(), forced=True)
        return False
    if facts.moment("resync") is not None and mirror.state.fetch_queue.forced():
        log.info("going on with the full-resync begun before")
        return False
    started = mirror.now()
    last = None
    if source is JournalSource.XMLRPC and facts.cursor is None:
        last = mirror.upstream.last_serial() or 0
        check_published(mirror, last)
    if (
        source is JournalSource.XMLRPC
        and mirror.settings.mirror.selection.explicit_names is not None
    ):
        with mirror.state.transaction():
            mark_all_named(mirror, started)
            set_start_position(mirror, source, None, None, last)
            facts.put(resync=started)
        return last is not None
    raw, projects = read_list(mirror)
    if last is not None:
        _refuse_empty(mirror, projects, last)
    if source is JournalSource.LISTING:
        _refuse_older(mirror, projects.serial, started)
    with mirror.state.transaction():
        import_mirrored_rows(mirror, projects)
        if source is JournalSource.LISTING:
            check_rows(mirror, projects, started)
        mirror.state.list_import.mark_all(started)
        mark_delisted(mirror, projects, started)
        mark_unlisted_directories(mirror, projects, started)
        mark_unlisted_names(mirror, projects, started)
        mirror.state.list_import.drop()
        facts.put(resync=started)
        set_start_position(mirror, source, raw, projects, last)
    mirror.state.runs.read_began(started, projects.serial)
    return last is not None


def first_build(mirror: Mirror, started: float) -> None:
    """Ask for every listed or named project, and begin to follow the journal from before the list.

    The state may hold pages, and tombstones, from before there was a journal to follow.
    """
    last = mirror.upstream.last_serial() or 0
    check_published(mirror, last)
    if mirror.settings.mirror.selection.explicit_names is not None:
        with mirror.state.transaction():
            mark_named(mirror, started)
            set_start_position(mirror, JournalSource.XMLRPC, None, None, last)
        return
    raw, projects = read_list(mirror)
    _refuse_empty(mirror, projects, last)
    with mirror.state.transaction():
        import_mirrored_rows(mirror, projects)
        mirror.state.list_import.mark_newer(started)
        mark_delisted(mirror, projects, started)
        mark_unlisted_directories(mirror, projects, started)
        mark_unlisted_names(mirror, projects, started)
        mirror.state.list_import.drop()
        set_start_position(mirror, JournalSource.XMLRPC, raw, projects, last)


def set_start_position(
    mirror: Mirror,
    source: JournalSource,
    raw: RawList | None,
    projects: ProjectList | None,
    last: int | None,
) -> None:
    """Set where following begins, if it has not begun, and remember the list, if one was read."""
    facts = mirror.state.facts
    listed = None if projects is None else projects.serial
    if source is JournalSource.XMLRPC and last is not None:
        # The list may be half an hour older than the journal.
        facts.move_cursor(last if listed is None else min(last, listed), None)
    facts.see_serial(listed)
    facts.change(SelectionChange, listed=mirror.settings.mirror.selection.text)
    if raw is not None:
        facts.change(ListPosition, serial=listed, etag=raw.etag)


def follow_list(mirror: Mirror, started: float) -> None:
    """Compare the list of projects with the state."""
    facts = mirror.state.facts
    raw = mirror.upstream.list(facts.upstream_list.etag)
    if raw is None:  # the newest is there again, after an older one maybe
        facts.change(ListPosition, older_since=None)
        check_rows_again(mirror, started)
        return
    projects = parse_list(raw.body, raw.content_type, mirror.upstream.rules, raw.header_serial)
    if not projects.has_serials:
        raise InvalidAnswer("the list of projects", "it has no serials, so it cannot be followed")
    _refuse_older(mirror, projects.serial, started)
    with mirror.state.transaction():
        facts.change(ListPosition, older_since=None)
        import_mirrored_rows(mirror, projects)
        check_rows(mirror, projects, started)
        mirror.state.list_import.mark_newer(started)
        mark_delisted(mirror, projects, started)
        mark_unlisted_directories(mirror, projects, started)
        mark_unlisted_names(mirror, projects, started)
        mirror.state.list_import.drop()
        set_start_position(mirror, JournalSource.LISTING, raw, projects, None)


def _refuse_older(mirror: Mirror, serial: int | None, now: float) -> None:
    """Take nothing from a list that is older than one read before, or than what is published.

    Raises :class:`StaleList`; :class:`JournalReplaced` when lists have been older for an hour.
    """
    facts = mirror.state.facts
    adopting = facts.recovery.adopting is not None  # which compares the tree itself
    tree = 0 if adopting else facts.recovery.serial or 0
    known = max(facts.upstream_list.serial or 0, tree)
    if known > 0 and (serial is None or serial < known):
        refuse_older_list(mirror, serial, known, now)


def read_list(mirror: Mirror) -> tuple[RawList, ProjectList]:
    """Return the list of projects, asked for without ETag."""
    try:
        raw = mirror.upstream.list(None)
        if raw is None:
            raise InvalidAnswer("the list of projects", "304, though nothing was asked for by ETag")
        projects = parse_list(raw.body, raw.content_type, mirror.upstream.rules, raw.header_serial)
    except AnswerTooLarge:
        raise
    except InvalidAnswer as error:
        problem = f"{error.problem}; {address_advice(mirror, f'if this lasts, {CHECK}')}"
        raise InvalidAnswer(error.where, problem) from error
    if is_json(raw.content_type) and not mirror.upstream.json_only:
        # from here on its HTML would be a fallback's (R15)
        mirror.state.facts.change(UpstreamTraits, json=True)
        mirror.upstream.json_only = True
    if projects.empty and mirror.state.facts.cursor is None:
        log.warning("the list of projects is empty")
    return raw, projects


def _refuse_empty(mirror: Mirror, projects: ProjectList, last: int) -> None:
    """Take no projects from an empty list when there is a journal: they would never be missed.

    One that stays empty for longer than a CDN keeps it is true (R7). Projects that are named are
    asked for whatever the list says. Raises :class:`InvalidAnswer`.
    """
    facts = mirror.state.facts
    if (
        not projects.empty
        or not last
        or mirror.settings.mirror.selection.explicit_names is not None
    ):
        facts.change(ListPosition, empty_since=None)
        return
    now = mirror.now()
    since = facts.upstream_list.empty_since
    if since is not None and now - since >= CACHED:
        return
    facts.change(ListPosition, empty_since=now if since is None else since)
    raise InvalidAnswer(
        "the list of projects",
        f"it is empty, though the journal is at serial {last}; nothing is taken from it before "
        "it has been so for an hour",
    )


def import_mirrored_rows(mirror: Mirror, projects: ProjectList) -> None:
    """Hold the list against the state: its mirrored rows only."""
    selection = mirror.settings.mirror.selection
    selects = None if selection.includes_all else selection.includes
    skipped = 0

    def rows() -> Iterator[tuple[str, str, int | None]]:
        nonlocal skipped
        for display, serial in projects.rows:
            name = normalize(display)
            if name is None:
                skipped += 1
            elif selects is None or selects(name):
                yield name, display, serial

    mirror.state.list_import.import_rows(rows())
    if skipped:
        log.info("%d listed names are no valid project names; skipped", skipped)


def mark_delisted(mirror: Mirror, projects: ProjectList, started: float) -> None:
    """Ask for the projects that left the list; too many of them are held before that (R8)."""
    mirror.totals.held.pop("left-list", None)
    mirror.state.list_import.release_returned()
    left = mirror.state.list_import.note_left_out(projects.serial, started, empty=projects.empty)
    limit = removal_limit(EXPLAINED_FLOOR, LISTED_SHARE, mirror.state.projects.published())
    if len(left) > limit:  # of some, nothing is published when the state was put back
        rows = mirror.state.projects.get(left)
        left = [name for name in left if rows[name].published is not None]
    if len(left) > limit:
        why = f"{len(left)} projects left the list of projects at once, more than {limit}"
        mirror.totals.held["left-list"] = f"{why}; see 'yanksync holds'"
        mirror.state.fetch_queue.hold(left, why, mirror.now())


def mark_unlisted_names(mirror: Mirror, projects: ProjectList, started: float) -> None:
    """Ask for named projects that the list does not have: quarantined ones are left out of it."""
    named = mirror.settings.mirror.selection.spelled_out_names
    if not named:
        return
    wanted = frozenset(named)
    listed = {row.name for row in projects.projects if row.name in wanted}
    unlisted = [name for name in named if name not in listed]
    mirror.state.projects.add((name, name) for name in unlisted)
    rows = mirror.state.projects.get(unlisted)
    for name in unlisted:
        if rows[name].presence == "new":
            mirror.state.fetch_queue.mark(name, None, started)


def mark_unlisted_directories(mirror: Mirror, projects: ProjectList, started: float) -> None:
    """Ask first for what stands in the output and is on no list, on a state that is empty.

    It was quarantined or removed while nobody looked, be it that the state was lost or that another
    program made the tree: its files are not to be offered until a whole first build is through
    (R9), and a 404 is explained by the list.
    """
    facts, state = mirror.state.facts, mirror.state
    if facts.recovery.serial is None or facts.upstream_list.serial is not None:
        return
    serial = EMPTY_LIST if projects.empty or projects.serial is None else projects.serial
    selects = mirror.settings.is_mirrored
    names = (name for name in mirror.store.names() if normalize(name) == name and selects(name))
    while batch := list(islice(names, _STANDING)):
        known = state.projects.get(batch)
        unlisted = [name for name in batch if name not in known]
        strays = [
            name for name in unlisted if is_project_directory(mirror.store.directory_content(name))
        ]
        state.projects.add((name, name) for name in strays)
        rows = state.projects.get(strays)
        state.publish_queue.mark_published(
            [(row.id, UNKNOWN_FORMS, False, None) for row in rows.values()]
        )
        for name in rows:
            state.projects.mark_delisted(name, serial)
            state.fetch_queue.mark(name, None, started, urgent=True)


def mark_named(mirror: Mirror, started: float, *, forced: bool = False) -> None:
    """Ask for every named project: there is nothing that tells which of them changed."""
    names = mirror.settings.mirror.selection.explicit_names or ()
    with mirror.state.transaction():
        mirror.state.projects.add((name, name) for name in names)
        for name in names:
            mirror.state.fetch_queue.mark(name, None, started, forced=forced, patient=not forced)
        mirror.state.facts.change(SelectionChange, listed=mirror.settings.mirror.selection.text)


def mark_all_named(mirror: Mirror, started: float) -> None:
    """Ask for every named project without ETag, and for those that are held besides."""
    mark_named(mirror, started, forced=True)
    with mirror.state.transaction():
        for name in list(mirror.state.projects.names(Presence.PRESENT)):
            mirror.state.fetch_queue.mark(name, None, started, forced=True, patient=False)


def mark_missing_named(mirror: Mirror, started: float) -> None:
    """Ask for the named projects that the state holds no page of; no list is needed for that."""
    names = mirror.settings.mirror.selection.spelled_out_names
    with mirror.state.transaction():
        mirror.state.projects.add((name, name) for name in names)
        for row in mirror.state.projects.get(names).values():
            if row.presence in (Presence.NEW, Presence.UNKNOWN):
                mirror.state.fetch_queue.mark(row.name, None, started)
        mirror.state.facts.change(SelectionChange, listed=mirror.settings.mirror.selection.text)
