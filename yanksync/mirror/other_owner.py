"""Keeps root from writing into a mirror of another user."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from yanksync.config.settings import Settings
from yanksync.core.errors import WrongUser
from yanksync.core.layout import ROOT
from yanksync.system.file_lock import lock_path
from yanksync.system.ownership import command_as, owner_kept_out


def refuse_other_owner(settings: Settings) -> None:
    """Refuse to write as root into another user's mirror.

    Raises :class:`yanksync.core.errors.WrongUser`.
    """
    owners = {path: owner_kept_out(path) for path in _written(settings)}
    roots = [path for path, owner in owners.items() if owner is None and os.path.exists(path)]
    for path, owner in owners.items():
        if owner is not None:
            raise WrongUser(str(path), owner, _advice(owner, roots))


def other_owner(settings: Settings) -> str | None:
    """Return the owner of the mirror; None: this user may write."""
    owners = (owner_kept_out(path) for path in _written(settings))
    return next((owner for owner in owners if owner is not None), None)


def _advice(owner: str, roots: list[Path]) -> str:
    """Return advice for the user.

    ``roots`` are the paths of the mirror that root owns.
    """
    if roots:
        return f"{roots[0]} belongs to root: give all of the mirror to one user, with chown -R"
    return f"run as {owner}: {command_as(owner, sys.argv[1:])}"


def _written(settings: Settings) -> Iterator[Path]:
    """Yield the paths that every run writes.

    Places in object storage have no owner.
    """
    state, output = settings.mirror.state, settings.mirror.output
    if isinstance(state, Path):
        yield from (state, lock_path(state))
    if isinstance(output, Path):
        yield from (output, output / ROOT)
