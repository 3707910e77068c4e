"""Compares objects in storage with a state that may be older.

A run that takes over a lease does not know how far the earlier run came. So the ETags of all listed
objects are compared with those in the state. Objects that differ are marked as unpublished and put
again. The state then counts as older than the output, so that no page replaces one with a higher
serial.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import groupby

from yanksync.core import layout
from yanksync.core.project_state import Presence
from yanksync.core.rules.lost_file import Observation
from yanksync.core.rules.transitions import FilesDiffer, transition
from yanksync.output.inventory import OURS
from yanksync.output.object_storage.bucket import BucketClient
from yanksync.output.object_storage.published_objects import PublishedObjects
from yanksync.output.store import Etags
from yanksync.state.facts import UNREAD, PublishedListRecord, Recovery
from yanksync.state.state import State


def compare_etags(state: State, output: BucketClient) -> int:
    """Take over the ETags of the output; return the number of differences.

    Projects that differ are marked as unpublished, whatever the state knows about them, and all
    their files will be written. Raises :class:`ObjectStorageError` or
    :class:`yanksync.core.errors.PublishError`.
    """
    now = time.time()
    differs, top = 0, Etags()
    missing = state.etags.names() - {layout.LIST_KEY}
    with state.transaction():
        for name, found in _listed(output):
            if name == layout.LIST_KEY:
                top |= found  # a listing does not have these objects next to each other
                continue
            missing.discard(name)
            differs += _differs(state, name, found, now)
        for name in missing:
            differs += _differs(state, name, {}, now)
        if state.etags.of([layout.LIST_KEY])[layout.LIST_KEY] != top:
            differs += 1
            state.etags.put({layout.LIST_KEY: top})
            state.facts.change(PublishedListRecord, changed=True)
        if differs:
            state.facts.change(Recovery, phase=UNREAD)
            if state.facts.recovery.serial is None:
                store = PublishedObjects(output)
                stamp = store.published_list().stamp
                state.facts.change(Recovery, serial=store.list_serial() or 0)
                state.facts.change(PublishedListRecord, stamp=stamp)
    return differs


def _listed(output: BucketClient) -> Iterator[tuple[str, Etags]]:
    """Yield the listed objects of each project, and of the list."""

    def project(key: str) -> str:
        path = key.removeprefix(layout.ROOT).removeprefix("/")
        name, slash, _ = path.partition("/")
        if slash or (name and name not in OURS):
            return name  # no file name: the object whose key ends with the slash
        return layout.LIST_KEY

    rows = output.list(layout.ROOT)
    for name, group in groupby(rows, key=lambda listed: project(listed.key)):
        base = layout.directory(name or None)
        yield (
            name,
            {listed.key.removeprefix(base).removeprefix("/"): listed.etag for listed in group},
        )


def _differs(state: State, name: str, found: Etags, now: float) -> bool:
    if state.etags.of([name])[name] == found:
        return False
    state.etags.put({name: found})
    for row in state.projects.get([name]).values():
        if state.publish_queue.reason(row.id) is not None:
            state.publish_queue.mark_writing([row.id])
        elif row.presence is Presence.PRESENT:  # otherwise the recovery removes it
            state.apply(row, transition(row, FilesDiffer()), Observation(now))
    return True
