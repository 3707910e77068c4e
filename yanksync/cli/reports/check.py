"""The command ``check``.

It prints one line for a monitoring system, and has Nagios' exit codes.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import click
from msgspec import Struct

from yanksync.cli.display.held import counted
from yanksync.cli.display.report_rows import json_option
from yanksync.cli.display.times import DURATION, local_time
from yanksync.cli.error_handling import print_line, printable
from yanksync.cli.logs import CliContext
from yanksync.config.durations import format_duration
from yanksync.config.settings import Settings
from yanksync.core.errors import YanksyncError
from yanksync.mirror.output_probe import output_problem
from yanksync.mirror.state_access import no_mirror, path_for_reading
from yanksync.state.sqlite.files import exists
from yanksync.state.views.status import Status, read_status

LEVELS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
"""The words of the first line; their places are Nagios' exit codes."""

OK, WARNING, CRITICAL, UNKNOWN = range(4)


UNFINISHED_BUNDLE = "'yanksync bundle apply' did not end; apply the same bundle again"
"""What is said of a bundle that was begun, and that no run is applying."""


class Limits(Struct, frozen=True, kw_only=True):
    """Limits above which a mirror needs a person."""

    lag: float = 1800.0  # seconds
    held: int = 0
    age: float | None = None  # seconds since a run ended; None: as ``lag``


class Problem(Struct, frozen=True):
    """Something that a person should look at."""

    level: int  # WARNING or CRITICAL
    text: str


class _Monitored(click.Command):
    """A command whose usage errors exit with UNKNOWN, as Nagios expects."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> click.Context:
        """Read the arguments."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            click.echo(f"UNKNOWN: {_one_line(error.format_message())}")
            error.show()
            raise click.exceptions.Exit(UNKNOWN) from error


@click.command(cls=_Monitored)
@json_option
@click.option(
    "--max-lag",
    type=DURATION,
    metavar="DURATION",
    default="30m",
    show_default=True,
    help="Longest time behind upstream.",
)
@click.option(
    "--max-held",
    type=click.IntRange(min=0),
    metavar="N",
    default=0,
    show_default=True,
    help="Most held changes that are no problem.",
)
@click.option(
    "--max-age",
    type=DURATION,
    metavar="DURATION",
    help="Longest time since a run ended.  [default: as --max-lag]",
)
@click.pass_obj
def check(
    context: CliContext, as_json: bool, max_lag: float, max_held: int, max_age: float | None
) -> int:
    """Check the mirror for monitors such as Nagios.

    Prints one line with performance data, and exits with 0 (OK), 1 (WARNING), 2 (CRITICAL) or
    3 (UNKNOWN). CRITICAL: a withdrawal that could not be published, too far behind upstream, too
    much held, no run for too long, an output that is gone or empty, or none of the named projects
    exists. WARNING: only files that could not be written, package files that could not be copied or
    that a limit keeps waiting, hooks that failed, a forget or a bundle that did not end, or a wrong
    clock. UNKNOWN: no state,
    or it cannot be read.

    Where bundles feed the output, the lag is the age of what the newest bundle brought.

    \b
    Examples:
      yanksync check
      yanksync check --max-lag 2h --max-held 10
    """
    limits = Limits(lag=max_lag, held=max_held, age=max_age)
    found, now = Status(), time.time()
    try:
        settings = context.settings()
        with path_for_reading(settings) as path:
            if exists(path):
                found = read_status(path, now, settings.receivers)
                seen = problems(found, settings, limits, now)
            else:
                missing = f"the state {settings.mirror.state} is missing"
                seen = [Problem(UNKNOWN, no_mirror(settings, path) or missing)]
    except YanksyncError as error:
        seen = [Problem(UNKNOWN, str(error))]
    return _end(context, found, limits, seen, as_json=as_json)


def _end(
    context: CliContext, found: Status, limits: Limits, seen: Sequence[Problem], *, as_json: bool
) -> int:
    """Print the result; return the exit code."""
    code = max((problem.level for problem in seen), default=OK)
    if as_json:
        click.echo(json.dumps(check_object(found, code, seen)))
    else:
        click.echo(f"{_one_line(_text(found, code, seen))} | {_figures(found, limits)}")
    if code != OK and not context.quiet:
        sys.stdout.flush()  # some monitors join the two streams, and need that line first
        unknown = code == UNKNOWN
        print_line(seen[0].text if unknown else "the mirror needs a look; see 'yanksync status'")
    return code


def _text(found: Status, code: int, seen: Sequence[Problem]) -> str:
    if code == OK:
        at = "" if found.journal_serial is None else f" at serial {found.journal_serial}"
        at = at if found.bundle is None else f" with bundle {found.bundle.cursor}"
        return f"OK: up to date{at}, {found.projects} projects"
    ordered = sorted(seen, key=lambda problem: -problem.level)
    return f"{LEVELS[code]}: " + "; ".join(problem.text for problem in ordered)


def _figures(found: Status, limits: Limits) -> str:
    """Return performance data.

    Nagios uses U for an unknown value.
    """
    lag = "U" if found.lag_seconds is None else f"{found.lag_seconds:.0f}s;{limits.lag:.0f}"
    return f"lag={lag} held={found.held}"


