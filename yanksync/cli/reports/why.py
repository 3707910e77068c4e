"""The command ``why``.

It explains whether a release can be installed from this mirror.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from yanksync.cli.display.report_rows import json_option
from yanksync.cli.error_handling import print_line
from yanksync.cli.logs import CliContext
from yanksync.cli.project_names import complete_project, unknown_project, valid_name
from yanksync.config.settings import Settings
from yanksync.core.exit_codes import ExitCode
from yanksync.core.names import NormalizedName
from yanksync.mirror.bundled_output import open_history
from yanksync.mirror.state_access import no_mirror, path_for_reading
from yanksync.reports.why.report import WhyReport
from yanksync.state.sqlite.files import exists
from yanksync.state.state import State

if TYPE_CHECKING:
    from yanksync.core.package_files.copies import PackageFile


@click.command(short_help="Explain why a release can(not) be installed.")
@click.argument("project", shell_complete=complete_project)
@click.argument("version", required=False)
@json_option
@click.pass_obj
def why(context: CliContext, project: str, version: str | None, as_json: bool) -> int:
    """Explain why PROJECT, or its VERSION, can be installed or not.

    Prints the answer, what upstream said and when, what the mirror did about it, which rules hide
    or yank files and until when, what is offered, and what pip and uv do with an exact pin. It is
    read from the state, so it says what the newest pass knew.

    \b
    Examples:
      yanksync why demo
      yanksync why demo 2.0 --json
    """
    name = valid_name(project)
    if version is not None and not version.strip():
        raise click.BadParameter("is empty; name a version, or leave it out", param_hint="VERSION")
    settings = context.settings()
    with path_for_reading(settings) as path:
        missing = no_mirror(settings, path)
        if not exists(path):
            print_line(missing or f"there is no state {settings.mirror.state}")
            return ExitCode.FAILED
        with open_history(settings, path) as state:
            report = _report(state, settings, name, version)
            if report is None:
                print_line(unknown_project(state, settings, name))
                return ExitCode.FAILED
    from yanksync.cli.display.why_lines import why_lines, why_object  # start-up: of this command
    from yanksync.reports.why.judgement import judge

    judgement = judge(report)
    if as_json:
        click.echo(json.dumps(why_object(report, judgement)))
    else:
        click.echo("\n".join(why_lines(report, judgement)))
    return ExitCode.DONE


def _report(
    state: State, settings: Settings, name: NormalizedName, version: str | None
) -> WhyReport | None:
    from yanksync.reports.why.read import read_report  # start-up: no other command needs them
    from yanksync.sync.policy.explain import offering

    copies: tuple[PackageFile, ...] = ()
    if settings.copies_files:
        copies = state.package_files.by_project([name]).get(name, ())
    on_pages = settings.mirror.deleted == "yank"
    kept = [one for one in copies if one.kept and (on_pages or one.restored)]
    report = read_report(state, settings, name, version, lambda row: offering(state, row, kept))
    if report is None or not copies:
        return report
    from yanksync.sync.package_files.retention import why_not_kept

    return replace(report, not_kept=why_not_kept(state, settings, copies, version))
