"""Sums up a pass, as one line and as one JSON object."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby, islice

import msgspec
from msgspec import Struct

from yanksync.cli.display.history_rows import history_object
from yanksync.cli.error_handling import printable
from yanksync.config.durations import elapsed
from yanksync.config.sizes import readable_size
from yanksync.core.exit_codes import ExitCode
from yanksync.core.model import HistoryAction
from yanksync.mirror.context import Mirror
from yanksync.state.views.history_rows import HistoryRow
from yanksync.state.views.holds import count_held

_LISTED = 1000  # changes in the object
_NAMED = 5  # changes of a kind in the line
_WORDS = {
    HistoryAction.YANK: "yanked",
    HistoryAction.UNYANK: "unyanked",
    HistoryAction.REMOVE: "removed",
    HistoryAction.QUARANTINE: "quarantined",
    HistoryAction.UNQUARANTINE: "released from quarantine",
    HistoryAction.RETURN: "back",
    HistoryAction.AVERTED: "averted",
}
_RESULTS = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "failed",
    ExitCode.PARTIAL: "done in part",
    ExitCode.HELD: "held",
}
_NEXT = {
    ExitCode.FAILED: "yanksync status",
    ExitCode.PARTIAL: "yanksync status",
    ExitCode.HELD: "yanksync holds",
}


class Start(Struct, frozen=True):
    """The beginning of a pass, from which the summary counts."""

    history: int  # the last row of the history
    moment: float  # on the monotonic clock
    built: bool  # whether a first build had ended before


class PassSummary(Struct, frozen=True, kw_only=True):
    """The result of a pass; ``sync --json`` prints it."""

    exit: int
    result: str
    journal_serial: int | None
    seconds: float
    asked: int  # page requests
    recorded: int  # pages with news
    published: int  # projects whose files were written
    removed: int  # projects whose files were removed
    files_copied: int  # package files
    bytes_copied: int
    files_failed: int  # package files that were not copied, or without metadata
    files_waiting: int  # package files that a later pass copies
    pending: int
    unpublished: int
    undelivered: int  # changes that were not delivered to a hook
    held: int
    changes: tuple[
        HistoryRow, ...
    ]  # of the history, oldest first; the first of them, where there are many
    more_changes: int
    reasons: tuple[HistoryRow, ...]  # yanks of earlier passes whose reason is known since this one
    first_build: int | None  # the projects of a first build that this pass ended
    problem: str | None
    next: str | None  # the command to run when the exit code is not 0


def started(mirror: Mirror) -> Start:
    """Return where a pass of ``mirror`` begins."""
    built = mirror.state.facts.published_list.written is not None
    return Start(mirror.state.history_rows.newest(), mirror.monotonic(), built)


def summarize(mirror: Mirror, code: ExitCode, start: Start) -> PassSummary:
    """Return the summary of the pass since ``start``."""
    state, totals = mirror.state, mirror.totals
    rows = state.history_rows
    changes = tuple(rows.after(start.history, _LISTED))
    total = rows.count_after(start.history) if len(changes) == _LISTED else len(changes)
    explained = [one for one in state.history.explained if one <= start.history]
    built = not start.built and state.facts.published_list.written is not None
    return PassSummary(
        exit=code,
        result=_RESULTS.get(code, "ended"),
        journal_serial=state.facts.cursor,
        seconds=round(mirror.monotonic() - start.moment, 3),
        asked=totals.asked,
        recorded=totals.recorded,
        published=totals.published,
        removed=totals.removed,
        files_copied=totals.files_copied,
        bytes_copied=totals.bytes_copied,
        files_failed=totals.files_failed,
        files_waiting=totals.files_waiting,
        pending=state.fetch_queue.counts()[0],
        unpublished=state.publish_queue.counts()[0],
        undelivered=totals.undelivered,
        held=count_held(state),
        changes=changes,
        more_changes=total - len(changes),
        reasons=tuple(islice(rows.numbered(explained), _LISTED)),
        first_build=state.projects.published() if built else None,
        problem=totals.problem,
        next=_NEXT.get(code),
    )


def summary_line(summary: PassSummary) -> str:
    """Return the summary in one line."""
    done = [*_changes(summary.changes, summary.more_changes)]
    work = [f"{_count(summary.published, 'page')} written"] if summary.published else []
    if summary.removed:
        work.append(f"{_count(summary.removed, 'project')} removed from the output")
    if summary.files_copied:
        size = readable_size(summary.bytes_copied)
        work.append(f"{_count(summary.files_copied, 'file')} copied ({size})")
    what = "; ".join(filter(None, (", ".join(done), ", ".join(work)))) or "nothing new"
    at = "" if summary.journal_serial is None else f" at serial {summary.journal_serial}"
    begin = f"up to date{at}" if summary.exit == ExitCode.DONE else summary.result + at
    waiting = outstanding(
        pending=summary.pending,
        unpublished=summary.unpublished,
        undelivered=summary.undelivered,
        held=summary.held,
        files=summary.files_waiting,
    )
    return "; ".join(
        filter(None, (f"{begin}: {what} in {elapsed(summary.seconds)}", ", ".join(waiting)))
    )


def first_build_line(summary: PassSummary) -> str | None:
    """Return the line about a first build that this pass ended.

    None: it ended none.
    """
    if summary.first_build is None:
        return None
    projects = _count(summary.first_build, "project")
    return (
        f"the first build is complete: {projects} in {elapsed(summary.seconds)}; "
        "to serve them, see 'yanksync show nginx'"
    )


def event_lines(summary: PassSummary) -> Iterator[tuple[str, str]]:
    """Yield the project, and a line about its change.

    The line has the release, what happened, and the reason.
    """
    for row in summary.changes:
        text = f"{_named(row)}: {_WORDS[row.action]}"
        reason = "the reason is not known yet" if row.reason is None else row.reason
        yield row.project, printable(f"{text}: {reason}" if reason else text)
    for row in summary.reasons:
        known = row.reason or "none was given"
        yield row.project, printable(f"{_named(row)}: the reason of its yank is known now: {known}")


def summary_json(summary: PassSummary) -> str:
    """Return the summary as one JSON object; times are RFC 3339."""
    fields = msgspec.structs.asdict(summary)
    for key, rows in (("changes", summary.changes), ("reasons", summary.reasons)):
        fields[key] = [history_object(row) for row in rows]
    return json.dumps(fields)


def _changes(rows: Sequence[HistoryRow], more: int) -> Iterator[str]:
    order = list(_WORDS)
    ranked = sorted(rows, key=lambda row: order.index(row.action))
    for action, group in groupby(ranked, key=lambda row: row.action):
        some = list(group)
        names = ", ".join(map(_brief, some[:_NAMED]))
        rest = f", and {len(some) - _NAMED:,} more" if len(some) > _NAMED else ""
        yield printable(f"{len(some):,} {_WORDS[action]} ({names}{rest})")
    if more:
        yield f"{more:,} more changes"


def _brief(row: HistoryRow) -> str:
    reason = row.reason if row.action is HistoryAction.YANK else None
    if not reason:
        return _named(row)
    short = reason if len(reason) <= 40 else reason[:39] + "…"
    return f'{_named(row)} "{short}"'


def _named(row: HistoryRow) -> str:
    name = row.project if row.version is None else f"{row.project} {row.version}"
    files = row.files if row.file is None else (row.file,)
    return f"{name} ({', '.join(files)})" if files else name


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def outstanding(
    *, pending: int, unpublished: int, undelivered: int = 0, held: int = 0, files: int = 0
) -> Iterator[str]:
    """Yield what waits, for each kind with a count above 0."""
    if pending:
        yield f"{_count(pending, 'project')} pending"
    if unpublished:
        yield f"{unpublished:,} unpublished"
    if files:
        yield f"{_count(files, 'file')} to copy"
    if undelivered:
        yield f"{_count(undelivered, 'change')} not delivered to a hook"
    if held:
        yield f"{held:,} held"
