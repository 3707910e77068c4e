"""Stage 2: when something is asked for again (rule R3), and the sweep."""

from __future__ import annotations

import pytest

from yanksync.core.rules.fetch_plan import (
    DAY,
    HOUR,
    STALE_LIMIT,
    backoff,
    is_overdue,
    recheck_budget,
    recheck_due,
)


@pytest.mark.rule("R3")
@pytest.mark.parametrize(
    ("attempts", "seconds"),
    [(0, 0), (1, 0), (2, 60), (3, 120), (4, 240), (7, 1920), (8, 3600), (9, 3600), (10**6, 3600)],
)
def test_backoff(attempts: int, seconds: float) -> None:
    assert backoff(attempts) == seconds


@pytest.mark.rule("R3")
@pytest.mark.parametrize(
    ("since", "now", "overdue"),
    [
        pytest.param(None, 10**9, False, id="never-stale"),
        pytest.param(100.0, 100.0 + 26 * HOUR, False, id="26-hours"),
        pytest.param(100.0, 101.0 + 26 * HOUR, True, id="a-second-more"),
        pytest.param(1e9, 100.0, False, id="clock-set-back"),
    ],
)
def test_overdue(since: float | None, now: float, overdue: bool) -> None:
    assert is_overdue(since, now) is overdue
    assert STALE_LIMIT > DAY


def test_sweep_is_spread_over_half_of_its_days() -> None:
    dues = [recheck_due(f"project-{number}", 1000.0, 30) for number in range(500)]
    parts = [(due - 1000.0) / (30 * DAY) for due in dues if due is not None]
    assert len(parts) == 500 and min(parts) >= 0.5 and max(parts) < 1
    assert min(parts) < 0.53 and max(parts) > 0.97 and 0.7 < sum(parts) / 500 < 0.8
    assert recheck_due("demo", 1000.0, 30) == recheck_due("demo", 1000.0, 30)


@pytest.mark.parametrize("days", [0, -1])
def test_no_sweep(days: int) -> None:
    assert recheck_due("demo", 0.0, days) is None
    assert recheck_budget(1000, DAY, days) == 0


@pytest.mark.parametrize(
    ("projects", "elapsed", "share"),
    [
        pytest.param(0, DAY, 0, id="nothing-published"),
        pytest.param(10, 300.0, 1, id="at-least-one"),
        pytest.param(750_000, 300.0, 232, id="pypi-every-five-minutes"),
        pytest.param(750_000, 100 * DAY, 66_667, id="no-burst-after-a-long-rest"),
        pytest.param(750_000, -DAY, 1, id="clock-set-back"),
    ],
)
def test_sweep_share(projects: int, elapsed: float, share: int) -> None:
    assert recheck_budget(projects, elapsed, 30) == share
