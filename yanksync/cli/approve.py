"""The commands that tend the state: ``approve`` and ``backup``."""

from __future__ import annotations

from collections.abc import Iterator

import click

from yanksync.cli.error_handling import printable, tell
from yanksync.cli.logs import Logs
from yanksync.core.names import normalized
from yanksync.mirror.state_access import opened_state
from yanksync.state.views.holds import WHOLE, Held, holds
from yanksync.state.views.holds import approve as let_through


@click.command()
@click.argument("names", nargs=-1, metavar="[PROJECT|journal|selection]...")
@click.pass_obj
def approve(logs: Logs, names: tuple[str, ...]) -> int:
    """Let what a guard holds through, once: everything, or the projects named.

    The words journal and selection name what 'yanksync holds' calls the journal and the selection;
    while these are held, they do not mean projects of such names. The next sync acts on it. See
    'yanksync holds' first.

    \b
    Examples:
      yanksync approve
      yanksync approve demo other-demo
      yanksync approve journal
    """
    wanted = [_name(text) for text in names]
    done: tuple[str, ...] = ()
    before: tuple[Held, ...] = ()
    with opened_state(logs.settings(), "approve") as state:
        if state is not None:
            before = holds(state)
            done = let_through(state, wanted)
    for subject in done:
        click.echo(f"approved: {subject}")
        for line in _files(before, subject):
            click.echo(printable(line))
    missing = [name for name in wanted if name not in done and WHOLE.get(name) not in done]
    for name in missing:
        tell(f"{name}: nothing of it is held")
    if not done and not missing:
        tell("nothing is held", "info")
    return 1 if missing else 0


def _name(text: str) -> str:
    """Return the name that is meant; 'the journal' is how it is printed."""
    whole = {subject: what for what, subject in WHOLE.items()}
    name = whole.get(text) or normalized(text)
    if name is None:
        raise click.BadParameter(f"{text!r} is no valid project name")
    return name


def _files(before: tuple[Held, ...], subject: str) -> Iterator[str]:
    """Yield which files of a project were held, and why."""
    for held in before:
        if held.project == subject:
            for file in held.files:
                yield f"  {held.what}: {file.filename}"
