"""The command ``history``: what was withdrawn, and when."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import click

from yanksync.cli.error_handling import printable
from yanksync.cli.logs import Logs
from yanksync.cli.report_rows import json_option, moment
from yanksync.core.exit_codes import ExitCode
from yanksync.core.names import normalized
from yanksync.core.versions import same_version
from yanksync.mirror.state_access import looked_at
from yanksync.state.database import is_there
from yanksync.state.history import Row
from yanksync.state.state import State


@click.command()
@click.argument("project", required=False)
@click.argument("version", required=False)
@json_option
@click.option(
    "--since",
    metavar="DATE",
    help="Only what happened from this date or RFC 3339 time on (UTC where it names no zone).",
)
@click.pass_obj
def history(
    logs: Logs, project: str | None, version: str | None, as_json: bool, since: str | None
) -> ExitCode:
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
            return ExitCode.DONE
        with State(path, create=False, look=True) as state:
            rows = state.history.rows(name, since=start)
            chosen = (row for row in rows if version is None or _is_version(row, version))
            _print_rows(chosen, as_json)
    return ExitCode.DONE


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
