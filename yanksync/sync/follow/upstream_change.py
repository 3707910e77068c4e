"""What happens when upstream is not the one that was followed so far (rule R14).

It was put back to an earlier state, or ``simple_url`` names another one. Nothing is changed before
a person approves it; then every floor is lowered, and every project is asked for again.
"""

from __future__ import annotations

from typing import NoReturn

from yanksync.config.settings import JournalSource
from yanksync.core.errors import BadAnswer, JournalReplaced
from yanksync.core.project_state import Presence
from yanksync.core.rules.journal_entries import check_cursor
from yanksync.core.urls import without_userinfo
from yanksync.mirror.context import Mirror, log
from yanksync.state.facts import OTHER_ERA
from yanksync.sync.follow.other_upstream import difference, look, remember
from yanksync.sync.follow.project_list import leave, load, mark_all_named, mark_unlisted, start
from yanksync.sync.follow.source_choice import CHECK, source_of
from yanksync.sync.publish_list import ANY_SIBLINGS


def is_other_upstream(mirror: Mirror) -> bool:
    """Whether ``simple_url`` is not the address that was followed so far."""
    known = mirror.state.meta.text("followed_url")
    return known is not None and known != _address(mirror)


def check_address(mirror: Mirror) -> None:
    """Check that upstream is still the one followed so far when its address is another one.

    What was learnt about the old one is forgotten. Its journal tells whether it is the same index.
    Raises :class:`JournalReplaced` when it does not and pages are held, and
    :class:`yanksync.core.errors.UpstreamError`.
    """
    meta, address = mirror.state.meta, _address(mirror)
    if not is_other_upstream(mirror):
        if meta.text("followed_url") is None:
            meta.put(followed_url=address)
        elif meta.text("other_url") is not None:  # the old address has come back
            _forget(mirror)
            meta.put(other_url=None)
        return
    if meta.text("other_url") != address:
        _forget(mirror)
    # What is followed still counts where nothing is held: its tombstones, and its place in the
    # journal, after which nothing may be left out of the history.
    why, nothing = _unlike(mirror), _holds_nothing(mirror)
    if why is not None and nothing:
        _begin(mirror)
        return
    if why is not None:
        old = meta.text("followed_url")
        problem = f"upstream.simple_url is {address} now, it was {old}, and {why}"
        restart(mirror, JournalReplaced(meta.cursor, problem), mirror.now())
        return
    if mirror.upstream.root_is_missing():
        from yanksync.upstream.likely_address import advice  # start-up: only a failure needs it

        better = advice(mirror.upstream) or CHECK
        raise BadAnswer(address, f"the root of the index answered 404; {better}")
    log.warning("upstream.simple_url is %s now; its journal is the one followed so far", address)
    if nothing:  # maybe only ``simple_url`` was wrong, and no page could be found there
        meta.put(selection="")  # so that what the state holds no page of is asked for
    trust(mirror)
    meta.put(followed_url=address, other_url=None)


def _address(mirror: Mirror) -> str:
    return without_userinfo(mirror.upstream.simple_url)


def _forget(mirror: Mirror) -> None:
    """Forget what was learnt about the upstream of before: its forms, its journal, its ETags."""
    state = mirror.state
    with state.transaction():
        state.projects.forget_etags()
        state.pending.start_over()
        trust(mirror)
        state.meta.put(
            other_url=_address(mirror),
            json=None,
            serials=None,
            journal=None,
            list_etag=None,
            list_empty_since=None,
            list_older_since=None,
            list_below=None,
            refused=None,
            refused_since=None,
            journal_probe=None,
            journal_not_before=None,
        )
    mirror.upstream.json_only = False


def _holds_nothing(mirror: Mirror) -> bool:
    """Whether no page of any project is held or published: another index can take none away."""
    projects = mirror.state.projects
    return not projects.published() and next(projects.names(Presence.PRESENT), None) is None


def _begin(mirror: Mirror) -> None:
    """Begin with this upstream as if it were the first; an address that was wrong gave nothing."""
    state = mirror.state
    with state.transaction():
        state.start_over()
        trust(mirror)
        state.meta.put(
            followed_url=_address(mirror), other_url=None, upstream_serial=None, cursor=None,
            cursor_row=None, list_serial=None, list_below=None,
        )  # fmt: skip


def _unlike(mirror: Mirror) -> str | None:
    """Return why the journal of this upstream is not the one followed; None when it is."""
    meta = mirror.state.meta
    cursor, known = meta.cursor, meta.cursor_row
    if cursor is None or known is None or source_of(mirror) is not JournalSource.XMLRPC:
        return "no journal tells whether both are the same index"
    rows = next(iter(mirror.upstream.entries(max(cursor - 1, 0))), ())
    try:
        check_cursor(rows, cursor, known)
    except JournalReplaced as replaced:
        return f"its journal is another one: {replaced.problem}"
    return None


def trust(mirror: Mirror) -> None:
    """Note that upstream is the one followed so far, or has what it had again."""
    mirror.state.meta.put(
        journal_replaced=None,
        journal_replaced_since=None,
        journal_seen=None,
        journal_seen_text=None,
        approve_journal=None,
    )


def _hold(mirror: Mirror, replaced: JournalReplaced, source: JournalSource) -> NoReturn:
    """Hold everything until a person approves this upstream, and no other. Raises ``replaced``."""
    meta = mirror.state.meta
    known = meta.text("journal_replaced")
    if known is None:
        meta.put(journal_replaced_since=mirror.now())
    meta.put(journal_replaced=replaced.problem, approve_journal=None)
    if known != replaced.problem or meta.text("journal_seen") is None:
        meta.put(journal_seen=None, journal_seen_text=None)
        remember(mirror, source)
    raise replaced


def restart(mirror: Mirror, replaced: JournalReplaced, started: float) -> None:
    """Start again with this upstream if a person has approved that; else hold everything.

    Raises ``replaced`` in that case, and :class:`yanksync.core.errors.UpstreamError`.
    """
    meta, source = mirror.state.meta, source_of(mirror)
    if not meta.flag("approve_journal"):
        _hold(mirror, replaced, source)
    seen, lists = look(mirror, source)
    other = difference(mirror, seen)
    if other is not None:
        problem = f"{replaced.problem}; it was approved, but {other}"
        _hold(mirror, JournalReplaced(replaced.serial, problem), source)
    raw, projects = lists.raw, lists.projects
    with mirror.state.transaction():
        mirror.state.start_over()
        # Serials of now and of then do not compare, and directories may stand that a state put back
        # unnoticed does not know.
        meta.put(
            upstream_serial=None, tree_serial=OTHER_ERA, list_codecs=ANY_SIBLINGS,
            cursor=None, cursor_row=None, list_serial=None, list_etag=None, list_older_since=None,
            list_below=None,
        )  # fmt: skip
        if raw is None or projects is None:
            mark_all_named(mirror, started)
        else:
            load(mirror, projects)
            mirror.state.listed.mark_all(started)
            leave(mirror, projects, started)
            mark_unlisted(mirror, projects, started)
            mirror.state.listed.drop()
        start(mirror, source, raw, projects, lists.last)
        trust(mirror)
        meta.put(followed_url=_address(mirror), other_url=None, resync=started)
    at = "" if meta.cursor is None else f" from serial {meta.cursor} on"
    log.warning("following this upstream%s, as approved; every project is asked for again", at)
