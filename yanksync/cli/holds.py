"""The command ``holds``: what waits for a person."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click

from yanksync.cli.error_handling import printable
from yanksync.cli.logs import Logs
from yanksync.cli.report_rows import json_option, moment
from yanksync.core.exit_codes import ExitCode
from yanksync.core.model import Hashes
from yanksync.mirror.state_access import looked_at
from yanksync.state.database import is_there
from yanksync.state.state import State
from yanksync.state.views.holds import WHOLE, Held
from yanksync.state.views.holds import holds as held_things


@click.command()
@json_option
@click.pass_obj
def holds(logs: Logs, as_json: bool) -> ExitCode:
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
    return ExitCode.DONE


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
