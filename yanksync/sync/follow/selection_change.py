"""Step 0: applies a changed ``projects`` or ``exclude``, or holds it.

A mistake (a typo, an unset variable) must not empty a mirror. So a large narrowing waits for a
person, and so does one with new names that upstream lacks. Until the decision, the projects that it
leaves out are mirrored as before, so that their yanks and removals are followed.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from yanksync.config.project_filter import ProjectFilter, WiderFilter
from yanksync.core.names import NormalizedName
from yanksync.core.project_state import Presence
from yanksync.core.rules.removal_guard import selection_holds
from yanksync.mirror.context import Mirror
from yanksync.state.facts import Facts, SelectionChange
from yanksync.sync.config_changes import selection_changed

_SHOWN = 10  # names in a message


def apply_selection(mirror: Mirror) -> Mirror:
    """Remove projects outside the selection, or hold that.

    Returns the mirror to work with. While the decision is open, it also selects the earlier
    projects.
    """
    facts = mirror.state.facts
    mirror.totals.held.pop("selection", None)
    wanted = mirror.settings.mirror.selection
    known = facts.selection
    if known.applied == wanted.text:
        if known.wanted is not None:  # the mistake was corrected
            _narrow(mirror)  # projects of only that selection
        return mirror
    before = _selection(known.applied) or _as_published(mirror)
    if before is None:
        _store_selection(mirror.state.facts, wanted)
        return mirror
    if selection_changed(mirror) and not _is_wider(mirror):
        facts.change(SelectionChange, listed=wanted.text)
    if known.wanted not in (None, wanted.text):
        _let_go(_with(mirror, before))  # projects that only the selection held before had
    left_out = [
        name
        for name in mirror.state.projects.published_names()
        if before.includes(name) and not wanted.includes(name)
    ]
    if left_out and facts.selection.approved != wanted.text:
        why = _why_held(mirror, before, left_out)
        if why is not None or _waits_for_names(mirror, before):
            _hold(mirror, why)
            return _with(mirror, before)
    _narrow(mirror)
    return mirror


def _selection(text: str | None) -> ProjectFilter | None:
    try:
        return None if text is None else ProjectFilter.from_text(text)
    except ValueError:  # an older version stored another form
        return None


def _as_published(mirror: Mirror) -> ProjectFilter | None:
    """Return the published projects as the earlier selection.

    None: the configuration selects all of them. This selection is kept until the decision.
    """
    wanted = mirror.settings.mirror.selection
    names = tuple(mirror.state.projects.published_names())
    if all(map(wanted.includes, names)):
        return None
    before = ProjectFilter(names)
    mirror.state.facts.change(SelectionChange, applied=before.text)
    return before


def _with(mirror: Mirror, before: ProjectFilter) -> Mirror:
    """Return the mirror, which then also selects what ``before`` selects."""
    own = mirror.settings.mirror.selection
    wider = WiderFilter(projects=own.projects, exclude=own.exclude, also=before)
    section = replace(mirror.settings.mirror, selection=wider)
    return replace(mirror, settings=replace(mirror.settings, mirror=section))


def _why_held(
    mirror: Mirror, before: ProjectFilter, left_out: Sequence[NormalizedName]
) -> str | None:
    """Return why a person must approve the removal of ``left_out``.

    None: they may be removed.
    """
    published = mirror.state.projects.published()
    why = selection_holds(len(left_out), published, mirror.settings.guard)
    if why is not None:
        return f"{why}: {_some(left_out)}"
    rows = mirror.state.projects.get(_added(mirror, before))
    unknown = [
        row.name for row in rows.values() if row.presence in (Presence.UNKNOWN, Presence.REMOVED)
    ]
    if not unknown:
        return None
    from difflib import get_close_matches  # start-up: few ever need it

    near = get_close_matches(unknown[0], left_out, 1)
    hint = f"; perhaps {near[0]} is meant" if near else ""
    return f"it takes away {_some(left_out)}, and upstream does not have {_some(unknown)}{hint}"


def _added(mirror: Mirror, before: ProjectFilter) -> list[NormalizedName]:
    """Return new names, and names that only a pattern had before.

    A pattern may still match them.
    """
    return [
        name
        for name in mirror.settings.mirror.selection.spelled_out_names
        if name not in before.spelled_out_names
    ]


def _waits_for_names(mirror: Mirror, before: ProjectFilter) -> bool:
    """Return whether upstream must still be asked for a new name.

    The name may be misspelt.
    """
    added = _added(mirror, before)
    rows = mirror.state.projects.get(added)
    return any(name not in rows or rows[name].presence is Presence.NEW for name in added)


def _hold(mirror: Mirror, why: str | None) -> None:
    facts = mirror.state.facts
    wanted = mirror.settings.mirror.selection.text
    known = facts.selection
    same = known.wanted == wanted
    if not same or known.held != why:
        since = (known.held_since if same else None) or mirror.now()
        facts.selection = SelectionChange(
            known.listed, known.applied, wanted, why, None if why is None else since
        )
    if why is not None:
        locks = "files.lock_files, " if mirror.settings.is_closed_set else ""
        mirror.totals.held["selection"] = (
            f"{locks}mirror.projects or mirror.exclude has changed, and {why}; nothing is removed. "
            "Correct the configuration, or run 'yanksync approve'"
        )


def _narrow(mirror: Mirror) -> None:
    """Remove every project that the selection leaves out."""
    with mirror.state.transaction():
        _let_go(mirror)
        _store_selection(mirror.state.facts, mirror.settings.mirror.selection)


def _let_go(mirror: Mirror) -> None:
    state, selects = mirror.state, mirror.settings.is_mirrored
    left_out = [
        name
        for presence in Presence
        for name in state.projects.names(presence)
        if not selects(name)
    ]
    with state.transaction():
        state.drop_unselected(left_out, mirror.now())


def _store_selection(facts: Facts, selection: ProjectFilter) -> None:
    """Note that the selection is in force, and not held."""
    facts.selection = SelectionChange(facts.selection.listed, selection.text)


def _is_wider(mirror: Mirror) -> bool:
    """Return whether the selection may have got new projects."""
    new = mirror.settings.mirror.selection
    before = _selection(mirror.state.facts.selection.listed)
    if before is None or not before.covers(new):
        return True
    # A name without a row has to be fetched before it can be reported as unknown.
    return len(mirror.state.projects.get(new.spelled_out_names)) < len(new.spelled_out_names)


def _some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
