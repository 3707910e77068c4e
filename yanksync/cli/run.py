"""The command that keeps running: ``run``."""

from __future__ import annotations

import os
from functools import partial

import click

from yanksync.cli.display.pass_summary import (
    Start,
    event_lines,
    summarize,
    summary_line,
)
from yanksync.cli.error_handling import bug_report_text, exit_code_of, leave
from yanksync.cli.logs import CliContext
from yanksync.cli.sync import make_recorded_pass, metrics_option, reported
from yanksync.config.settings import Settings
from yanksync.core.errors import BundledOutput, LockHeld, YanksyncError
from yanksync.core.exit_codes import ExitCode
from yanksync.mirror.context import Mirror, log
from yanksync.mirror.open_mirror import open_mirror
from yanksync.mirror.other_owner import refuse_other_owner
from yanksync.service.scheduler import CurrentPass, Service
from yanksync.sync.pipeline import PassRequest, run_record


@click.command(short_help="Make passes on a schedule, in the foreground.")
@metrics_option
@click.pass_obj
def run(context: CliContext, metrics: str | None) -> ExitCode:
    """Make passes on the schedule of the configuration, in the foreground.

    The first pass begins at once. After a failed pass the next one waits for twice the interval,
    then four times, up to an hour. SIGTERM or SIGINT lets the pass finish what it has begun, and a
    second one ends it at once. SIGHUP reads the configuration again.

    An output that is made of bundles follows no upstream: there it ends at once, with 2.

    \b
    Examples:
      yanksync run
      yanksync --config /etc/yanksync.toml run
      YANKSYNC_SCHEDULE_CRON='*/10 * * * *' yanksync --log-format json run
    """
    load = partial(context.needed_settings, health_metrics=metrics)
    settings = load()
    refuse_other_owner(settings)
    with context.streaming():
        passes = ScheduledPasses(verbose=bool(context.verbose))
        if not Service(settings, passes, load, os.environ).run():
            leave(ExitCode.FAILED)
    return ExitCode.USAGE if passes.are_refused else ExitCode.DONE


class ScheduledPasses:
    """Makes the passes, and logs what is new in each."""

    def __init__(self, *, verbose: bool = False) -> None:
        """With ``verbose`` each pass is logged, otherwise only passes with news."""
        self._verbose = verbose
        self._last: ExitCode | None = None  # how the last pass ended
        self.are_refused = False  #: whether no pass can be made here

    def __call__(self, settings: Settings, current: CurrentPass) -> ExitCode | None:
        """Make one pass; return its exit code.

        None: no pass can be made here. Failures are logged, so that the next pass is tried.
        """
        try:
            with (
                reported(settings) as reporter,
                open_mirror(settings, "run", progress=current, stopping=current.stopping) as mirror,
            ):
                code, start = make_recorded_pass(mirror, PassRequest(), reporter)
                self._report(mirror, code, start)
        except LockHeld as held:
            code = ExitCode.LOCKED
            if self._last != ExitCode.LOCKED:
                log.warning("%s; no pass is made until it is free", held)
        except BundledOutput as error:
            log.error("%s", error)
            self.are_refused = True
            return None
        except YanksyncError as error:
            code = exit_code_of(error)
            log.error("%s", error)
        except Exception as error:
            code = ExitCode.FAILED
            log.error("%s", bug_report_text(error), exc_info=log.isEnabledFor(10))
        self._last = code
        return code

    def _report(self, mirror: Mirror, code: ExitCode, start: Start) -> None:
        run = run_record(mirror, code)
        # An empty pass after an empty pass is not logged.
        news = run.published or run.removed or code != (self._last or ExitCode.DONE)
        if not (news or self._verbose):
            return
        summary = summarize(mirror, code, start)
        for project, line in event_lines(summary):
            log.info("%s", line, extra={"project": project})
        log.info("%s", summary_line(summary))
