"""Stage 5: which removals a person must look at first (rule R8)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.builders.random_pages import CALM
from yanksync.core.rules.removal_guard import (
    GuardDecision,
    GuardSettings,
    RemovalCounts,
    judge_removals,
    removal_limit,
    selection_holds,
)

GUARD = GuardSettings()


@pytest.mark.rule("R8")
@pytest.mark.parametrize(
    ("explained", "unexplained", "projects", "held"),
    [
        pytest.param(0, 0, 0, (False, False), id="nothing"),
        pytest.param(100, 3, 0, (False, False), id="floors"),
        pytest.param(100, 0, 100, (False, False), id="explained-may-be-everything"),
        pytest.param(101, 0, 0, (True, False), id="explained-floor"),
        pytest.param(101, 0, 201, (True, False), id="more-than-half-of-201"),
        pytest.param(101, 0, 202, (False, False), id="half-of-202"),
        pytest.param(375_000, 0, 750_000, (False, False), id="half-of-pypi"),
        pytest.param(375_001, 0, 750_001, (True, False), id="more-than-half-of-pypi"),
        pytest.param(0, 4, 0, (False, True), id="unexplained-floor"),
        pytest.param(101, 4, 10, (True, True), id="both"),
        pytest.param(100, 4, 399, (False, True), id="a-share-below-the-floor"),
        pytest.param(100, 4, 400, (False, False), id="one-percent-of-400"),
        pytest.param(7500, 7500, 750_000, (False, False), id="one-percent-of-pypi"),
        pytest.param(7501, 7501, 750_099, (False, True), id="more"),
    ],
)
def test_what_is_held(
    explained: int, unexplained: int, projects: int, held: tuple[bool, bool]
) -> None:
    judgement = judge_removals(RemovalCounts(explained, unexplained), projects, GUARD)
    assert (judgement.explained is not None, judgement.unexplained is not None) == held
    assert judgement.holds == any(held)


@pytest.mark.rule("R8")
@pytest.mark.parametrize("projects", [1, 2, 3, 400])
def test_nothing_unexplained_takes_everything_whatever_the_limits_are(
    projects: int,
) -> None:
    guard = replace(GUARD, unexplained=100.0, explained=100.0)
    judgement = judge_removals(RemovalCounts(0, projects, everything=True), projects, guard)
    assert judgement.explained is None
    assert judgement.unexplained == "nothing explains it, and no file would be left in the mirror"
    assert judge_removals(RemovalCounts(0, projects), projects, guard) == GuardDecision()


@pytest.mark.rule("R8")
def test_what_the_journal_explains_may_be_everything() -> None:
    assert judge_removals(RemovalCounts(2, 0, everything=True), 2, GUARD) == GuardDecision()


@pytest.mark.rule("R8")
@pytest.mark.parametrize(
    ("lost", "projects", "held"),
    [
        pytest.param(0, 0, False, id="nothing-is-published"),
        pytest.param(0, 55, False, id="nothing-goes"),
        pytest.param(3, 4, False, id="floor"),
        pytest.param(4, 39, True, id="above-the-floor"),
        pytest.param(4, 40, False, id="ten-percent"),
        pytest.param(5, 49, True, id="more-than-ten-percent"),
        pytest.param(1, 1, True, id="the-only-one"),
        pytest.param(3, 3, True, id="all-of-the-floor"),
        pytest.param(75_000, 750_000, False, id="ten-percent-of-pypi"),
        pytest.param(75_001, 750_000, True, id="more-of-pypi"),
    ],
)
def test_a_changed_selection(lost: int, projects: int, held: bool) -> None:
    why = selection_holds(lost, projects, GUARD)
    assert (why is not None) is held
    assert why is None or str(projects) in why


@pytest.mark.rule("R8")
def test_no_percentage_lets_a_selection_take_everything() -> None:
    guard = replace(GUARD, selection=100.0)
    assert selection_holds(3999, 4000, guard) is None
    assert selection_holds(4000, 4000, guard) == "it takes away all 4000 published projects"


@pytest.mark.rule("R8")
@pytest.mark.parametrize(
    ("floor", "percent", "projects", "most"),
    [
        (100, 50.0, 200, 100),
        (100, 50.0, 203, 101),
        (3, 1.0, 499, 4),
        (3, 0.0, 10**6, 3),
        (3, 0.1, 5000, 5),
        (3, 100.0, 9, 9),
        (100, 100.0, 0, 100),
    ],
)
def test_the_limit_is_rounded_down_and_never_below_the_floor(
    floor: int, percent: float, projects: int, most: int
) -> None:
    assert removal_limit(floor, percent, projects) == most


@pytest.mark.rule("R8")
@CALM
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.floats(0, 100), st.floats(0, 100))
def test_a_higher_percentage_holds_no_more(
    count: int, projects: int, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    strict = GuardSettings(explained=low, unexplained=low, selection=low)
    loose = GuardSettings(explained=high, unexplained=high, selection=high)
    found = RemovalCounts(count, count)
    for field in ("explained", "unexplained"):
        held = getattr(judge_removals(found, projects, loose), field)
        assert held is None or getattr(judge_removals(found, projects, strict), field) is not None
    held = selection_holds(count, projects, loose)
    assert held is None or selection_holds(count, projects, strict) is not None


@pytest.mark.rule("R8")
def test_the_reason_has_all_numbers() -> None:
    judgement = judge_removals(RemovalCounts(101, 4), 150, GUARD)
    assert judgement.explained == (
        "101 explained removals in one pass, of 150 published projects; 100 may go"
    )
    assert judgement.unexplained == (
        "4 unexplained removals in one pass, of 150 published projects; 3 may go"
    )
