"""The command ``init``: writes a configuration and checks what it says."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from msgspec import Struct

from yanksync.cli.display.check_lines import check_object, count_failures, print_checks
from yanksync.cli.display.report_rows import json_option
from yanksync.cli.error_handling import print_line
from yanksync.cli.logs import CliContext
from yanksync.config.commented_file import commented
from yanksync.config.load import ExaminedConfig, examine, valid
from yanksync.config.pip_index import default_simple_url
from yanksync.core.errors import ConfigError
from yanksync.core.exit_codes import ExitCode
from yanksync.core.urls import credentials
from yanksync.doctor.checks import Check, failed
from yanksync.doctor.setup import look_into_state, setup_checks
from yanksync.mirror.other_owner import other_owner
from yanksync.system.ownership import command_as

_FILE = "yanksync.toml"
_PROJECTS = "Projects (names or patterns, separated by commas)"


class _Answers(Struct, frozen=True):
    """The values to write, as the user gave them."""

    upstream: str | None  # None: not given, and pip has none
    projects: str  # separated by commas
    output: str
    state: str


@click.command(short_help="Write a configuration, and check it.")
@click.argument("directory", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@click.option(
    "--upstream", metavar="URL", help="The index to mirror.  [default: the one that pip uses]"
)
@click.option(
    "--projects",
    metavar="NAMES",
    multiple=True,
    help="Names or patterns, separated by commas or given several times.  [default: all]",
)
@click.option(
    "--output", metavar="PLACE", help="Directory, or s3://bucket/prefix.  [default: DIR/mirror]"
)
@click.option("--state", metavar="PLACE", help="The database.  [default: DIR/yanksync.db]")
@json_option
@click.pass_obj
def init(
    context: CliContext,
    directory: Path,
    upstream: str | None,
    projects: tuple[str, ...],
    output: str | None,
    state: str | None,
    as_json: bool,
) -> ExitCode:
    """Write a commented yanksync.toml into DIR, and check what it says.

    On a terminal it asks for what is missing, except with --json. DIR is made if it does not exist;
    a file is never overwritten. Exits with 1 if a check fails; the file is written all the same.

    \b
    Examples:
      yanksync init
      yanksync init /etc/yanksync --upstream https://upstream.example/simple/
      yanksync init --projects 'demo,demo-*' --output /srv/mirror --state /srv/state/yanksync.db
    """
    if context.config is not None:
        raise click.UsageError("init writes DIR/yanksync.toml; name DIR instead of --config")
    file = Path.cwd() / directory / _FILE
    if os.path.lexists(file):
        return _left_alone(file)
    given = ",".join(projects) or None
    can_ask = not as_json and sys.stdin.isatty() and sys.stdout.isatty()
    answers = _answers(
        file.parent, upstream, given, output, state, ask=_asked if can_ask else _default
    )
    text = commented(_values(file.parent, answers))
    if not _written(file, text, is_secret=credentials(answers.upstream or "") is not None):
        return ExitCode.FAILED
    failures = _report(file, as_json=as_json)
    if failures and not context.quiet:
        some = "check" if failures == 1 else "checks"
        print_line(f"{failures} {some} failed; correct {file} or what is in the way, see 'next'")
    return ExitCode.FAILED if failures else ExitCode.DONE


def _report(file: Path, *, as_json: bool) -> int:
    """Print the file, its checks and the next commands.

    Return how many checks failed.
    """
    examined = examine(file, os.environ)
    owner = other_owner(examined.settings)
    if as_json:
        checks = list(_checks(examined))
        failures = count_failures(checks)
        report = {
            "file": str(file),
            "ok": not failures,
            "checks": [check_object(check) for check in checks],
            "next": [command for command, _ in _next(file, owner)],
        }
        click.echo(json.dumps(report))
        return failures
    click.echo(f"wrote {file}\n")
    failures = print_checks(_checks(examined))
    steps = _next(file, owner)
    width = max(len(command) for command, _ in steps) + 3
    click.echo("\nnext:")
    for command, what in steps:
        click.echo(f"  {command:<{width}}{what}")
    return failures


def _answers(
    home: Path,
    upstream: str | None,
    projects: str | None,
    output: str | None,
    state: str | None,
    *,
    ask: Callable[[str, str, str], str],
) -> _Answers:
    """Return the given values; ask for the rest."""
    if upstream is None:
        upstream = ask("Index to mirror", "upstream_simple_url", _pip_index() or "") or None
    return _Answers(
        upstream=upstream,
        projects=projects or ask(_PROJECTS, "mirror_projects", "*"),
        output=output or ask("Directory for the pages", "mirror_output", str(home / "mirror")),
        state=state or ask("State database", "mirror_state", str(home / "yanksync.db")),
    )


def _default(question: str, key: str, default: str) -> str:
    return default


def _asked(question: str, key: str, default: str) -> str:
    """Ask until the answer can be used."""

    def checked(answer: str) -> str:
        for error in _examined({key: answer}).errors:
            raise click.UsageError(error.problem)
        return answer

    answer: str = click.prompt(question, default=default or None, value_proc=checked)
    return answer


def _pip_index() -> str | None:
    """Return the index that pip uses.

    None if pip names none, or if its address has a password.
    """
    try:
        url = default_simple_url(os.environ)
    except ConfigError:
        return None
    return None if credentials(url) is not None else url


def _examined(flags: dict[str, object]) -> ExaminedConfig:
    """Examine only these values, without file and environment."""
    return examine(Path(os.devnull), {}, **flags)


def _values(home: Path, answers: _Answers) -> dict[str, object]:
    """Return what to write. Raises :class:`yanksync.core.errors.ConfigError`."""
    settings = valid(
        _examined(
            {
                "upstream_simple_url": answers.upstream,
                "mirror_projects": answers.projects,
                "mirror_output": answers.output,
                "mirror_state": answers.state,
            }
        )
    )
    values: dict[str, object] = {
        "upstream.simple_url": settings.upstream.simple_url,
        "mirror.output": _beside(home, settings.mirror.output),
        "mirror.state": _beside(home, settings.mirror.state),
        "mirror.projects": list(settings.mirror.selection.projects),
    }
    return {key: value for key, value in values.items() if value is not None}


def _beside(home: Path, place: object) -> str:
    """Return a path in the form for the file.

    It is relative if the path is beside or below the file.
    """
    if not isinstance(place, Path):
        return str(place)
    return str(place.relative_to(home) if place.is_relative_to(home) else place)


def _written(file: Path, text: str, *, is_secret: bool) -> bool:
    """Write a new file; return whether that was possible.

    The directory above DIR must exist.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    opener: Callable[[str, int], int] = lambda path, _: os.open(  # noqa: E731
        path, flags, 0o600 if is_secret else 0o644
    )
    try:
        file.parent.mkdir(exist_ok=True)
        with open(file, "x", encoding="utf-8", opener=opener) as new:
            new.write(text)
    except FileExistsError:
        if os.path.isdir(file.parent):
            _left_alone(file)
        else:
            print_line(f"{file.parent} is no directory; nothing was written. Name another one")
        return False
    except OSError as error:
        print_line(
            f"{file} cannot be written: {error.strerror}. Make its directory, or name another one"
        )
        return False
    return True


