"""The command ``rescue``: copies of a release that is gone."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click

from yanksync.cli.display import rescue_lines
from yanksync.cli.display.report_rows import json_option
from yanksync.cli.error_handling import print_line, printable
from yanksync.cli.logs import CliContext
from yanksync.core.exit_codes import ExitCode
from yanksync.core.names import NormalizedName, normalize
from yanksync.reports.rescue.findings import STRONG, KnownHash, Place, Wanted

_PIN = re.compile(r"(?P<name>[^=\s]+)\s*={2,3}\s*(?P<version>[^=\s*]+)")
_DIGITS = dict(zip(STRONG, (64, 96, 128), strict=True))
_NO_HASH = (
    "there is no state {}, so no hash of {} is known. Name a lock file with --lock, a hash with "
    "--hash, or the configuration of a mirror with --config"
)


def _pin(
    context: click.Context, parameter: click.Parameter, value: str
) -> tuple[NormalizedName, str]:
    """Return project and version of an exact pin."""
    match = _PIN.fullmatch(value.strip())
    project = None if match is None else normalize(match["name"])
    if match is None or project is None:
        raise click.BadParameter(f"{value!r} is no exact pin; write NAME==VERSION")
    return project, match["version"]


def _hashes(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[KnownHash, ...]:
    """Return the hashes that the user gave."""
    found = []
    for value in values:
        algorithm, _, digest = value.strip().lower().partition(":")
        if not re.fullmatch(rf"[0-9a-f]{{{_DIGITS.get(algorithm, 0)}}}", digest) or not digest:
            raise click.BadParameter(
                f"{value!r} verifies no file; write {', '.join(STRONG[:-1])} or {STRONG[-1]}, a "
                "colon, and the digest in hexadecimal digits"
            )
        found.append(KnownHash(algorithm, digest))
    return tuple(found)


@click.command(short_help="Find copies of a release that is gone.")
@click.argument("pin", metavar="NAME==VERSION", callback=_pin)
@click.option(
    "--lock",
    "locks",
    multiple=True,
    type=click.Path(),
    metavar="FILE",
    help="Verify by the hashes of this lock file or requirements file; may be repeated.",
)
@click.option(
    "--hash",
    "hashes",
    multiple=True,
    callback=_hashes,
    metavar="ALGORITHM:DIGEST",
    help="Verify by this hash, such as sha256:…; may be repeated.",
)
@click.option(
    "--from",
    "directories",
    multiple=True,
    type=click.Path(),
    metavar="DIR",
    help="Search this directory with all below it, too: a mirror, or a cache of another machine; "
    "may be repeated.",
)
@click.option(
    "--to",
    "target",
    type=click.Path(file_okay=False, path_type=Path),
    default=".",
    metavar="DIR",
    help="Copy verified files there [default: the current directory].",
)
@json_option
@click.pass_obj
def rescue(
    context: CliContext,
    pin: tuple[NormalizedName, str],
    locks: tuple[str, ...],
    hashes: tuple[KnownHash, ...],
    directories: tuple[str, ...],
    target: Path,
    as_json: bool,
) -> ExitCode:
    """Find copies of a release that is gone, and verify them.

    Searches the caches of pip and uv, and each --from. Copies the files with a hash that --lock or
    --hash has; without these, one that the state of the mirror has, of removed files, too. It
    never replaces another file.

    Exit codes: 0 a file is verified and copied, 1 none is, 2 wrong usage, or no hash to compare
    with.

    \b
    Examples:
      yanksync rescue demo==1.0 --lock uv.lock
      yanksync rescue demo==1.0 --from /srv/packages --to wheels
      yanksync rescue demo==1.0 --lock uv.lock --from /mnt/old/.cache/pip
    """
    from yanksync.reports.rescue.caches import cache_places
    from yanksync.reports.rescue.rescue import rescue as look

    for directory in directories:
        if not os.path.isdir(directory):
            raise click.BadParameter(f"there is no directory {directory}", param_hint="--from")
    wanted = _wanted(context, pin, locks, hashes)
    named = tuple(Place(title="--from", path=directory) for directory in directories)
    report = look(wanted, (*cache_places(os.environ), *named), target)
    if as_json:
        click.echo(rescue_lines.as_json(report))
    else:
        for line in rescue_lines.lines(report):
            click.echo(printable(line))
    if not report.failed:
        return ExitCode.DONE
    if not context.quiet:
        print_line(_failure(wanted, copied=bool(report.copies)))
    return ExitCode.FAILED


def _failure(wanted: Wanted, *, copied: bool) -> str:
    if copied:
        return "not every verified file was copied; name another directory with --to"
    if not wanted.hashes:
        return (
            f"{wanted.source} has no hash of {wanted.requirement}, so no file can be verified and "
            "nothing was copied. Name a lock file with --lock, or a hash with --hash"
        )
    return (
        f"no file of {wanted.requirement} could be verified by {wanted.source}, so nothing was "
        "copied. Name a mirror or another machine's cache with --from"
    )


def _wanted(
    context: CliContext,
    pin: tuple[NormalizedName, str],
    locks: tuple[str, ...],
    hashes: tuple[KnownHash, ...],
) -> Wanted:
    """Return the release with its hashes.

    If the user gave hashes, this needs no configuration.
    """
    from yanksync.reports.rescue.known_hashes import hashes_of_locks

    project, version = pin
    known, sources = hashes, ["--hash"] if hashes else []
    if locks:
        known += hashes_of_locks(locks, project, version)
        sources += locks
    source = " and ".join(sources)
    if not known:
        source, known = _state_hashes(context, project, version)
    return Wanted(project=project, version=version, source=source, hashes=known)


def _state_hashes(
    context: CliContext, project: NormalizedName, version: str
) -> tuple[str, tuple[KnownHash, ...]]:
    """Return the name of the state, and its hashes."""
    from yanksync.mirror.bundled_output import open_history
    from yanksync.mirror.state_access import path_for_reading
    from yanksync.reports.rescue.known_hashes import hashes_of_state
    from yanksync.state.sqlite.files import exists

    settings = context.settings()
    with path_for_reading(settings) as path:
        if not exists(path):
            pin = f"{project}=={version}"
            raise click.UsageError(_NO_HASH.format(settings.mirror.state, pin))
        with open_history(settings, path) as state:
            return f"the state {settings.mirror.state}", hashes_of_state(state, project, version)
