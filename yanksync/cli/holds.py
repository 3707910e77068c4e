"""The command ``holds``: what waits for a person."""

from __future__ import annotations

import json
import time

import click

from yanksync.cli.display.held import held_lines, held_object, kind_option
from yanksync.cli.display.report_rows import json_option
from yanksync.cli.error_handling import tell
from yanksync.cli.logs import Logs
from yanksync.core.exit_codes import ExitCode
from yanksync.mirror.state_access import looked_at, no_mirror
from yanksync.state.database import is_there
from yanksync.state.state import State
from yanksync.state.views.holds import Held
from yanksync.state.views.holds import holds as held_things


@click.command(short_help="Tell what a guard holds back, and why.")
@kind_option
@json_option
@click.pass_obj
def holds(logs: Logs, kinds: tuple[str, ...], as_json: bool) -> int:
    """Show what a guard holds back, and why.

    Changes with the same reason are shown together, with what approving them would do.

    \b
    Examples:
      yanksync holds
      yanksync holds --kind removal --json
    """
    settings = logs.settings()
    found: list[Held] = []
    with looked_at(settings) as path:
        missing = no_mirror(settings, path)
        if is_there(path):
            with State(path, create=False, look=True) as state:
                found = [one for one in held_things(state) if not kinds or one.what in kinds]
    if as_json:
        click.echo(json.dumps([held_object(held) for held in found]))
    elif found:
        for line in held_lines(found, time.time()):
            click.echo(line)
        only = "".join(f" --kind {kind}" for kind in kinds)
        click.echo(f"\nnext: yanksync approve{only} (or with the names of projects)")
    elif missing is None:
        tell("nothing is held", "info")
    if missing is not None:
        tell(missing)
        return ExitCode.FAILED
    return ExitCode.DONE
