"""Publishes what waits, removals first, once the guards have judged them."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from yanksync.core.errors import BadAnswer
from yanksync.core.project_state import Sort
from yanksync.core.rules.lost_files import LostFile, remembered, removals, with_lost
from yanksync.core.rules.page_diff import reasons_of
from yanksync.core.rules.removal_guard import Removals, judge
from yanksync.mirror.context import Mirror, log
from yanksync.sync import recovery
from yanksync.sync.publish import BATCH, publish
from yanksync.sync.published_page import held_page

_JUDGED = (Sort.EXPLAINED, Sort.UNEXPLAINED)
_REHASHED = "its file has another hash than the one that is published"


def finish(mirror: Mirror) -> None:
    """Publish what is recorded and not published yet: pages, then removals that no guard holds."""
    after = 0
    while not mirror.stopping() and (awaiting := mirror.state.unpublished.take(BATCH, after)):
        if after == 0:
            waiting = mirror.state.unpublished.counts()[0]
            mirror.progress.expect("publishing", waiting)
        after = awaiting[-1].id
        publish(mirror, [one for one in awaiting if one.sort not in _JUDGED])
        mirror.progress.advance(len(awaiting))
    withdraw(mirror)


def withdraw(mirror: Mirror) -> None:
    """Publish what the journal's word has quarantined; then judge the removals that wait (R8).

    Removals that no guard holds are published. No withdrawal waits for a page (R9).
    """
    state, tally = mirror.state, mirror.tally
    publish(mirror, state.unpublished.words())
    publish(mirror, recovery.removals_of_nothing(mirror))
    with state.transaction():
        lossy = judge_removals(mirror)
    if lossy is None:
        return
    for start in range(0, len(lossy), BATCH):  # a person may have let very many go
        publish(mirror, state.unpublished.among(lossy[start : start + BATCH]))
    after = 0
    while awaiting := state.unpublished.take(BATCH, after):
        after = awaiting[-1].id
        going = [one for one in awaiting if one.sort in _JUDGED]
        publish(mirror, going)
        judged = [one.sort for one in going if not one.approved]
        tally.explained += judged.count(Sort.EXPLAINED)
        tally.unexplained += judged.count(Sort.UNEXPLAINED)


def judge_removals(mirror: Mirror) -> list[int] | None:
    """Hold what goes beyond the guards' limits, and let the rest go.

    Returns the projects that are to be published without files they lost; None when there is
    nothing to judge and nothing approved.
    """
    state = mirror.state
    for sort in _JUDGED:
        mirror.tally.held.pop(sort, None)
    waiting = state.unpublished.removals()
    lossy, rehashed = state.lost.to_judge(), state.lost.rehashed()
    approved = state.lost.approved()
    if waiting == Removals(0, 0) and not (lossy or rehashed or approved):
        return [] if state.unpublished.approved() else None
    _judge(mirror, waiting, lossy)
    state.lost.hold(rehashed, _REHASHED, mirror.now(), vanished=False)
    let_go = _let_go(mirror, {*approved, *lossy})
    mirror.tally.unexplained += len(set(let_go) - set(approved))
    return let_go


def tell_held(mirror: Mirror, *, failed: bool = False) -> None:
    """Log what guards hold at the end of a pass.

    Not before: upstream may have taken back meanwhile what was held at the beginning. It is an
    error when it is what the exit code says; a pass that ``failed`` has another one.
    """
    level = logging.WARNING if failed or mirror.tally.problem is not None else logging.ERROR
    for text in mirror.tally.held.values():
        log.log(level, "held: %s", text)


def _judge(mirror: Mirror, waiting: Removals, lossy: list[int]) -> None:
    state, tally = mirror.state, mirror.tally
    projects = state.projects.published() + tally.removed
    found = Removals(
        waiting.explained + tally.explained,
        waiting.unexplained + len(lossy) + tally.unexplained,
        _is_everything(mirror, frozenset(state.lost.confirmed())),
    )
    judgement = judge(found, projects, mirror.settings.guard)
    state.unpublished.hold(judgement, mirror.now())
    for sort in _JUDGED:
        why = getattr(judgement, sort)
        if why is not None:
            tally.held[sort] = f"{why}; see 'yanksync holds'"
    if judgement.unexplained is not None:
        state.lost.hold(lossy, judgement.unexplained, mirror.now(), vanished=True)


def _is_everything(mirror: Mirror, lossy: frozenset[int]) -> bool:
    """Return whether the removals would leave no file in the mirror."""
    state = mirror.state
    going = set(state.unpublished.ids(Sort.UNEXPLAINED, Sort.EXPLAINED))
    left = state.projects.published_ids(len(going) + len(lossy) + 1)
    if any(project not in going and project not in lossy for project in left):
        return False
    return not any(_keeps_files(mirror, project) for project in left if project not in going)


def _keeps_files(mirror: Mirror, project: int) -> bool:
    (row,) = mirror.state.projects.by_id([project])
    if row.stands:
        return True  # nothing was lost of its page, which the state does not know
    lost = [one for one in mirror.state.lost.one(project) if not (one.vanished and one.confirmed)]
    try:
        return bool(with_lost(held_page(mirror, row), lost).files)
    except BadAnswer:
        return False


def _let_go(mirror: Mirror, projects: Iterable[int]) -> list[int]:
    """Forget the lost files that no guard holds; return the projects that have fewer files now."""
    state, now = mirror.state, mirror.now()
    found = []
    for row in state.projects.by_id(list(projects)):
        lost = state.lost.one(row.id)
        left: list[LostFile] = []
        gone: list[LostFile] = []
        for one in lost:
            stays = not one.approved and (one.held or not one.confirmed)
            (left if stays else gone).append(one)
        if not gone:
            continue
        kept = [remembered(one) for one in gone if one.vanished and one.suspect]
        state.lost.put(row.id, [*left, *kept])
        state.unpublished.add(row.id, Sort.PAGE, min(one.since for one in gone))
        found.append(row.id)
        if not left:
            state.pending.decided(row.name)
        try:
            page = with_lost(held_page(mirror, row), left)
        except BadAnswer:  # it is told of when it is to be published
            continue
        state.projects.set_yanked(row.id, len(reasons_of(page)))
        low = gone[0].low
        state.history.observe(row.name, removals(page, gone), now, low=low, high=row.serial)
    return found
