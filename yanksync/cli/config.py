"""The commands about the configuration: ``config check``, ``config show``, ``config schema``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import click
from msgspec import Struct

from yanksync.cli.display.report_rows import json_option
from yanksync.cli.error_handling import colored, print_line
from yanksync.cli.logs import CliContext
from yanksync.config.keys import KEYS, find_key
from yanksync.config.load import DEFAULT, ExaminedConfig, examine
from yanksync.core.errors import ConfigError
from yanksync.core.exit_codes import ExitCode
from yanksync.core.urls import redacted

_MASK = "***"
_UNSET = {
    "upstream.simple_url": "asked of pip",
    "upstream.journal_url": "from upstream.simple_url",
}


class Value(Struct, frozen=True):
    """The value of a key that is in force."""

    key: str
    value: object
    source: str  # "default", the path of the file, or the name of the variable


@click.group(short_help="Check or show the configuration.")
def config() -> None:
    """Check the configuration, show the values in force, or print the schema of the file.

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
    """Check the configuration and name all its errors; with one, the exit code is 2.

    \b
    Example:
      yanksync --config /etc/yanksync.toml config check
    """
    found = examine(context.config, os.environ)
    if as_json:
        click.echo(json.dumps({"errors": [_error_object(error) for error in found.errors]}))
    for error in () if as_json else found.errors:
        print_line(str(error))
    if found.errors:
        if not as_json:
            count = len(found.errors)
            print_line(f"{count} error{'s' * (count != 1)}; nothing runs until they are corrected")
        return ExitCode.USAGE
    if not as_json:
        click.echo(f"{colored('ok', 'ok')}  {_place(found)}")
    return ExitCode.DONE


@config.command(short_help="Show the values in force.")
@json_option
@click.pass_obj
def show(context: CliContext, as_json: bool) -> ExitCode:
    """Show each key with its value and where that comes from: default, file or variable.

    Secrets are masked. Errors are reported first, and these keys are shown with their defaults.

    \b
    Examples:
      yanksync config show
      yanksync config show --json
    """
    found = examine(context.config, os.environ)
    for error in found.errors:
        print_line(str(error))
    values = list(_values(found))
    if as_json:
        click.echo(json.dumps([_value_object(value) for value in values], indent=1))
    else:
        for value in values:
            shown = "(none)" if value.value is None else json.dumps(value.value, ensure_ascii=False)
            click.echo(f"{value.key} = {shown}  # {value.source}")
    return ExitCode.USAGE if found.errors else ExitCode.DONE


@config.command(short_help="Print the JSON Schema of the file.")
def schema() -> ExitCode:
    """Print the JSON Schema of yanksync.toml, for editors that complete and check TOML.

    \b
    Example:
      yanksync config schema > yanksync.schema.json
    """
    from yanksync.config.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
    return ExitCode.DONE


def _values(found: ExaminedConfig) -> Iterator[Value]:
    more = [path for path in found.given if path not in KEYS]  # those of [storage]
    for path in (*KEYS, *more):
        key = KEYS.get(path) or find_key(*path.split(".", 1))
        assert key is not None
        one = found.given.get(path)
        raw = key.default if one is None else one.raw
        if key.secret and raw is not None:
            raw = _MASK
        elif isinstance(raw, str):
            raw = redacted(raw)
        source = _UNSET.get(path, DEFAULT) if one is None else one.where.removeprefix("$")
        yield Value(path, raw, source)


def _value_object(value: Value) -> dict[str, object]:
    return {"key": value.key, "value": value.value, "source": value.source}


def _error_object(error: ConfigError) -> dict[str, object]:
    return {"key": error.key or None, "source": error.where, "problem": error.problem}


def _place(found: ExaminedConfig) -> str:
    source = found.settings.source
    return "no file: environment and defaults" if source is None else str(source)
