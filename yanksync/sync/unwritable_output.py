"""Follows upstream's withdrawals if the output accepts no page.

This needs hardly any room.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from yanksync.core.errors import JournalReplaced, PublishError, UpstreamError
from yanksync.mirror.context import Mirror, log
from yanksync.sync.fetch_loop import process_pending
from yanksync.sync.follow.journal import read_changes
from yanksync.sync.follow.selection_change import apply_selection
from yanksync.sync.follow.upstream_change import check_address
from yanksync.sync.optional_steps import take_out_copies
from yanksync.sync.policy.cutoff import knows_cutoff
from yanksync.sync.policy.rules import with_rules
from yanksync.sync.publish import publish
from yanksync.sync.removals import publish_removals

_NAMED = 5  # withdrawals that are logged


def withdraw_what_can_go(mirror: Mirror, failure: PublishError) -> None:
    """Follow upstream's withdrawals as far as possible, after ``failure`` (R9).

    Quarantined pages and removed projects are deleted, and package files are moved out of service.
    Failures are logged.
    """
    if mirror.state.facts.published_list.written is None:  # a first build withdraws nothing
        return
    if mirror.settings.copies_files:
        with suppress(PublishError):
            mirror.packages.keep_incoming(())  # a page may need its room
    mirror = apply_selection(with_rules(mirror))
    try:
        check_address(mirror)
        read_changes(mirror)
        _attempt(lambda: process_pending(mirror, at_once=False, unread=False))
    except JournalReplaced:
        return
    except UpstreamError as error:
        log.warning("%s", error)
    if knows_cutoff(mirror):
        _attempt(lambda: publish(mirror, mirror.state.publish_queue.quarantined()))
        _attempt(lambda: publish_removals(mirror))
    if mirror.settings.copies_files:
        _attempt(lambda: take_out_copies(mirror))
    _report(mirror, failure)


def _report(mirror: Mirror, failure: PublishError) -> None:
    """Log which withdrawals the output lacks."""
    left = mirror.state.unpublished_withdrawals.read(str(failure), _NAMED + 1)
    for one in left[:_NAMED]:
        log.error("%s", one, extra={"project": one.project})
    if len(left) > _NAMED:
        log.error("more withdrawals are not published; 'yanksync status' lists them")


def _attempt(step: Callable[[], object]) -> None:
    """Make a step; if it fails, the next one may still succeed."""
    with suppress(PublishError):  # the caller raises ``failure`` in the end
        step()
