"""Checks that the output is as the state left it."""

from __future__ import annotations

from itertools import islice

from msgspec import Struct

from yanksync.core.names import normalize
from yanksync.core.project_state import Presence, PublishReason
from yanksync.core.rules.transitions import DirectoryUnknown, transition
from yanksync.mirror.context import Mirror, log
from yanksync.output.inventory import is_project_directory
from yanksync.output.store import PublishedList
from yanksync.state.facts import NO_SERIAL, UNREAD, PublishedListRecord, Recovery
from yanksync.sync.recovery.output_survey import distrust_output, record_published_pages

# files that already wait for removal
_REMOVALS = (PublishReason.EXPLAINED, PublishReason.UNEXPLAINED, PublishReason.EXCLUDED)


_BATCH = 2000  # directories of the output compared with the state at once


class _Mismatch(Struct, frozen=True):
    """How the output differs from what this state wrote."""

    why: str  # the sign of that
    newer: bool  # the output may have changes that the state does not know


def check_output(mirror: Mirror, *, all_is_looked_at: bool = False) -> None:
    """Notice an output that this state did not write.

    State or output was lost or restored.

    The published list has the serial up to which upstream was followed. If that serial is above the
    one that this state wrote, or if the list is another one or is gone, two things happen. No page
    is replaced by one with a lower serial, and digests are void. With ``all_is_looked_at`` another
    list is no reason to write everything again, and the serial of every page is read.
    """
    facts = mirror.state.facts
    stands, tree = mirror.store.published_list(), facts.recovery.serial
    unlike = _find_mismatch(
        mirror, stands, recovering=tree is not None, by_stamp=not all_is_looked_at
    )
    if all_is_looked_at and unlike is None and tree is None:
        unlike = _newer_page(mirror)
    if unlike is not None:
        distrust_output(mirror.state, unlike.why, stands, newer=unlike.newer)
    elif tree is not None and not mirror.state.projects.any():  # a new state in object storage
        facts.change(Recovery, survey_due=True)
    record_published_pages(mirror)
    _note_building(mirror)


def _note_building(mirror: Mirror) -> None:
    """Note that this is a first build.

    If an earlier run began it, log how far it is.
    """
    facts = mirror.state.facts
    if facts.flag("building") or facts.published_list.written is None:
        done, total = mirror.state.projects.progress()
        if 0 < done < total:
            mirror.say(f"resuming a first build: {done:,} of {total:,} done")
        facts.put(building=1)


def note_built(mirror: Mirror) -> None:
    """Record that the first build is complete."""
    if mirror.state.facts.flag("building") and not mirror.stopping():
        mirror.state.facts.put(building=None)


def _find_mismatch(
    mirror: Mirror, stands: PublishedList, *, recovering: bool, by_stamp: bool
) -> _Mismatch | None:
    """Return the sign that the output has changed, or None.

    While it is ``recovering``, only another list is a new sign.
    """
    facts = mirror.state.facts
    # The cursor is no sign, because a pass may have moved it before it wrote a list. A pass that
    # died while it wrote the list has left the first of these two serials.
    ours = facts.published_list
    serials = (ours.serial_writing, ours.serial_written)
    known = max(NO_SERIAL if serial is None else serial for serial in serials)
    if not recovering and stands.serial is not None and stands.serial > known:
        return _Mismatch(f"the output is newer than the state (serial {stands.serial})", newer=True)
    if not recovering and ours.written is None:
        return _unfinished(mirror)
    stamp = ours.stamp
    if not by_stamp or stamp is None:
        return None
    if stamp == stands.stamp:
        return None if stamp else _nothing_published(mirror)
    # Otherwise it may be the list that was just being written.
    if ours.serial_writing is None or not stands.stamp:
        why = "the list of projects in the output is not the one that the last run wrote there"
        # Without a serial it is unknown which of the two is older.
        return _nothing_published(mirror) or _Mismatch(why, newer=stands.serial is None)
    return None


def _newer_page(mirror: Mirror) -> _Mismatch | None:
    """Compare the serial of every page with what the state knows.

    The list is older than the pages.
    """
    after = 0
    while rows := mirror.state.projects.next_batch(after, _BATCH):
        after = rows[-1].id
        known = {
            row.name: max(row.minimum_serial or 0, row.quarantine_serial or 0)
            for row in rows
            if row.published_serial is not None and not row.is_of_old_journal
        }
        for name, serial in zip(known, mirror.store.serials(list(known)), strict=True):
            if isinstance(serial, int) and serial > known[name]:
                why = f"the page of {name} in the output is newer than the state (serial {serial})"
                return _Mismatch(why, newer=True)
    return None


def _unfinished(mirror: Mirror) -> _Mismatch | None:
    """Compare the directories of an unfinished first build."""
    state = mirror.state
    names, found = mirror.store.names(), 0
    mirror.progress.expect("checking the output", state.projects.written())
    while batch := list(islice(names, _BATCH)):
        begun = state.projects.being_written(batch)
        for name in batch:
            if name not in begun and is_project_directory(mirror.store.directory_content(name)):
                return _Mismatch("the output has pages that the state does not know", newer=True)
        found += sum(begun.values())
        mirror.progress.advance(len(batch))
    missing = state.projects.written() - found
    return _Mismatch(f"{missing} published pages are missing", newer=False) if missing else None


def _nothing_published(mirror: Mirror) -> _Mismatch | None:
    """Return the finding that nothing is published any more.

    None if something is published, or if nothing ever was.
    """
    if mirror.state.projects.any_written() and next(iter(mirror.store.names()), None) is None:
        return _Mismatch("nothing is left of the pages that the last run published", newer=False)
    return None


def finish_recovery(mirror: Mirror) -> None:
    """Remove unknown directories once recovery is complete (R8)."""
    facts, state = mirror.state.facts, mirror.state
    tree = facts.recovery.serial
    if tree is None or state.fetch_queue.counts()[0] or facts.recovery.phase == UNREAD:
        return
    if max(facts.cursor or 0, facts.upstream_list.serial or 0) < tree:
        return
    now = mirror.now()
    with state.transaction():
        for name in mirror.store.names():
            if normalize(name) != name:
                log.warning("%s: no directory of a project; left alone", name)
            elif not state.fetch_queue.has(name):
                # otherwise its page is only late: the published one stays
                queue_unknown_directory(mirror, name, now)
        if not state.fetch_queue.counts()[0]:
            facts.change(Recovery, serial=None, phase=None)
            facts.change(PublishedListRecord, changed=True)


def queue_unknown_directory(mirror: Mirror, name: str, now: float) -> None:
    """Queue the removal of directory ``name``, unless the state has it."""
    state = mirror.state
    state.projects.add([(name, name)])
    (row,) = state.projects.get([name]).values()
    if row.presence is Presence.PRESENT or state.publish_queue.reason(row.id) in _REMOVALS:
        return
    if row.is_only_published:  # no pass has fetched its page yet
        state.fetch_queue.mark(name, None, now)
        return
    if row.published is None and not is_project_directory(mirror.store.directory_content(name)):
        return  # another program's
    state.apply(row, transition(row, DirectoryUnknown()), mirror.observation(now))
