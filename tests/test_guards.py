"""Stage 5: which removals a person must look at first (rule R8)."""

from __future__ import annotations

import pytest

from yanksync.guards import Removals, judge


@pytest.mark.parametrize(
    ("explained", "unexplained", "projects", "held"),
    [
        pytest.param(0, 0, 0, (False, False), id="R8-nothing"),
        pytest.param(100, 3, 0, (False, False), id="R8-floors"),
        pytest.param(101, 0, 0, (True, False), id="R8-explained-floor"),
        pytest.param(0, 4, 0, (False, True), id="R8-unexplained-floor"),
        pytest.param(101, 4, 10, (True, True), id="R8-both"),
        pytest.param(100, 4, 399, (False, True), id="R8-a-share-below-the-floor"),
        pytest.param(100, 4, 400, (False, False), id="R8-one-percent-of-400"),
        pytest.param(7500, 7500, 750_000, (False, False), id="R8-one-percent-of-pypi"),
        pytest.param(7501, 7501, 750_099, (True, True), id="R8-more"),
    ],
)
def test_r8(explained: int, unexplained: int, projects: int, held: tuple[bool, bool]) -> None:
    judgement = judge(Removals(explained, unexplained), projects)
    assert (judgement.explained is not None, judgement.unexplained is not None) == held
    assert judgement.holds == any(held)


def test_r8_the_reason_has_both_numbers() -> None:
    assert (
        judge(Removals(101, 0), 0).explained == "101 explained removals in one pass, more than 100"
    )
