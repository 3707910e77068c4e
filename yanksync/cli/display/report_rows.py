"""Prints the rows of ``verify`` and ``adopt``.

Each row is printed as it comes, because there may be millions.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

import click

from yanksync.cli.error_handling import printable
from yanksync.core.policies.cooldown import format_time


class ReportRow(Protocol):
    """One row, and what it says."""

    @property
    def kind(self) -> StrEnum:
        """The kind of the finding, or the result."""

    @property
    def project(self) -> str | None:
        """The project of this row."""

    @property
    def path(self) -> str:
        """The path."""

    @property
    def detail(self) -> str | None:
        """More, for people."""


class ReportWriter:
    """Prints rows as lines, or as an array in a JSON object.

    A context manager. The object also has the counts, unless the command fails before that.
    """

    def __init__(self, key: str, *, as_json: bool) -> None:
        """``key`` is the key of the array."""
        self._key = json.dumps(key)
        self._json = as_json
        self._begun = False

    def __enter__(self) -> ReportWriter:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None and self._begun:
            click.echo("\n]}")

    def write(
        self, row: ReportRow, more: Mapping[str, object] | None = None, note: str = ""
    ) -> None:
        """Print one row.

        JSON gets the keys of ``more``; a line gets ``note`` at its end.
        """
        if self._json:
            click.echo(",\n" if self._begun else f"{{{self._key}: [\n", nl=False)
            click.echo(json.dumps(row_object(row) | dict(more or {})), nl=False)
            self._begun = True
        else:
            detail = "" if row.detail is None else f": {row.detail}"
            click.echo(printable(f"{row.kind}  {row.path}{detail}{note}"))

    def end(self, counts: Mapping[str, object]) -> None:
        """Print the counts in JSON; print nothing after lines."""
        if self._json:
            click.echo(
                ("\n], " if self._begun else f"{{{self._key}: [], ") + json.dumps(counts)[1:]
            )


def row_object(row: ReportRow) -> dict[str, object]:
    """Return a row as it is printed in JSON."""
    return {
        "kind": str(row.kind),
        "project": row.project,
        "path": row.path,
        "detail": row.detail,
    }


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def rfc3339(seconds: float | None) -> str | None:
    """Return UTC seconds as RFC 3339."""
    return None if seconds is None else format_time(math.floor(seconds))


def rfc3339_end(seconds: float | None) -> str | None:
    """Return the end of a period as RFC 3339, rounded up."""
    return None if seconds is None else format_time(seconds)
