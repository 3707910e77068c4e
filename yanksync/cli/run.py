"""The command that stays: ``run``."""

from __future__ import annotations

import os
from functools import partial

import click

from yanksync.cli.display.pass_summary import Start, summarize, summary_line
from yanksync.cli.error_handling import bug, code_of, leave
from yanksync.cli.logs import Logs
from yanksync.cli.sync import metrics_option, recorded, watched
from yanksync.config.settings import Settings
from yanksync.core.errors import LockHeld, YanksyncError
from yanksync.core.exit_codes import ExitCode
from yanksync.mirror.context import Mirror, log
from yanksync.mirror.open_mirror import opened
from yanksync.service.scheduler import Service, Turn
from yanksync.sync.pipeline import Request, outcome


@click.command(short_help="Make passes on a schedule, in the foreground.")
@metrics_option
@click.pass_obj
def run(logs: Logs, metrics: str | None) -> ExitCode:
    """Make passes on the schedule of the configuration, in the foreground.

    The first pass begins at once. A pass that fails is tried again after twice the interval, then
    four times, to an hour. SIGTERM and SIGINT end it once what is in hand is finished, a second one
    at once; SIGHUP reads the configuration again.

    \b
    Examples:
      yanksync run
      yanksync --config /etc/yanksync.toml run
      YANKSYNC_SCHEDULE_CRON='*/10 * * * *' yanksync --log-format json run
    """
    load = partial(logs.needed_settings, health_metrics=metrics)
    settings = load()
    with logs.flowing():
        service = Service(settings, Passes(), load, os.environ)
        if not service.run():
            leave(ExitCode.FAILED)
    return ExitCode.DONE


class Passes:
    """Makes the passes, and tells of what is news in them."""

    def __init__(self) -> None:
        self._last: ExitCode | None = None  # how the last pass ended

    def __call__(self, settings: Settings, turn: Turn) -> ExitCode:
        """Make one pass; whatever goes wrong is told here, and the next one is tried."""
        try:
            with (
                watched(settings) as watch,
                opened(settings, "run", progress=turn, stopping=turn.stopping) as mirror,
            ):
                code, start = recorded(mirror, Request(), watch)
                self._tell(mirror, code, start)
        except LockHeld as held:
            code = ExitCode.LOCKED
            if self._last != ExitCode.LOCKED:
                log.warning("%s; no pass is made until it is free", held)
        except YanksyncError as error:
            code = code_of(error)
            log.error("%s", error)
        except Exception as error:
            code = ExitCode.FAILED
            log.error("%s", bug(error), exc_info=log.isEnabledFor(10))
        self._last = code
        return code

    def _tell(self, mirror: Mirror, code: ExitCode, start: Start) -> None:
        run = outcome(mirror, code)
        # An empty pass like the one before is no news.
        news = run.published or run.removed or code != (self._last or ExitCode.DONE)
        log.log(20 if news else 10, "%s", summary_line(summarize(mirror, code, start)))
