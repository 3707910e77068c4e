"""Acts when upstream is not the one followed so far (R14).

It was restored to an earlier state, or ``simple_url`` names another index. Nothing is changed until
a person approves it. Then every floor is lowered, and every project is fetched again.
"""

from __future__ import annotations

from typing import NoReturn

from yanksync.config.settings import JournalSource
from yanksync.core.errors import InvalidAnswer, JournalReplaced, UpstreamError
from yanksync.core.project_state import Presence
from yanksync.core.rules.journal_entries import check_continuity
from yanksync.core.urls import without_userinfo
from yanksync.mirror.context import Mirror, log
from yanksync.state.facts import (
    OTHER_EPOCH,
    Facts,
    JournalPosition,
    ListPosition,
    PublishedListRecord,
    Recovery,
    ReplacedJournal,
    SelectionChange,
    SourceChoice,
    UpstreamTraits,
)
from yanksync.state.projects import Projects
from yanksync.sync.follow.list_import import OTHER_UPSTREAM, import_list
from yanksync.sync.follow.named_projects import mark_all_named
from yanksync.sync.follow.other_upstream import (
    UpstreamSnapshot,
    changed_since_approval,
    is_outdated,
    note_snapshot,
    store_snapshot,
    take_snapshot,
)
from yanksync.sync.follow.project_list import set_start_position
from yanksync.sync.follow.source_choice import CHECK, current_source
from yanksync.sync.publish_list import ANY_COPIES
from yanksync.upstream.client import UpstreamClient


def is_other_upstream(mirror: Mirror) -> bool:
    """Return whether ``simple_url`` is not the address that was followed so far."""
    known = mirror.state.facts.traits.followed_url
    return known is not None and known != _address(mirror.upstream)


def check_address(mirror: Mirror) -> None:
    """Check that a new address is the same upstream.

    Facts about the old one are forgotten. The journal shows whether it is the same index. Raises
    :class:`JournalReplaced` when it does not and pages are held, and
    :class:`yanksync.core.errors.UpstreamError`.
    """
    facts, address = mirror.state.facts, _address(mirror.upstream)
    if not is_other_upstream(mirror):
        if facts.traits.followed_url is None:
            facts.change(UpstreamTraits, followed_url=address)
        elif facts.traits.other_url is not None:  # the old address has come back
            _forget_upstream(mirror)
            facts.change(UpstreamTraits, other_url=None)
        return
    if facts.traits.other_url != address:
        _forget_upstream(mirror)
    moved = f"upstream.simple_url is {address} now, it was {facts.traits.followed_url}"
    try:
        _compare_upstreams(mirror, moved)
    except JournalReplaced:
        raise
    except UpstreamError:
        log.warning("%s; it is not known yet whether both are the same index", moved)
        raise


def _compare_upstreams(mirror: Mirror, moved: str) -> None:
    """Follow the new address if its journal is the one followed.

    Otherwise hold everything.
    """
    facts, address = mirror.state.facts, _address(mirror.upstream)
    # If nothing is held, the followed upstream still counts: its tombstones, and its place in the
    # journal. The history must have all entries after that place.
    why, nothing = _why_other_journal(mirror), _holds_nothing(mirror.state.projects)
    if why is not None and nothing:
        mirror.say(f"{moved}; nothing is published yet, so the mirror is built from the new one")
        _begin(mirror)
        return
    if why is not None:
        problem = f"{moved}, and {why}"
        restart_if_approved(mirror, JournalReplaced(facts.cursor, problem), mirror.now())
        return
    if mirror.upstream.root_is_missing():
        from yanksync.upstream.likely_address import advice  # start-up: only a failure needs it

        better = advice(mirror.upstream) or CHECK
        raise InvalidAnswer(address, f"the root of the index answered 404; {better}")
    mirror.say(f"{moved}; its journal is the one followed so far")
    if nothing:  # maybe only ``simple_url`` was wrong, so that no page could be found
        # The next pass then fetches projects without a page in the state.
        facts.change(SelectionChange, listed="")
    mark_trusted(mirror.state.facts)
    facts.change(UpstreamTraits, followed_url=address, other_url=None)


def _address(upstream: UpstreamClient) -> str:
    return without_userinfo(upstream.simple_url)


