"""Runs one pass, step by step."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from yanksync.core.errors import (
    AnswerTooLarge,
    JournalReplaced,
    NoProjectFound,
    PublishError,
    RateLimited,
    StaleList,
    UpstreamError,
)
from yanksync.core.exit_codes import ExitCode
from yanksync.core.names import NormalizedName
from yanksync.core.urls import redacted
from yanksync.mirror.context import Mirror, log
from yanksync.output.store import room_for
from yanksync.state.runs import RunRecord
from yanksync.state.state import State
from yanksync.state.views.holds import count_held
from yanksync.sync import config_changes
from yanksync.sync.fetch_loop import process_pending
from yanksync.sync.follow.journal import read_changes
from yanksync.sync.follow.project_list import add_selected_projects, begin_full_resync
from yanksync.sync.follow.selection_change import apply_selection
from yanksync.sync.follow.source_choice import address_advice
from yanksync.sync.follow.upstream_change import (
    check_address,
    is_other_upstream,
    restart_if_approved,
)
from yanksync.sync.optional_steps import (
    deliver_hooks,
    finish_forgotten,
    give_up_copies,
    notice_lost_copies,
    recover_copies,
    send_notifications,
    take_out_copies,
    update_deleted_index,
    update_withdrawals,
    withdraw_what_can_go,
    write_held_forms,
)
from yanksync.sync.policy.cutoff import (
    advance_cutoff,
    can_advance,
    knows_cutoff,
    report_expired,
)
from yanksync.sync.policy.published import report_changed_rules
from yanksync.sync.policy.rules import with_rules
from yanksync.sync.policy.upload_times import STOPPED, check_first_build
from yanksync.sync.publish_list import publish_list
from yanksync.sync.recovery import output_check
from yanksync.sync.removals import (
    publish_backlog,
    publish_removals,
    report_held,
)


class PassRequest(Struct, frozen=True, kw_only=True):
    """What a pass should do in addition to following the journal."""

    everything: bool = False  # full-resync: every project is fetched again
    projects: tuple[NormalizedName, ...] = ()  # full-resync of only these
    at_once: bool = False  # fetch pending projects without waiting for their next try


def run_pass(mirror: Mirror, request: PassRequest | None = None) -> ExitCode:
    """Make one pass; return its exit code.

    Raises :class:`yanksync.core.errors.YanksyncError` only if no pass is possible, because the
    state or the output is unusable. Everything recorded before that is safe, and the next pass goes
    on with it.
    """
    try:
        request = request or PassRequest()
        if mirror.state.forgotten.unfinished():
            finish_forgotten(mirror)
        ruled, failure = _bring_up_to_date(mirror, request)
        if mirror.settings.copies_files and not isinstance(failure, JournalReplaced):
            failure = _copy_files(mirror, ruled, failure, request)
            recover_copies(mirror)
        elif mirror.state.facts.config.has_copies and not mirror.settings.copies_files:
            give_up_copies(mirror)
        update_deleted_index(mirror)
        _tell(mirror)
    except PublishError as error:
        _note_problems(mirror, str(error))
        withdraw_what_can_go(mirror, error)
        deliver_hooks(mirror)  # changes that were published before the disk was full
        raise
    return _finish_run(mirror, failure)


def _tell(mirror: Mirror, *, mid_pass: bool = False) -> None:
    """Send what a pass has published so far to people and programs."""
    update_withdrawals(mirror)
    deliver_hooks(mirror, mid_pass=mid_pass)
    send_notifications(mirror)


def _bring_up_to_date(mirror: Mirror, request: PassRequest) -> tuple[Mirror, UpstreamError | None]:
    """Run the steps of a pass, except for package files.

    Returns the mirror with its rules, and the upstream error that ended the steps early, if any.
    """
    mirror.store.prepare()
    mirror = with_rules(mirror)
    config_changes.apply_policies(mirror)
    if mirror.settings.copies_files:
        take_out_copies(mirror)
    output_check.check_output(mirror)
    notice_lost_copies(mirror)
    recover_copies(mirror)
    configured, mirror = mirror, apply_selection(mirror)
    is_narrowed = mirror is not configured
    if knows_cutoff(mirror):
        publish_backlog(mirror)
    catching_up = mirror.state.facts.recovery.phase is not None
    failure, unread = find_changes(mirror, request)
    if failure is not None and not can_advance(mirror):
        return mirror, failure
    mirror = advance_cutoff(mirror)
    report_expired(mirror)
    if not is_other_upstream(mirror) and not isinstance(failure, JournalReplaced):
        publish_removals(mirror)
        failure = process_pending(mirror, at_once=request.at_once, unread=unread) or failure
        if is_narrowed:  # by now it is known which selected names upstream has
            apply_selection(configured)
            publish_backlog(mirror)
        output_check.finish_recovery(mirror)
        # Upstream's answers may have confirmed a project without a new page; such projects can be
        # published now. Files also become visible now, because each release has the files that
        # upstream has.
        has_more = catching_up or not mirror.offers.is_off
        (publish_backlog if has_more else publish_removals)(mirror)
        check_first_build(mirror)
        write_held_forms(mirror)
        failure = failure or _nothing_found(mirror)
        if failure is None or _has_begun(mirror.state):
            publish_list(mirror)
    report_changed_rules(mirror)
    if failure is None:
        output_check.note_built(mirror)
    return mirror, failure


def _has_begun(state: State) -> bool:
    """Return whether anything is published.

    An empty index would tell clients that there are no projects.
    """
    return state.facts.published_list.written is not None or state.projects.published() > 0


def _nothing_found(mirror: Mirror) -> NoProjectFound | None:
    """Return why a first build found no project, or None."""
    state, selection = mirror.state, mirror.settings.mirror.selection
    if state.facts.published_list.written is not None or selection.includes_all:
        return None
    if (
        state.projects.published()
        or state.fetch_queue.counts()[0]
        or state.publish_queue.counts()[0]
    ):
        return None
    try:
        is_index = not mirror.upstream.root_is_missing()
    except UpstreamError:
        is_index = True
    url, advice = redacted(mirror.upstream.simple_url), address_advice(mirror, "")
    return NoProjectFound(url, selection.projects, is_index=is_index, advice=advice)


def _copy_files(
    mirror: Mirror, ruled: Mirror, failure: UpstreamError | None, request: PassRequest
) -> UpstreamError | None:
    """Copy package files, and follow the journal during that time.

    Return its newest error, if any.
    ``ruled`` is ``mirror`` with its rules.
    """
    from yanksync.sync.package_files.copy import copy_files  # start-up: few mirrors copy files

    def follow() -> Mirror:
        nonlocal failure
        newer, failure = _bring_up_to_date(mirror, PassRequest())
        with mirror.state.transaction():
            _note_complete_reads(mirror)
        _tell(mirror, mid_pass=True)  # a first copy may take days
        return newer

    copy_files(ruled, follow, at_once=request.at_once)
    known = mirror.state.facts.published_list
    if failure is None and known.changed and known.written is not None:
        publish_list(ruled)  # a restored file can bring its project back
    return failure


def find_changes(mirror: Mirror, request: PassRequest) -> tuple[UpstreamError | None, bool]:
    """Find out what has changed.

    If the journal cannot be reached, pending pages are fetched all the same. Returns the error, and
    whether the journal must still be read after the first pages.
    """
    unread = False
    try:
        check_address(mirror)
        try:
            if request.everything:
                unread = begin_full_resync(mirror)
            elif config_changes.selection_changed(mirror):
                add_selected_projects(mirror)
        except JournalReplaced as replaced:
            restart_if_approved(mirror, replaced, mirror.now())
        if not unread:
            unread = not read_changes(mirror)
    except UpstreamError as error:
        return error, False
    now = mirror.now()
    names = [name for name in request.projects if mirror.settings.is_mirrored(name)]
    _report_unfetched(mirror, {*request.projects}.difference(names))
    with mirror.state.transaction():
        mirror.state.projects.add((name, name) for name in names)
        for name in names:
            mirror.state.fetch_queue.mark(name, None, now, forced=True, patient=False)
    _check_free_space(mirror)
    return None, unread


def _report_unfetched(mirror: Mirror, names: Iterable[NormalizedName]) -> None:
    """Log why projects that a person named are not fetched."""
    forgotten = mirror.state.forgotten.names() if names else ()
    for name in names:
        if name in forgotten:
            why = f"it was forgotten; 'yanksync forget --undo {name}' lets it be mirrored again"
            mirror.totals.problem = f"{name}: not fetched: {why}"
            log.error("%s", mirror.totals.problem)
        else:
            log.warning("%s: not fetched: no file of files.lock_files names it", name)


def _check_free_space(mirror: Mirror) -> None:
    """Refuse a first build that would fill the disk."""
    if mirror.state.facts.published_list.written is not None:
        return  # no count, which would read every project in every pass
    projects = mirror.state.fetch_queue.counts()[0] - mirror.state.projects.published()
    room = mirror.store.free_space()
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


def _finish_run(mirror: Mirror, failure: UpstreamError | None) -> ExitCode:
    """Note the result of the pass and return its exit code."""
    state, totals = mirror.state, mirror.totals
    totals.averted = state.history.averted_files
    report_held(mirror.totals, failed=failure is not None)
    pending = state.fetch_queue.counts()[0]
    unpublished = state.publish_queue.counts()[0]
    _note_pause(mirror, failure)
    _note_problems(mirror, totals.problem if totals.causes[PublishError.cause] else None)
    if isinstance(failure, StaleList):
        log.error("%s", failure)
    elif failure is not None:
        totals.causes[failure.cause] += 1
        totals.problem = totals.problem or str(failure)
        if not isinstance(failure, JournalReplaced):
            log.error("%s", failure)
    with state.transaction():
        if not isinstance(failure, NoProjectFound):
            _note_complete_reads(mirror)
        if state.facts.moment("resync") is not None and not state.fetch_queue.forced():
            state.facts.put(resync=None)
    if isinstance(failure, JournalReplaced):
        log.error("%s", failure)
        return ExitCode.HELD
    if isinstance(failure, RateLimited | StaleList | AnswerTooLarge):
        return ExitCode.PARTIAL
    if totals.problem is not None:
        return ExitCode.FAILED
    if count_held(state) or STOPPED in totals.held:
        return ExitCode.HELD
    waiting = pending or unpublished or totals.undelivered or totals.files_waiting
    return ExitCode.PARTIAL if waiting else ExitCode.DONE


def _note_complete_reads(mirror: Mirror) -> None:
    """Note the newest journal read that is published in full.

    Use inside a transaction.
    """
    state = mirror.state
    queues = (state.fetch_queue.oldest(), state.publish_queue.oldest())
    outstanding = [since for since in queues if since is not None]
    state.runs.complete(min(outstanding, default=None), mirror.now())


def _note_pause(mirror: Mirror, failure: UpstreamError | None) -> None:
    """Remember until when upstream asks for a pause, for ``status``."""
    facts = mirror.state.facts
    if isinstance(failure, RateLimited):
        facts.put(throttled_until=mirror.now() + failure.seconds)
    elif facts.moment("throttled_until") is not None:
        facts.put(throttled_until=None)


def _note_problems(mirror: Mirror, output_problem: str | None) -> None:
    """Remember what ``check`` should warn of."""
    facts, limits = mirror.state.facts, ", ".join(sorted(mirror.totals.limits)) or None
    if facts.text("output_problem") != output_problem:
        facts.put(output_problem=output_problem)
    if facts.text("copy_limit") != limits:
        facts.put(copy_limit=limits)


def run_record(mirror: Mirror, code: ExitCode) -> RunRecord:
    """Return the record of the run for the state."""
    totals = mirror.totals
    return RunRecord(
        exit_code=code,
        cursor=mirror.state.facts.cursor,
        asked=totals.asked,
        recorded=totals.recorded,
        published=totals.published,
        removed=totals.removed,
        failed=totals.failed,
        problem=totals.problem,
    )
