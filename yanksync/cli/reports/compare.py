"""The command ``compare``: how another index differs from the state."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

import click

from yanksync.cli.display.report_rows import json_option
from yanksync.cli.error_handling import print_line
from yanksync.cli.logs import CliContext
from yanksync.config.load import with_simple_url
from yanksync.config.settings import Settings
from yanksync.core.errors import ConfigError, UpstreamError
from yanksync.core.exit_codes import ExitCode
from yanksync.core.urls import redacted

if TYPE_CHECKING:  # start-up: the help needs none of it
    from yanksync.reports.compare.asked_index import OtherIndex
    from yanksync.state.views.comparable import Selection

_RATE = 5.0


def _number(context: click.Context, parameter: click.Parameter, value: float) -> float:
    """Return ``value``; refuse NaN, which passes every range check."""
    if math.isnan(value):
        raise click.BadParameter("write a number of pages, such as 0.5 or 20")
    return value


@click.command(short_help="Compare another index with the state.")
@click.argument("url")
@click.option("--all", "everything", is_flag=True, help="Compare every project of the state.")
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    metavar="N",
    help="Compare N of the projects, chosen at random.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    callback=_number,
    default=_RATE,
    show_default=True,
    metavar="N",
    help="Ask for N pages a second at the most.",
)
@json_option
@click.pass_obj
def compare(
    context: CliContext,
    url: str,
    everything: bool,
    sample: int | None,
    rate: float,
    as_json: bool,
) -> ExitCode:
    """Name withdrawals that another index does not show.

    URL is a Simple index, such as a proxy or another mirror, or the directory of one. Each page is
    compared with the page that the state holds: marks and reasons of yanks, files that upstream
    removed or quarantined, hashes, projects. Without --all only projects with withdrawals are
    compared, and with --sample a few of them.

    The index is asked with upstream.contact, upstream.timeout and upstream.redirect_hosts of the
    configuration, and gets the pauses that it asks for. -v prints notes, too: projects that
    are older or newer there, and files that only one side has.

    Exit codes: 0 no findings, 1 findings, or the index does not answer, 2 wrong usage.

    \b
    Examples:
      yanksync compare https://proxy.example/simple/
      yanksync compare https://proxy.example/simple/ --all --sample 500 --json
      yanksync compare /srv/mirror/web
    """
    from yanksync.mirror.state_access import no_mirror, path_for_reading
    from yanksync.state.sqlite.files import exists
    from yanksync.state.views.comparable import Selection

    settings = context.needed_settings()
    with opened(settings, url, rate) as index, path_for_reading(settings) as path:
        if not exists(path):
            missing = f"there is no state {settings.mirror.state}; run 'yanksync sync' first"
            print_line(no_mirror(settings, path) or missing)
            return ExitCode.FAILED
        return _compared(
            context,
            settings,
            index,
            path,
            Selection(everything, sample),
            as_json=as_json,
        )


@contextmanager
def opened(settings: Settings, url: str, rate: float) -> Iterator[OtherIndex]:
    """Yield the index that ``url`` names. Raises :class:`ConfigError`."""
    directory = _directory(url)
    if directory is not None:
        from yanksync.reports.compare.index_tree import IndexTree

        yield IndexTree(directory, settings.upstream.max_page_size)
        return
    from yanksync.reports.compare.asked_index import AskedIndex, Pace
    from yanksync.upstream.client import UpstreamClient

    try:
        asked = with_simple_url(settings, url, "the command line")
    except ConfigError as error:
        key = "URL" if error.key == "upstream.simple_url" else error.key
        raise ConfigError(key, error.where, error.problem) from None
    with closing(UpstreamClient(asked)) as client:
        yield AskedIndex(client, Pace(rate))


def _directory(url: str) -> Path | None:
    """Return the directory that ``url`` names; None: it is an address."""
    try:
        parts = urlsplit(url)
    except ValueError:  # unmatched brackets; the check of the address reports that
        return None if "://" in url else Path(url)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return None if "://" in url or not url else Path(url)


def _compared(
    context: CliContext,
    settings: Settings,
    index: OtherIndex,
    path: Path,
    selection: Selection,
    *,
    as_json: bool,
) -> ExitCode:
    """Compare, and print each finding as it comes."""
    from yanksync.cli.display.difference_rows import DifferenceWriter
    from yanksync.cli.display.progress import ProgressBars
    from yanksync.mirror.bundled_output import open_history
    from yanksync.reports.compare.compare_index import begin, differences

    with DifferenceWriter(as_json=as_json, notes=bool(context.verbose)) as writer:
        with open_history(settings, path) as state, ProgressBars() as bars:
            try:
                summary = begin(index, state, selection)
            except UpstreamError as error:
                print_line(f"{error}; nothing was compared")
                return ExitCode.FAILED
            bars.expect(f"comparing {index.where}", summary.expected)
            for _, found in differences(index, state, selection, summary):
                for one in found:
                    writer.write(one)
                bars.advance(1)
        if not summary.compared and summary.problem is not None:
            print_line(f"{summary.problem}; nothing was compared")
            return ExitCode.FAILED
        writer.end(summary, index.where, redacted(str(settings.mirror.state)))
    return _end(context, summary.findings, summary.problem, summary.expected - summary.compared)


def _end(context: CliContext, findings: int, problem: str | None, left: int) -> ExitCode:
    """Print why the exit code is not 0."""
    from yanksync.cli.display.columns import counted

    if problem is not None:
        print_line(f"{problem}; {left} projects were not compared. Run it again later")
        return ExitCode.FAILED
    if findings and not context.quiet:
        print_line(f"{counted(findings, 'finding')}: the index does not show what the state knows")
    return ExitCode.FAILED if findings else ExitCode.DONE
