"""Plans what a pass would do (``--dry-run``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from yanksync.core.errors import JournalReplaced
from yanksync.core.names import NormalizedName
from yanksync.core.project_state import PublishReason
from yanksync.core.rules.fetch_plan import PassPlan, PlannedCopies, PlannedRemoval
from yanksync.mirror.context import Mirror
from yanksync.state.queues.publish import PublishQueue
from yanksync.state.state import State
from yanksync.state.views.holds import held_items
from yanksync.sync import config_changes
from yanksync.sync.follow.selection_change import apply_selection
from yanksync.sync.pipeline import PassRequest, find_changes
from yanksync.sync.policy.cutoff import advance_cutoff
from yanksync.sync.policy.rules import changed_offers, with_rules
from yanksync.sync.publish import WHY_REMOVED
from yanksync.sync.recovery import output_check
from yanksync.sync.removals import hold_excess_removals

_SHOWN = 1000  # fetches that a plan names


def plan_pass(mirror: Mirror, request: PassRequest | None = None) -> PassPlan:
    """Return what a pass would do, without changing anything.

    It asks upstream what changed.

    Raises :class:`yanksync.core.errors.YanksyncError`.
    """
    request = request or PassRequest()
    state = mirror.state
    with state.rolled_back():
        config_changes.apply_policies(mirror)
        if mirror.store.published_list().stamp:  # otherwise there may be no output yet
            output_check.check_output(mirror)
        waiting = set(state.publish_queue.names(PublishReason.PAGE))
        planner = copy_planner(mirror)
        mirror = with_rules(mirror)
        by_rules = set(state.publish_queue.names(PublishReason.PAGE)) - waiting
        mirror = apply_selection(mirror)
        failure, _ = find_changes(mirror, request)
        if isinstance(failure, JournalReplaced):  # the pass itself would stop here, too
            return PassPlan(cursor=state.facts.cursor, held=_held(state))
        if failure is not None:
            raise failure
        mirror = advance_cutoff(mirror)
        hold_excess_removals(mirror)
        changed = tuple(changed_offers(mirror))
        copies, rewritten = planner(mirror)
        same = by_rules.difference((one.name for one in changed), rewritten)
        rewrites = [one for one in state.publish_queue.names(PublishReason.PAGE) if one not in same]
        tasks, total = state.fetch_queue.ready(mirror.now(), _SHOWN, at_once=request.at_once)
        return PassPlan(
            cursor=state.facts.cursor,
            removals=tuple(_removals(mirror.state.publish_queue)),
            files=tuple(file for one in changed for file in one.files),
            marks=tuple(mark for one in changed for mark in one.marks),
            copies=copies,
            held=_held(state),
            quarantines=tuple(state.projects.quarantined_by_journal()),
            publications=len(rewrites),
            rewrites=tuple(rewrites[:_SHOWN]),
            looks=tuple(tasks),
            more=total - len(tasks),
        )


def _held(state: State) -> tuple[str, ...]:
    """Return which changes would wait for a person, and why."""
    return tuple(f"{held.project or held.what}: {held.why}" for held in held_items(state))


def copy_planner(
    mirror: Mirror,
) -> Callable[[Mirror], tuple[PlannedCopies, set[NormalizedName]]]:
    """Return a function that plans copies after the rules are applied.

    It knows the earlier rules.
    """
    if not (mirror.settings.copies_files or mirror.state.facts.config.has_copies):
        return lambda _: (PlannedCopies(), set())
    from yanksync.sync.package_files.choice import recorded_choice  # start-up: few copy files
    from yanksync.sync.package_files.plan import plan_copies, plan_giving_up

    if not mirror.settings.copies_files:
        return lambda mirror: (plan_giving_up(mirror), set())

    return partial(plan_copies, before=recorded_choice(mirror.state.facts))


def _removals(queue: PublishQueue) -> Iterator[PlannedRemoval]:
    """Yield the projects that the pass would remove, without held ones."""
    for reason, why in WHY_REMOVED.items():
        for name in queue.names(reason):
            yield PlannedRemoval(name, why)
