"""Applies changed rules to published pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from yanksync.core.model import Page
from yanksync.core.policies.cooldown import FileTimes
from yanksync.core.policies.offer import Offer
from yanksync.mirror.context import Mirror, log
from yanksync.mirror.run_totals import UNCHOSEN_NAMED
from yanksync.state.policy.file_times import NO_ROW, OfferNote
from yanksync.sync.recovery.published_state import PublishTask


class AppliedRules(Struct, frozen=True):
    """The effect of the rules on one page."""

    offer: Offer
    appeared: int = 0  # files that changed rules bring back
    vanished: int = 0  # files that changed rules take away


def with_times(mirror: Mirror, tasks: Sequence[PublishTask]) -> Sequence[PublishTask]:
    """Return ``tasks`` with the times of their files.

    This reads the state, only if there are rules.
    """
    if mirror.offers.is_off and mirror.offers.before is None:
        return tasks
    for offers in (mirror.offers, mirror.offers.before):
        if offers is not None:
            offers.rules  # noqa: B018 (read now: pages are rendered in another thread)
    rows = mirror.state.file_times.get([one.row.id for one in tasks])
    return [replace(one, times=rows.get(one.row.id, NO_ROW).times) for one in tasks]


def apply_rules(mirror: Mirror, page: Page, times: FileTimes) -> AppliedRules | None:
    """Return the effect of the rules on ``page``; None: no rules."""
    offers = mirror.offers
    if offers.is_off and offers.before is None:
        return None
    offer = offers.offer(page, times)
    if offers.before is None:
        return AppliedRules(offer)
    names = {file.filename for file in offer.page.files}
    old = {file.filename for file in offers.before.offer(page, times).page.files}
    return AppliedRules(offer, len(names - old), len(old - names))


def note_rules(mirror: Mirror, applied: Mapping[int, AppliedRules]) -> None:
    """Note publications under rules, by project. Use inside a transaction."""
    for one in applied.values():
        mirror.totals.files_shown += one.appeared
        mirror.totals.files_hidden += one.vanished
    mirror.state.file_times.note_offers(
        OfferNote(
            project=project,
            changes_at=one.offer.changes_at,
            waiting=one.offer.waiting,
            shown=one.offer.shown,
        )
        for project, one in applied.items()
    )


def report_changed_rules(mirror: Mirror) -> None:
    """Log the effect of changed rules."""
    if (unnamed := mirror.totals.unchosen - UNCHOSEN_NAMED) > 0:
        log.warning(
            "%d more projects have no file of a release that the rules of [files] choose", unnamed
        )
    mirror.totals.unchosen = 0
    if mirror.offers.before is not None:
        log.info(
            "changed rules: - %d files, + %d files",
            mirror.totals.files_hidden,
            mirror.totals.files_shown,
        )
