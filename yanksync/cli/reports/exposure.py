"""The command ``exposure``: which clients fetched withdrawn files."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable
from pathlib import Path

import click

from yanksync.cli.display import exposure_rows
from yanksync.cli.display.report_rows import json_option
from yanksync.cli.display.times import MOMENT
from yanksync.cli.error_handling import print_line
from yanksync.cli.logs import CliContext
from yanksync.cli.project_names import unknown_names, unknown_project
from yanksync.config.project_filter import ProjectFilter
from yanksync.core.exit_codes import ExitCode
from yanksync.state.state import State

_SHORTEST = 16  # bytes of a key


def _selection(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> ProjectFilter:
    """Return the selected projects."""
    try:
        return ProjectFilter(values) if values else ProjectFilter()
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _key(context: click.Context, parameter: click.Parameter, value: Path | None) -> bytes:
    """Return the key for hashing addresses.

    Without a file, a new one.
    """
    if value is None:
        return secrets.token_bytes(32)
    try:
        with value.open("rb") as file:
            key = file.read(1 << 20)
    except OSError as error:
        raise click.BadParameter(f"{value} cannot be read: {error.strerror}") from error
    if len(key) < _SHORTEST:
        raise click.BadParameter(
            f"{value} has {len(key)} bytes, and a key needs {_SHORTEST}; make one with 'head -c 32 "
            "/dev/urandom'"
        )
    return key


@click.command(short_help="Count who fetched withdrawn files.")
@click.argument("logs", nargs=-1, required=True, metavar="ACCESS_LOG...", type=click.Path())
@click.option(
    "--project",
    "selection",
    multiple=True,
    callback=_selection,
    metavar="PATTERN",
    help="Only files of these projects: a name or a pattern ('demo-*'); may be repeated.",
)
@click.option(
    "--since",
    type=MOMENT,
    metavar="TIME",
    help="Only requests from then on: a duration before now (7d), a date, or an RFC 3339 time "
    "(UTC if it names no zone).",
)
@click.option("--clients", is_flag=True, help="List the clients of each file, too.")
@click.option(
    "--show-addresses",
    is_flag=True,
    help="Show the addresses of clients instead of a keyed hash of them.",
)
@click.option(
    "--key-file",
    "key",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_key,
    metavar="FILE",
    help="Hash addresses with the key in FILE, so that a client has one name in all reports "
    "[default: a new key in each run].",
)
@json_option
@click.pass_obj
def exposure(
    context: CliContext,
    logs: tuple[str, ...],
    selection: ProjectFilter,
    since: float | None,
    clients: bool,
    show_addresses: bool,
    key: bytes,
    as_json: bool,
) -> ExitCode:
    """Count who fetched withdrawn files, before and after the withdrawal.

    Reads access logs of what serves the files, plain or gz: nginx's and Apache's combined format,
    nginx and Caddy in JSON, S3 server access logs, CloudFront standard logs. '-' is standard
    input. The state of the mirror tells which files are withdrawn, and since when. GET requests
    with status 200 and 206 count; UNCHANGED counts 304.

    Exit codes: 0 the logs are read, with findings, too; 1 there is no mirror, or a log could not
    be read to its end; 2 wrong usage, or a log that cannot be opened.

    \b
    Examples:
      yanksync exposure /var/log/nginx/access.log*
      yanksync exposure access.log --project demo --since 30d --clients
      zstdcat logs/*.zst | yanksync exposure - --key-file key --json
    """
    from yanksync.mirror.bundled_output import open_history
    from yanksync.mirror.state_access import no_mirror, path_for_reading
    from yanksync.reports.exposure.log_files import check
    from yanksync.state.sqlite.files import exists

    for one in logs:
        check(one)
    settings = context.settings()
    with path_for_reading(settings) as path:
        if not exists(path):
            missing = f"{settings.mirror.state} is missing; nothing was read"
            print_line(no_mirror(settings, path) or missing)
            return ExitCode.FAILED
        name = str if show_addresses else _named(key)
        with open_history(settings, path) as state:
            for unknown in unknown_names(state, selection.spelled_out_names):
                print_line(unknown_project(state, settings, unknown), "warning")
            return _report(context, state, logs, selection, since, name, clients, as_json)


def _named(key: bytes) -> Callable[[str], str]:
    from yanksync.reports.exposure.counts import pseudonyms

    return pseudonyms(key)


def _report(
    context: CliContext,
    state: State,
    logs: tuple[str, ...],
    selection: ProjectFilter,
    since: float | None,
    name: Callable[[str], str],
    clients: bool,
    as_json: bool,
) -> ExitCode:
    """Read the logs and print what they say."""
    from yanksync.reports.exposure.counts import Exposure
    from yanksync.reports.exposure.expose import expose
    from yanksync.reports.exposure.withdrawn_files import WithdrawnFiles
    from yanksync.state.request_counts import RequestCounts

    find = WithdrawnFiles(state, selection).find
    with RequestCounts() as counts:
        found = Exposure(counts)
        complete = expose(found, logs, sys.stdin.buffer, find, name, since)
        rows = exposure_rows.json_lines(found, since)
        for line in rows if as_json else exposure_rows.lines(found, clients=clients):
            click.echo(line)
    if found.skipped and not context.quiet:
        print_line(
            f"{found.skipped} of {found.lines} lines are in no known format, and were skipped; the "
            f"first is {found.first_skipped}",
            "warning",
        )
    return ExitCode.DONE if complete else ExitCode.FAILED
