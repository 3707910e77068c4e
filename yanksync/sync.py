"""The story of a pass: what is described in design.md, "The way of the data", step by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from msgspec import Struct

from yanksync import configure
from yanksync.errors import JournalReplaced, PublishError, Throttled, UpstreamError
from yanksync.fetch import Fetched, Question, fetch
from yanksync.follow import follow, resync, widen
from yanksync.mirror import Mirror, log
from yanksync.names import NormalizedName
from yanksync.plan import Look, Plan, sweep_share
from yanksync.publishing import finish, publish, publish_list, withdraw
from yanksync.record import give_up, record
from yanksync.settings import JournalSource
from yanksync.state.runs import Run
from yanksync.state.unpublished import Sort
from yanksync.weigh import Presence

DONE, FAILED, PARTIAL, HELD = 0, 1, 3, 4
"""What a pass came to, as exit codes (interface.md)."""

BATCH = 500  # answers recorded and published together
_BATCH_BYTES = 32 << 20  # or so many, compressed
_BATCH_SECONDS = 2.0  # or what came in so long: a withdrawal does not wait for a full batch
_CHUNK = 2000  # looks taken from the queue at once
_REREAD = 300.0  # seconds after which a long pass reads the journal again


class Request(Struct, frozen=True, kw_only=True):
    """What a pass is to do beyond following the journal."""

    everything: bool = False  # full-resync: every project is fetched again
    projects: tuple[NormalizedName, ...] = ()  # full-resync of these alone
    at_once: bool = False  # what is pending is asked for whatever its back-off


def sync(mirror: Mirror, request: Request | None = None) -> int:
    """Make one pass; return its exit code.

    Raises :class:`yanksync.errors.YanksyncError` only for what makes any pass impossible: the state
    or the output cannot be used. What was recorded before that is safe and goes on in the next.
    """
    request = request or Request()
    mirror.store.prepare()
    configure.apply_policies(mirror)
    configure.check_output(mirror)
    finish(mirror)
    failure = _learn(mirror, request)
    if not isinstance(failure, JournalReplaced):
        withdraw(mirror)
        failure = _look(mirror, request) or failure
        configure.finish_recovery(mirror)
        withdraw(mirror)
        publish_list(mirror)
    return _conclude(mirror, failure)


def _learn(mirror: Mirror, request: Request) -> UpstreamError | None:
    """Find out what has changed; a journal out of reach does not keep pending pages waiting."""
    try:
        if request.everything:
            resync(mirror)
        elif configure.needs_widening(mirror):
            widen(mirror)
        follow(mirror)
    except UpstreamError as error:
        return error
    now = mirror.now()
    with mirror.state.transaction():
        mirror.state.projects.add((name, name) for name in request.projects)
        for name in request.projects:
            mirror.state.pending.mark(name, None, now, forced=True, patient=False)
    _check_room(mirror)
    return None


def _look(mirror: Mirror, request: Request) -> UpstreamError | None:
    """Ask for the pages that are due, record and publish what comes, and ask once more."""
    again: list[tuple[Fetched, str, bool]] = []
    failure: UpstreamError | None = None
    mirror.progress.expect("pages", mirror.state.pending.ready(mirror.now(), 0)[1])
    try:
        _work_off(mirror, _questions(mirror, request.at_once), again)
        again = _ask_again(mirror, again)
    except UpstreamError as error:
        failure = error
    give_up(mirror, again)
    return failure


def _work_off(
    mirror: Mirror, questions: Iterator[Question], again: list[tuple[Fetched, str, bool]]
) -> None:
    batch: list[Fetched] = []
    size, begun = 0, mirror.monotonic()
    try:
        for one in fetch(mirror.upstream, questions, mirror.settings.upstream.workers):
            batch.append(one)
            size += 0 if one.stored is None else len(one.stored.body)
            late = mirror.monotonic() - begun > _BATCH_SECONDS
            if len(batch) >= BATCH or size >= _BATCH_BYTES or late:
                full, batch, size = batch, [], 0
                again += _take(mirror, full)
                begun = mirror.monotonic()
    finally:
        if batch:
            again += _take(mirror, batch)


def _take(mirror: Mirror, batch: Sequence[Fetched]) -> list[tuple[Fetched, str, bool]]:
    """Record a batch of answers and publish what they changed."""
    recorded = record(mirror, batch)
    publish(mirror, recorded.awaiting, recorded.pages)
    mirror.progress.advance(len(batch))
    return recorded.again


def _ask_again(
    mirror: Mirror, again: list[tuple[Fetched, str, bool]]
) -> list[tuple[Fetched, str, bool]]:
    """Ask once more, a while later, for what was stale or failed; return what still is (R3)."""
    if not again:
        return []
    mirror.sleep(mirror.settings.upstream.stale_retry)
    names = [one.look.name for one, _, _ in again]
    looks = mirror.state.pending.again(mirror.run, names)
    waiting = {look.name for look in looks}
    left = [entry for entry in again if entry[0].look.name not in waiting]
    _work_off(mirror, iter(list(_asked(mirror, looks))), left)
    return left


def _questions(mirror: Mirror, at_once: bool) -> Iterator[Question]:
    """Yield what to ask, withdrawals first; reads the journal again when the pass gets long."""
    state = mirror.state
    read_at = mirror.monotonic()
    while True:
        with state.transaction():
            looks = state.pending.take(mirror.run, mirror.now(), _CHUNK, at_once=at_once)
        if not looks:
            break
        for question in _asked(mirror, looks):
            if mirror.monotonic() - read_at > _REREAD:
                with suppress(UpstreamError):  # this pass has read it once; the next will again
                    follow(mirror)
                withdraw(mirror)
                read_at = mirror.monotonic()
            yield question
    yield from _asked(mirror, _swept(mirror))


def _asked(mirror: Mirror, looks: Sequence[Look]) -> Iterator[Question]:
    """Yield the questions that ``looks`` come to; one that is answered already costs no request."""
    rows = mirror.state.projects.get(look.name for look in looks)
    for look in looks:
        row = rows.get(look.name)
        if row is None or look.forced or row.presence is not Presence.PRESENT:
            yield Question(look, None)
        elif look.reach is not None and row.serial is not None and row.serial >= look.reach:
            mirror.state.pending.reached(look.name, row.serial)
        else:
            yield Question(look, row.etag)


def _swept(mirror: Mirror) -> list[Look]:
    """Return the looks of the sweep: pages change without a journal entry, too."""
    state, now = mirror.state, mirror.now()
    if state.meta.text("journal") == JournalSource.NONE:
        return []  # every page is asked for in every pass
    days = mirror.settings.upstream.sweep_days
    if not state.projects.due(now, 1) and not state.pending.counts()[2]:
        return []
    last = state.runs.previous_start(mirror.run)
    elapsed = 0.0 if last is None else max(now - last, 0.0)
    most = sweep_share(state.projects.published(), elapsed, days)
    if most == 0:
        return []
    names = [name for name in state.projects.due(now, most) if not state.pending.has(name)]
    left = state.pending.take_behind(mirror.run, now, most)
    return [*(Look(name=name, sweep=True, since=now) for name in names), *left]


def _check_room(mirror: Mirror) -> None:
    """Refuse a first build that cannot fit, before it fills the disk."""
    if mirror.state.projects.published():
        return
    projects = mirror.state.pending.counts()[0]
    room = mirror.store.room()
    if room is None or projects == 0:
        return
    siblings = len(mirror.settings.mirror.compress)
    files = projects * (3 + 2 * siblings)  # a directory, two inodes for three forms, siblings
    size = projects * (4096 * (1 + 2 * siblings) + 24_000)
    if size > room.bytes or (room.files is not None and files > room.files):
        raise PublishError(
            str(mirror.settings.mirror.output),
            f"too little room for {projects} projects: about {size >> 20} MiB and {files} files "
            f"are needed, {room.bytes >> 20} MiB and {room.files} files are free",
        )


def _conclude(mirror: Mirror, failure: UpstreamError | None) -> int:
    """Note what the pass came to and return its exit code."""
    state, tally = mirror.state, mirror.tally
    pending, held_looks, _ = state.pending.counts()
    unpublished, held = state.unpublished.counts()
    if failure is not None:
        tally.problem = tally.problem or str(failure)
        if not isinstance(failure, JournalReplaced):
            log.error("%s", failure)
    outstanding = [
        since for since in (state.pending.oldest(), state.unpublished.oldest()) if since is not None
    ]
    with state.transaction():
        state.runs.complete(min(outstanding, default=None))
        if state.meta.moment("resync") is not None and not state.pending.forced():
            state.meta.put(resync=None)
    if isinstance(failure, JournalReplaced):
        log.error("%s", failure)
        return HELD
    if isinstance(failure, Throttled):
        return PARTIAL
    if tally.problem is not None:
        return FAILED
    if held or held_looks:
        return HELD
    return PARTIAL if pending or unpublished else DONE


def outcome(mirror: Mirror, code: int) -> Run:
    """Return what to remember of the run."""
    tally = mirror.tally
    return Run(
        exit=code,
        cursor=mirror.state.meta.cursor,
        asked=tally.asked,
        recorded=tally.recorded,
        published=tally.published,
        removed=tally.removed,
        failed=tally.failed,
        problem=tally.problem,
    )


_SHOWN = 1000  # looks that a plan spells out


def rehearse(mirror: Mirror, request: Request | None = None) -> Plan:
    """Return what a pass would do, having asked upstream what has changed, and change nothing.

    Raises :class:`yanksync.errors.YanksyncError`.
    """
    request = request or Request()
    state = mirror.state
    with state.rehearsal():
        configure.apply_policies(mirror)
        waiting = state.unpublished.counts()[0]
        failure = _learn(mirror, request)
        if failure is not None:
            raise failure
        looks, total = state.pending.ready(mirror.now(), _SHOWN, at_once=request.at_once)
        return Plan(
            cursor=state.meta.cursor,
            removals=tuple(state.unpublished.names(Sort.EXPLAINED)),
            quarantines=tuple(state.projects.words()),
            publications=waiting,
            looks=tuple(looks),
            more=total - len(looks),
        )
