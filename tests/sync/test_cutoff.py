"""Which moment a pass measures ages at, and when it says that a clock is wrong."""

from __future__ import annotations

import pytest

from yanksync.sync.policy.cutoff import choose_cutoff

NOW = 1_800_000_000.0
FIVE_MINUTES = 300.0


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("last", [None, NOW - 1, NOW])
@pytest.mark.parametrize("upstream", [None, NOW, NOW - FIVE_MINUTES, NOW + FIVE_MINUTES])
def test_a_right_clock(is_first: bool, last: float | None, upstream: float | None) -> None:
    assert choose_cutoff(NOW, last, upstream, is_first=is_first) == (NOW, None)


@pytest.mark.parametrize("off", [FIVE_MINUTES + 1, -FIVE_MINUTES - 1])
def test_more_than_five_minutes_from_upstreams(off: float) -> None:
    chosen, problem = choose_cutoff(NOW, NOW - 50, NOW + off, is_first=False)
    assert chosen == NOW - 50
    assert problem is not None and "differs from upstream's" in problem
    for last in (None, NOW - 50):  # what was recorded before a first build was done counts no more
        chosen, problem = choose_cutoff(NOW, last, NOW + off, is_first=True)
        assert chosen == min(NOW, NOW + off)
        assert problem is not None


@pytest.mark.parametrize("upstream", [None, NOW])
def test_behind_the_last_pass(upstream: float | None) -> None:
    chosen, problem = choose_cutoff(NOW, NOW + 1, upstream, is_first=False)
    assert chosen == NOW + 1
    assert problem is not None and "behind that of the last pass" in problem
    assert problem.endswith("correct the clock")
