"""Notes what is published if the state does not know.

The state was lost, or is older than the output. After that, guards count these pages, and the list
of projects names them. Upstream's next page of each project is compared with its published page
(rules R7 and R8).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from yanksync.core.errors import JournalReplaced, PublishError
from yanksync.core.names import normalize
from yanksync.mirror.context import Mirror, log
from yanksync.output.inventory import is_project_directory
from yanksync.output.store import PublishedList, Store
from yanksync.state.facts import (
    OTHER_EPOCH,
    UNCHECKED,
    UNREAD,
    EventLogPosition,
    PublishedListRecord,
    Recovery,
)
from yanksync.state.state import State
from yanksync.sync.publish_list import ANY_COPIES

IN_A_ROW = 4  # unreadable pages in a row: then no page can be read
_BATCH = 2000  # directories of the output that are read at once

_KEPT = (
    "yanksync replaces no page by an older one, and brings none back before it has read what "
    "changed upstream"
)
_WRITTEN = "yanksync compares every page with the state, and writes those that differ"


def distrust_output(state: State, why: str, stands: PublishedList, *, newer: bool) -> None:
    """Void all digests: the output differs from what this state wrote.

    ``newer``: the output may have changes that the state does not know.
    """
    facts = state.facts
    tree = facts.recovery.serial
    # An empty state was reported as missing when it was opened.
    level = logging.WARNING if state.projects.any() else logging.INFO
    log.log(level, "%s; %s", why, _KEPT if newer else _WRITTEN)
    with state.transaction():
        state.distrust_output()
        facts.change(
            Recovery, serial=tree if tree == OTHER_EPOCH else max(stands.serial or 0, tree or 0)
        )
        facts.change(PublishedListRecord, changed=True, codecs=ANY_COPIES, stamp=stands.stamp)
        facts.change(Recovery, copies=UNCHECKED)
        # This includes the files about withdrawals.
        facts.change(EventLogPosition, settings=None, archived=None, archived_at=None)
        if newer:
            facts.change(Recovery, phase=UNREAD, survey_due=True)


def record_published_pages(mirror: Mirror) -> None:
    """Record the serial of every published page, once per recovery.

    The list of projects may be older by ``list_interval``, and a first build that died wrote none.
    The newest page shows how far upstream was followed.
    """
    facts, newest = mirror.state.facts, 0
    if not facts.recovery.survey_due:
        return
    remote = not isinstance(mirror.settings.mirror.output, Path)  # there each file costs a request
    names = (name for name in mirror.store.names() if normalize(name) == name)
    while batch := list(islice(names, _BATCH)):
        found = dict(_published(mirror.store, batch, remote=remote))
        newest = max(newest, *(serial or 0 for serial in found.values()), 0)
        with mirror.state.transaction():
            mirror.state.projects.note_published(found.items())
    tree = facts.recovery.serial or 0
    with mirror.state.transaction():
        if tree != OTHER_EPOCH:
            facts.change(Recovery, serial=max(tree, newest))
        facts.change(Recovery, survey_due=False)


def older_than_output(last: int, tree: int) -> JournalReplaced:
    """Return the error that upstream is behind the published pages."""
    return JournalReplaced(last, f"it ends there, and the output is of serial {tree}")


def check_published(mirror: Mirror, last: int) -> None:
    """Compare upstream's journal, up to ``last``, with the output (R14).

    A lost state knows no row of the journal. A page's serial is the serial of an entry about its
    project, so the newest page shows which index it is. Raises :class:`JournalReplaced`.
    """
    tree = mirror.state.facts.recovery.serial or 0
    if last < tree:
        raise older_than_output(last, tree)
    newest = mirror.state.projects.newest_published() if tree > 0 else None
    if newest is None:
        return
    name, serial = newest
    rows = next(iter(mirror.upstream.entries(serial - 1)), ())
    # A gap there proves nothing.
    if rows and rows[0].serial == serial and normalize(rows[0].name) != name:
        why = f"its entry is about {rows[0].name!r}, and the output has the page of {name} there"
        raise JournalReplaced(serial, why)


def _published(
    store: Store, names: Sequence[str], *, remote: bool
) -> Iterator[tuple[str, int | None]]:
    """Yield the pages among these directories, with their serials.

    Raises :class:`PublishError` if object storage can no longer be read.
    """
    in_a_row = 0
    for name, serial in zip(names, store.serials(names, quick=remote), strict=True):
        if isinstance(serial, PublishError):
            in_a_row += 1
            if remote and in_a_row == IN_A_ROW:
                raise serial
            yield name, None
            continue
        in_a_row = 0
        if serial is not None or is_project_directory(store.directory_content(name)):
            yield name, serial