def _left_alone(file: Path) -> ExitCode:
    print_line(f"{file} is there already and was left alone; edit it, or name another directory")
    return ExitCode.FAILED


def _checks(examined: ExaminedConfig) -> Iterator[Check]:
    """Yield the checks of the written configuration.

    Variables of the environment override it.
    """
    if examined.errors:
        for error in examined.errors:
            yield failed("configuration", str(error))
        return
    status, unreadable = look_into_state(examined.settings)
    yield from setup_checks(examined.settings, status)
    if unreadable is not None:
        yield unreadable


def _next(file: Path, owner: str | None) -> list[tuple[str, str]]:
    """Return the commands to go on with, and what each does.

    The ``owner`` of the directories runs the passes.
    """
    config = [] if file.parent == Path.cwd() else ["--config", str(file)]
    program = shlex.join(["yanksync", *config])
    steps = (
        ("sync", "build the mirror" if owner is None else f"build the mirror, as {owner}"),
        ("show crontab", "a line that keeps it up to date (or: show systemd)"),
        ("show nginx", "what serves it (or: show caddy)"),
        ("doctor", "check everything again"),
    )
    lines = [f"{program} {step}" for step, _ in steps]
    if owner is not None:
        lines[0] = command_as(owner, [*config, "sync"])
    return list(zip(lines, (what for _, what in steps), strict=True))
