"""The commands about the configuration: ``config check``, ``config show``, ``config schema``."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

import click

from yanksync.cli.display.columns import counted
from yanksync.cli.display.config_values import Value, config_place, config_values
from yanksync.cli.display.report_rows import json_option
from yanksync.cli.error_handling import colored, print_line
from yanksync.cli.logs import CliContext
from yanksync.config.load import examine
from yanksync.config.settings import Settings
from yanksync.core.errors import ConfigError
from yanksync.core.exit_codes import ExitCode


@click.group(short_help="Check or show the configuration.")
def config() -> None:
    """Check or show the configuration, or print its schema.

    \b
    Examples:
      yanksync config check
      yanksync config show
      yanksync config schema > yanksync.schema.json
    """


@config.command(short_help="Name every error at once.")
@json_option
@click.pass_obj
def check(context: CliContext, as_json: bool) -> ExitCode:
    """Check the configuration and print all its errors.

    With an error the exit code is 2.

    \b
    Example:
      yanksync --config /etc/yanksync.toml config check
    """
    found = examine(context.config, os.environ)
    errors = [*found.errors, *_lock_file_errors(found.settings)]
    idle = found.settings.keys_without_effect
    if as_json:
        answer = {"errors": [_error_object(error) for error in errors], "without_effect": idle}
        click.echo(json.dumps(answer))
    for error in () if as_json else errors:
        print_line(str(error))
    if idle and not as_json:
        print_line(f'{", ".join(idle)}: without effect, as mirror.files is "link"', "warning")
    if errors:
        they = "it is" if len(errors) == 1 else "they are"
        print_line(f"{counted(len(errors), 'error')}; nothing runs until {they} corrected")
        return ExitCode.USAGE
    if not as_json:
        click.echo(f"{colored('ok', 'ok')}  {config_place(found)}")
    return ExitCode.DONE


def _lock_file_errors(settings: Settings) -> Sequence[ConfigError]:
    """Return what is wrong with the lock files that choose package files."""
    if not (settings.copies_files and settings.files.lock_files):
        return ()
    from yanksync.sync.package_files.choice import lock_file_errors  # start-up: few have any

    return lock_file_errors(settings)


@config.command(short_help="Show the values in force.")
@json_option
@click.pass_obj
def show(context: CliContext, as_json: bool) -> ExitCode:
    """Show each key with its value and the source of the value.

    The source is the default, the file or a variable. The overrides follow, by file.

    Secrets are masked. Errors are reported first, and these keys are shown with their defaults.

    \b
    Examples:
      yanksync config show
      yanksync config show --json
    """
    found = examine(context.config, os.environ)
    for error in found.errors:
        print_line(str(error))
    values = list(config_values(found))
    if as_json:
        click.echo(json.dumps([_value_object(value) for value in values], indent=1))
    else:
        for value in values:
            click.echo(value.line)
    return ExitCode.USAGE if found.errors else ExitCode.DONE


@config.command(short_help="Print the JSON Schema of the file.")
def schema() -> ExitCode:
    """Print the JSON Schema of yanksync.toml.

    Editors use it to complete and check TOML.

    \b
    Example:
      yanksync config schema > yanksync.schema.json
    """
    from yanksync.config.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
    return ExitCode.DONE


def _value_object(value: Value) -> dict[str, object]:
    return {"key": value.key, "value": value.value, "source": value.source}


def _error_object(error: ConfigError) -> dict[str, object]:
    return {"key": error.key or None, "source": error.where, "problem": error.problem}
