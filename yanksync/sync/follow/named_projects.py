"""Asks for projects that the configuration names; no list is needed for that."""

from __future__ import annotations

from yanksync.core.project_state import Presence
from yanksync.mirror.context import Mirror
from yanksync.state.facts import SelectionChange


def mark_named(mirror: Mirror, started: float, *, forced: bool = False) -> None:
    """Ask for every named project: there is nothing that tells which of them changed."""
    names = mirror.settings.mirror.selection.explicit_names or ()
    with mirror.state.transaction():
        mirror.state.projects.add((name, name) for name in names)
        for name in names:
            mirror.state.fetch_queue.mark(name, None, started, forced=forced, patient=not forced)
        mirror.state.facts.change(SelectionChange, listed=mirror.settings.mirror.selection.text)


def mark_all_named(mirror: Mirror, started: float) -> None:
    """Ask for every named project without ETag, and for those that are held besides."""
    mark_named(mirror, started, forced=True)
    with mirror.state.transaction():
        for name in list(mirror.state.projects.names(Presence.PRESENT)):
            mirror.state.fetch_queue.mark(name, None, started, forced=True, patient=False)


def mark_missing_named(mirror: Mirror, started: float) -> None:
    """Ask for the named projects that the state holds no page of; no list is needed for that."""
    names = mirror.settings.mirror.selection.spelled_out_names
    with mirror.state.transaction():
        mirror.state.projects.add((name, name) for name in names)
        for row in mirror.state.projects.get(names).values():
            if row.presence in (Presence.NEW, Presence.UNKNOWN):
                mirror.state.fetch_queue.mark(row.name, None, started)
        mirror.state.facts.change(SelectionChange, listed=mirror.settings.mirror.selection.text)
