"""What a pass asks for although nothing waits costs no look at each project."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from yanksync.core.project_state import Sort
from yanksync.state.state import State
from yanksync.state.views.holds import approve, count_held, holds

QUESTIONS: dict[str, Callable[[State], object]] = {
    "words": lambda state: state.unpublished.words(),
    "undocumented": lambda state: state.unpublished.undocumented(),
    "blocked": lambda state: state.unpublished.blocked(10),
    "removals": lambda state: state.unpublished.removals(),
    "doubtful": lambda state: state.unpublished.doubtful(),
    "names": lambda state: state.unpublished.names(Sort.UNEXPLAINED),
    "counts": lambda state: state.unpublished.counts(),
    "unsure": lambda state: state.unsure_removals(),
    "named": lambda state: state.lost.named(),
    "judge": lambda state: state.lost.to_judge(),
    "rehashed": lambda state: state.lost.rehashed(),
    "approved": lambda state: state.lost.approved(),
    "holds": holds,
    "count held": count_held,
    "approve": lambda state: state.unpublished.approve(None),
    "approve files": lambda state: approve(state, holds(state)),
    "pending": lambda state: state.pending.counts(),
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