def _one_line(text: str) -> str:
    """Return ``text`` in a form that Nagios can read.

    For Nagios a "|" begins the performance data.
    """
    return printable(" ".join(text.split()).replace("|", "/"))


def check_object(found: Status, code: int, seen: Sequence[Problem]) -> dict[str, object]:
    """Return the result as it is printed in JSON."""
    return {
        "status": LEVELS[code],
        "code": code,
        "problems": [{"level": LEVELS[one.level], "text": one.text} for one in seen],
        "lag_seconds": found.lag_seconds,
        "held": found.held,
    }


def problems(found: Status, settings: Settings, limits: Limits, now: float) -> list[Problem]:
    """Return the problems of a mirror for ``check`` and ``status --max-lag``."""
    late = _late if found.bundle is None else _late_bundle
    critical = [
        *_withdrawn(found),
        *_held(found, limits, now),
        *late(found, limits, now),
        *_empty(found, settings),
    ]
    return [Problem(CRITICAL, text) for text in critical] + [
        Problem(WARNING, text) for text in _warnings(found)
    ]


def _withdrawn(found: Status) -> Iterator[str]:
    if found.withdrawals:
        others = len(found.withdrawals) - 1
        more = f" (and {others} more)" if others else ""
        yield f"{found.withdrawals[0]}{more}"


def _held(found: Status, limits: Limits, now: float) -> Iterator[str]:
    if found.held <= limits.held:
        return
    since = "" if found.held_since is None else f" since {local_time(found.held_since, now)}"
    kinds = [counted(kind, count) for kind, count in found.held_kinds.items()]
    what = f"{kinds[0]} held" if len(kinds) == 1 else f"{found.held} held ({', '.join(kinds)})"
    yield f"{what}{since}, run 'yanksync holds'"


def _late(found: Status, limits: Limits, now: float) -> Iterator[str]:
    age = limits.lag if limits.age is None else limits.age
    if found.run is None and found.last_run is not None and now - found.last_run > age:
        yield f"no run since {local_time(found.last_run, now)}"
    why = "" if found.last_error is None else f": {found.last_error}"
    if found.lag_seconds is None:
        yield f"never up to date yet{_at_work(found)}{why}"
    elif found.lag_seconds > limits.lag:
        lag, most = format_duration(found.lag_seconds), format_duration(limits.lag)
        yield f"{lag} behind upstream, {most} allowed{_at_work(found)}{why}"


def _late_bundle(found: Status, limits: Limits, now: float) -> Iterator[str]:
    """Yield a problem if no bundle came for too long."""
    bundle = found.bundle
    assert bundle is not None
    if bundle.cursor is None:
        yield f"no bundle is applied yet{_at_work(found)}"
        return
    if limits.age is not None and bundle.applied is not None and now - bundle.applied > limits.age:
        yield f"no bundle was applied since {local_time(bundle.applied, now)}"
    made = "" if bundle.made is None else f", made {local_time(bundle.made, now)}"
    newest = f"the newest bundle here is {bundle.cursor}{made}{_at_work(found)}"
    if found.lag_seconds is None:
        yield f"never up to date yet: {newest}"
    elif found.lag_seconds > limits.lag:
        lag, most = format_duration(found.lag_seconds), format_duration(limits.lag)
        yield f"{lag} behind upstream, {most} allowed: {newest}"


def _at_work(found: Status) -> str:
    if found.run is None:
        return ""
    count = f": {found.run.phase} {found.run.done}/{found.run.total}" if found.run.total else ""
    return f" (a run is at work{count})"


def _empty(found: Status, settings: Settings) -> Iterator[str]:
    named = settings.mirror.selection.explicit_names
    if named and set(named) <= set(found.unknown):
        some = ", ".join(named[:5]) + (", …" if len(named) > 5 else "")
        yield f"upstream has none of the projects in mirror.projects ({some})"
    elif found.projects and (problem := output_problem(settings)) is not None:
        yield problem


def _warnings(found: Status) -> Iterator[str]:
    if found.bundle is not None and found.bundle.unfinished and found.run is None:
        yield UNFINISHED_BUNDLE
    if found.unfinished_forget:
        names = ", ".join(found.unfinished_forget[:5])
        yield f"not forgotten yet: {names}; run 'yanksync sync', which goes on with it"
    if found.clock_problem is not None:
        yield found.clock_problem
    told = {one.project for one in found.withdrawals}
    if blocked := [one for one in found.blocked if one.name not in told]:
        first = blocked[0]
        more = f" and {len(blocked) - 1} more" if len(blocked) > 1 else ""
        yield f"{first.name}{more} could not be written: {first.problem}"
    elif found.output_problem is not None and not (told or found.unfinished_forget):
        yield f"the newest pass could not write the output: {found.output_problem}"
    if found.copy_limit is not None and found.package_files.outstanding:
        left = found.package_files.outstanding
        yield f"{left} package files wait to be copied: {found.copy_limit} is reached"
    if found.failing_files:
        file, files = found.failing_files[0], found.package_files
        others = files.failing + files.lacking_metadata - 1
        names = f"{file.filename} and {others} more" if others else file.filename
        yield f"{names} not copied: {file.problem}"
    if found.undelivered and (found.run is None or found.hook_problems):
        hooks = ", ".join(f"{hook} {count}" for hook, count in found.undelivered_hooks.items())
        yield f"hooks wait for {found.undelivered} changes ({hooks})"
