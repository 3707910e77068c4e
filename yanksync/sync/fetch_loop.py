"""Runs stages 3 to 8 for all projects that are due.

It fetches, records and publishes batch by batch. While one batch is rendered and written, the next
one is fetched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct, field

from yanksync.config.settings import JournalSource
from yanksync.core.errors import UpstreamError, UpstreamUnreachable
from yanksync.core.project_state import Presence
from yanksync.core.rules.fetch_plan import DAY, FetchTask, recheck_budget
from yanksync.core.urls import redacted
from yanksync.mirror.context import Mirror, log
from yanksync.state.facts import AppliedConfig
from yanksync.sync.fetch import FetchFailure, FetchResult, PageRequest, fetch
from yanksync.sync.follow.journal import read_changes
from yanksync.sync.publish import Publisher
from yanksync.sync.record import RecordResult, postpone, record
from yanksync.sync.removals import publish_removals

if TYPE_CHECKING:
    from yanksync.sync.first_build.helpers import Helpers

_MANY = 1000
"""From so many pages on, helpers save more than it costs to start them."""

BATCH = 200  # answers recorded and published together
_BATCH_BYTES = 4 << 20  # or this many unpacked bytes
_BATCH_SECONDS = 2.0  # or this time: a withdrawal does not wait for a full batch
_CHUNK = 2000  # projects taken from the queue at once
_CONTROLS = 3  # other projects to fetch: their answers show an outage
_REREAD = 300.0  # seconds after which a long pass reads the journal again


class _FetchRound(Struct):
    """The values of one round of fetching."""

    mirror: Mirror
    publisher: Publisher
    at_once: bool
    unread: bool  # the journal must be read after the first pages
    read_at: float = 0.0  # monotonic seconds of the last journal read
    to_retry: list[tuple[FetchResult, str, bool]] = field(default_factory=list)
    failure: UpstreamError | None = None
    answered: int = 0
    succeeded: int = 0  # answers that show that upstream is well
    missing: list[FetchResult] = field(default_factory=list)  # unexplained 404s
    helpers: Helpers | None = None  # processes that read and write new pages, in a first build


def process_pending(mirror: Mirror, *, at_once: bool, unread: bool) -> UpstreamError | None:
    """Fetch the due pages, record and publish them, and retry once.

    With ``unread`` the journal is read after them. Returns the error that ended the requests to
    upstream, if any.
    """
    pages = mirror.state.fetch_queue.ready(mirror.now(), 0)[1]
    first_build = mirror.state.facts.published_list.written is None
    done = mirror.state.projects.progress()[0] if first_build else 0
    mirror.progress.expect("fetching pages", pages + done, done)
    with Publisher(mirror) as publisher, ExitStack() as stack:
        fetch_round = _FetchRound(mirror, publisher, at_once, unread, mirror.monotonic())
        if pages >= _MANY and first_build:
            fetch_round.helpers = _start_helpers(fetch_round, stack)
        try:
            _run_requests(fetch_round, _requests(fetch_round))
            if fetch_round.unread:
                _reread_journal(fetch_round)
                _run_requests(fetch_round, _requests(fetch_round))
            _run_requests(fetch_round, _requests_for(mirror, _rechecks(mirror)))
            _retry_once(fetch_round)
            _settle_missing(fetch_round)
        except UpstreamError as error:
            fetch_round.failure = error
        _settle(fetch_round)
    postpone(mirror, fetch_round.to_retry)
    return fetch_round.failure or _unanswered(fetch_round)


def _run_requests(fetch_round: _FetchRound, requests: Iterator[PageRequest]) -> None:
    mirror = fetch_round.mirror
    batch: list[FetchResult] = []
    size, begun = 0, mirror.monotonic()
    aside = None if fetch_round.helpers is None else fetch_round.helpers.take
    try:
        for result in fetch(mirror.upstream, requests, mirror.settings.upstream.workers, aside):
            batch.append(result)
            size += result.size
            late = mirror.monotonic() - begun > _BATCH_SECONDS
            if len(batch) >= BATCH or size >= _BATCH_BYTES or late:
                full, batch, size = batch, [], 0
                _take(fetch_round, full)
                begun = mirror.monotonic()
    except UpstreamError:  # earlier answers are still good, but a signal must not wait for them
        _take_last(fetch_round, batch)
        raise
    _take_last(fetch_round, batch)


def _take_last(fetch_round: _FetchRound, batch: Sequence[FetchResult]) -> None:
    """Take the remaining answers; helpers may still read some."""
    _take(fetch_round, batch)
    if fetch_round.helpers is not None:
        fetch_round.helpers.settle()


def _take(fetch_round: _FetchRound, batch: Sequence[FetchResult]) -> None:
    """Record a batch of answers and begin to publish the changes."""
    if not batch:
        return
    recorded = _record(fetch_round, batch)
    fetch_round.publisher.begin(recorded.queued, recorded.pages)


def _record(fetch_round: _FetchRound, batch: Sequence[FetchResult]) -> RecordResult:
    """Record a batch of answers after the batch before is noted."""
    fetch_round.publisher.settle()  # first, because recording would change what it is publishing
    recorded = record(fetch_round.mirror, batch)
    fetch_round.to_retry += recorded.to_retry
    fetch_round.missing += recorded.missing
    fetch_round.succeeded += recorded.succeeded
    failed = sum(isinstance(result.answer, FetchFailure) for result in batch)
    fetch_round.answered += len(batch) - failed
    fetch_round.mirror.progress.advance(len(batch), failed)
    return recorded


def _settle(fetch_round: _FetchRound) -> None:
    """Wait until everything that was recorded is published."""
    if fetch_round.helpers is not None:
        fetch_round.helpers.settle()
    fetch_round.publisher.settle()


def _start_helpers(fetch_round: _FetchRound, stack: ExitStack) -> Helpers | None:
    """Return helpers for a first build, ended with ``stack``.

    None if they would not help.
    """
    from yanksync.sync.first_build import helpers  # start-up: few passes need them

    if not helpers.can_use_helpers(fetch_round.mirror):
        return None
    return stack.enter_context(helpers.Helpers(fetch_round.mirror, partial(_record, fetch_round)))


def _retry_once(fetch_round: _FetchRound) -> None:
    """Fetch stale and failed pages once more, after a while.

    Pages that are still stale wait for a later pass (R3).
    """
    if not fetch_round.to_retry or fetch_round.mirror.stopping():
        return
    mirror = fetch_round.mirror
    pause = mirror.settings.upstream.stale_retry
    for result, why, _ in fetch_round.to_retry:
        name = result.task.name
        log.debug("%s: %s; asked for again in %g s", name, why, pause, extra={"project": name})
    mirror.sleep(pause)
    names = [result.task.name for result, _, _ in fetch_round.to_retry]
    tasks = mirror.state.fetch_queue.take_again(mirror.run, names)
    waiting = {task.name for task in tasks}
    # Projects that no longer wait were brought up to date by a journal read in between. Pages of
    # the recheck were never in the queue.
    fetch_round.to_retry = [
        entry
        for entry in fetch_round.to_retry
        if entry[0].task.recheck and entry[0].task.name not in waiting
    ]
    _run_requests(fetch_round, iter(list(_requests_for(mirror, tasks))))


def _settle_missing(fetch_round: _FetchRound) -> None:
    """Accept unexplained 404s, unless upstream is out (R7)."""
    if not fetch_round.missing:
        return
    mirror = fetch_round.mirror
    try:
        why = _outage(fetch_round)
    except UpstreamError as error:
        why = str(error)
    if why is None:
        fetch_round.publisher.settle()
        fetch_round.to_retry += record(mirror, fetch_round.missing, is_up=True).to_retry
        return
    fetch_round.to_retry += [
        (result, "404, and upstream may be out", False) for result in fetch_round.missing
    ]
    raise UpstreamUnreachable(
        redacted(mirror.upstream.simple_url),
        f"{why}; yanksync takes that for an outage and removes nothing. If upstream has moved, "
        "correct upstream.simple_url",
    )


def _outage(fetch_round: _FetchRound) -> str | None:
    """Return why this is an outage of all of upstream, or None.

    Raises :class:`UpstreamError` if upstream no longer answers.
    """
    upstream = fetch_round.mirror.upstream
    if upstream.root_is_missing():
        return "the root of the index answered 404, too"
    if fetch_round.succeeded:
        return None
    others = fetch_round.mirror.state.projects.other_published(
        [result.task.name for result in fetch_round.missing], _CONTROLS
    )
    # Without another project it would be a loss of everything, which the guards hold.
    if not others or any(upstream.page(name, None) != 404 for name in others):
        return None
    return "every page that was asked for answered 404"


def _requests(fetch_round: _FetchRound) -> Iterator[PageRequest]:
    """Yield the pages to fetch, withdrawals first.

    If the pass takes long, this reads the journal again.
    """
    mirror, state = fetch_round.mirror, fetch_round.mirror.state
    while not mirror.stopping():
        with state.transaction():
            tasks = state.fetch_queue.take(
                mirror.run, mirror.now(), _CHUNK, at_once=fetch_round.at_once
            )
        if not tasks:
            return
        for request in _requests_for(mirror, tasks):
            if mirror.monotonic() - fetch_round.read_at > _REREAD:
                _reread_journal(fetch_round)
            yield request


def _reread_journal(fetch_round: _FetchRound) -> None:
    """Read the journal within a pass; withdrawals go first.

    A failure is logged only if the journal was not read in this pass before.
    """
    _settle(fetch_round)
    try:
        read_changes(fetch_round.mirror)
    except UpstreamError as error:
        fetch_round.failure = error if fetch_round.unread else None
    fetch_round.unread = False
    fetch_round.mirror.state.fetch_queue.rewind()
    publish_removals(fetch_round.mirror)
    if fetch_round.mirror.settings.hooks.enabled:
        from yanksync.sync.hooks import (
            deliver,  # a withdrawal must not wait in caches until the pass ends
        )

        deliver.deliver(fetch_round.mirror, mid_pass=True)
    fetch_round.read_at = fetch_round.mirror.monotonic()


def _requests_for(mirror: Mirror, tasks: Sequence[FetchTask]) -> Iterator[PageRequest]:
    """Yield the requests for ``tasks``.

    A task whose page is already new enough costs no request.
    """
    rows = mirror.state.projects.get(task.name for task in tasks)
    for task in tasks:
        if mirror.stopping():
            return
        row = rows.get(task.name)
        if row is None or task.forced or row.presence is not Presence.PRESENT:
            is_new = row is None or (row.presence is Presence.NEW and row.published is None)
            yield PageRequest(task, None, is_new)
        elif (
            task.required_serial is not None
            and row.serial is not None
            and row.serial >= task.required_serial
        ):
            mirror.state.fetch_queue.reached(task.name, row.serial)
        else:
            yield PageRequest(task, row.etag)


def _rechecks(mirror: Mirror) -> list[FetchTask]:
    """Return the pages of the recheck.

    Some changes of pages have no journal entry.
    """
    state, now = mirror.state, mirror.now()
    # Losses that a guard holds may be a temporary fault of upstream, and no entry will show its
    # end.
    held = {
        *state.publish_queue.held_and_unconfirmed(),
        *(name for name, _ in state.lost_files.held()),
    }
    tasks = [
        FetchTask(name=name, recheck=True, since=now)
        for name in held
        if not state.fetch_queue.has(name)
    ]
    if state.facts.source_choice.journal == JournalSource.NONE:
        return tasks  # every pass fetches every page
    return [*tasks, *(task for task in _due(mirror, now) if task.name not in held)]


def _due(mirror: Mirror, now: float) -> list[FetchTask]:
    state = mirror.state
    days = mirror.settings.upstream.sweep_days
    if days > 0 and state.facts.config.sweep_days != days:
        with state.transaction():
            state.projects.schedule_rechecks(days * DAY)
            state.facts.change(AppliedConfig, sweep_days=days)
    horizon = now + days * DAY
    if not state.projects.due_for_recheck(now, horizon, 1) and not state.fetch_queue.counts()[2]:
        return []
    last = state.runs.previous_start(mirror.run)
    elapsed = 0.0 if last is None else max(now - last, 0.0)
    limit = recheck_budget(state.projects.published(), elapsed, days)
    # Projects that are behind are fetched once a day. They share the pass's part with the recheck,
    # so that neither kind waits for the other for ever. They are fetched in all cases, even
    # if there is no recheck or published page.
    left = state.fetch_queue.take_behind(mirror.run, now, max(limit // 2, 1))
    names = (
        state.projects.due_for_recheck(now, horizon, limit - len(left)) if limit > len(left) else []
    )
    return [*(FetchTask(name=name, recheck=True, since=now) for name in names), *left]


def _unanswered(fetch_round: _FetchRound) -> UpstreamError | None:
    """Return the message of an outage.

    There was no journal, and every request for a page failed.
    """
    mirror = fetch_round.mirror
    if (
        mirror.state.facts.source_choice.journal != JournalSource.NONE
        or fetch_round.answered
        or not fetch_round.to_retry
    ):
        return None
    why = fetch_round.to_retry[0][1]
    return UpstreamUnreachable(
        redacted(mirror.upstream.simple_url), f"no page could be fetched: {why}"
    )
