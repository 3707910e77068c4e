"""Refuses commands that cannot work with an output made of bundles."""

from __future__ import annotations

from pathlib import Path

from yanksync.config.settings import Settings
from yanksync.core.errors import BundledOutput, StateError, YanksyncError
from yanksync.state.state import State


def refuse_to_follow(settings: Settings, state: State) -> None:
    """Raise :class:`BundledOutput` for an output that is made of bundles."""
    if state.facts.applied_bundle.source is not None:
        mirror = settings.mirror
        raise BundledOutput(
            str(mirror.state),
            f"{mirror.output} is made of bundles, so nothing was done. 'yanksync bundle apply' "
            "changes it. If it is to follow upstream from now on, name upstream.simple_url and "
            f"mirror.files = \"copy\", move {mirror.state} away, and run 'yanksync sync'",
        )


def open_history(settings: Settings, path: Path) -> State:
    """Open the state to read pages and withdrawals.

    Raises :class:`StateError`, also for an output that is made of bundles. Bundles bring no
    history. An empty history would mean that nothing was withdrawn.
    """
    state = State(path, create=False, read_only=True)
    try:
        refuse_received(settings, state)
    except YanksyncError:
        state.close()
        raise
    return state


def refuse_received(settings: Settings, state: State) -> None:
    """Raise :class:`StateError` for an output that is made of bundles."""
    if state.facts.applied_bundle.source is not None:
        raise StateError(
            str(settings.mirror.state),
            f"{settings.mirror.output} is made of bundles, which bring pages and no history. Run "
            "this command where 'yanksync bundle create' runs; 'yanksync audit --withdrawals' can "
            "ask the log that bundles bring",
        )
