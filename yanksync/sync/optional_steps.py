"""Steps of a pass that most mirrors do not need.

Each is imported only if it has work.
"""

from __future__ import annotations

from pathlib import Path

from yanksync.core.errors import PublishError
from yanksync.mirror.context import Mirror, log


def recover_copies(mirror: Mirror) -> None:
    """Compare copies with an output that was lost or restored."""
    if mirror.state.facts.recovery.copies is not None and mirror.settings.copies_files:
        from yanksync.sync.recovery import copies  # start-up: few mirrors copy files

        copies.check_served_copies(mirror)
        copies.set_aside_unknown_copies(mirror)


def notice_lost_copies(mirror: Mirror) -> None:
    """Notice an output that has lost its package files.

    Object storage does not lose all objects at once.
    """
    if not mirror.settings.copies_files or not isinstance(mirror.settings.mirror.output, Path):
        return
    if mirror.state.facts.recovery.copies is None:
        from yanksync.sync.recovery import copies  # start-up: few mirrors copy files

        copies.notice_lost_copies(mirror)


def give_up_copies(mirror: Mirror) -> None:
    """Let the copies of an earlier configuration leave."""
    from yanksync.sync.package_files.withdraw import (
        give_up_copies,  # start-up: few mirrors copied files
    )

    give_up_copies(mirror)


def take_out_copies(mirror: Mirror) -> None:
    """Take package files out of service that a dead run left there."""
    from yanksync.sync.package_files.withdraw import take_out  # start-up: few mirrors copy files

    take_out(mirror)


def withdraw_what_can_go(mirror: Mirror, failure: PublishError) -> None:
    """Follow upstream's withdrawals if the output accepts no page.

    This leaves out object storage. That is never full, but it may be unreachable, and each try
    could take minutes.
    """
    if not isinstance(mirror.settings.mirror.output, Path):
        return
    from yanksync.sync import unwritable_output  # start-up: it is seldom needed

    unwritable_output.withdraw_what_can_go(mirror, failure)


def update_deleted_index(mirror: Mirror) -> None:
    """Publish the index of deleted files, or remove it."""
    if mirror.settings.files.deleted_index or mirror.state.facts.config.deleted_index:
        from yanksync.sync.package_files.deleted_index import (
            publish_deleted_index,  # start-up: few mirrors have one
        )

        publish_deleted_index(mirror)


def update_withdrawals(mirror: Mirror) -> None:
    """Publish the log of withdrawals, if there is or was one."""
    settings, state = mirror.settings.withdrawals, mirror.state
    if settings.publish:
        has_work = state.event_log.has_work(settings.text, mirror.now())
    else:
        has_work = state.facts.event_log.epoch is not None
    if has_work:
        from yanksync.sync.withdrawals.publish import (
            publish_withdrawals,  # start-up: most passes have nothing for it
        )

        publish_withdrawals(mirror)


def deliver_hooks(mirror: Mirror, *, mid_pass: bool = False) -> None:
    """Send the changes to the hooks; keep those that are not accepted.

    ``mid_pass``: the pass goes on. Raises :class:`yanksync.core.errors.StateError`.
    """
    if mirror.settings.hooks.enabled:
        from yanksync.sync.hooks import deliver  # start-up: most mirrors have none

        deliver.deliver(mirror, mid_pass=mid_pass)


def send_notifications(mirror: Mirror) -> None:
    """Send new events of the log to the targets of ``[[withdrawals.notify]]``.

    Raises :class:`yanksync.core.errors.StateError`.
    """
    if mirror.settings.withdrawals.notify:
        from yanksync.sync.hooks.notify import notify  # start-up: most mirrors notify no one

        notify(mirror)


def finish_forgotten(mirror: Mirror) -> None:
    """Finish a ``forget`` that died.

    The pass goes on if that fails.
    """
    from yanksync.sync.policy.forget import finish_forgetting  # start-up: it is seldom needed

    try:
        finish_forgetting(mirror)
    except PublishError as error:  # withdrawals of other projects do not wait for it
        log.error("%s", error)
        mirror.totals.problem = str(error)
        mirror.totals.causes[error.cause] += 1


def write_held_forms(mirror: Mirror) -> None:
    """Write the older JSON form of held projects, for followers."""
    if mirror.settings.mirror.legacy_json and (
        held := mirror.state.publish_queue.held_without_legacy_json()
    ):
        from yanksync.sync.held_documents import (
            write_held_documents,  # start-up: it is seldom needed
        )

        write_held_documents(mirror, held)
