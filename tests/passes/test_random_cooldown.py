"""Random histories under cooldown; and their judge, who must notice planted faults."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.cooldown_histories import (
    AGE,
    HIDDEN,
    OLD,
    CooldownHistories,
    Truth,
    Violation,
    judge,
)
from tests.support.fake_index.index import FakeUpstream, serve
from tests.support.world import HOUR

NOW = 1_800_000_000.0
FILES = {
    "a-1.0.zip": Truth("1.0", OLD),
    "a-2.0.zip": Truth("2.0", NOW - AGE - 2 * HOUR),
    "a-3.0.zip": Truth("3.0", NOW - HOUR),
}


def test_no_history_offers_a_young_file_or_hides_an_old_one() -> None:
    with serve(FakeUpstream()) as served:
        CooldownHistories.served = served
        run_state_machine_as_test(
            CooldownHistories,
            settings=settings(
                max_examples=20,
                stateful_step_count=20,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                print_blob=True,
            ),
        )


def test_the_judge_lets_the_right_page_pass() -> None:
    judge({"a-1.0.zip", "a-2.0.zip"}, FILES, NOW, complete=True)


@pytest.mark.parametrize(
    "offered",
    [
        {"a-1.0.zip", "a-2.0.zip", "a-3.0.zip"},
        {"a-1.0.zip"},
        {"a-2.0.zip"},
        {"a-1.0.zip", "a-2.0.zip", "gone-1.0.zip"},
        {"a-1.0.zip", "a-2.0.zip", HIDDEN},
    ],
)
def test_the_judge_notices_planted_faults(offered: set[str]) -> None:
    with pytest.raises(Violation):
        judge(offered, FILES, NOW, complete=True)
