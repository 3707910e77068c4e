"""Prints the differences of ``compare``, a row for each."""

from __future__ import annotations

import json

import click

from yanksync.cli.display.columns import counted
from yanksync.cli.display.report_rows import rfc3339
from yanksync.cli.error_handling import printable
from yanksync.reports.compare.differences import Comparison, Difference, DifferenceKind

_FINDING = max(map(len, DifferenceKind))
_PIN = 28  # columns; a longer pin moves the rest of its line
_NAMED = 3  # files of a difference that are named
_HEADER = f"{'FINDING':{_FINDING}}  {'PROJECT':{_PIN}}  {'SINCE':10}  DETAIL"


class DifferenceWriter:
    """Prints differences as lines of a table, or as a JSON object.

    A context manager.
    """

    def __init__(self, *, as_json: bool, notes: bool) -> None:
        """``notes``: print notes in the table, too; JSON always has them."""
        self._json = as_json
        self._notes = notes
        self._begun = False

    def __enter__(self) -> DifferenceWriter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._json and self._begun:  # the command failed: end the array, for valid JSON
            click.echo("\n]}")

    def write(self, one: Difference) -> None:
        """Print one difference."""
        if self._json:
            lead = ",\n" if self._begun else '{"differences": [\n'
            click.echo(lead + json.dumps(difference_object(one)), nl=False)
        elif self._notes or not one.is_note:
            if not self._begun:
                click.echo(_HEADER)
            click.echo(printable(_line(one)))
        else:
            return
        self._begun = True

    def end(self, summary: Comparison, index: str, state: str) -> None:
        """Print the summary."""
        if self._json:
            lead = "\n], " if self._begun else '{"differences": [], '
            click.echo(lead + json.dumps(summary_object(summary, index, state))[1:])
            self._begun = False
            return
        for line in _summary_lines(summary, index):
            click.echo(printable(line))


def difference_object(one: Difference) -> dict[str, object]:
    """Return a difference with its documented keys."""
    return {
        "kind": one.kind.value,
        "finding": not one.is_note,
        "project": one.project,
        "version": one.version,
        "files": list(one.files),
        "reason": one.reason,
        "index_reason": one.index_reason,
        "since": rfc3339(one.since),
        "serial": one.serial,
        "index_serial": one.index_serial,
        "problem": one.problem,
    }


def summary_object(summary: Comparison, index: str, state: str) -> dict[str, object]:
    """Return the summary of a comparison with its documented keys."""
    return {
        "index": index,
        "state": state,
        "projects": summary.compared,
        "findings": summary.findings,
        "kinds": {kind.value: summary.kinds[kind] for kind in DifferenceKind},
        "serial": summary.serial,
        "index_serial": summary.index_serial,
        "behind_since": rfc3339(summary.behind_since),
        "oldest_withdrawal": rfc3339(summary.oldest),
        "complete": summary.problem is None,
        "problem": summary.problem,
    }


def _line(one: Difference) -> str:
    pin = one.project if one.version is None else f"{one.project} {one.version}"
    since = (rfc3339(one.since) or "-")[:10]
    return f"{one.kind:{_FINDING}}  {pin:{_PIN}}  {since:10}  {_detail(one)}".rstrip()


def _detail(one: Difference) -> str:
    parts = []
    if one.problem is not None:
        parts.append(one.problem)
    if one.index_serial is not None:
        parts.append(f"serial {one.index_serial}, here {one.serial}")
    if one.reason:
        parts.append(one.reason)
    if one.index_reason:
        parts.append(f"the index says: {one.index_reason}")
    if one.files:
        more = len(one.files) - _NAMED
        some = ", ".join(one.files[:_NAMED])
        parts.append(f"({some}{f' and {more} more' if more > 0 else ''})")
    return "; ".join(parts)


def _summary_lines(summary: Comparison, index: str) -> list[str]:
    """Return the summary for people."""
    notes = sum(summary.kinds.values()) - summary.findings
    done = f"{summary.compared} of {summary.expected} projects of {index} compared"
    lines = [f"{done}: {counted(summary.findings, 'finding')}, {counted(notes, 'note')}"]
    if summary.index_serial is not None and summary.serial is not None:
        behind = summary.serial - summary.index_serial
        lines.append(
            f"the index is at serial {summary.index_serial}, the state at {summary.serial}"
            + (f": {behind} behind" if behind > 0 else "")
        )
    if summary.behind_since is not None:
        since = rfc3339(summary.behind_since)
        lines.append(f"by its serial it lacks withdrawals since {since}")
    if summary.oldest is not None:
        lines.append(f"the oldest withdrawal that it does not show is of {rfc3339(summary.oldest)}")
    return lines
