"""Step 0, first part: what the configuration and the output say against what the state remembers.

A change of policy makes what it concerns unpublished and costs no request; a state that is older
than the tree stops trusting what it knows of the tree.
"""

from __future__ import annotations

from yanksync.config import settings
from yanksync.mirror.context import Mirror, log
from yanksync.sync.publish_list import ANY_COPIES

RENDERING = 1
"""Raised when the same value renders to other bytes, so that every page is written anew."""


def apply_policies(mirror: Mirror) -> None:
    """Mark for publishing whatever a changed policy concerns."""
    facts, state = mirror.state.facts, mirror.state
    wanted = rendering_policy(mirror.settings.mirror)
    place = mirror.settings.mirror.output_identity
    moved = (facts.text("place") or "") != place
    if not moved and facts.text("policy") == wanted:
        return
    now = mirror.now()
    with state.transaction():
        if moved:
            if facts.text("policy") is not None:
                log.info("the output has moved; publishing every page again")
                facts.put(list_codecs=ANY_COPIES, list_stamp=None)  # none is written there yet
            state.distrust_output()
            facts.put(list_changed=1, place=place)
        if facts.text("policy") not in (None, wanted):
            log.info("the configuration of the output has changed; rendering every page again")
            state.publish_queue.add_all(now)
            facts.put(list_changed=1)
        facts.put(policy=wanted)


def selection_changed(mirror: Mirror) -> bool:
    """Whether the selection is another one than that of the newest list taken in."""
    known = mirror.state.facts.text("selection")
    return known not in (None, mirror.settings.mirror.selection.text)


def rendering_policy(section: settings.MirrorSettings) -> str:
    """Return what the bytes of every page depend on, beside the page."""
    legacy = " legacy" if section.legacy_json else ""
    return f"{RENDERING} {section.yanked} {' '.join(section.compress)}{legacy}"
