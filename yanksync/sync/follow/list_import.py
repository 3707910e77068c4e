"""Compares a list of projects with the state.

A list is evidence of what is there, and never of what is not unless it is as new as what is known;
names that leave it are counted before any page is asked for (R8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from msgspec import Struct

from yanksync.core.model import UNKNOWN_FORMS, ProjectList
from yanksync.core.names import normalize
from yanksync.core.project_state import EMPTY_LIST
from yanksync.core.rules.removal_guard import EXPLAINED_FLOOR, LISTED_SHARE, removal_limit
from yanksync.mirror.context import Mirror, log
from yanksync.output.inventory import is_project_directory
from yanksync.state.list_import import ListImport
from yanksync.sync.follow.set_back import check_rows

_STANDING = 2000  # directories of the output compared with the state at once


class ListUse(Struct, frozen=True):
    """What a list of projects is read for."""

    mark: Callable[[ListImport, float], None]  # asks for the projects that are on it
    delisted: bool = True  # whether those are asked for that left it
    directories: bool = True  # whether those are that are published and not on it


WIDER_SELECTION = ListUse(ListImport.mark_missing, delisted=False, directories=False)
NEWS = ListUse(ListImport.mark_newer)
FULL_RESYNC = ListUse(ListImport.mark_all)
OTHER_UPSTREAM = ListUse(ListImport.mark_all, directories=False)


def import_list(
    mirror: Mirror,
    projects: ProjectList,
    use: ListUse,
    started: float,
    *,
    followed: bool = False,
    are_new: bool = False,
) -> None:
    """Compare the list with the state, and mark what ``use`` says.

    Runs in a transaction.

    ``followed``: it stands in for the journal, and may show that upstream was put back.
    ``are_new``: projects that are not known have appeared since the list before. Raises
    :class:`yanksync.core.errors.JournalReplaced` then.
    """
    _import_rows(mirror, projects, are_new=are_new)
    if followed:
        check_rows(mirror, projects, started)
    use.mark(mirror.state.list_import, started)
    if followed:
        mirror.state.list_import.mark_revised(started)
    if use.delisted:
        _mark_delisted(mirror, projects, started)
    if use.directories:
        _mark_unlisted_directories(mirror, projects, started)
    _mark_unlisted_names(mirror, projects, started)
    mirror.state.list_import.drop()


def _import_rows(mirror: Mirror, projects: ProjectList, *, are_new: bool) -> None:
    """Hold the list against the state: its mirrored rows only."""
    selection = mirror.settings.mirror.selection
    selects = None if selection.includes_all else selection.includes
    skipped = 0

    def rows() -> Iterator[tuple[str, str, int | None, int | None]]:
        nonlocal skipped
        for display, serial, revision in projects.rows:
            name = normalize(display)
            if name is None:
                skipped += 1
            elif selects is None or selects(name):
                yield name, display, serial, revision

    mirror.state.list_import.import_rows(rows(), are_new=are_new)
    if skipped:
        log.info("%d listed names are no valid project names; skipped", skipped)


def _mark_delisted(mirror: Mirror, projects: ProjectList, started: float) -> None:
    """Ask for the projects that left the list.

    Too many of them are held before that (R8).
    """
    mirror.totals.held.pop("left-list", None)
    mirror.state.list_import.release_returned()
    left = mirror.state.list_import.note_left_out(projects.serial, started, empty=projects.empty)
    limit = removal_limit(EXPLAINED_FLOOR, LISTED_SHARE, mirror.state.projects.published())
    if len(left) > limit:  # of some, nothing is published when the state was put back
        rows = mirror.state.projects.get(left)
        left = [name for name in left if rows[name].published is not None]
    if len(left) > limit:
        why = f"{len(left)} projects left the list of projects at once, more than {limit}"
        mirror.totals.held["left-list"] = f"{why}; see 'yanksync holds'"
        mirror.state.fetch_queue.hold(left, why, mirror.now())


def _mark_unlisted_directories(mirror: Mirror, projects: ProjectList, started: float) -> None:
    """Fetch published, unlisted projects first, with an empty state.

    It was quarantined or removed unnoticed, because the state was lost or another
    program made the tree: its files are not to be offered until a whole first build is through
    (R9), and a 404 is explained by the list.
    """
    facts, state = mirror.state.facts, mirror.state
    if facts.recovery.serial is None or facts.upstream_list.serial is not None:
        return
    serial = EMPTY_LIST if projects.empty or projects.serial is None else projects.serial
    selects = mirror.settings.is_mirrored
    names = (name for name in mirror.store.names() if normalize(name) == name and selects(name))
    while batch := list(islice(names, _STANDING)):
        known = state.projects.get(batch)
        unlisted = [name for name in batch if name not in known]
        strays = [
            name for name in unlisted if is_project_directory(mirror.store.directory_content(name))
        ]
        state.projects.add((name, name) for name in strays)
        rows = state.projects.get(strays)
        state.publish_queue.mark_published(
            [(row.id, UNKNOWN_FORMS, False, None) for row in rows.values()]
        )
        for name in rows:
            state.projects.mark_delisted(name, serial)
            state.fetch_queue.mark(name, None, started, urgent=True)


def _mark_unlisted_names(mirror: Mirror, projects: ProjectList, started: float) -> None:
    """Ask for named projects that the list does not have.

    Quarantined ones are left out of it.
    """
    named = mirror.settings.mirror.selection.spelled_out_names
    if not named:
        return
    wanted = frozenset(named)
    listed = {row.name for row in projects.projects if row.name in wanted}
    unlisted = [name for name in named if name not in listed]
    mirror.state.projects.add((name, name) for name in unlisted)
    rows = mirror.state.projects.get(unlisted)
    for name in unlisted:
        if rows[name].presence == "new":
            mirror.state.fetch_queue.mark(name, None, started)
