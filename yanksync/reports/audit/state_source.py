"""Reads facts about projects from the state of the mirror."""

from __future__ import annotations

from collections.abc import Callable, Collection

from msgspec.structs import replace

from yanksync.core.names import NormalizedName
from yanksync.core.project_state import Presence
from yanksync.core.rules.lost_files import page_with_lost_files
from yanksync.reports.audit.findings import KeptFile, ProjectFacts, RuledFile
from yanksync.state.project_rows import ProjectRow
from yanksync.state.state import State
from yanksync.state.views.stored_page import parse_stored_page, visible_page

Rules = Callable[[NormalizedName], Collection[RuledFile]]
"""Returns the files of a project that the operator's rules hide or mark."""

Kept = Callable[[NormalizedName], Collection[KeptFile]]
"""Returns the files of a project that the mirror offers although upstream removed them."""


def facts_of_state(
    state: State,
    names: Collection[NormalizedName],
    rules: Rules = lambda name: (),
    kept: Kept = lambda name: (),
) -> dict[NormalizedName, ProjectFacts]:
    """Return the facts of ``state`` about the projects ``names``.

    Raises :class:`yanksync.core.errors.InvalidAnswer` where a page of it cannot be read.
    """
    rows = state.projects.get(names)
    return {
        name: replace(_facts(state, name, rows.get(name), rules), kept=tuple(kept(name)))
        for name in names
    }


def _facts(
    state: State, name: NormalizedName, row: ProjectRow | None, rules: Rules
) -> ProjectFacts:
    if row is None:
        return ProjectFacts(name=name)
    events = tuple(state.history_rows.select(name))
    if row.presence is Presence.REMOVED:
        return ProjectFacts(name=name, gone=True, events=events)
    stored = state.projects.page(row.id) if row.presence is Presence.PRESENT else None
    if stored is None:
        return ProjectFacts(name=name, events=events)
    lost = state.lost_files.one(row.id)
    page = visible_page(row, page_with_lost_files(parse_stored_page(name, stored), lost))
    return ProjectFacts(name=name, page=page, events=events, ruled=tuple(rules(name)))
