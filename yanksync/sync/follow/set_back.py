"""Stage 1: notices from the list that upstream was put back (R14).

A cache may give an old list, or an old page, for a while. If the answer stays old for longer than a
cache keeps it, it is upstream's present answer.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from yanksync.core.errors import JournalReplaced, StaleList
from yanksync.core.model import ProjectList
from yanksync.core.names import NormalizedName
from yanksync.core.project_state import Presence
from yanksync.mirror.context import Mirror, log
from yanksync.state.facts import Facts, ListPosition

CACHED = 3600.0
"""Seconds after which no cache gives an old list any more; a CDN may for half of that."""

_MOST = 1000  # rows watched at once: a single lasting row is enough


class _OlderRow(Struct, frozen=True):
    """A row of the list below the serial of the held page."""

    serial: int  # in the list
    since: float  # UTC seconds: when a list first had such a row
    asked: float  # when the project's page was fetched because of it


def refuse_older_list(facts: Facts, serial: int | None, known: int, now: float) -> None:
    """Refuse a list that is older than an earlier one.

    Raises :class:`StaleList`; :class:`JournalReplaced` when lists have been older for an hour.
    """
    since = facts.upstream_list.older_since
    if since is None or since > now:
        facts.change(ListPosition, older_since=now)
    elif now - since > CACHED:
        at = "has no serial" if serial is None else f"is at serial {serial}"
        raise JournalReplaced(known, f"for more than an hour, its list of projects {at}")
    raise StaleList(serial, known)


def check_rows(mirror: Mirror, projects: ProjectList, now: float) -> None:
    """Check that no row of the list is below its held page.

    A row counts only if its list is as new as the held page, because otherwise the page was ahead
    of the list. The page is fetched, and decides. Raises :class:`JournalReplaced` if both stay
    below for an hour.
    """
    _check(mirror, mirror.state.list_import.below(projects.serial, _MOST), now)


def check_rows_again(mirror: Mirror, now: float) -> None:
    """Do the same for a list that has not changed (304)."""
    watched = _watched(mirror.state.facts)
    rows = mirror.state.projects.get(watched)
    below = {
        name: watched[name].serial
        for name, row in rows.items()
        if row.serial is not None
        and watched[name].serial < row.serial + (row.presence is Presence.REMOVED)
    }
    with mirror.state.transaction():
        _check(mirror, below, now)


def _check(mirror: Mirror, below: Mapping[NormalizedName, int], now: float) -> None:
    known = _watched(mirror.state.facts)
    if not below and not known:
        return
    state = mirror.state
    held, old = state.projects.get(below), state.fetch_queue.stale(below)
    watched = {}
    for name, serial in below.items():
        row = known.get(name)
        since = now if row is None else min(row.since, now)
        if name in old and now - since > CACHED:
            why = f"its list has {name} at serial {serial}, and {held[name].serial} was held"
            raise JournalReplaced(
                state.facts.upstream_list.serial,
                f"for more than an hour, {why}, and its page is as old",
            )
        asked = now if row is None else row.asked
        if row is None or not 0 <= now - asked < CACHED:
            asked = now
            state.fetch_queue.mark(name, None, now)
        if row is None and mirror.totals.first_time(f"below {name}"):
            log.warning(
                "%s: the list of projects has it at serial %d, and %s is held; its page is asked "
                "for. If both stay so for an hour, upstream was put back, and the pass ends with 4",
                name,
                serial,
                held[name].serial,
                extra={"project": name},
            )
        watched[name] = _OlderRow(serial, since, asked)
    text = msgspec.json.encode(watched).decode() if watched else None
    state.facts.change(ListPosition, below=text)


def _watched(facts: Facts) -> dict[NormalizedName, _OlderRow]:
    text = facts.upstream_list.below
    return {} if text is None else msgspec.json.decode(text, type=dict[NormalizedName, _OlderRow])
