"""Stages 3 to 8 for everything that is due: ask, record, publish, batch by batch.

While one batch is rendered and written, the answers of the next come in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct, field

from yanksync.config.settings import JournalSource
from yanksync.core.errors import Unreachable, UpstreamError
from yanksync.core.project_state import Presence
from yanksync.core.rules.fetch_plan import DAY, Look, sweep_share
from yanksync.core.urls import redacted
from yanksync.mirror.context import Mirror
from yanksync.sync.fetch import Failed, Fetched, Question, fetch
from yanksync.sync.follow.journal import follow
from yanksync.sync.publish import Publisher
from yanksync.sync.record import Batch, give_up, record
from yanksync.sync.removals import withdraw

if TYPE_CHECKING:
    from yanksync.sync.first_build.helpers import Helpers

_MANY = 1000
"""From so many pages on, helpers save more than it costs to start them."""

BATCH = 200  # answers recorded and published together
_BATCH_BYTES = 4 << 20  # or so many, as upstream unpacked sent them
_BATCH_SECONDS = 2.0  # or what came in so long: a withdrawal does not wait for a full batch
_CHUNK = 2000  # looks taken from the queue at once
_CONTROLS = 3  # other projects asked for, to tell an outage from a removal
_REREAD = 300.0  # seconds after which a long pass reads the journal again


class _Round(Struct):
    """What one round of looking has to carry around."""

    mirror: Mirror
    publisher: Publisher
    at_once: bool
    unread: bool  # the journal is to be read behind the first pages
    read_at: float = 0.0  # when the journal was read last, monotonic seconds
    again: list[tuple[Fetched, str, bool]] = field(default_factory=list)
    failure: UpstreamError | None = None
    answered: int = 0
    well: int = 0  # answers that show that upstream is well
    missing: list[Fetched] = field(default_factory=list)  # 404s that nothing explains
    helpers: Helpers | None = None  # processes that read and write new pages, in a first build


def look(mirror: Mirror, *, at_once: bool, unread: bool) -> UpstreamError | None:
    """Ask for the pages that are due, record and publish what comes, and ask once more.

    With ``unread`` the journal is read behind them. Returns what kept upstream from being asked on.
    """
    pages = mirror.state.pending.ready(mirror.now(), 0)[1]
    first_build = mirror.state.meta.moment("list_written") is None
    done = mirror.state.projects.progress()[0] if first_build else 0
    mirror.progress.expect("fetching pages", pages + done, done)
    with Publisher(mirror) as publisher, ExitStack() as stack:
        turn = _Round(mirror, publisher, at_once, unread, mirror.monotonic())
        if pages >= _MANY and first_build:
            turn.helpers = _hired(turn, stack)
        try:
            _work_off(turn, _questions(turn))
            if turn.unread:
                _read_again(turn)
                _work_off(turn, _questions(turn))
            _work_off(turn, _asked(mirror, _swept(mirror)))
            _ask_again(turn)
            _judge_missing(turn)
        except UpstreamError as error:
            turn.failure = error
        _settle(turn)
    give_up(mirror, turn.again)
    return turn.failure or _silence(turn)


def _work_off(turn: _Round, questions: Iterator[Question]) -> None:
    mirror = turn.mirror
    batch: list[Fetched] = []
    size, begun = 0, mirror.monotonic()
    aside = None if turn.helpers is None else turn.helpers.take
    try:
        for one in fetch(mirror.upstream, questions, mirror.settings.upstream.workers, aside):
            batch.append(one)
            size += one.size
            late = mirror.monotonic() - begun > _BATCH_SECONDS
            if len(batch) >= BATCH or size >= _BATCH_BYTES or late:
                full, batch, size = batch, [], 0
                _take(turn, full)
                begun = mirror.monotonic()
    except UpstreamError:  # what came before it is as good; a signal, though, is not kept waiting
        _take_last(turn, batch)
        raise
    _take_last(turn, batch)


def _take_last(turn: _Round, batch: Sequence[Fetched]) -> None:
    """Take the rest of the answers; helpers may have some to read."""
    _take(turn, batch)
    if turn.helpers is not None:
        turn.helpers.settle()


def _take(turn: _Round, batch: Sequence[Fetched]) -> None:
    """Record a batch of answers and begin to publish what they changed."""
    if not batch:
        return
    recorded = _record(turn, batch)
    turn.publisher.begin(recorded.awaiting, recorded.pages)


def _record(turn: _Round, batch: Sequence[Fetched]) -> Batch:
    """Record a batch of answers, once what is being published is noted."""
    turn.publisher.settle()  # before anything is recorded over what it is publishing
    recorded = record(turn.mirror, batch)
    turn.again += recorded.again
    turn.missing += recorded.missing
    turn.well += recorded.well
    failed = sum(isinstance(one.answer, Failed) for one in batch)
    turn.answered += len(batch) - failed
    turn.mirror.progress.advance(len(batch), failed)
    return recorded


def _settle(turn: _Round) -> None:
    """Wait until everything that was recorded is published."""
    if turn.helpers is not None:
        turn.helpers.settle()
    turn.publisher.settle()


def _hired(turn: _Round, stack: ExitStack) -> Helpers | None:
    """Return helpers for a first build, ended with ``stack``; None where they are of no use."""
    from yanksync.sync.first_build import helpers  # start-up: few passes need them

    if not helpers.possible(turn.mirror):
        return None
    return stack.enter_context(helpers.Helpers(turn.mirror, partial(_record, turn)))


def _ask_again(turn: _Round) -> None:
    """Ask once more, a while later, for what was stale or failed; keep what still is (R3)."""
    if not turn.again or turn.mirror.stopping():
        return
    mirror = turn.mirror
    mirror.sleep(mirror.settings.upstream.stale_retry)
    names = [one.look.name for one, _, _ in turn.again]
    looks = mirror.state.pending.again(mirror.run, names)
    waiting = {look.name for look in looks}
    # What does not wait any more was brought up to date since, by the journal read meanwhile; looks
    # of the sweep never waited.
    turn.again = [
        entry for entry in turn.again if entry[0].look.sweep and entry[0].look.name not in waiting
    ]
    _work_off(turn, iter(list(_asked(mirror, looks))))


def _judge_missing(turn: _Round) -> None:
    """Take 404s that nothing explains for what they say, unless upstream is out (R7)."""
    if not turn.missing:
        return
    mirror = turn.mirror
    try:
        why = _outage(turn)
    except UpstreamError as error:
        why = str(error)
    if why is None:
        turn.publisher.settle()
        turn.again += record(mirror, turn.missing, is_up=True).again
        return
    turn.again += [(one, "404, and upstream may be out", False) for one in turn.missing]
    raise Unreachable(
        redacted(mirror.upstream.simple_url),
        f"{why}; yanksync takes that for an outage and removes nothing. If upstream has moved, "
        "correct upstream.simple_url",
    )


def _outage(turn: _Round) -> str | None:
    """Return what shows that all of upstream is missing, and not single projects; else None.

    Raises :class:`UpstreamError` when upstream does not answer any more.
    """
    upstream = turn.mirror.upstream
    if upstream.root_is_missing():
        return "the root of the index answered 404, too"
    if turn.well:
        return None
    others = turn.mirror.state.projects.others([one.look.name for one in turn.missing], _CONTROLS)
    # With no other project it would be a loss of everything, which the guards hold.
    if not others or any(upstream.page(name, None) != 404 for name in others):
        return None
    return "every page that was asked for answered 404"


def _questions(turn: _Round) -> Iterator[Question]:
    """Yield what to ask, withdrawals first; reads the journal again when the pass gets long."""
    mirror, state = turn.mirror, turn.mirror.state
    while not mirror.stopping():
        with state.transaction():
            looks = state.pending.take(mirror.run, mirror.now(), _CHUNK, at_once=turn.at_once)
        if not looks:
            return
        for question in _asked(mirror, looks):
            if mirror.monotonic() - turn.read_at > _REREAD:
                _read_again(turn)
            yield question


def _read_again(turn: _Round) -> None:
    """Read the journal in the middle of a pass, and let its withdrawals go first.

    What goes wrong is told only when the journal was not read in this pass before.
    """
    _settle(turn)
    try:
        follow(turn.mirror)
    except UpstreamError as error:
        turn.failure = error if turn.unread else None
    turn.unread = False
    turn.mirror.state.pending.rewind()
    withdraw(turn.mirror)
    if turn.mirror.settings.hooks.names:
        from yanksync.sync.hooks import (
            deliver,  # a withdrawal is not to wait in caches for the end of the pass
        )

        deliver.deliver(turn.mirror, meanwhile=True)
    turn.read_at = turn.mirror.monotonic()


def _asked(mirror: Mirror, looks: Sequence[Look]) -> Iterator[Question]:
    """Yield the questions that ``looks`` come to; one that is answered already costs no request."""
    rows = mirror.state.projects.get(look.name for look in looks)
    for look in looks:
        if mirror.stopping():
            return
        row = rows.get(look.name)
        if row is None or look.forced or row.presence is not Presence.PRESENT:
            is_new = row is None or (row.presence is Presence.NEW and row.published is None)
            yield Question(look, None, is_new)
        elif look.reach is not None and row.serial is not None and row.serial >= look.reach:
            mirror.state.pending.reached(look.name, row.serial)
        else:
            yield Question(look, row.etag)


def _swept(mirror: Mirror) -> list[Look]:
    """Return the looks of the sweep: pages change without a journal entry, too."""
    state, now = mirror.state, mirror.now()
    # Losses that a guard holds may be upstream's passing fault: no entry will tell that it is over.
    held = [
        Look(name=name, sweep=True, since=now)
        for name in {*state.unpublished.doubtful(), *(name for name, _ in state.lost.held())}
        if not state.pending.has(name)
    ]
    if state.meta.text("journal") == JournalSource.NONE:
        return held  # every page is asked for in every pass
    return [*held, *_due(mirror, now)]


def _due(mirror: Mirror, now: float) -> list[Look]:
    state = mirror.state
    days = mirror.settings.upstream.sweep_days
    if days > 0 and state.meta.number("sweep_days") != days:
        with state.transaction():
            state.projects.schedule(days * DAY)
            state.meta.put(sweep_days=days)
    horizon = now + days * DAY
    if not state.projects.due(now, horizon, 1) and not state.pending.counts()[2]:
        return []
    last = state.runs.previous_start(mirror.run)
    elapsed = 0.0 if last is None else max(now - last, 0.0)
    most = sweep_share(state.projects.published(), elapsed, days)
    # Those behind are asked once a day and share the pass's part, so that neither kind waits for
    # the other for ever. They are asked without a sweep, too, and when nothing is published.
    left = state.pending.take_behind(mirror.run, now, max(most // 2, 1))
    names = state.projects.due(now, horizon, most - len(left)) if most > len(left) else []
    return [*(Look(name=name, sweep=True, since=now) for name in names), *left]


def _silence(turn: _Round) -> UpstreamError | None:
    """Return what to tell when there is no journal and not one page was answered: an outage."""
    mirror = turn.mirror
    if mirror.state.meta.text("journal") != JournalSource.NONE or turn.answered or not turn.again:
        return None
    why = turn.again[0][1]
    return Unreachable(redacted(mirror.upstream.simple_url), f"no page could be fetched: {why}")
