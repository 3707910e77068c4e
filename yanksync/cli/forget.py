"""The command ``forget``.

It removes a project for good, with all its texts.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

import click
from msgspec import to_builtins

from yanksync.cli.display.report_rows import json_option, rfc3339
from yanksync.cli.error_handling import print_line
from yanksync.cli.logs import CliContext
from yanksync.cli.project_names import complete_project, suggest_known, valid_name
from yanksync.config.settings import Settings
from yanksync.core.errors import LockHeld, YanksyncError
from yanksync.core.exit_codes import ExitCode
from yanksync.core.names import NormalizedName
from yanksync.mirror.bundled_output import open_history
from yanksync.mirror.context import Mirror, log
from yanksync.mirror.open_mirror import open_mirror
from yanksync.mirror.state_access import open_state, path_for_reading
from yanksync.state.state import State
from yanksync.sync.optional_steps import deliver_hooks, update_withdrawals
from yanksync.sync.pipeline import run_record
from yanksync.sync.policy.forget import ForgottenContents, contents_of, forget, mirror_again


@click.command("forget", short_help="Remove a project and all that was said of it.")
@click.argument("projects", nargs=-1, metavar="PROJECT...", shell_complete=complete_project)
@click.option("--list", "as_list", is_flag=True, help="Print the forgotten projects.")
@click.option("--undo", is_flag=True, help="Mirror the projects again; their history stays lost.")
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask. Off a terminal nothing is asked.")
@json_option
@click.pass_obj
def forget_projects(
    context: CliContext,
    projects: tuple[str, ...],
    as_list: bool,
    undo: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Remove projects for good, as a legal request may ask for.

    Removes their pages and package files, also those that are out of service, their history, and
    what the log of withdrawals, feeds and OSV records say of them. From then on the projects are
    not mirrored. The mirror keeps their names and the hashes of their files, so that no other
    project brings the files back.

    There is no way back to what was removed: --undo only lets the next sync mirror the projects
    again. Asks first on a terminal.

    \b
    Examples:
      yanksync forget --dry-run demo
      yanksync forget demo
      yanksync forget --list
    """
    if as_list == bool(projects) or (as_list and (undo or dry_run)):
        raise click.UsageError("name projects, or give --list alone")
    settings = context.needed_settings()
    with path_for_reading(settings) as path:
        State(path, create=False, read_only=True).close()  # nothing is made or upgraded here
    names = [valid_name(text) for text in projects]
    try:
        with context.buffered():
            if as_list:
                return _list(settings, as_json=as_json)
            if undo:
                return _undo(settings, names, dry_run=dry_run, as_json=as_json)
            ask = not yes and sys.stdin.isatty() and sys.stderr.isatty()
            return _forget(settings, names, dry_run=dry_run, ask=ask, as_json=as_json)
    except LockHeld as held:
        print_line(str(held))
        return ExitCode.LOCKED


def _forget(
    settings: Settings, names: Sequence[NormalizedName], *, dry_run: bool, ask: bool, as_json: bool
) -> int:
    found = _looked(settings, names)
    if found is None:
        return ExitCode.FAILED
    for one in found if ask or not as_json else ():
        click.echo(_contents_line(one), err=as_json)
    if ask and not dry_run and not _agreed(len(found)):
        print_line("nothing was forgotten")
        return ExitCode.FAILED
    code = ExitCode.DONE
    if not dry_run:
        with open_mirror(settings, "forget") as mirror:
            code = _work(mirror, names)
    if as_json:
        rows = [to_builtins(one) for one in found]
        click.echo(json.dumps({"forgotten": rows, "dry_run": dry_run}))
    else:
        click.echo(f"{'would be forgotten' if dry_run else 'forgotten'}: {len(found)}")
    return code


def _looked(settings: Settings, names: Sequence[NormalizedName]) -> list[ForgottenContents] | None:
    """Return what the mirror has of these projects.

    None: it has nothing of one of them.
    """
    with path_for_reading(settings) as path, open_history(settings, path) as state:
        found = {name: contents_of(state, name) for name in names}
        missing = [name for name, contents in found.items() if contents is None]
        for name in missing:
            meant = suggest_known(state, name)
            print_line(f"{name}: the mirror has nothing of it; nothing was forgotten{meant}")
    return None if missing else [one for one in found.values() if one is not None]


def _agreed(count: int) -> bool:
    what = "this project" if count == 1 else f"these {count} projects"
    try:
        return click.confirm(f"Remove {what} for good?", err=True)
    except click.Abort:  # the end of the input does not mean yes
        click.echo(err=True)
        return False


def _work(mirror: Mirror, names: Sequence[NormalizedName]) -> ExitCode:
    """Forget projects, and publish everything without them."""
    runs, code = mirror.state.runs, ExitCode.FAILED
    try:
        forget(mirror, names)
        update_withdrawals(mirror)
        deliver_hooks(mirror)
        is_waiting = mirror.totals.undelivered > 0
        code = ExitCode.PARTIAL if is_waiting else ExitCode.DONE
        code = ExitCode.FAILED if mirror.totals.problem is not None else code
    except YanksyncError as error:
        mirror.totals.problem = str(error)
        if mirror.state.forgotten.unfinished():
            log.warning("not everything is removed yet; the next 'yanksync sync' goes on with it")
        raise
    finally:
        runs.end(mirror.run, time.time(), run_record(mirror, code))
    return code


def _contents_line(one: ForgottenContents) -> str:
    return (
        f"{one.project}: {one.pages} page, {one.files} package files ({one.bytes / 1e6:,.1f} MB), "
        f"{one.history} rows of the history, {one.events} events of the log"
    )


def _undo(
    settings: Settings, names: Sequence[NormalizedName], *, dry_run: bool, as_json: bool
) -> ExitCode:
    """Let projects be mirrored again."""
    with open_state(settings, "forget") as state:
        known = [] if state is None else state.forgotten.names()
        missing = [name for name in names if name not in known]
        for name in missing:
            print_line(f"{name}: it was not forgotten; nothing was done")
        if missing or state is None:
            return ExitCode.FAILED
        if not dry_run:
            mirror_again(state, settings, names, time.time())
    if as_json:
        click.echo(json.dumps({"undone": names, "dry_run": dry_run}))
    else:
        done = "would be mirrored again" if dry_run else "mirrored again"
        click.echo(f"{done}: {', '.join(names)}")
        if not dry_run:
            click.echo("next: yanksync sync")
    return ExitCode.DONE


def _list(settings: Settings, *, as_json: bool) -> ExitCode:
    """Print what was forgotten."""
    with path_for_reading(settings) as path, State(path, create=False, read_only=True) as state:
        found = state.forgotten.all()
    if as_json:
        rows = [{"project": o.name, "since": rfc3339(o.since), "files": o.files} for o in found]
        click.echo(json.dumps(rows))
    for one in () if as_json else found:
        unfinished = "" if one.is_erased else "; not finished, the next sync goes on"
        click.echo(f"{one.name}  since {rfc3339(one.since)}, {one.files} files{unfinished}")
    return ExitCode.DONE
