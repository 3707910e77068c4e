"""Compares a list of projects with the state.

A list shows which projects exist. It shows that a project is gone only if it is as new as the known
facts about the project. Names that leave the list are counted before any page is fetched (R8).
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

_STANDING = 2000  # directories that are compared with the state at once


class ListUse(Struct, frozen=True):
    """The purpose of reading a list of projects."""

    mark: Callable[[ListImport, float], None]  # marks projects that are on the list
    delisted: bool = True  # also fetch projects that left it
    directories: bool = True  # also fetch published projects that are not on it


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
    """Compare the list with the state, and mark projects for ``use``.

    Runs in a transaction.

    ``followed``: the list is followed instead of the journal, and may show that upstream was put
    back. Then this raises :class:`yanksync.core.errors.JournalReplaced`. ``are_new``: unknown
    projects have appeared after the list before.
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
    """Compare the mirrored rows of the list with the state."""
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
    """Mark the projects that left the list.

    If they are too many, they are held first (R8).
    """
    mirror.totals.held.pop("left-list", None)
    mirror.state.list_import.release_returned()
    left = mirror.state.list_import.note_left_out(projects.serial, started, empty=projects.empty)
    limit = removal_limit(EXPLAINED_FLOOR, LISTED_SHARE, mirror.state.projects.published())
    if len(left) > limit:  # after a restore of the state, some may have no page
        rows = mirror.state.projects.get(left)
        left = [name for name in left if rows[name].published is not None]
    if len(left) > limit:
        why = f"{len(left)} projects left the list of projects at once, more than {limit}"
        mirror.totals.held["left-list"] = f"{why}; see 'yanksync holds'"
        mirror.state.fetch_queue.hold(left, why, mirror.now())


def _mark_unlisted_directories(mirror: Mirror, projects: ProjectList, started: float) -> None:
    """Fetch published, unlisted projects first, with an empty state.

    Such a project was quarantined or removed unnoticed, because the state was lost or another
    program made the tree. The mirror must not offer its files until the whole first build is done
    (R9). The list explains a 404.
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
    """Mark named projects that the list does not have.

    Lists do not have quarantined projects.
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
