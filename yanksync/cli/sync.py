"""The commands that make a pass: ``sync`` and ``full-resync``."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from yanksync.cli.display.pass_summary import (
    Start,
    event_lines,
    first_build_line,
    outstanding,
    started,
    summarize,
    summary_json,
    summary_line,
)
from yanksync.cli.display.plan_lines import plan_json, plan_lines
from yanksync.cli.display.progress import ProgressBars
from yanksync.cli.display.times import DURATION
from yanksync.cli.error_handling import did_you_mean, older_than_an_hour, print_line
from yanksync.cli.logs import CliContext
from yanksync.cli.option_values import check_directory
from yanksync.cli.project_names import complete_project, suggest_known, valid_name
from yanksync.config.durations import format_duration
from yanksync.config.settings import Settings
from yanksync.core.errors import LeaseLost, LockHeld, YanksyncError
from yanksync.core.exit_codes import ExitCode
from yanksync.core.project_state import Presence
from yanksync.mirror.context import Mirror, log
from yanksync.mirror.open_mirror import open_mirror
from yanksync.mirror.state_access import locked_since
from yanksync.state.state import State
from yanksync.state.views.holds import count_held
from yanksync.sync.pipeline import PassRequest, run_record
from yanksync.sync.pipeline import run_pass as make_pass
from yanksync.sync.plan import plan_pass

if TYPE_CHECKING:
    from yanksync.service.pass_reports import PassReporter

_dry_run = click.option(
    "--dry-run", is_flag=True, help="Change nothing; print what the pass would do."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
_stats = click.option(
    "--stats",
    type=DURATION,
    metavar="DURATION",
    help="Log progress at this interval.  [default: only shown on a terminal]",
)
_wait = click.option(
    "--wait",
    type=DURATION,
    default=0.0,
    metavar="DURATION",
    help="Wait this long at most for another run to end.  [default: not at all]",
)
metrics_option = click.option(
    "--metrics",
    callback=check_directory,
    metavar="FILE",
    help="Write metrics for Prometheus; FILE ends in .prom.  [default: health.metrics]",
)


@click.command(short_help="Make one pass: follow the journal.")
@_dry_run
@_json
@click.option(
    "--now",
    "at_once",
    is_flag=True,
    help="Fetch pending projects at once, before their back-off ends.",
)
@click.option(
    "--cron",
    is_flag=True,
    help="Print failures at once, exits 3 and 75 once they have lasted an hour, else nothing.",
)
@_wait
@_stats
@metrics_option
@click.pass_obj
def sync(
    context: CliContext,
    dry_run: bool,
    as_json: bool,
    at_once: bool,
    cron: bool,
    wait: float,
    stats: float | None,
    metrics: str | None,
) -> ExitCode:
    """Make one pass: follow the journal and publish what changed.

    On an empty state it makes the first build. Run it from cron, every five minutes.

    \b
    Examples:
      yanksync sync
      yanksync sync --dry-run
      yanksync --config /etc/yanksync.toml sync --now
      yanksync sync --cron    (as 'yanksync show crontab' writes it)
    """
    settings = context.needed_settings(health_metrics=metrics)
    how = _How(dry_run=dry_run, as_json=as_json, cron=cron, wait=wait, stats=stats)
    return _run(context, settings, "sync", PassRequest(at_once=at_once), how)


@click.command(short_help="Fetch every project again, or those named.")
@click.argument("projects", nargs=-1, metavar="[PROJECT]...", shell_complete=complete_project)
@_dry_run
@_json
@_wait
@_stats
@metrics_option
@click.pass_obj
def full_resync(
    context: CliContext,
    projects: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
    wait: float,
    stats: float | None,
    metrics: str | None,
) -> ExitCode:
    """Fetch every project again, or those named.

    It also reads the journal on from where the last pass ended, so the history has no hole. When
    it is interrupted, the next sync or full-resync continues.

    \b
    Examples:
      yanksync full-resync
      yanksync full-resync demo other-demo
    """
    settings = context.needed_settings(health_metrics=metrics)
    names = tuple(valid_name(name) for name in projects)
    for name in names:
        if not settings.is_mirrored(name):
            meant = did_you_mean(name, settings.mirror.selection.explicit_names or ())
            why = meant or "; see mirror.projects and mirror.exclude"
            raise click.BadParameter(f"{name} is not mirrored{why}")
    request = PassRequest(everything=not names, projects=names, at_once=True)
    how = _How(dry_run=dry_run, as_json=as_json, wait=wait, stats=stats)
    return _run(context, settings, "full-resync", request, how)


class _How(Struct, frozen=True, kw_only=True):
    """The options for making and reporting a pass."""

    dry_run: bool
    as_json: bool
    cron: bool = False
    wait: float = 0.0  # seconds
    stats: float | None = None  # seconds


def _run(
    context: CliContext, settings: Settings, command: str, request: PassRequest, how: _How
) -> ExitCode:
    """Make a pass when no other run has the lock."""
    deadline, waiting = time.monotonic() + how.wait, False
    while True:
        try:
            return _make_pass(context, settings, command, request, how)
        except LockHeld as held:
            left = deadline - time.monotonic()
            if left > 0 and not isinstance(held, LeaseLost):
                if not waiting and (context.verbose or (sys.stderr.isatty() and not context.quiet)):
                    print_line(f"{held}; waiting for it", "info")
                waiting = True
                time.sleep(min(left, 1.0))
                continue
            if (
                not how.cron
                or sys.stderr.isatty()
                or older_than_an_hour(locked_since(settings, held))
            ):
                print_line(f"{held}; {_advice(held, how)}")
            return ExitCode.LOCKED


def _advice(held: LockHeld, how: _How) -> str:
    if isinstance(held, LeaseLost):
        return "run 'yanksync sync' again when it has ended"
    waited = f"in {format_duration(how.wait)} it did not end, and " if how.wait else ""
    return f"{waited}nothing was done; --wait DURATION waits for it"


def _make_pass(
    context: CliContext, settings: Settings, command: str, request: PassRequest, how: _How
) -> ExitCode:
    with (
        ProgressBars(shown=False if context.quiet else None, stats=how.stats) as bars,
        context.buffered(cron=how.cron) as kept,
        reported(settings, dry_run=how.dry_run) as reporter,
        open_mirror(settings, command, progress=bars, dry_run=how.dry_run) as mirror,
    ):
        if how.dry_run:
            plan = plan_pass(mirror, request)
            click.echo(plan_json(plan) if how.as_json else "\n".join(plan_lines(plan)))
            return ExitCode.DONE
        code, start = make_recorded_pass(mirror, request, reporter)
        told = _report(mirror, request, code, start, as_json=how.as_json, context=context)
        late = code == ExitCode.PARTIAL and older_than_an_hour(mirror.state.runs.partial_since())
        kept.end(code, report=late)
        if code == ExitCode.HELD and not kept.failed:  # reported when it began
            _report_held(mirror.state)
        if late or (code == ExitCode.PARTIAL and not how.cron):
            _report_partial(mirror, context, late=late)
    for line in told:  # after the progress bar was cleared
        click.echo(line)
    return code


@contextmanager
def reported(settings: Settings, *, dry_run: bool = False) -> Iterator[PassReporter | None]:
    """Report the pass inside to metrics and pings.

    Yields None if neither is configured.
    """
    if dry_run or not settings.health.watched:
        yield None
        return
    from yanksync.service.pass_reports import PassReporter

    reporter = PassReporter(settings.health)
    try:
        yield reporter
    except BaseException as error:
        reporter.failed(error)
        raise
    finally:
        reporter.ping_end()


def make_recorded_pass(
    mirror: Mirror, request: PassRequest, reporter: PassReporter | None = None
) -> tuple[ExitCode, Start]:
    """Make a pass and record how it ended.

    Returns the exit code, and where the pass began.
    Raises :class:`yanksync.core.errors.YanksyncError`.
    """
    start = started(mirror)
    if reporter is not None:
        reporter.started()
    try:
        code = make_pass(mirror, request)
    except LockHeld:  # the lease was lost: the other run owns the state now
        raise
    except YanksyncError as error:
        mirror.totals.problem = str(error)
        mirror.totals.causes[error.cause] += 1
        _remember(mirror, ExitCode.FAILED, start, reporter)
        raise
    _remember(mirror, code, start, reporter)
    return code, start


def _remember(mirror: Mirror, code: ExitCode, start: Start, reporter: PassReporter | None) -> None:
    mirror.state.runs.end(mirror.run, time.time(), run_record(mirror, code))
    if reporter is not None:
        reporter.finished(mirror, code, summary_line(summarize(mirror, code, start)))


def _report(
    mirror: Mirror,
    request: PassRequest,
    code: ExitCode,
    start: Start,
    *,
    as_json: bool,
    context: CliContext,
) -> list[str]:
    """Log the result of the pass.

    Returns the lines to print.
    """
    for row in mirror.state.projects.get(request.projects).values():
        if row.presence is Presence.UNKNOWN:
            why = f"upstream does not have it{suggest_known(mirror.state, row.name)}"
            log.warning("%s: %s", row.name, why, extra={"project": row.name})
    terminal = sys.stdout.isatty() and not context.quiet
    if not (as_json or terminal or context.verbose):
        return []
    summary = summarize(mirror, code, start)
    for project, line in event_lines(summary):
        log.info("%s", line, extra={"project": project})
    log.info("%s", summary_line(summary))
    if as_json:
        return [summary_json(summary)]
    built = first_build_line(summary)
    return [summary_line(summary), *([] if built is None else [built])] if terminal else []


def _report_held(state: State) -> None:
    held = count_held(state)
    print_line(f"held until a person approves it: {held}; see 'yanksync holds'")


def _report_partial(mirror: Mirror, context: CliContext, *, late: bool) -> None:
    if context.quiet and not late:
        return
    waiting = ", ".join(
        outstanding(
            pending=mirror.state.fetch_queue.counts()[0],
            unpublished=mirror.state.publish_queue.counts()[0],
            undelivered=mirror.totals.undelivered,
            files=mirror.totals.files_waiting,
        )
    )
    begin = "for more than an hour, not everything" if late else "not everything"
    print_line(
        f"{begin} could be brought up to date{': ' * bool(waiting)}{waiting}; the next run tries "
        "again, see 'yanksync status'",
        "warning",
    )
