"""The command ``doctor``: checks of everything that a mirror needs."""

from __future__ import annotations

import time
from collections.abc import Iterator

import click

from yanksync.cli.display.check_lines import print_checks, print_json
from yanksync.cli.display.report_rows import json_option
from yanksync.cli.error_handling import print_line
from yanksync.cli.logs import CliContext
from yanksync.config.load import ExaminedConfig
from yanksync.config.value_types import url as valid_url
from yanksync.core.exit_codes import ExitCode
from yanksync.doctor.checks import Check, failed, passed
from yanksync.doctor.places import run_checks
from yanksync.doctor.schedule import schedule_check
from yanksync.doctor.setup import look_into_state, setup_checks
from yanksync.doctor.web_server import web_checks


def _url(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Return the value of ``--url``, or fail with exit code 2."""
    try:
        return value if value is None else valid_url(value, "?#")
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command(short_help="Check everything that a mirror needs.")
@click.option(
    "--url",
    metavar="URL",
    callback=_url,
    help="Check the web server, too, that serves the mirror at this address.",
)
@json_option
@click.pass_obj
def doctor(context: CliContext, url: str | None, as_json: bool) -> ExitCode:
    """Check everything that a mirror needs, and say what to do.

    Prints one line for each check: ok, warning or failure. Exits with 1 if a check fails; a
    warning is no failure. Nothing is changed.

    \b
    Examples:
      yanksync doctor
      yanksync doctor --url https://mirror.example/simple/
      yanksync doctor --json
    """
    checks = _checks(context.examined(), url)
    failures = print_json(checks) if as_json else print_checks(checks)
    if failures and not context.quiet:
        print_line(f"{failures} {'check' if failures == 1 else 'checks'} failed; see above")
    return ExitCode.FAILED if failures else ExitCode.DONE


def _checks(examined: ExaminedConfig, url: str | None) -> Iterator[Check]:
    """Yield all checks; with a wrong configuration nothing else can be checked."""
    if examined.errors:
        for error in examined.errors:
            yield failed("configuration", str(error))
        return
    settings = examined.settings
    yield passed("configuration", str(settings.source or "environment and defaults, no file"))
    status, unreadable = look_into_state(settings)
    yield from setup_checks(settings, status)
    if unreadable is None:
        yield from run_checks(settings, status, time.time())
    else:
        yield unreadable
    if status.bundle is None:
        yield schedule_check(status.run)
    if url is not None:
        yield from web_checks(settings, url)
