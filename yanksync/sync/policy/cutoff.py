"""Chooses the cut-off of a pass.

Ages are measured at this moment. A wrong clock cannot move it.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from yanksync.config.settings import JournalSource
from yanksync.core.policies.cooldown import format_time
from yanksync.mirror.context import Mirror, log

_TOLERANCE = 300.0  # seconds by which this clock and upstream's may differ


def knows_cutoff(mirror: Mirror) -> bool:
    """Return True if pages can be published before upstream's clock is known.

    Rules that lack a recorded cut-off must not rely on this clock alone.
    """
    return mirror.offers.is_off or mirror.state.facts.moment("cutoff") is not None


def can_advance(mirror: Mirror) -> bool:
    """Return True if a pass that failed can take a cut-off."""
    return knows_cutoff(mirror) or mirror.upstream.time() is not None


def advance_cutoff(mirror: Mirror) -> Mirror:
    """Return ``mirror`` at the cut-off of this pass.

    Pages with files that become visible are queued.
    """
    if mirror.offers.is_off:
        return mirror
    state, facts, now = mirror.state, mirror.state.facts, mirror.now()
    is_first = facts.published_list.written is None
    last = facts.moment("cutoff")
    upstream = mirror.upstream
    only_pages = mirror.settings.upstream.journal is JournalSource.NONE
    time = upstream.ask_time() if only_pages else upstream.time()
    cutoff, problem = choose_cutoff(now, last, time, is_first=is_first)
    if problem is not None:
        log.warning("%s", problem)
    with state.transaction():
        if problem != facts.text("clock_problem"):
            facts.put(clock_problem=problem)
        if cutoff != last:
            facts.put(cutoff=cutoff)
        state.file_times.publish_due(cutoff, now)
    return replace(mirror, offers=mirror.offers.at(cutoff))


def choose_cutoff(
    now: float, last: float | None, upstream: float | None, *, is_first: bool
) -> tuple[float, str | None]:
    """Return the cut-off, and what is wrong with a clock.

    Args:
        now: this machine's clock.
        last: the cut-off of the pass before; None: there was none.
        upstream: the time that upstream gave; None: it gave none.
        is_first: nothing was published before.
    """
    if upstream is not None and abs(upstream - now) > _TOLERANCE:
        problem = (
            f"the clock of this machine ({format_time(now)}) differs from upstream's "
            f"({format_time(upstream)})"
        )
        chosen = min(now, upstream) if is_first or last is None else last
    elif last is not None and now < last and not is_first:
        problem = (
            f"the clock of this machine ({format_time(now)}) is behind that of the last pass "
            f"({format_time(last)})"
        )
        chosen = last
    else:
        return now, None
    what = f"cooldown goes by {format_time(chosen)} until that ends; correct the clock"
    return chosen, f"{problem}; {what}"


def report_expired(mirror: Mirror) -> None:
    """Log each override that has expired, once."""
    facts, offers = mirror.state.facts, mirror.offers
    expired = {
        f"{one.text} {one.action} {one.until}"
        for one in offers.keys.overrides
        if not one.applies(offers.cutoff)
    }
    text = facts.text("expired_overrides")
    if not expired and text is None:
        return
    known = set() if text is None else set(msgspec.json.decode(text, type=list[str]))
    for one in sorted(expired - known):
        match, action, _ = one.rsplit(" ", 2)
        log.warning(
            "override of %s (%s) has expired and applies no longer; take it out of the "
            "configuration or give it a later until",
            match,
            action,
        )
    if expired != known:
        facts.put(expired_overrides=msgspec.json.encode(sorted(expired)).decode())
