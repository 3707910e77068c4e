"""The command ``audit``: which pins are withdrawn."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import click

from yanksync.cli.display.audit.render import FORMATS, rendered
from yanksync.cli.error_handling import print_line
from yanksync.cli.logs import CliContext
from yanksync.cli.option_values import check_directory
from yanksync.core.errors import InputFileError, ObjectStorageError, StateError, UpstreamError
from yanksync.core.exit_codes import ExitCode
from yanksync.core.names import NormalizedName, normalize
from yanksync.core.pins import Pin, PinSet
from yanksync.core.urls import redacted
from yanksync.reports.audit.findings import (
    AuditReport,
    FindingKind,
    Ignore,
    PinVerdict,
    ProjectFacts,
    with_ignores,
)
from yanksync.reports.audit.installed import default_python, read_installed
from yanksync.reports.audit.judgement import judge
from yanksync.system.pin_files import read_pin_files

_ACTIVE = "the active one"
_IGNORE = re.compile(r"(?P<name>[^=@]+)={2,3}(?P<version>[^=@]+)(?:@(?P<until>.+))?")
_NO_MIRROR = (
    "there is no state {}, so there is nothing to judge by. Name the configuration of a mirror "
    "with --config, an index with --index, or a mirror with --withdrawals"
)
_NO_PINS = (
    "no pins found in {}; requirements and packages without an exact version of an index: {}. "
    "Name a lock file, or requirements with =="
)


def _kinds(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> frozenset[FindingKind]:
    """Return the kinds of findings in a list with commas.

    Without a value, return all.
    """
    if value is None:
        return frozenset(FindingKind)
    words = [word.strip() for word in value.split(",")]
    known = [kind.value for kind in FindingKind]
    for word in words:
        if word not in known:
            raise click.BadParameter(f"{word!r} is no kind of finding; write {', '.join(known)}")
    return frozenset(map(FindingKind, words))


def _ignores(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[Ignore, ...]:
    """Return the pins whose findings do not count."""
    return tuple(map(_ignored, values))


def _ignored(text: str) -> Ignore:
    match = _IGNORE.fullmatch(text)
    project = None if match is None else normalize(match["name"].strip())
    if match is None or project is None:
        raise click.BadParameter(f"{text!r} is no pin; write NAME==VERSION or NAME==VERSION@DATE")
    try:
        until = None if match["until"] is None else date.fromisoformat(match["until"])
    except ValueError as error:
        raise click.BadParameter(f"{match['until']!r} is no date; write 2027-01-31") from error
    return Ignore(project, match["version"].strip(), until)


@click.command(short_help="Name pins of lock files that are withdrawn.")
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path())
@click.option(
    "-r",
    "--requirement",
    "requirements",
    multiple=True,
    type=click.Path(),
    metavar="FILE",
    help="Read FILE as requirements, whatever its name is; may be repeated.",
)
@click.option(
    "--installed",
    is_flag=False,
    flag_value=_ACTIVE,
    metavar="[PYTHON]",
    help="Judge what is installed for PYTHON, too [without a value: the active environment, else "
    "python3]. Put it last, or write --installed=PYTHON.",
)
@click.option(
    "--index",
    metavar="URL",
    help="Judge by this Simple index, as it is now. Needs no configuration and no state.",
)
@click.option(
    "--withdrawals",
    metavar="URL",
    help="Judge by the log of withdrawals that the mirror at URL publishes. Needs no configuration "
    "and no state.",
)
@click.option(
    "--fail-on",
    callback=_kinds,
    metavar="KIND,...",
    help="Exit 1 only for these kinds; all are reported. They are "
    + ", ".join(FindingKind)
    + " [default: all].",
)
@click.option(
    "--ignore",
    "ignores",
    multiple=True,
    callback=_ignores,
    metavar="NAME==VERSION[@DATE]",
    help="Report this pin's findings, but do not fail for them (up to DATE, that day included); "
    "may be repeated.",
)
@click.option(
    "--format",
    "report_format",
    type=click.Choice(list(FORMATS)),
    default="table",
    show_default=True,
    help="How the report is written.",
)
@click.option("--json", "report_format", flag_value="json", help="The same as --format json.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=check_directory,
    metavar="FILE",
    help="Write the report to FILE instead of standard output.",
)
@click.pass_obj
def audit(
    context: CliContext,
    files: tuple[str, ...],
    requirements: tuple[str, ...],
    installed: str | None,
    index: str | None,
    withdrawals: str | None,
    fail_on: frozenset[FindingKind],
    ignores: tuple[Ignore, ...],
    report_format: str,
    output: Path | None,
) -> ExitCode:
    """Name pins that are yanked, removed, quarantined or changed.

    Reads pylock.toml, uv.lock, poetry.lock, pdm.lock, Pipfile.lock, and requirements in *.txt and
    *.in with what they include. Every exact version is judged by the state of the mirror, by
    --index or by --withdrawals. Names the nearest version of the same major version that is not
    withdrawn.

    Exit codes: 0 no findings, 1 findings, 2 nothing was judged: wrong usage, no pins, a file that
    cannot be read, no answer of the index or the log.

    \b
    Examples:
      yanksync audit uv.lock
      yanksync audit requirements.txt --fail-on yanked,removed,quarantined
      yanksync audit pylock.toml --index https://upstream.example/simple/
      yanksync audit pdm.lock --withdrawals https://mirror.example/
      yanksync audit poetry.lock --format sarif -o audit.sarif
      yanksync audit --installed
    """
    if not files and not requirements and installed is None:
        raise click.UsageError("name a lock file or a requirements file, or say --installed")
    if index is not None and withdrawals is not None:
        raise click.UsageError("--index and --withdrawals exclude each other")
    pins = _pins(files, requirements, installed)
    try:
        source, verdicts = _judged(context, pins.pins, index, withdrawals)
    except (ObjectStorageError, StateError, UpstreamError) as error:
        print_line(f"{error}; nothing was judged")
        return ExitCode.USAGE
    report = AuditReport(
        source=source,
        verdicts=with_ignores(verdicts, ignores, datetime.now(UTC).date()),
        skipped=pins.skipped,
        fail_on=fail_on,
    )
    _write(rendered(report, report_format), output)
    if not report.failures:
        return ExitCode.DONE
    if not context.quiet:
        print_line(f"{report.failures} of {len(report.verdicts)} pins are not fine")
    return ExitCode.FAILED


def _pins(files: Sequence[str], requirements: Sequence[str], installed: str | None) -> PinSet:
    """Return all pins. Raises :class:`InputFileError` when there is none."""
    found = read_pin_files(files, requirements)
    places = [*files, *requirements]
    if installed is not None:
        python = default_python(os.environ) if installed == _ACTIVE else installed
        there = read_installed(python)
        found = PinSet((*found.pins, *there.pins), found.skipped + there.skipped)
        places.append(python)
    if not found.pins:
        raise InputFileError("audit", _NO_PINS.format(", ".join(places), found.skipped))
    return found


def _judged(
    context: CliContext, pins: Sequence[Pin], index: str | None, withdrawals: str | None
) -> tuple[str, list[PinVerdict]]:
    """Return the name of the source, and the verdicts."""
    python = platform.python_version().rstrip("+")
    if withdrawals is not None:
        from yanksync.reports.audit.log_verdicts import judged_by_log

        return judged_by_log(withdrawals, os.environ, pins, python)
    names = tuple(dict.fromkeys(pin.project for pin in pins))
    source, facts = _state_facts(context, names) if index is None else _index_facts(index, names)
    return source, [judge(pin, facts[pin.project], python) for pin in pins]


def _index_facts(
    url: str, names: Sequence[NormalizedName]
) -> tuple[str, dict[NormalizedName, ProjectFacts]]:
    """Return the name of an index, and its facts."""
    from yanksync.reports.audit.index_source import facts_of_index, index_settings

    settings = index_settings(url, os.environ)
    return f"the index {redacted(url)}", facts_of_index(settings, names)


def _state_facts(
    context: CliContext, names: Sequence[NormalizedName]
) -> tuple[str, dict[NormalizedName, ProjectFacts]]:
    """Return the name of the mirror's state, and its facts."""
    from yanksync.cli.reports.audit_rules import kept_files, rulings
    from yanksync.mirror.bundled_output import open_history
    from yanksync.mirror.state_access import path_for_reading
    from yanksync.reports.audit.state_source import facts_of_state
    from yanksync.state.sqlite.files import exists

    settings = context.settings()
    with path_for_reading(settings) as path:
        if not exists(path):
            raise click.UsageError(_NO_MIRROR.format(settings.mirror.state))
        with open_history(settings, path) as state:
            facts = facts_of_state(state, names, rulings(state), kept_files(state, settings))
            return f"the state {settings.mirror.state}", facts


def _write(text: str, output: Path | None) -> None:
    """Write the report, to a file in one step."""
    if output is None:
        click.echo(text, nl=False)
        return
    from yanksync.system.atomic_files import write_atomically

    try:
        write_atomically(output, f".{output.name}.tmp", [text], lasting=False)
    except OSError as error:
        raise InputFileError(str(output), f"cannot be written: {error.strerror}") from error
