"""Publishes waiting projects after the guards have judged removals."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from yanksync.core.errors import InvalidAnswer
from yanksync.core.project_state import PublishReason
from yanksync.core.rules.loss_history import removal_changes
from yanksync.core.rules.lost_file import LostFile
from yanksync.core.rules.lost_files import page_with_lost_files, remembered
from yanksync.core.rules.page_diff import yank_reasons
from yanksync.core.rules.removal_guard import RemovalCounts, judge_removals
from yanksync.mirror.context import Mirror, log
from yanksync.mirror.run_totals import RunTotals
from yanksync.state.policy.file_times import NO_ROW
from yanksync.sync.policy.averted import hidden_before
from yanksync.sync.publish import BATCH, publish
from yanksync.sync.published_page import recorded_page
from yanksync.sync.recovery import published_state

_JUDGED = (PublishReason.EXPLAINED, PublishReason.UNEXPLAINED)
_REHASHED = "its file has another hash than the one that is published"


def publish_backlog(mirror: Mirror) -> None:
    """Publish the recorded pages, then the removals.

    Removals that a guard holds stay.
    """
    after = 0
    while not mirror.stopping() and (awaiting := mirror.state.publish_queue.take(BATCH, after)):
        if after == 0:
            waiting = mirror.state.publish_queue.counts()[0]
            mirror.progress.expect("publishing", waiting)
        after = awaiting[-1].id
        publish(mirror, [one for one in awaiting if one.reason not in _JUDGED])
        mirror.progress.advance(len(awaiting))
    publish_removals(mirror)


def publish_removals(mirror: Mirror) -> None:
    """Publish quarantines, then judge the waiting removals (R8).

    Removals that no guard holds are published. No withdrawal waits for a page (R9).
    """
    state, totals = mirror.state, mirror.totals
    publish(mirror, state.publish_queue.quarantined_by_journal())
    publish(mirror, published_state.removals_of_nothing(mirror))
    with state.transaction():
        lossy = hold_excess_removals(mirror)
    if lossy is None:
        return
    for start in range(0, len(lossy), BATCH):  # a person may have approved very many
        publish(mirror, state.publish_queue.queued(lossy[start : start + BATCH]))
    after = 0
    while awaiting := state.publish_queue.take(BATCH, after):
        after = awaiting[-1].id
        going = [one for one in awaiting if one.reason in _JUDGED]
        publish(mirror, going)
        judged = [one.reason for one in going if not one.approved]
        totals.explained += judged.count(PublishReason.EXPLAINED)
        totals.unexplained += judged.count(PublishReason.UNEXPLAINED)


def hold_excess_removals(mirror: Mirror) -> list[int] | None:
    """Hold removals above the guards' limits, and release the others.

    Returns the projects to publish without their lost files. None: there is nothing to judge or to
    approve.
    """
    state = mirror.state
    for reason in _JUDGED:
        mirror.totals.held.pop(reason, None)
    waiting = state.publish_queue.removals()
    lossy, rehashed = state.lost_files.to_judge(), state.lost_files.rehashed()
    approved = state.lost_files.approved()
    if waiting == RemovalCounts(0, 0) and not (lossy or rehashed or approved):
        return [] if state.publish_queue.approved() else None
    _judge(mirror, waiting, lossy)
    state.lost_files.hold(rehashed, _REHASHED, mirror.now(), vanished=False)
    let_go = _let_go(mirror, {*approved, *lossy})
    mirror.totals.unexplained += len(set(let_go) - set(approved))
    return let_go


def report_held(totals: RunTotals, *, failed: bool = False) -> None:
    """Log what guards hold at the end of a pass.

    It is logged only then, because a loss that was held at the beginning may be over. It is an
    error if it decides the exit code; a pass that ``failed`` has another exit code.
    """
    level = logging.WARNING if failed or totals.problem is not None else logging.ERROR
    for text in totals.held.values():
        log.log(level, "held: %s", text)


def _judge(mirror: Mirror, waiting: RemovalCounts, lossy: list[int]) -> None:
    state, totals = mirror.state, mirror.totals
    projects = state.projects.published() + totals.removed
    found = RemovalCounts(
        waiting.explained + totals.explained,
        waiting.unexplained + len(lossy) + totals.unexplained,
        _is_everything(mirror, frozenset(state.lost_files.confirmed())),
    )
    decision = judge_removals(found, projects, mirror.settings.guard)
    state.publish_queue.hold(decision, mirror.now())
    for reason in _JUDGED:
        why = getattr(decision, reason)
        if why is not None:
            totals.held[reason] = f"{why}; see 'yanksync holds'"
    if decision.unexplained is not None:
        state.lost_files.hold(lossy, decision.unexplained, mirror.now(), vanished=True)


def _is_everything(mirror: Mirror, lossy: frozenset[int]) -> bool:
    """Return whether the removals would leave no file in the mirror."""
    state = mirror.state
    going = set(state.publish_queue.ids(PublishReason.UNEXPLAINED, PublishReason.EXPLAINED))
    left = state.projects.published_ids(len(going) + len(lossy) + 1)
    if any(project not in going and project not in lossy for project in left):
        return False
    return not any(_keeps_files(mirror, project) for project in left if project not in going)


def _keeps_files(mirror: Mirror, project: int) -> bool:
    (row,) = mirror.state.projects.by_id([project])
    if row.is_only_published:
        return True  # the state lacks its page, so no loss is known
    lost = [
        one for one in mirror.state.lost_files.one(project) if not (one.vanished and one.confirmed)
    ]
    try:
        return bool(page_with_lost_files(recorded_page(mirror, row), lost).files)
    except InvalidAnswer:
        return False


def _let_go(mirror: Mirror, projects: Iterable[int]) -> list[int]:
    """Forget the lost files that no guard holds.

    Return the projects that have fewer files now.
    """
    state, now = mirror.state, mirror.now()
    found = []
    for row in state.projects.by_id(list(projects)):
        lost = state.lost_files.one(row.id)
        left: list[LostFile] = []
        gone: list[LostFile] = []
        for one in lost:
            stays = not one.approved and (one.held or not one.confirmed)
            (left if stays else gone).append(one)
        if not gone:
            continue
        kept = [remembered(one) for one in gone if one.vanished and one.suspect]
        state.lost_files.put(row.id, [*left, *kept])
        state.publish_queue.add(row.id, PublishReason.PAGE, min(one.since for one in gone))
        found.append(row.id)
        if not left:
            state.fetch_queue.drop_confirmation(row.name)
        try:
            recorded = recorded_page(mirror, row)
            page = page_with_lost_files(recorded, left)
        except InvalidAnswer:  # publishing it logs the error
            continue
        state.projects.set_yanked(row.id, len(yank_reasons(page)))
        low = gone[0].low
        times = state.file_times.get([row.id]).get(row.id, NO_ROW).times
        state.history.add_observed(
            row.name,
            removal_changes(page, gone),
            now,
            low=low,
            high=row.serial,
            hidden=hidden_before(mirror, page_with_lost_files(recorded, lost), times),
        )
    return found
