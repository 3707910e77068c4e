"""Names of projects.

Completes them for shells, and suggests names for mistyped ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import click

from yanksync.cli.error_handling import did_you_mean
from yanksync.config.settings import Settings
from yanksync.core.errors import YanksyncError
from yanksync.core.names import NormalizedName, normalize
from yanksync.state.sqlite.files import exists
from yanksync.state.state import State

_MOST = 500  # names offered to a shell


def complete_project(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[str]:
    """Return the projects of the state that begin with ``incomplete``."""
    from yanksync.config.load import load

    try:
        path = load(context.find_root().params.get("config"), os.environ).mirror.state
        if not isinstance(path, Path) or not exists(path):
            return []
        with State(path, create=False, read_only=True) as state:
            return [*state.projects.beginning(incomplete.lower(), _MOST)]
    except YanksyncError:  # a shell has no place for a message
        return []


def valid_name(text: str) -> NormalizedName:
    """Return the normalised name of ``text``; exit with 2 if not valid."""
    name = normalize(text)
    if name is None:
        raise click.BadParameter(f"{text!r} is no valid project name")
    return name


def unknown_names(state: State, names: Iterable[NormalizedName]) -> list[NormalizedName]:
    """Return the names that neither state nor history has."""
    asked = list(names)
    known = state.projects.get(asked)
    return [
        name
        for name in asked
        if name not in known and next(state.history_rows.select(name), None) is None
    ]


def unknown_project(state: State, settings: Settings, name: NormalizedName) -> str:
    """Return the message for a project that the mirror does not know."""
    if name in state.forgotten.names():
        return f"{name}: it was forgotten, so it is not mirrored; see 'yanksync forget --list'"
    if not settings.mirror.selection.includes(name):
        return (
            f"{name}: mirror.projects and mirror.exclude leave it out{suggest_known(state, name)}"
        )
    if settings.is_closed_set:
        return f"{name}: no file of files.lock_files names it, so it is not mirrored"
    return f"{name}: the mirror knows no such project{suggest_known(state, name)}"


def suggest_known(state: State, name: str) -> str:
    """Return "did you mean …?" with the closest project of the state."""
    if state.projects.present([name]):
        return ""
    return did_you_mean(name, state.projects.similar(name))


def suggest_unopened(settings: Settings, names: Iterable[str]) -> dict[str, str]:
    """Return that question for each name; opens the state."""
    from yanksync.mirror.state_access import path_for_reading

    place = settings.mirror.state
    if isinstance(place, Path) and not exists(place):  # the caller has reported that
        return dict.fromkeys(names, "")
    with path_for_reading(settings) as path:
        if not exists(path):
            return dict.fromkeys(names, "")
        with State(path, create=False, read_only=True) as state:
            return {name: suggest_known(state, name) for name in names}
