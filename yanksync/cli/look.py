"""The commands that only look: ``status``, ``history`` and ``holds``."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import click
import msgspec

from yanksync.cli.exits import FAILED, printable, tell
from yanksync.cli.logs import Logs
from yanksync.holds import WHOLE, Held
from yanksync.holds import holds as held_things
from yanksync.model import Hashes
from yanksync.names import normalized
from yanksync.state import State
from yanksync.state.database import is_there
from yanksync.state.history import Row
from yanksync.states import looked_at
from yanksync.status import Status
from yanksync.status import status as status_at
from yanksync.versions import same_version

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _number(
    context: click.Context, parameter: click.Parameter, value: float | None
) -> float | None:
    """Refuse nan, which no lag is above: a check that always passes."""
    if value is not None and math.isnan(value):
        raise click.BadParameter("nan is no number of seconds")
    return value


@click.command()
@_json
@click.option(
    "--max-lag",
    type=click.FloatRange(min=0),
    callback=_number,
    metavar="SECONDS",
    help="Exit 1 when the mirror is further behind upstream than this, or something is held.",
)
@click.pass_obj
def status(logs: Logs, as_json: bool, max_lag: float | None) -> int:
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
        return 0
    late = found.lag_seconds is None or found.lag_seconds > max_lag
    if late or found.held:
        why = "it is behind upstream" if late else f"{found.held} held, see 'yanksync holds'"
        tell(f"the mirror needs a look: {why}")
        return FAILED
    return 0


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


@click.command()
@click.argument("project", required=False)
@click.argument("version", required=False)
@_json
@click.option(
    "--since",
    metavar="DATE",
    help="Only what happened from this date or RFC 3339 time on (UTC where it names no zone).",
)
@click.pass_obj
def history(
    logs: Logs, project: str | None, version: str | None, as_json: bool, since: str | None
) -> int:
    """List yanks, unyanks, removals, quarantines and returns, oldest first.

    \b
    Examples:
      yanksync history
      yanksync history demo 2.0
      yanksync history --since 2026-11-01 --json
    """
    name = None if project is None else normalized(project)
    if project is not None and name is None:
        raise click.BadParameter(f"{project!r} is no valid project name")
    start = None if since is None else _date(since)
    with looked_at(logs.settings()) as path:
        if not is_there(path):
            click.echo("[]" if as_json else "", nl=as_json)
            return 0
        with State(path, create=False, look=True) as state:
            rows = state.history.rows(name, since=start)
            chosen = (row for row in rows if version is None or _is_version(row, version))
            _print_rows(chosen, as_json)
    return 0


def _is_version(row: Row, version: str) -> bool:
    return row.version is not None and same_version(row.version, version)


def _print_rows(rows: Iterator[Row], as_json: bool) -> None:
    if not as_json:
        for row in rows:
            click.echo(_row_text(row))
        return
    lead = "["
    for row in rows:
        click.echo(lead + json.dumps(_row_object(row)), nl=False)
        lead = ",\n "
    click.echo("[]" if lead == "[" else "]")


def _row_object(row: Row) -> dict[str, object]:
    found: dict[str, object] = {
        "serial": row.serial,
        "timestamp": moment(row.timestamp),
        "project": row.project,
        "version": row.version,
        "action": row.action.value,
        "file": row.file,
        "reason": row.reason,
        "source": row.source,
    }
    if row.files:
        found["files"] = list(row.files)
    return found


def _row_text(row: Row) -> str:
    subject = row.project if row.version is None else f"{row.project} {row.version}"
    if row.file is not None:
        subject += f" {row.file}"
    if row.files:
        subject += f" ({', '.join(row.files)})"
    serial = "observed" if row.serial is None else str(row.serial)
    reason = (
        "" if row.reason == "" else f": {'reason unknown' if row.reason is None else row.reason}"
    )
    return printable(f"{moment(row.timestamp)}  {serial:>10}  {row.action:<12}  {subject}{reason}")


def _date(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is neither a date (2026-11-01) nor an RFC 3339 time"
        ) from error
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


@click.command()
@_json
@click.pass_obj
def holds(logs: Logs, as_json: bool) -> int:
    """Tell what a guard holds back, why, and what approving it would do.

    \b
    Examples:
      yanksync holds
      yanksync approve demo
    """
    found: tuple[Held, ...] = ()
    with looked_at(logs.settings()) as path:
        if is_there(path):
            with State(path, create=False, look=True) as state:
                found = held_things(state)
    if as_json:
        click.echo(json.dumps([_held_object(held) for held in found]))
    else:
        for held in found:
            for line in _held_lines(held):
                click.echo(printable(line))
    return 0


def _held_object(held: Held) -> dict[str, object]:
    return {
        "project": held.project,
        "what": held.what,
        "why": held.why,
        "since": moment(held.since),
        "approve": held.approve,
        "files": [
            {
                "filename": file.filename,
                "old": dict(file.old),
                "new": None if file.new is None else dict(file.new),
            }
            for file in held.files
        ],
    }


def _held_lines(held: Held) -> Iterator[str]:
    subject = held.project or WHOLE[held.what]
    yield (
        f"{subject}  {held.what} held since {moment(held.since)}: {held.why}. "
        f"If approved, {held.approve}."
    )
    for file in held.files:
        if file.new is None:
            yield f"  {file.filename}  missing upstream"
        else:
            values = f"published {_digests(file.old)}, upstream {_digests(file.new)}"
            yield f"  {file.filename}  {values}"


def _digests(hashes: Hashes) -> str:
    return " ".join(f"{name}={digest}" for name, digest in hashes) or "without a hash"


def moment(seconds: float | None) -> str | None:
    """Return UTC seconds as RFC 3339."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
