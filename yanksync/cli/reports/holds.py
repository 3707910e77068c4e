"""The command ``holds``: what waits for a person."""

from __future__ import annotations

import json
import time

import click

from yanksync.cli.display.held import held_lines, held_object, kind_option, nothing_held
from yanksync.cli.display.report_rows import json_option
from yanksync.cli.error_handling import print_line
from yanksync.cli.logs import CliContext
from yanksync.core.exit_codes import ExitCode
from yanksync.mirror.state_access import no_mirror, path_for_reading
from yanksync.state.sqlite.files import exists
from yanksync.state.state import State
from yanksync.state.views.holds import HeldItem
from yanksync.state.views.holds import held_items as held_things


@click.command(short_help="List what a guard holds, and why.")
@kind_option
@json_option
@click.pass_obj
def holds(context: CliContext, kinds: tuple[str, ...], as_json: bool) -> int:
    """Show what a guard holds back, and why.

    Changes with the same reason are shown together, with what approving them would do.

    \b
    Examples:
      yanksync holds
      yanksync holds --kind removal --json
    """
    settings = context.settings()
    found: list[HeldItem] = []
    with path_for_reading(settings) as path:
        missing = no_mirror(settings, path)
        if exists(path):
            with State(path, create=False, read_only=True) as state:
                found = [one for one in held_things(state) if not kinds or one.what in kinds]
    if as_json:
        click.echo(json.dumps([held_object(held) for held in found]))
    elif found:
        for line in held_lines(found, time.time()):
            click.echo(line)
        only = "".join(f" --kind {kind}" for kind in kinds)
        named = any(held.project is not None for held in found)
        names = " (or with the names of projects)" if named else ""
        click.echo(f"\nnext: yanksync approve{only}{names}")
    elif missing is None:
        click.echo(nothing_held(kinds))
    if missing is not None:
        print_line(missing)
        return ExitCode.FAILED
    return ExitCode.DONE
