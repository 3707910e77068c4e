"""The command ``why``: which rule hides or marks a file, and until when."""

from __future__ import annotations

import json

import click
import msgspec

from yanksync.cli.display.report_rows import json_option, rfc3339_end
from yanksync.cli.error_handling import print_line, printable
from yanksync.cli.logs import CliContext
from yanksync.cli.project_names import complete_project, suggest_known, valid_name
from yanksync.core.exit_codes import ExitCode
from yanksync.mirror.state_access import no_mirror, path_for_reading
from yanksync.state.database import exists
from yanksync.state.state import State

_WORDS = {"hide": "hidden", "yank": "marked yanked"}


@click.command(short_help="Show which rule hides a file, and until when.")
@click.argument("project", shell_complete=complete_project)
@click.argument("version", required=False)
@json_option
@click.pass_obj
def why(context: CliContext, project: str, version: str | None, as_json: bool) -> int:
    """Show which rules hide or yank files of PROJECT, and until when.

    Such a rule is cooldown, an override or an advisory, as the newest pass applied it.

    \b
    Examples:
      yanksync why demo
      yanksync why demo 2.0 --json
    """
    name = valid_name(project)
    settings = context.settings()
    with path_for_reading(settings) as path:
        found, question, missing = None, "", no_mirror(settings, path)
        if exists(path):
            from yanksync.sync.policy.explain import explain  # start-up: no other command needs it

            with State(path, create=False, read_only=True) as state:
                found = explain(state, name, version)
                question = suggest_known(state, name)
    if found is None:
        print_line(missing or f"no page of {name} is recorded{question}")
        return ExitCode.FAILED
    if as_json:
        rows = [{**msgspec.to_builtins(one), "until": rfc3339_end(one.until)} for one in found]
        click.echo(json.dumps(rows))
        return ExitCode.DONE
    for one in found:
        rule = f"{one.rule} ({one.reason})" if one.reason else one.rule
        until = rfc3339_end(one.until) or "the rules change"
        click.echo(printable(f"{one.file}  {_WORDS[one.action]} by {rule} until {until}"))
    if not found:
        subject = name if version is None else f"{name} {version}"
        click.echo(f"no rule hides or marks a file of {subject}")
    return ExitCode.DONE
