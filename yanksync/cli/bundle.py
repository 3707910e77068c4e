"""The commands ``bundle create`` and ``bundle apply``.

They carry a mirror across an air gap.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import click
from msgspec import to_builtins

from yanksync.bundle.contents import BundleContents
from yanksync.bundle.places import open_places
from yanksync.cli.display.progress import ProgressBars
from yanksync.cli.display.report_rows import json_option
from yanksync.cli.error_handling import print_line
from yanksync.cli.logs import CliContext
from yanksync.core.errors import LockHeld
from yanksync.core.exit_codes import ExitCode
from yanksync.mirror.state_access import path_for_reading
from yanksync.state.state import State

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(short_help="Carry the mirror across an air gap.")
def bundle() -> None:
    """Carry the mirror to a place without a network, in files.

    \b
    Examples:
      yanksync bundle create first.bundle
      yanksync bundle apply first.bundle
      yanksync bundle create --since 1 second.bundle
    """


@bundle.command(short_help="Write what the mirror publishes into a file.")
@click.argument("file", type=_FILE)
@click.option(
    "--since",
    type=click.IntRange(min=0),
    default=0,
    metavar="CURSOR",
    help="Only what changed since the bundle with this cursor [default: everything].",
)
@json_option
@click.pass_obj
def create(context: CliContext, file: Path, since: int, as_json: bool) -> ExitCode:
    """Write pages, package files and removals into FILE, a new file.

    Prints the cursor of the bundle. When the bundle was applied, give that cursor to --since for
    the next one. A sync that begins before the bundle is written exits with 75.

    \b
    Examples:
      yanksync bundle create /media/usb/first.bundle
      yanksync bundle create --since 1 /media/usb/second.bundle
    """
    if os.path.lexists(file):
        raise click.BadParameter(f"{file} is there already; name a new file", param_hint="'FILE'")
    from yanksync.bundle.create import create_bundle  # start-up: it loads OpenSSL

    settings = context.needed_settings()
    with path_for_reading(settings) as path:
        State(path, create=False, read_only=True).close()  # nothing is made or upgraded here
    try:
        with (
            ProgressBars() as bars,
            context.buffered(),
            open_places(settings, "bundle create", bars) as places,
        ):
            contents = create_bundle(places, file, since)
    except LockHeld as held:
        print_line(str(held))
        return ExitCode.LOCKED
    if as_json:
        click.echo(json.dumps({"file": str(file), **to_builtins(contents)}))
    elif not context.quiet:
        _print_created(file, contents)
    return ExitCode.DONE


def _print_created(file: Path, contents: BundleContents) -> None:
    since = f", changes since {contents.since}" if contents.since else ", everything"
    click.echo(f"{file}: bundle {contents.cursor}{since}, {contents.bytes / 1e6:,.1f} MB")
    click.echo(_contents_line(contents))
    click.echo(f"next: yanksync bundle create --since {contents.cursor} FILE")


def _contents_line(contents: BundleContents) -> str:
    removed = f"{contents.removed_pages:,} pages and {contents.removed_files:,} files"
    return f"{contents.pages:,} pages and {contents.files:,} files; removed: {removed}"


@bundle.command(short_help="Publish what a bundle has.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--dry-run", is_flag=True, help="Check the bundle and change nothing.")
@json_option
@click.pass_obj
def apply(context: CliContext, file: Path, dry_run: bool, as_json: bool) -> ExitCode:
    """Publish the contents of FILE in mirror.output, which needs no upstream.

    Checks all of the bundle first: its digests, the room for it, and that it follows the last one
    that was applied. If something is wrong, it changes nothing and exits with 1. When it was
    interrupted, apply the same bundle again. --dry-run checks the same.

    \b
    Examples:
      yanksync bundle apply --dry-run /media/usb/second.bundle
      yanksync bundle apply /media/usb/second.bundle
    """
    from yanksync.bundle.apply import apply_file  # start-up: it loads OpenSSL

    settings = context.needed_settings()
    try:
        with (
            ProgressBars() as bars,
            context.buffered(),
            open_places(settings, "bundle apply", bars, dry_run=dry_run) as places,
        ):
            contents = apply_file(places, file, dry_run=dry_run)
    except LockHeld as held:
        print_line(str(held))
        return ExitCode.LOCKED
    if as_json:
        values = {"file": str(file), **to_builtins(contents), "dry_run": dry_run}
        click.echo(json.dumps(values))
    elif not context.quiet:
        verb = "can be applied" if dry_run else "was applied"
        click.echo(f"{file}: bundle {contents.cursor} {verb}\n{_contents_line(contents)}")
    return ExitCode.DONE
