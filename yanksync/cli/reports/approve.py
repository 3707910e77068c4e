"""The command ``approve``: releases what a guard holds, once."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Collection, Sequence

import click

from yanksync.cli.display.held import held_lines, held_object, kind_option, nothing_held
from yanksync.cli.display.report_rows import json_option
from yanksync.cli.error_handling import print_line, printable
from yanksync.cli.logs import CliContext
from yanksync.cli.project_names import complete_project, suggest_unopened, valid_name
from yanksync.config.settings import Settings
from yanksync.core.exit_codes import ExitCode
from yanksync.mirror.other_owner import refuse_other_owner
from yanksync.mirror.state_access import open_state, path_for_reading
from yanksync.state.sqlite.files import exists
from yanksync.state.state import State
from yanksync.state.views.holds import WHOLE_MIRROR, HeldItem, held_items, select_holds
from yanksync.state.views.holds import approve_held as release


@click.command(short_help="Release held changes, once.")
@click.argument(
    "names",
    nargs=-1,
    metavar="[PROJECT|journal|selection|advisories|unreferenced]...",
    shell_complete=complete_project,
)
@kind_option
@click.option("--yes", "-y", is_flag=True, help="Do not ask. Off a terminal nothing is asked.")
@click.option("--dry-run", is_flag=True, help="Only show what would be released.")
@json_option
@click.pass_obj
def approve(
    context: CliContext,
    names: tuple[str, ...],
    kinds: tuple[str, ...],
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Release what a guard holds, once.

    Releases everything, or only the named projects. Prints what it releases, and asks first on a
    terminal. The next sync acts on it.

    The words journal, selection and advisories release a change of upstream, of the selection and
    of the advisories, and the word unreferenced the package files that no page names. While such a
    change is held, its word does not mean a project.

    \b
    Examples:
      yanksync approve --dry-run
      yanksync approve demo other-demo
      yanksync approve --kind removal --yes
    """
    settings = context.needed_settings()
    if not dry_run:
        refuse_other_owner(settings)
    wanted = [_name(text) for text in names]
    ask = not yes and sys.stdin.isatty() and sys.stderr.isatty()
    seen = None
    if dry_run or ask:  # no lock, so that no run waits for the answer
        seen = _looked(settings, wanted, kinds)
        if dry_run and as_json:
            _print_json(seen, wanted, dry_run=True)
        else:
            _print_lines(seen, dry_run=dry_run, err=as_json)
        if dry_run or not seen:
            return _missing(settings, seen, wanted, kinds, as_json=as_json)
        if not _agreed(len(seen)):
            print_line("nothing was approved")
            return ExitCode.FAILED
    done, left = _released(settings, wanted, kinds, seen)
    if as_json:
        _print_json(done, wanted)
    elif seen is None:
        _print_done(done)
    else:
        click.echo(f"approved: {len(done)}")
    if left:
        print_line(
            f"{left} held changes are not those that were shown and stay held; run this again"
        )
    if done and not as_json:
        files_only = all(held.what == "unreferenced" for held in done)
        click.echo(f"next: yanksync {'verify --repair' if files_only else 'sync'}")
    return _missing(settings, done if seen is None else seen, wanted, kinds, as_json=as_json) or (
        ExitCode.FAILED if left else ExitCode.DONE
    )


def _name(text: str) -> str:
    """Return the name that the user means.

    Output shows the journal as 'the journal', so this is accepted, too.
    """
    whole = {subject: what for what, subject in WHOLE_MIRROR.items()}
    return whole.get(text) or valid_name(text)


def _looked(settings: Settings, names: Sequence[str], kinds: Collection[str]) -> list[HeldItem]:
    """Return what would be released."""
    with path_for_reading(settings) as path:
        if not exists(path):
            return []
        with State(path, create=False, read_only=True) as state:
            return select_holds(held_items(state), names, kinds)


def _released(
    settings: Settings, names: Sequence[str], kinds: Collection[str], seen: list[HeldItem] | None
) -> tuple[list[HeldItem], int]:
    """Release the chosen changes.

    If changes were shown, release only those that the user has ``seen``. Returns the released
    changes, and the number of the others.
    """
    with open_state(settings, "approve") as state:
        if state is None:
            return [], 0
        found = select_holds(held_items(state), names, kinds)
        shown = None if seen is None else frozenset(seen)
        going = found if shown is None else [held for held in found if held in shown]
        release(state, going)
        return going, len(found) - len(going)


def _agreed(count: int) -> bool:
    try:
        return click.confirm(f"Release {'this' if count == 1 else f'these {count}'}?", err=True)
    except click.Abort:  # the end of the input does not mean yes
        click.echo(err=True)
        return False


def _print_lines(found: Sequence[HeldItem], *, dry_run: bool = False, err: bool = False) -> None:
    for line in held_lines(found, time.time()):
        click.echo(line, err=err)
    if found and dry_run:
        click.echo(f"\n{len(found)} would be released\nnext: yanksync approve")


def _print_done(done: Sequence[HeldItem]) -> None:
    """Print one line for each project, and its files."""
    groups: dict[str, list[HeldItem]] = {}
    for held in done:
        groups.setdefault(held.project or WHOLE_MIRROR[held.what], []).append(held)
    for subject, group in groups.items():
        click.echo(f"approved: {subject}")
        for held in group:
            for file in held.files:
                click.echo(printable(f"  {held.what}: {file.filename}"))


def _print_json(found: Sequence[HeldItem], names: Sequence[str], *, dry_run: bool = False) -> None:
    values = {
        "approved": [held_object(held) for held in found],
        "missing": _not_held(found, names),
        "dry_run": dry_run,
    }
    click.echo(json.dumps(values))


def _not_held(found: Sequence[HeldItem], names: Sequence[str]) -> list[str]:
    held = {one.project for one in found} | {one.what for one in found if one.project is None}
    return [name for name in names if name not in held]


def _missing(
    settings: Settings,
    found: Sequence[HeldItem],
    names: Sequence[str],
    kinds: Collection[str],
    *,
    as_json: bool,
) -> int:
    """Report names without held changes; return the exit code."""
    missing = _not_held(found, names)
    meant = suggest_unopened(settings, missing) if missing else {}
    for name in missing:
        print_line(f"{name}: nothing of it is held{meant[name]}")
    if not (found or missing or as_json):
        click.echo(nothing_held(kinds))
    return ExitCode.FAILED if missing else ExitCode.DONE
