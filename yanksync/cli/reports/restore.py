"""The command ``restore``: brings files back that are out of service."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from yanksync.cli.display.report_rows import json_option
from yanksync.cli.error_handling import print_line, printable
from yanksync.cli.logs import CliContext
from yanksync.cli.project_names import complete_project
from yanksync.config.settings import Settings
from yanksync.core.errors import mebibytes
from yanksync.core.exit_codes import ExitCode
from yanksync.core.policies.cooldown import format_time
from yanksync.mirror.bundled_output import open_history, refuse_received
from yanksync.mirror.other_owner import refuse_other_owner
from yanksync.mirror.state_access import open_state, path_for_reading
from yanksync.state.sqlite.files import exists
from yanksync.sync.package_files.restore import Restorable, find_restorable, is_named, restore


@click.command("restore", short_help="Bring files back that are out of service.")
@click.argument("names", nargs=-1, metavar="[PROJECT|FILE]...", shell_complete=complete_project)
@click.option("--force", is_flag=True, help="Restore also files that were under quarantine once.")
@click.option("--dry-run", is_flag=True, help="Only show what would be restored.")
@json_option
@click.pass_obj
def restore_files(
    context: CliContext, names: tuple[str, ...], force: bool, dry_run: bool, as_json: bool
) -> int:
    """Bring back package files that are out of service.

    Such a file left the mirror and is not deleted yet. A restored file is offered as yanked,
    whatever mirror.deleted says, so that an exact pin installs it. The next sync checks its hash
    and publishes it. It stays until upstream has the file again, or quarantines it.

    Without names, prints the files that are out of service and changes nothing. A file that is
    under quarantine is never restored, nor one of a project name that was created again.

    \b
    Examples:
      yanksync restore
      yanksync restore demo-1.0.tar.gz
      yanksync restore demo --dry-run
    """
    settings = context.needed_settings()
    if not settings.copies_files:
        _look(settings, (), force)  # where bundles feed the output, that is the reason
        raise click.UsageError('package files are not copied: mirror.files is "link"')
    is_plan = dry_run or not names
    found = _look(settings, names, force) if is_plan else _restore(settings, names, force)
    unknown = [name for name in names if not any(is_named(one.copy, [name]) for one in found)]
    if as_json:
        _print_json(found, unknown, changed=not is_plan)
    else:
        _print_lines(found, has_names=bool(names), changed=not is_plan)
    for name in unknown:
        print_line(f"{name}: no file of it is out of service; see 'yanksync restore'")
    done = [one for one in found if one.refused is None]
    missed = [name for name in names if not any(is_named(one.copy, [name]) for one in done)]
    return ExitCode.FAILED if missed else ExitCode.DONE


def _look(settings: Settings, names: Sequence[str], force: bool) -> list[Restorable]:
    with path_for_reading(settings) as path:
        if not exists(path):
            return []
        with open_history(settings, path) as state:
            return find_restorable(state, settings, names, force=force)


def _restore(settings: Settings, names: Sequence[str], force: bool) -> list[Restorable]:
    refuse_other_owner(settings)
    with open_state(settings, "restore") as state:
        if state is None:
            return []
        refuse_received(settings, state)
        found = find_restorable(state, settings, names, force=force)
        restore(state, found)
        return found


def _print_lines(found: Sequence[Restorable], *, has_names: bool, changed: bool) -> None:
    done, missed = 0, "not restored: " if changed else "cannot be restored: "
    for one in found:
        if one.refused is not None:
            print_line(printable(f"{one.copy.file.filename}: {missed}{one.refused}"))
            continue
        done += 1
        word = "restored" if changed else "can be restored"
        click.echo(printable(f"{word}: {one.copy.file.filename} ({_details(one)})"))
    if changed and done:
        click.echo("next: yanksync sync")
    elif not found and not has_names:
        click.echo("no file is out of service")


def _details(one: Restorable) -> str:
    parts = [one.copy.project, mebibytes(one.copy.size or 0)]
    if one.copy.cause is not None:
        parts.append(str(one.copy.cause))
    if one.delete_at is not None:
        parts.append(f"deleted after {format_time(one.delete_at)}")
    return ", ".join(parts)


def _print_json(found: Sequence[Restorable], unknown: Sequence[str], *, changed: bool) -> None:
    files = [
        {
            "project": one.copy.project,
            "file": one.copy.file.filename,
            "size": one.copy.size,
            "cause": one.copy.cause,
            "delete_at": None if one.delete_at is None else format_time(one.delete_at),
            "refused": one.refused,
        }
        for one in found
    ]
    click.echo(json.dumps({"files": files, "missing": list(unknown), "restored": changed}))
