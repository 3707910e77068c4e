"""Reads the condition of a mirror, also during a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from yanksync import __version__
from yanksync.core.project_state import Presence
from yanksync.state.package_files.copy_counts import CopyCounts, FailingFile
from yanksync.state.queues.fetch import PendingProject
from yanksync.state.queues.publish import FailedPublication
from yanksync.state.sqlite.files import exists, wal
from yanksync.state.state import State
from yanksync.state.views.holds import held_counts, oldest_hold
from yanksync.state.views.unpublished_withdrawals import UnpublishedWithdrawal
from yanksync.system.file_lock import Holder, holder

_TOLD = 100  # problems that are shown


class FeedingBundle(Struct, frozen=True, kw_only=True):
    """The newest bundle of an output that bundles feed.

    Times are UTC seconds.
    """

    cursor: int | None  # of the newest bundle applied in full; None: there is none
    made: float | None
    applied: float | None
    unfinished: bool  # another one was begun but not finished


class Status(Struct, frozen=True, kw_only=True):
    """The result of ``read_status``. Times are UTC seconds."""

    configuration: str | None = None  # the file; None: there is none
    upstream: str | None = None  # None: pip's index, which no run has asked for yet
    output: str = ""
    state: str = ""
    state_bytes: int | None = None  # None: there is none
    run: Holder | None = None  # the run at work
    journal_serial: int | None = None
    upstream_serial: int | None = None
    projects: int = 0
    yanked_releases: int = 0
    pending: int = 0
    unpublished: int = 0
    held: int = 0
    held_kinds: dict[str, int] = {}  # the same by kind
    held_since: float | None = None  # beginning of the oldest hold
    behind: int = 0
    undelivered: int = 0
    undelivered_hooks: dict[str, int] = {}  # the same by hook
    lag_seconds: float | None = None
    lag_serials: int | None = None
    throttled_until: float | None = None  # upstream asked for a pause
    cooldown_waiting: int = 0  # files that wait to become old enough
    cooldown_next: float | None = None  # when the next of them is old enough
    clock_problem: str | None = None  # why cooldown goes by the cut-off of an earlier pass
    unmatched_overrides: tuple[str, ...] = ()  # as they are written
    last_run: float | None = None  # end of the newest run, or its start
    last_success: float | None = None
    last_error: str | None = None
    last_error_at: float | None = None
    journal: str | None = None  # the source: xmlrpc, listing, none; None: no run yet
    unknown: tuple[str, ...] = ()  # configured, but upstream never had them
    problems: tuple[PendingProject, ...] = ()  # pending or behind, and why
    # unpublished because their files could not be written
    blocked: tuple[FailedPublication, ...] = ()
    # Withdrawn by upstream but still served, and why.
    withdrawals: tuple[UnpublishedWithdrawal, ...] = ()
    output_problem: str | None = None  # why the newest pass could not write the output
    hook_problems: tuple[str, ...] = ()  # why hooks could not be called
    package_files: CopyCounts = CopyCounts()
    failing_files: tuple[FailingFile, ...] = ()  # files that could not be copied, and why
    copy_limit: str | None = None  # the limits that keep files from being copied
    unfinished_forget: tuple[str, ...] = ()  # forgotten projects that are not fully removed
    bundle: FeedingBundle | None = None  # None: no bundle feeds this output
    version: str = __version__


def read_status(path: Path, now: float, hooks: Sequence[str] = ()) -> Status:
    """Return the condition of the mirror at ``now``.

    ``hooks`` are the names of the configured hooks.

    Before the first run there is no state. Raises :class:`yanksync.core.errors.StateError`.
    """
    if not exists(path):
        return Status()
    with State(path, create=False, read_only=True) as state:
        return status_of(state, now, hooks)


def status_of(state: State, now: float, hooks: Sequence[str] = (), *, count: bool = True) -> Status:
    """Return the condition at ``now`` of the mirror of an opened state.

    Without ``count`` the fields ``projects`` and ``yanked_releases`` stay 0, because counting them
    reads each project. Of the package files, only those that must still be copied are counted.
    """
    facts = state.facts
    pending, _, behind = state.fetch_queue.counts()
    unpublished, _ = state.publish_queue.counts()
    error = state.runs.last_error()
    complete = facts.moment("complete_read")
    held, waiting = held_counts(state), state.hook_queue.counts()
    waiting |= {f"notify {name}": count for name, count in state.notify_queue.counts().items()}
    young, next_visible = state.file_times.waiting()
    bundle = _feeding_bundle(state)
    projects, files = _published(state, bundle) if count else (0, state.package_files.outstanding())
    return Status(
        upstream=facts.config.simple_url,
        state=str(state.path),
        state_bytes=_size(state.path),
        run=_run(state),
        journal_serial=facts.followed_serial,
        upstream_serial=facts.journal.upstream_serial,
        projects=projects,
        yanked_releases=state.projects.yanked_versions() if count else 0,
        pending=pending,
        unpublished=unpublished,
        held=sum(held.values()),
        held_kinds=held,
        held_since=oldest_hold(state) if held else None,
        behind=behind,
        undelivered=sum(waiting.get(name, 0) for name in hooks),
        undelivered_hooks={name: waiting[name] for name in hooks if name in waiting},
        lag_seconds=None if complete is None else round(max(now - complete, 0.0), 3),
        lag_serials=facts.lag_serials,
        throttled_until=_pause(state, now),
        cooldown_waiting=young,
        cooldown_next=next_visible,
        clock_problem=facts.text("clock_problem"),
        last_run=state.runs.newest(),
        last_success=state.runs.last_success(),
        last_error=None if error is None else error.problem,
        last_error_at=None if error is None else error.ended,
        journal=facts.source_choice.journal,
        unknown=tuple(state.projects.names(Presence.UNKNOWN)),
        problems=tuple(state.fetch_queue.waiting(_TOLD)),
        blocked=tuple(state.publish_queue.blocked(_TOLD)),
        withdrawals=tuple(
            state.unpublished_withdrawals.read(None if error is None else error.problem, _TOLD)
        ),
        output_problem=facts.text("output_problem"),
        hook_problems=tuple(_hook_problems(state, hooks)),
        package_files=files,
        failing_files=tuple(state.package_files.failing(_TOLD)),
        copy_limit=facts.text("copy_limit"),
        unfinished_forget=tuple(state.forgotten.unfinished()),
        bundle=bundle,
    )


def _feeding_bundle(state: State) -> FeedingBundle | None:
    known = state.facts.applied_bundle
    if known.source is None:
        return None
    return FeedingBundle(
        cursor=known.cursor,
        made=known.made,
        applied=known.applied,
        unfinished=known.begun is not None,
    )


def _published(state: State, bundle: FeedingBundle | None) -> tuple[int, CopyCounts]:
    """Count projects and package files. It reads every row."""
    if bundle is None:
        return state.projects.published(), state.package_files.counts()
    counts = state.received.counts()
    return counts.projects, CopyCounts(served=counts.files, served_bytes=counts.bytes)


def _run(state: State) -> Holder | None:
    """Return the present run, from the lock or the lease."""
    text = state.facts.text("at_work")
    return holder(state.path) if text is None else msgspec.json.decode(text, type=Holder)


def _pause(state: State, now: float) -> float | None:
    """Return until when upstream asks for a pause.

    None: the pause is over.
    """
    moments = (state.facts.moment(key) for key in ("throttled_until", "journal_not_before"))
    # A longer pause comes from a clock that was set back since.
    known = [moment for moment in moments if moment is not None and 0 < moment - now <= 86400]
    return max(known, default=None)


def _size(path: Path) -> int:
    """Return the bytes of a database with its log."""
    size = 0
    for file in (path, wal(path)):
        with suppress(OSError):  # a run removes the log at its end
            size += file.stat().st_size
    return size


def _hook_problems(state: State, hooks: Sequence[str]) -> Iterator[str]:
    for name in hooks:
        why = state.facts.text(f"undelivered_{name}")
        if why is not None:
            yield f"{name}: {why}"
