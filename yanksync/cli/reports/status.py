"""The command ``status``: the condition of the mirror."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from yanksync.cli.display.report_rows import json_option, rfc3339
from yanksync.cli.display.times import DURATION, local_time
from yanksync.cli.error_handling import print_line, printable
from yanksync.cli.logs import CliContext
from yanksync.cli.reports.check import UNFINISHED_BUNDLE, Limits, problems
from yanksync.config.durations import format_duration
from yanksync.config.settings import Settings
from yanksync.config.sizes import readable_size
from yanksync.core.exit_codes import ExitCode
from yanksync.core.urls import redacted
from yanksync.mirror.state_access import no_mirror, path_for_reading
from yanksync.state.package_files.copy_counts import CopyCounts
from yanksync.state.sqlite.files import exists
from yanksync.state.state import State
from yanksync.state.views.status import FeedingBundle, Status
from yanksync.state.views.status import read_status as status_at
from yanksync.system.file_lock import Holder


@click.command(short_help="Show the state of the mirror.")
@json_option
@click.option(
    "--max-lag",
    type=DURATION,
    metavar="DURATION",
    help="Exit 1 when the mirror is further behind upstream than this, something is held, or "
    "'yanksync check' would report another problem.",
)
@click.pass_obj
def status(context: CliContext, as_json: bool, max_lag: float | None) -> int:
    """Show the state of the mirror.

    \b
    Examples:
      yanksync status
      yanksync status --json
      yanksync status --max-lag 30m    (see also 'yanksync check')
    """
    settings, now = context.settings(), time.time()
    with path_for_reading(settings) as path:
        missing = no_mirror(settings, path)
        found = _looked_at(status_at(path, now, settings.receivers), settings)
        if settings.overrides and exists(path):
            found = msgspec.structs.replace(found, unmatched_overrides=_unmatched(settings, path))
    if as_json:
        click.echo(json.dumps(_status_object(found)))
    else:
        lines = _subject(found) if missing else [*_subject(found), *_condition(found, now)]
        click.echo("\n".join(printable(line) for line in lines))
    if missing is not None:
        print_line(missing)
        return ExitCode.FAILED
    if max_lag is None:
        return 0
    seen = problems(found, settings, Limits(lag=max_lag), now)
    if seen:
        print_line("the mirror needs a look: " + "; ".join(problem.text for problem in seen))
    return ExitCode.FAILED if seen else 0


def _looked_at(found: Status, settings: Settings) -> Status:
    """Return ``found`` with the places that it is about."""
    url = settings.upstream.simple_url or found.upstream if found.bundle is None else None
    return msgspec.structs.replace(
        found,
        configuration=None if settings.source is None else str(settings.source),
        upstream=None if url is None else redacted(url),
        output=str(settings.mirror.output),
        state=str(settings.mirror.state),
    )


def _unmatched(settings: Settings, path: Path) -> tuple[str, ...]:
    from yanksync.sync.policy.explain import unmatched_overrides  # start-up: few have overrides

    with State(path, create=False, read_only=True) as state:
        return unmatched_overrides(state, settings.overrides)


def _status_object(found: Status) -> dict[str, object]:
    values = msgspec.to_builtins(found)
    assert isinstance(values, dict)
    for key in ("last_success", "last_error_at", "last_run", "held_since", "throttled_until",
                "cooldown_next"):  # fmt: skip
        values[key] = rfc3339(getattr(found, key))
    if found.run is not None:
        values["run"]["since"] = rfc3339(found.run.since)
    for problem, waiting in zip(values["problems"], found.problems, strict=True):
        problem["since"] = rfc3339(waiting.since)
        problem["next_try"] = rfc3339(waiting.next_try)
    if found.bundle is not None:
        values["bundle"]["made"] = rfc3339(found.bundle.made)
        values["bundle"]["applied"] = rfc3339(found.bundle.applied)
    for failing, file in zip(values["failing_files"], found.failing_files, strict=True):
        failing["next_try"] = rfc3339(file.next_try)
    for left, withdrawal in zip(values["withdrawals"], found.withdrawals, strict=True):
        left["at"] = rfc3339(withdrawal.at)
    for block, blocked in zip(values["blocked"], found.blocked, strict=True):
        block["since"] = rfc3339(blocked.since)
    return values


def _subject(found: Status) -> list[str]:
    """Return the places that were read."""
    size = "there is none" if found.state_bytes is None else f"{found.state_bytes / 1e6:.1f} MB"
    return [
        f"configuration     {found.configuration or 'no file; environment and defaults'}",
        f"upstream          {_source(found)}",
        f"output            {found.output}",
        f"state             {found.state} ({size})",
    ]


def _source(found: Status) -> str:
    if found.bundle is not None:
        return "none; bundles feed this output"
    return found.upstream or "what pip uses"


def _condition(found: Status, now: float) -> Iterator[str]:
    yield f"run at work       {'none' if found.run is None else _run(found.run, now)}"
    yield from _followed(found, now) if found.bundle is None else _fed(found, found.bundle)
    if files := ", ".join(_package_files(found.package_files)):
        yield f"package files     {files}"
    if found.cooldown_waiting:
        following = f"  (the next {rfc3339(found.cooldown_next)})"
        yield f"cooldown waiting  {found.cooldown_waiting} files{following}"
    if found.clock_problem is not None:
        yield f"clock             {found.clock_problem}"
    for match in found.unmatched_overrides:
        yield f"override          {match} matches nothing"
    yield f"last success      {rfc3339(found.last_success) or 'none yet'}"
    if found.last_error is not None:
        yield f"last error        {rfc3339(found.last_error_at)}  {found.last_error}"
    if found.unfinished_forget:
        yield f"not forgotten     {', '.join(found.unfinished_forget)}; the next sync goes on"
    if found.unknown:
        yield f"unknown upstream  {', '.join(found.unknown)}"
    yield from _details(found)
    if (command := _next(found)) is not None:
        yield f"next: {command}"


def _fed(found: Status, bundle: FeedingBundle) -> Iterator[str]:
    """Yield the lines about an output that bundles feed."""
    if bundle.cursor is not None:
        times = (rfc3339(one) or "at an unknown time" for one in (bundle.made, bundle.applied))
        yield "bundle            {}, made {}, applied {}".format(bundle.cursor, *times)
    if bundle.unfinished and found.run is None:
        yield f"bundle            {UNFINISHED_BUNDLE}"
    yield f"lag               {_lag(found)}"
    yield f"projects          {found.projects}"


def _followed(found: Status, now: float) -> Iterator[str]:
    """Yield the lines about an output that follows upstream."""
    held = ""
    if found.held:
        since = "" if found.held_since is None else f" since {local_time(found.held_since, now)}"
        held = f"{since}  (see 'yanksync holds')"
    if found.throttled_until is not None:
        yield f"throttled until {local_time(found.throttled_until, now)}, as upstream asks"
    yield f"journal           {found.journal or 'not read yet'}"
    serials = f"{_or_none(found.journal_serial)} (upstream {_or_none(found.upstream_serial)})"
    yield f"serial            {serials}"
    yield f"lag               {_lag(found)}"
    yield f"projects          {found.projects}"
    yield f"yanked releases   {found.yanked_releases}"
    yield f"pending           {found.pending}"
    yield f"unpublished       {found.unpublished}"
    yield f"held              {found.held}{held}"
    yield f"behind            {found.behind}"


def _lag(found: Status) -> str:
    return "never in step yet" if found.lag_seconds is None else format_duration(found.lag_seconds)


def _run(run: Holder, now: float) -> str:
    """Return the progress of the present run."""
    since = "" if run.since is None else f" since {local_time(run.since, now)}"
    count = f": {run.phase} {run.done:,}/{run.total:,}" if run.total else ""
    return f"{run.command or 'yes'}{since} ({run.who}){count}"


def _package_files(counts: CopyCounts) -> Iterator[str]:
    """Yield the counts of package files, with their bytes."""
    for count, size, what in (
        (counts.served, counts.served_bytes, "copied"),
        (counts.wanted, counts.wanted_bytes, "to copy"),
        (counts.withheld, counts.withheld_bytes, "out of service"),
    ):
        if count:
            yield f"{count:,} {what} ({readable_size(size)})"
    if counts.failing:
        yield f"{counts.failing:,} failed"
    if counts.lacking_metadata:
        yield f"{counts.lacking_metadata:,} without metadata"


def _details(found: Status) -> Iterator[str]:
    """Yield what waits, with the reason."""
    if found.undelivered:
        hooks = ", ".join(f"{hook} {count}" for hook, count in found.undelivered_hooks.items())
        yield f"undelivered       {found.undelivered} ({hooks})"
    for problem in found.hook_problems:
        yield f"hook {problem}"
    for waiting in found.problems:
        word = "behind" if waiting.behind else "pending"
        yield f"{word}: {waiting.name}: {waiting.problem}"
    for withdrawal in found.withdrawals:
        yield f"withdrawn: {withdrawal}"
    told = {one.project for one in found.withdrawals}
    for blocked in found.blocked:
        if blocked.name in told:
            continue
        yield f"unpublished: {blocked.name}: {blocked.problem}"
    for file in found.failing_files:
        yield f"not copied: {file.project}: {file.filename}: {file.problem}"


def _next(found: Status) -> str | None:
    """Return the command to run if a person must act."""
    if found.held:
        return "yanksync holds"
    if found.run is not None or found.bundle is not None:
        return None
    if found.last_run is None:
        return "yanksync sync"
    if found.last_error is not None or found.blocked or found.hook_problems:
        return "yanksync -v sync"
    return None


def _or_none(number: int | None) -> str:
    return "none" if number is None else str(number)
