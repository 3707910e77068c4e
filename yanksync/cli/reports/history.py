"""The command ``history``: what was withdrawn, and when."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice

import click
from packaging.version import InvalidVersion, Version

from yanksync.cli.display import pager
from yanksync.cli.display.columns import table
from yanksync.cli.display.history_rows import history_object
from yanksync.cli.display.report_rows import json_option, rfc3339
from yanksync.cli.display.times import MOMENT
from yanksync.cli.error_handling import print_line
from yanksync.cli.logs import CliContext
from yanksync.cli.project_names import complete_project, unknown_names, unknown_project
from yanksync.config.project_filter import ProjectFilter
from yanksync.core.errors import YanksyncError
from yanksync.core.exit_codes import ExitCode
from yanksync.core.model import HistoryAction
from yanksync.core.names import normalize
from yanksync.core.versions import same_version
from yanksync.mirror.bundled_output import open_history
from yanksync.mirror.state_access import no_mirror, path_for_reading
from yanksync.state.sqlite.files import exists
from yanksync.state.state import State
from yanksync.state.views.history_rows import HistoryRow

_HEADER = ("TIME", "SERIAL", "ACTION", "PROJECT", "VERSION", "REASON")


@click.command(short_help="List yanks, removals and quarantines.")
@click.argument(
    "words", nargs=-1, metavar="[PROJECT [VERSION]]...", shell_complete=complete_project
)
@json_option
@click.option(
    "--since",
    type=MOMENT,
    metavar="TIME",
    help="Only what happened from then on: a duration before now (7d), a date, or an RFC 3339 time "
    "(UTC if it names no zone).",
)
@click.option(
    "--until",
    type=MOMENT,
    metavar="TIME",
    help="Only what happened before then; the same forms as --since.",
)
@click.option("-n", "most", type=click.IntRange(min=1), metavar="N", help="Only the newest N.")
@click.option("--reverse", is_flag=True, help="Newest first.")
@click.option(
    "--action",
    "actions",
    type=click.Choice([action.value for action in HistoryAction]),
    multiple=True,
    help="Only this action; may be repeated.",
)
@click.pass_obj
def history(
    context: CliContext,
    words: tuple[str, ...],
    as_json: bool,
    since: float | None,
    until: float | None,
    most: int | None,
    reverse: bool,
    actions: tuple[str, ...],
) -> int:
    """List what was withdrawn, oldest first.

    That is yanks, unyanks, removals, quarantines and returns; averted is what upstream removed
    or quarantined while cooldown hid it. PROJECT is a name or a pattern ('demo-*'); there may be
    several. The second of two words is a version if it looks like one,
    or if the history knows it as one. On a terminal the list is shown by $PAGER, or less.

    \b
    Examples:
      yanksync history -n 20
      yanksync history demo 2.0
      yanksync history 'demo-*' other --since 7d --action yank
      yanksync history --since 2026-11-01 --until 2026-12-01
    """
    if since is not None and until is not None and since >= until:
        raise click.BadParameter(
            "is not after --since, so nothing can be between the two", param_hint="--until"
        )
    settings = context.settings()
    with path_for_reading(settings) as path:
        missing = no_mirror(settings, path)
        if not exists(path):
            _selection(words[:1])
            _show((), as_json=as_json, empty=missing is not None)
            if missing is not None:
                print_line(missing)
            return ExitCode.DONE if missing is None else ExitCode.FAILED
        with open_history(settings, path) as state:
            names, version = _understood(state, words)
            newest_first = reverse or most is not None
            rows = _chosen(
                state, names, version, (since, until), actions, newest_first=newest_first
            )
            if most is not None:
                rows = islice(rows, most)
            if newest_first and not reverse:
                rows = reversed(deque(rows))
            _show(rows, as_json=as_json)
            unknown = unknown_names(state, filter(None, map(normalize, names)))
            for name in unknown if not context.quiet else ():
                print_line(unknown_project(state, settings, name))
    return ExitCode.FAILED if unknown else ExitCode.DONE


def _understood(state: State, words: Sequence[str]) -> tuple[Sequence[str], str | None]:
    """Return patterns of projects, and a version if one is named."""
    _selection(words[:1])
    if len(words) == 2:
        known = _chosen(state, words[:1], None, (None, None), ())
        if _is_version(words[1]) or any(row.version == words[1] for row in known):
            return words[:1], words[1]
    _selection(words)
    return words, None


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def _selection(words: Sequence[str]) -> ProjectFilter | None:
    """Return the selected projects; None: all.

    Exits with 2 if a word is no pattern.
    """
    try:
        return ProjectFilter(tuple(words)) if words else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _chosen(
    state: State,
    words: Sequence[str],
    version: str | None,
    period: tuple[float | None, float | None],
    actions: Collection[str],
    *,
    newest_first: bool = False,
) -> Iterator[HistoryRow]:
    selection = _selection(words)
    single = None
    if (
        selection is not None
        and selection.explicit_names is not None
        and len(selection.explicit_names) == 1
    ):
        (single,) = selection.explicit_names
    since, until = period
    found = state.history_rows.select(single, None, since, until, newest_first=newest_first)
    for row in found:
        if selection is not None and not selection.includes(row.project):
            continue
        if version is not None and not _is_of(row, version):
            continue
        if not actions or row.action in actions:
            yield row


def _is_of(row: HistoryRow, version: str) -> bool:
    return row.version is not None and same_version(row.version, version)


def _show(rows: Iterable[HistoryRow], *, as_json: bool, empty: bool = False) -> None:
    """Print the rows; without a mirror there is no table."""
    if as_json:
        _print_json(rows)
    elif not empty:
        pager.show(table(_HEADER, map(_cells, rows), wrapped=sys.stdout.isatty()))


def _print_json(rows: Iterable[HistoryRow]) -> None:
    lead = "["
    try:
        for row in rows:
            click.echo(lead + json.dumps(history_object(row)), nl=False)
            lead = ",\n "
    except YanksyncError:
        if lead != "[":  # valid JSON for the rows so far
            click.echo("]")
        raise
    click.echo("[]" if lead == "[" else "]")


def _cells(row: HistoryRow) -> tuple[str, ...]:
    files = [row.file] if row.file is not None else list(row.files)
    reason = "reason unknown" if row.reason is None else row.reason
    return (
        rfc3339(row.timestamp) or "",
        "observed" if row.serial is None else str(row.serial),
        row.action.value,
        row.project,
        row.version or "-",
        f"({', '.join(files)}) {reason}".rstrip() if files else reason,
    )
