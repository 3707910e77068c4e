"""What a pass asks for although nothing waits costs no look at each project."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from yanksync.core.project_state import PublishReason
from yanksync.state.state import State
from yanksync.state.views.holds import approve_held, count_held, held_items

QUESTIONS: dict[str, Callable[[State], object]] = {
    "words": lambda state: state.publish_queue.quarantined_by_journal(),
    "undocumented": lambda state: state.publish_queue.held_without_legacy_json(),
    "blocked": lambda state: state.publish_queue.blocked(10),
    "removals": lambda state: state.publish_queue.removals(),
    "doubtful": lambda state: state.publish_queue.held_and_unconfirmed(),
    "names": lambda state: state.publish_queue.names(PublishReason.UNEXPLAINED),
    "counts": lambda state: state.publish_queue.counts(),
    "unsure": lambda state: state.unsure_removals(),
    "named": lambda state: state.lost_files.named(),
    "judge": lambda state: state.lost_files.to_judge(),
    "rehashed": lambda state: state.lost_files.rehashed(),
    "approved": lambda state: state.lost_files.approved(),
    "holds": held_items,
    "count held": count_held,
    "approve": lambda state: state.publish_queue.approve(None),
    "approve files": lambda state: approve_held(state, held_items(state)),
    "pending": lambda state: state.fetch_queue.counts(),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_many_projects_of_which_none_waits(state: State, question: str) -> None:
    state.projects.add([(f"p{number}", f"p{number}") for number in range(2000)])
    state._db.execute("UPDATE projects SET presence = 'present', json_digest = x'01'")
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    state._db._connection.set_progress_handler(step, 1)
    QUESTIONS[question](state)
    assert 0 < steps < 1000
