"""Stage 1: reads the list of projects.

It is read for a first build, a full-resync, a wider selection, or instead of the journal.
"""

from __future__ import annotations

from yanksync.config.project_filter import ProjectFilter
from yanksync.config.settings import JournalSource
from yanksync.core.errors import AnswerTooLarge, InvalidAnswer
from yanksync.core.formats.parse import is_json, parse_list
from yanksync.core.model import ProjectList
from yanksync.core.rules.journal_entries import check_continuity
from yanksync.mirror.context import Mirror, log
from yanksync.state.facts import ListPosition, SelectionChange, UpstreamTraits
from yanksync.sync.follow.list_import import FULL_RESYNC, NEWS, WIDER_SELECTION, import_list
from yanksync.sync.follow.named_projects import mark_all_named, mark_missing_named, mark_named
from yanksync.sync.follow.set_back import CACHED, check_rows_again, refuse_older_list
from yanksync.sync.follow.source_choice import CHECK, address_advice, current_source
from yanksync.sync.recovery.output_survey import check_published
from yanksync.upstream.client import RawList


def add_selected_projects(mirror: Mirror) -> None:
    """Add the projects of a changed configuration.

    The list names them. The journal is read again from the list's serial, because entries about
    these projects were skipped before. Entries that are recorded already are recognised. Raises
    :class:`yanksync.core.errors.UpstreamError`, :class:`yanksync.core.errors.JournalReplaced` among
    them.
    """
    facts = mirror.state.facts
    source = current_source(mirror)
    if source is JournalSource.NONE:
        return
    if source is JournalSource.LISTING:  # the list is read anyway, this time in full
        facts.change(SelectionChange, listed=mirror.settings.mirror.selection.text)
        facts.change(ListPosition, etag=None)
        facts.put(widened=1)
        return
    started = mirror.now()
    section = mirror.settings.mirror
    # While a narrowing waits, earlier projects are selected, too; these are known.
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
    if back < cursor and known is not None:  # the row at the cursor identifies the followed journal
        check_continuity(next(iter(mirror.upstream.entries(cursor - 1)), ()), cursor, known)
    with mirror.state.transaction():
        import_list(mirror, projects, WIDER_SELECTION, started)
        if back < cursor:
            facts.move_cursor(back, None)
        facts.change(SelectionChange, listed=mirror.settings.mirror.selection.text)


def begin_full_resync(mirror: Mirror) -> bool:
    """Mark every project without ETag, or continue an interrupted full-resync.

    Returns True if the state was empty and this began to follow the journal. Raises
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
        followed = source is JournalSource.LISTING
        import_list(mirror, projects, FULL_RESYNC, started, followed=followed)
        facts.put(resync=started)
        set_start_position(mirror, source, raw, projects, last)
    mirror.state.runs.read_began(started, projects.serial)
    return last is not None


def first_build(mirror: Mirror, started: float) -> None:
    """Mark every listed or named project for a first build.

    The journal is followed from before the list.

    The state may have pages and tombstones from before it followed a journal.
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
        import_list(mirror, projects, NEWS, started)
        set_start_position(mirror, JournalSource.XMLRPC, raw, projects, last)


def set_start_position(
    mirror: Mirror,
    source: JournalSource,
    raw: RawList | None,
    projects: ProjectList | None,
    last: int | None,
) -> None:
    """Set the first cursor, and remember the list if one was read."""
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
    if raw is None:  # the newest list is back, maybe after an older one
        facts.change(ListPosition, older_since=None)
        check_rows_again(mirror, started)
        return
    projects = parse_list(raw.body, raw.content_type, mirror.upstream.rules, raw.header_serial)
    if not projects.has_serials:
        raise InvalidAnswer("the list of projects", "it has no serials, so it cannot be followed")
    _refuse_older(mirror, projects.serial, started)
    # Names of the first list may be old projects, and so may names of a list that is read again for
    # a wider selection.
    are_new = facts.upstream_list.serial is not None and not facts.flag("widened")
    with mirror.state.transaction():
        facts.change(ListPosition, older_since=None)
        facts.put(widened=None)
        import_list(mirror, projects, NEWS, started, followed=True, are_new=are_new)
        set_start_position(mirror, JournalSource.LISTING, raw, projects, None)


def _refuse_older(mirror: Mirror, serial: int | None, now: float) -> None:
    """Refuse a list older than an earlier one or the output.

    Raises :class:`StaleList`; :class:`JournalReplaced` when lists have been older for an hour.
    """
    facts = mirror.state.facts
    adopting = facts.recovery.adopting is not None  # ``adopt`` compares the tree itself
    tree = 0 if adopting else facts.recovery.serial or 0
    known = max(facts.upstream_list.serial or 0, tree)
    if known > 0 and (serial is None or serial < known):
        refuse_older_list(mirror.state.facts, serial, known, now)


def read_list(mirror: Mirror) -> tuple[RawList, ProjectList]:
    """Return the list of projects, fetched without ETag."""
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
    """Refuse an empty list if there is a journal.

    Projects that are really there would never be noticed. A list that stays empty for longer than a
    CDN keeps it is right (R7). Named projects are fetched, whatever the list says. Raises
    :class:`InvalidAnswer`.
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
