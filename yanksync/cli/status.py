"""The commands that only look: ``status``, ``history`` and ``holds``."""

from __future__ import annotations

import json
import math
import time

import click
import msgspec

from yanksync.cli.error_handling import printable, tell
from yanksync.cli.logs import Logs
from yanksync.cli.report_rows import json_option, moment
from yanksync.core.exit_codes import ExitCode
from yanksync.mirror.state_access import looked_at
from yanksync.state.views.status import Status
from yanksync.state.views.status import status as status_at


def _number(
    context: click.Context, parameter: click.Parameter, value: float | None
) -> float | None:
    """Refuse nan, which no lag is above: a check that always passes."""
    if value is not None and math.isnan(value):
        raise click.BadParameter("nan is no number of seconds")
    return value


@click.command()
@json_option
@click.option(
    "--max-lag",
    type=click.FloatRange(min=0),
    callback=_number,
    metavar="SECONDS",
    help="Exit 1 when the mirror is further behind upstream than this, or something is held.",
)
@click.pass_obj
def status(logs: Logs, as_json: bool, max_lag: float | None) -> ExitCode:
    """Tell where the mirror stands.

    \b
    Examples:
      yanksync status
      yanksync status --json
      yanksync status --max-lag 1800    (for a monitoring system)
    """
    settings = logs.settings()
    with looked_at(settings) as path:
        found = status_at(path, time.time(), settings.hooks.names)
    click.echo(json.dumps(_status_object(found)) if as_json else _status_text(found))
    if max_lag is None:
        return ExitCode.DONE
    late = found.lag_seconds is None or found.lag_seconds > max_lag
    if late or found.held:
        why = "it is behind upstream" if late else f"{found.held} held, see 'yanksync holds'"
        tell(f"the mirror needs a look: {why}")
        return ExitCode.FAILED
    return ExitCode.DONE


def _status_object(found: Status) -> dict[str, object]:
    values = msgspec.to_builtins(found)
    assert isinstance(values, dict)
    for key in ("last_success", "last_error_at"):
        values[key] = moment(getattr(found, key))
    for problem, waiting in zip(values["problems"], found.problems, strict=True):
        problem["since"] = moment(waiting.since)
        problem["next_try"] = moment(waiting.next_try)
    for block, blocked in zip(values["blocked"], found.blocked, strict=True):
        block["since"] = moment(blocked.since)
    return values


def _status_text(found: Status) -> str:
    lag = "never in step yet" if found.lag_seconds is None else f"{found.lag_seconds:.0f} s"
    lines = [
        f"journal           {found.journal or 'not read yet'}",
        (
            f"serial            {_or_none(found.journal_serial)}"
            f" (upstream {_or_none(found.upstream_serial)})"
        ),
        f"lag               {lag}",
        f"projects          {found.projects}",
        f"yanked releases   {found.yanked_releases}",
        f"pending           {found.pending}",
        f"unpublished       {found.unpublished}",
        f"held              {found.held}" + ("  (see 'yanksync holds')" if found.held else ""),
        f"behind            {found.behind}",
        f"last success      {moment(found.last_success) or 'none yet'}",
    ]
    if found.last_error is not None:
        lines.append(f"last error        {moment(found.last_error_at)}  {found.last_error}")
    if found.unknown:
        lines.append(f"unknown upstream  {', '.join(found.unknown)}")
    if found.undelivered:
        lines.append(f"undelivered       {found.undelivered}")
    lines += [f"hook {problem}" for problem in found.hook_problems]
    for waiting in found.problems:
        word = "behind" if waiting.behind else "pending"
        lines.append(f"{word}: {waiting.name}: {waiting.problem}")
    lines += [f"unpublished: {blocked.name}: {blocked.problem}" for blocked in found.blocked]
    return "\n".join(printable(line) for line in lines)


def _or_none(number: int | None) -> str:
    return "none" if number is None else str(number)
