"""One pass, step by step."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from yanksync.core.errors import (
    JournalReplaced,
    NothingFound,
    PublishError,
    StaleList,
    Throttled,
    TooLarge,
    UpstreamError,
)
from yanksync.core.exit_codes import ExitCode
from yanksync.core.names import NormalizedName
from yanksync.core.project_state import Sort
from yanksync.core.rules.fetch_plan import Plan, Removal
from yanksync.core.urls import redacted
from yanksync.mirror.context import Mirror, log
from yanksync.output.store import room_for
from yanksync.state.runs import Run
from yanksync.state.views.holds import count_held, holds
from yanksync.sync import config_changes, output_check
from yanksync.sync.fetch_loop import look
from yanksync.sync.follow.journal import follow
from yanksync.sync.follow.project_list import resync, widen
from yanksync.sync.follow.selection_change import settle_selection
from yanksync.sync.follow.source_choice import address_advice
from yanksync.sync.follow.upstream_change import check_address, is_other_upstream, restart
from yanksync.sync.publish_list import publish_list
from yanksync.sync.removals import finish, judge_removals, tell_held, withdraw

_SHOWN = 1000  # looks that a plan spells out


class Request(Struct, frozen=True, kw_only=True):
    """What a pass is to do beyond following the journal."""

    everything: bool = False  # full-resync: every project is fetched again
    projects: tuple[NormalizedName, ...] = ()  # full-resync of these alone
    at_once: bool = False  # what is pending is asked for whatever its back-off


def sync(mirror: Mirror, request: Request | None = None) -> ExitCode:
    """Make one pass; return its exit code.

    Raises :class:`yanksync.core.errors.YanksyncError` only for what makes any pass impossible: the
    state or the output cannot be used. What was recorded before that is safe and goes on in the
    next.
    """
    try:
        failure = _bring_up_to_date(mirror, request or Request())
    except PublishError:
        tell_hooks(mirror)  # of what was published before the disk was full
        raise
    tell_hooks(mirror)
    return _conclude(mirror, failure)


def _bring_up_to_date(mirror: Mirror, request: Request) -> UpstreamError | None:
    """Do all that a pass does with upstream and the output; return what upstream did not let do."""
    mirror.store.prepare()
    config_changes.apply_policies(mirror)
    output_check.check_output(mirror)
    configured, mirror = mirror, settle_selection(mirror)
    finish(mirror)
    catching_up = mirror.state.meta.text("catching_up") is not None
    failure, unread = _learn(mirror, request)
    if not is_other_upstream(mirror) and not isinstance(failure, JournalReplaced):
        withdraw(mirror)
        failure = look(mirror, at_once=request.at_once, unread=unread) or failure
        if mirror is not configured:  # what is new in the selection is known by now
            settle_selection(configured)
            finish(mirror)
        output_check.finish_recovery(mirror)
        # What upstream's answers confirmed without a new page may be published from here on.
        (finish if catching_up else withdraw)(mirror)
        _stand_in(mirror)
        failure = failure or _nothing_found(mirror)
        if failure is None or _has_begun(mirror):
            publish_list(mirror)
    if failure is None:
        output_check.note_built(mirror)
    return failure


def _has_begun(mirror: Mirror) -> bool:
    """Whether anything is published: an empty index would say that upstream has nothing."""
    state = mirror.state
    return state.meta.moment("list_written") is not None or state.projects.published() > 0


def _nothing_found(mirror: Mirror) -> NothingFound | None:
    """Return what is wrong with a first build that finds none of the projects it is to mirror."""
    state, selection = mirror.state, mirror.settings.mirror.selection
    if state.meta.moment("list_written") is not None or selection.everything:
        return None
    if state.projects.published() or state.pending.counts()[0] or state.unpublished.counts()[0]:
        return None
    try:
        is_index = not mirror.upstream.root_is_missing()
    except UpstreamError:
        is_index = True
    url, advice = redacted(mirror.upstream.simple_url), address_advice(mirror, "")
    return NothingFound(url, selection.projects, is_index=is_index, advice=advice)


def _stand_in(mirror: Mirror) -> None:
    """Let those who follow this mirror find what a guard holds (``held_documents.py``)."""
    if mirror.settings.mirror.legacy_json and (held := mirror.state.unpublished.undocumented()):
        from yanksync.sync.held_documents import stand_in  # start-up: it is seldom needed

        stand_in(mirror, held)


def tell_hooks(mirror: Mirror) -> None:
    """Tell the hooks of the configuration what has changed; what they do not take is kept.

    Raises :class:`yanksync.core.errors.StateError`.
    """
    if mirror.settings.hooks.names:
        from yanksync.sync.hooks import deliver  # start-up: most mirrors have none

        deliver.deliver(mirror)


def _learn(mirror: Mirror, request: Request) -> tuple[UpstreamError | None, bool]:
    """Find out what has changed; a journal out of reach does not keep pending pages waiting.

    Returns what went wrong, and whether the journal is still to be read, behind the first pages.
    """
    unread = False
    try:
        check_address(mirror)
        try:
            if request.everything:
                unread = resync(mirror)
            elif config_changes.needs_widening(mirror):
                widen(mirror)
        except JournalReplaced as replaced:
            restart(mirror, replaced, mirror.now())
        if not unread:
            unread = not follow(mirror)
    except UpstreamError as error:
        return error, False
    now = mirror.now()
    with mirror.state.transaction():
        mirror.state.projects.add((name, name) for name in request.projects)
        for name in request.projects:
            mirror.state.pending.mark(name, None, now, forced=True, patient=False)
    _check_room(mirror)
    return None, unread


def _check_room(mirror: Mirror) -> None:
    """Refuse a first build that cannot fit, before it fills the disk."""
    if mirror.state.meta.moment("list_written") is not None:
        return  # not counted: that would read every project in every pass
    projects = mirror.state.pending.counts()[0] - mirror.state.projects.published()
    room = mirror.store.room()
    if room is None or projects <= 0:
        return
    section = mirror.settings.mirror
    need = room_for(projects, len(section.compress), legacy_json=section.legacy_json)
    if need.exceeds(room):
        raise PublishError(
            str(section.output),
            f"too little room for {projects} projects: about {need.bytes >> 20} MiB and "
            f"{need.files} files are needed, {room.bytes >> 20} MiB and {room.files} files are "
            "free",
        )


def _conclude(mirror: Mirror, failure: UpstreamError | None) -> ExitCode:
    """Note what the pass came to and return its exit code."""
    state, tally = mirror.state, mirror.tally
    tell_held(mirror, failed=failure is not None)
    pending = state.pending.counts()[0]
    unpublished = state.unpublished.counts()[0]
    _note_pause(mirror, failure)
    if isinstance(failure, StaleList):
        log.error("%s", failure)
    elif failure is not None:
        tally.causes[failure.cause] += 1
        tally.problem = tally.problem or str(failure)
        if not isinstance(failure, JournalReplaced):
            log.error("%s", failure)
    outstanding = [
        since for since in (state.pending.oldest(), state.unpublished.oldest()) if since is not None
    ]
    with state.transaction():
        if not isinstance(failure, NothingFound):
            state.runs.complete(min(outstanding, default=None), mirror.now())
        if state.meta.moment("resync") is not None and not state.pending.forced():
            state.meta.put(resync=None)
    if isinstance(failure, JournalReplaced):
        log.error("%s", failure)
        return ExitCode.HELD
    if isinstance(failure, Throttled | StaleList | TooLarge):
        return ExitCode.PARTIAL
    if tally.problem is not None:
        return ExitCode.FAILED
    if count_held(state):
        return ExitCode.HELD
    return ExitCode.PARTIAL if pending or unpublished or tally.undelivered else ExitCode.DONE


def _note_pause(mirror: Mirror, failure: UpstreamError | None) -> None:
    """Remember until when upstream asks to be left alone, for ``status``."""
    meta = mirror.state.meta
    if isinstance(failure, Throttled):
        meta.put(throttled_until=mirror.now() + failure.seconds)
    elif meta.moment("throttled_until") is not None:
        meta.put(throttled_until=None)


def outcome(mirror: Mirror, code: ExitCode) -> Run:
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


def rehearse(mirror: Mirror, request: Request | None = None) -> Plan:
    """Return what a pass would do, having asked upstream what has changed, and change nothing.

    Raises :class:`yanksync.core.errors.YanksyncError`.
    """
    request = request or Request()
    state = mirror.state
    with state.rehearsal():
        config_changes.apply_policies(mirror)
        if mirror.store.list_stands().stamp:  # else there may be no output yet
            output_check.check_output(mirror)
        mirror = settle_selection(mirror)
        failure, _ = _learn(mirror, request)
        if failure is not None:
            raise failure
        judge_removals(mirror)
        rewrites = state.unpublished.names(Sort.PAGE)
        looks, total = state.pending.ready(mirror.now(), _SHOWN, at_once=request.at_once)
        return Plan(
            cursor=state.meta.cursor,
            removals=tuple(_removals(mirror)),
            held=tuple(f"{held.project or held.what}: {held.why}" for held in holds(state)),
            quarantines=tuple(state.projects.words()),
            publications=len(rewrites),
            rewrites=tuple(rewrites[:_SHOWN]),
            looks=tuple(looks),
            more=total - len(looks),
        )


_WHY_REMOVED = {
    Sort.EXCLUDED: "mirror.projects and mirror.exclude leave it out",
    Sort.EXPLAINED: "upstream says that it was removed",
    Sort.UNEXPLAINED: "upstream has no page of it any more, seen twice",
}


def _removals(mirror: Mirror) -> Iterator[Removal]:
    """Yield the projects that the pass would remove, held ones left out."""
    for sort, why in _WHY_REMOVED.items():
        for name in mirror.state.unpublished.names(sort):
            yield Removal(name, why)
