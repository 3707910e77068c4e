"""Checks of values that several commands take."""

from __future__ import annotations

import os
from typing import TypeVar

import click

from yanksync.config.value_types import size

PathLike = TypeVar("PathLike", str, os.PathLike[str])


def check_directory(
    context: click.Context, parameter: click.Parameter, value: PathLike | None
) -> PathLike | None:
    """Refuse a file whose directory does not exist: flags make none."""
    if value is not None:
        directory = os.path.dirname(os.path.abspath(value))
        if not os.path.isdir(directory):
            raise click.BadParameter(f"there is no directory {directory}; make it first")
    return value


_LEAST, _MOST = 1 << 10, 1 << 40  # bytes per second


def _rate(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """Return bytes per second."""
    if value is None:
        return None
    kind = size(_LEAST, _MOST)
    try:
        return int(kind.check(kind.read(value)))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


rate_option = click.option(
    "--rate",
    metavar="SIZE",
    callback=_rate,
    help="Read package files no faster than SIZE a second, such as 50MiB.",
)
