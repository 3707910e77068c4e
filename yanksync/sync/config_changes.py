"""Step 0, first part: what the configuration and the output say against what the state remembers.

A change of policy makes what it concerns unpublished and costs no request; a state that is older
than the tree stops trusting what it knows of the tree.
"""

from __future__ import annotations

from yanksync.config import settings
from yanksync.mirror.context import Mirror, log
from yanksync.sync.publish_list import ANY_SIBLINGS

RENDERING = 1
"""Raised when the same value renders to other bytes, so that every page is written anew."""


def apply_policies(mirror: Mirror) -> None:
    """Mark for publishing whatever a changed policy concerns."""
    meta, state = mirror.state.meta, mirror.state
    wanted = policy(mirror.settings.mirror)
    place = mirror.settings.mirror.place
    moved = (meta.text("place") or "") != place
    if not moved and meta.text("policy") == wanted:
        return
    now = mirror.now()
    with state.transaction():
        if moved:
            if meta.text("policy") is not None:
                log.info("the output has moved; publishing every page again")
                meta.put(list_codecs=ANY_SIBLINGS, list_stamp=None)  # none is written there yet
            state.distrust_output()
            meta.put(list_changed=1, place=place)
        if meta.text("policy") not in (None, wanted):
            log.info("the configuration of the output has changed; rendering every page again")
            state.unpublished.add_all(now)
            meta.put(list_changed=1)
        meta.put(policy=wanted)


def needs_widening(mirror: Mirror) -> bool:
    """Whether the selection is another one than that of the newest list taken in."""
    known = mirror.state.meta.text("selection")
    return known not in (None, mirror.settings.mirror.selection.text)


def policy(section: settings.Mirror) -> str:
    """Return what the bytes of every page depend on, beside the page."""
    legacy = " legacy" if section.legacy_json else ""
    return f"{RENDERING} {section.yanked} {' '.join(section.compress)}{legacy}"