def _forget_upstream(mirror: Mirror) -> None:
    """Forget the facts about the earlier upstream.

    These are its forms, its journal and its ETags.
    """
    state = mirror.state
    with state.transaction():
        state.projects.forget_etags()
        state.fetch_queue.start_over()
        mark_trusted(mirror.state.facts)
        state.facts.change(
            UpstreamTraits, other_url=_address(mirror.upstream), json=False, serials=False
        )
        state.facts.source_choice = SourceChoice()
        state.facts.upstream_list = ListPosition(state.facts.upstream_list.serial)
        state.facts.change(JournalPosition, not_before=None)
    mirror.upstream.json_only = False


def _holds_nothing(projects: Projects) -> bool:
    """Return whether no page of any project is held or published.

    Then another index cannot take a page away.
    """
    return not projects.published() and next(projects.names(Presence.PRESENT), None) is None


def _begin(mirror: Mirror) -> None:
    """Begin with this upstream as if it were the first.

    A wrong address has given nothing.
    """
    state = mirror.state
    with state.transaction():
        state.start_over()
        mark_trusted(mirror.state.facts)
        state.facts.change(UpstreamTraits, followed_url=_address(mirror.upstream), other_url=None)
        state.facts.journal, state.facts.upstream_list = JournalPosition(), ListPosition()


def _why_other_journal(mirror: Mirror) -> str | None:
    """Return why the journal of this upstream is not the one followed.

    None: it is the followed one.
    """
    facts = mirror.state.facts
    cursor, known = facts.cursor, facts.cursor_row
    if cursor is None or known is None or current_source(mirror) is not JournalSource.XMLRPC:
        return "no journal tells whether both are the same index"
    rows = next(iter(mirror.upstream.entries(max(cursor - 1, 0))), ())
    try:
        check_continuity(rows, cursor, known)
    except JournalReplaced as replaced:
        return f"its journal is another one: {replaced.problem}"
    return None


def mark_trusted(facts: Facts) -> None:
    """Record that upstream is the one followed so far."""
    facts.replaced_journal = ReplacedJournal()


def _hold(
    mirror: Mirror,
    replaced: JournalReplaced,
    source: JournalSource,
    seen: UpstreamSnapshot | None = None,
) -> NoReturn:
    """Hold everything until a person approves this upstream, and no other.

    Raises ``replaced``. ``seen`` has its present facts, if known. Otherwise they are fetched if the
    problem or the journal is new. For that a list is read. This is too much for each pass.
    """
    facts = mirror.state.facts
    known = facts.replaced_journal
    since = mirror.now() if known.replaced is None else known.replaced_since
    facts.change(ReplacedJournal, replaced=replaced.problem, replaced_since=since, approved=False)
    if seen is not None:
        note_snapshot(mirror, seen)
    elif known.replaced != replaced.problem or is_outdated(mirror, source):
        facts.replaced_journal = ReplacedJournal(replaced.problem, since)
        store_snapshot(mirror, source)
    raise replaced


def restart_if_approved(mirror: Mirror, replaced: JournalReplaced, started: float) -> None:
    """Start again with this upstream if approved, or hold everything.

    Raises ``replaced`` in that case, and :class:`yanksync.core.errors.UpstreamError`.
    """
    facts, source = mirror.state.facts, current_source(mirror)
    if not facts.replaced_journal.approved:
        _hold(mirror, replaced, source)
    seen, lists = take_snapshot(mirror, source)
    other = changed_since_approval(mirror, seen)
    if other is not None:
        problem = f"{replaced.problem}; it was approved, but {other}"
        _hold(mirror, JournalReplaced(replaced.serial, problem), source, seen)
    raw, projects = lists.raw, lists.projects
    with mirror.state.transaction():
        mirror.state.start_over()
        # Serials from before and now cannot be compared. And the state may have been restored
        # unnoticed, so that it does not know all directories.
        facts.journal, facts.upstream_list = JournalPosition(), ListPosition()
        facts.change(Recovery, serial=OTHER_EPOCH)
        facts.change(PublishedListRecord, codecs=ANY_COPIES)
        if raw is None or projects is None:
            mark_all_named(mirror, started)
        else:
            import_list(mirror, projects, OTHER_UPSTREAM, started)
        set_start_position(mirror, source, raw, projects, lists.last)
        mark_trusted(mirror.state.facts)
        facts.change(UpstreamTraits, followed_url=_address(mirror.upstream), other_url=None)
        facts.put(resync=started)
    at = "" if facts.cursor is None else f" from serial {facts.cursor} on"
    log.warning("following this upstream%s, as approved; every project is asked for again", at)
