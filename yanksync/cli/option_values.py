"""Checks of values that several commands take."""

from __future__ import annotations

import os
from typing import TypeVar

import click

PathLike = TypeVar("PathLike", str, os.PathLike[str])


def check_directory(
    context: click.Context, parameter: click.Parameter, value: PathLike | None
) -> PathLike | None:
    """Refuse a file whose directory does not exist: no flag makes one."""
    if value is not None:
        directory = os.path.dirname(os.path.abspath(value))
        if not os.path.isdir(directory):
            raise click.BadParameter(f"there is no directory {directory}; make it first")
    return value
