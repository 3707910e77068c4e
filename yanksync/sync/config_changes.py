"""Step 0: compares configuration and output with the state.

After a change of policy the pages that it concerns become unpublished. That costs no request. A
state that is older than the output no longer trusts its facts about the output.
"""

from __future__ import annotations

from yanksync.config.settings import Settings
from yanksync.core.urls import redacted
from yanksync.mirror.context import Mirror, log
from yanksync.state.facts import AppliedConfig, EventLogPosition, PublishedListRecord
from yanksync.sync.publish_list import ANY_COPIES

RENDERING = 1
"""Raised when the same value renders to other bytes, so that every page is written again."""


def apply_policies(mirror: Mirror) -> None:
    """Mark the pages for publishing that a changed policy concerns."""
    if mirror.settings.copies_files:
        from yanksync.sync.package_files.retention import (
            queue_changed,  # start-up: few mirrors copy files
        )

        queue_changed(mirror)
    facts, state = mirror.state.facts, mirror.state
    wanted = rendering_policy(mirror.settings)
    place = mirror.settings.mirror.output_identity
    known = facts.config
    if mirror.settings.copies_files:
        _note_withheld(mirror, known.withheld)
    moved = (known.output or "") != place
    if not moved and known.policy == wanted:
        return
    now = mirror.now()
    with state.transaction():
        if moved:
            if known.policy is not None:
                log.info("the output has moved; publishing every page again")
                # none is written there yet
                facts.change(PublishedListRecord, codecs=ANY_COPIES, stamp=None)
            state.distrust_output()
            if facts.event_log.epoch is not None:
                facts.change(EventLogPosition, published=None, archived=None)
        if known.policy not in (None, wanted):
            log.info("the configuration of the output has changed; rendering every page again")
            state.publish_queue.add_all(now)
        facts.change(PublishedListRecord, changed=True)
        facts.change(AppliedConfig, output=place, policy=wanted)
        if mirror.settings.copies_files:
            facts.change(AppliedConfig, has_copies=True)


def _note_withheld(mirror: Mirror, known: str | None) -> None:
    """Note the place of copies that are out of service.

    The newest place is the last one. ``forget`` looks in all of them later.
    """
    places = [] if known is None else known.splitlines()
    place = str(mirror.settings.withheld)
    if places and places[-1] == place:
        return
    noted = [*(one for one in places if one != place), place]
    mirror.state.facts.change(AppliedConfig, withheld="\n".join(noted))
    if places and (count := mirror.state.package_files.counts().withheld):
        log.warning(
            "files.withheld was %s, where %d package files are out of service; move them to %s. "
            "Until then they cannot be restored, and are not deleted when their time is over",
            redacted(places[-1]),
            count,
            redacted(place),
        )


def selection_changed(mirror: Mirror) -> bool:
    """Return True if the selection changed since the last list."""
    known = mirror.state.facts.selection.listed
    return known not in (None, mirror.settings.mirror.selection.text)


def rendering_policy(settings: Settings) -> str:
    """Return the settings on which the bytes of every page depend."""
    section = settings.mirror
    legacy = " legacy" if section.legacy_json else ""
    copies = f" copies {settings.files.missing}" if settings.copies_files else ""
    return f"{RENDERING} {section.yanked} {' '.join(section.compress)}{legacy}{copies}"
