"""Marks projects that the configuration names.

This needs no list.
"""

from __future__ import annotations

from yanksync.core.project_state import Presence
from yanksync.mirror.context import Mirror
from yanksync.state.facts import SelectionChange


def mark_named(mirror: Mirror, started: float, *, forced: bool = False) -> None:
    """Mark every named project as pending.

    It is not known which of them changed.
    """
    names = mirror.settings.mirror.selection.explicit_names or ()
    with mirror.state.transaction():
        mirror.state.projects.add((name, name) for name in names)
        for name in names:
            mirror.state.fetch_queue.mark(name, None, started, forced=forced, patient=not forced)
        mirror.state.facts.change(SelectionChange, listed=mirror.settings.mirror.selection.text)


def mark_all_named(mirror: Mirror, started: float) -> None:
    """Mark all named and all held projects, without ETags."""
    mark_named(mirror, started, forced=True)
    with mirror.state.transaction():
        for name in list(mirror.state.projects.names(Presence.PRESENT)):
            mirror.state.fetch_queue.mark(name, None, started, forced=True, patient=False)


def mark_missing_named(mirror: Mirror, started: float) -> None:
    """Mark the named projects without a page in the state.

    This needs no list.
    """
    names = mirror.settings.mirror.selection.spelled_out_names
    with mirror.state.transaction():
        mirror.state.projects.add((name, name) for name in names)
        for row in mirror.state.projects.get(names).values():
            if row.presence in (Presence.NEW, Presence.UNKNOWN):
                mirror.state.fetch_queue.mark(row.name, None, started)
        mirror.state.facts.change(SelectionChange, listed=mirror.settings.mirror.selection.text)
