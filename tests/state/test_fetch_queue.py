"""What waits to be asked for: marks, news, back-off, holds (rules R2, R3, R7, R8)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.builders.state_rows import DEMO, NOW
from yanksync.core.rules.fetch_plan import DAY, HOUR
from yanksync.core.rules.lost_file import Observation
from yanksync.state.queues.fetch import PendingProject
from yanksync.state.state import State

RUN = 1


def taken(state: State, now: float = NOW, run: int = RUN, *, at_once: bool = False) -> list[str]:
    return [look.name for look in state.fetch_queue.take(run, now, 100, at_once=at_once)]


def only(state: State) -> PendingProject:
    (found,) = state.fetch_queue.waiting(10)
    return found


@pytest.mark.parametrize(
    ("first", "second", "reach"),
    [(None, None, None), (None, 5, 5), (5, None, 5), (5, 7, 7), (7, 5, 7)],
)
def test_marks_of_one_project_are_one_row(
    state: State, first: int | None, second: int | None, reach: int | None
) -> None:
    state.fetch_queue.mark("demo", first, 10.0)
    state.fetch_queue.mark("demo", second, 20.0, urgent=True)
    (look,) = state.fetch_queue.take(RUN, NOW, 10)
    assert (look.name, look.required_serial, look.since, look.urgent) == ("demo", reach, 10.0, True)
    assert state.fetch_queue.oldest() == 10.0


def test_withdrawals_come_first_and_each_is_taken_once(state: State) -> None:
    for name, urgent in (("a", False), ("b", True), ("c", False), ("d", True)):
        state.fetch_queue.mark(name, 5, NOW, urgent=urgent)
    assert [look.name for look in state.fetch_queue.take(RUN, NOW, 3)] == ["b", "d", "a"]
    assert taken(state) == ["c"] and taken(state) == [] and len(taken(state, run=2)) == 4


def test_what_is_marked_meanwhile_is_taken_in_the_same_pass(state: State) -> None:
    for name in "bdf":
        state.fetch_queue.mark(name, 5, NOW)
    assert [look.name for look in state.fetch_queue.take(RUN, NOW, 2)] == ["b", "d"]
    state.fetch_queue.mark("a", 5, NOW, urgent=True)
    state.fetch_queue.mark("c", 5, NOW, urgent=True)
    state.fetch_queue.rewind()
    assert [look.name for look in state.fetch_queue.take(RUN, NOW, 1)] == ["a"]
    state.fetch_queue.mark("b", 6, NOW)
    assert taken(state) == ["c", "b", "f"]
    state.fetch_queue.mark("d", 6, NOW)
    assert taken(state) == ["d"] and taken(state) == []


def fail_stale(state: State, now: float) -> None:
    state.fetch_queue.failed("demo", "old page", now, stale=True)


def fail_hard(state: State, now: float) -> None:
    state.fetch_queue.failed("demo", "no answer", now, stale=False)


@pytest.mark.rule("R3")
@pytest.mark.parametrize("fail", [fail_stale, fail_hard])
def test_backoff(state: State, fail: Callable[[State, float], None]) -> None:
    state.fetch_queue.mark("demo", 5, NOW)
    waits = []
    for run in range(1, 11):
        assert taken(state, NOW, run, at_once=True) == ["demo"]
        fail(state, NOW)
        waits.append(only(state).next_try - NOW)
    assert waits == [0, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert taken(state, NOW + 3599, 20) == [] and taken(state, NOW + 3600, 20) == ["demo"]


@pytest.mark.rule("R3")
@pytest.mark.parametrize(
    ("reach", "patient", "again"),
    [
        pytest.param(6, True, True, id="news"),
        pytest.param(5, True, False, id="nothing-new"),
        pytest.param(None, True, False, id="no-reach-is-no-news"),
        pytest.param(None, False, True, id="a-person-asks"),
    ],
)
def test_news_reset_the_backoff(
    state: State, reach: int | None, patient: bool, again: bool
) -> None:
    state.fetch_queue.mark("demo", 5, NOW)
    for run in range(1, 9):
        taken(state, NOW, run, at_once=True)
        fail_stale(state, NOW)
    state.fetch_queue.mark("demo", reach, NOW, patient=patient)
    assert taken(state, NOW, 8) == (["demo"] if again else [])
    assert only(state).attempts == (0 if again else 8)


@pytest.mark.rule("R3")
def test_after_26_hours_it_is_only_behind_until_news(state: State) -> None:
    state.fetch_queue.mark("demo", 5, NOW)
    fail_stale(state, NOW)
    fail_stale(state, NOW + 26 * HOUR)
    assert state.fetch_queue.counts() == (1, 0, 0)
    late = NOW + 26 * HOUR + 1
    fail_stale(state, late)
    assert state.fetch_queue.counts() == (0, 0, 1) and state.fetch_queue.oldest() is None
    assert only(state).behind and taken(state, late + 10 * DAY, 7) == []
    assert state.fetch_queue.take_behind(7, late + DAY - 1, 9) == []
    assert [look.name for look in state.fetch_queue.take_behind(7, late + DAY, 9)] == ["demo"]
    assert state.fetch_queue.take_behind(7, late + DAY, 9) == []
    state.fetch_queue.mark("demo", 9, NOW)
    assert state.fetch_queue.counts() == (1, 0, 0) and taken(state, late, 8) == ["demo"]


@pytest.mark.rule("R3")
def test_an_outage_is_not_a_stale_page(state: State) -> None:
    state.fetch_queue.mark("demo", 5, NOW)
    fail_hard(state, NOW)
    fail_hard(state, NOW + 30 * HOUR)
    assert state.fetch_queue.counts() == (1, 0, 0)


def test_a_clock_set_back_keeps_nobody_waiting_for_ever(state: State) -> None:
    year = 365 * DAY
    for name in ("demo", "late"):
        state.fetch_queue.mark(name, 5, NOW)
    state.fetch_queue.failed("demo", "old", NOW, stale=True)
    state.fetch_queue.failed("demo", "old", NOW, stale=True)
    state.fetch_queue.failed("late", "old", NOW, stale=True)
    state.fetch_queue.failed("late", "old", NOW + 27 * HOUR, stale=True)
    assert state.fetch_queue.counts() == (1, 0, 1)
    assert taken(state, NOW - 30) == [], "a little back is no reason to hurry"
    assert taken(state, NOW - year) == ["demo"]
    assert [look.name for look in state.fetch_queue.take_behind(3, NOW - year, 9)] == ["late"]
    fail_stale(state, NOW - year)
    fail_stale(state, NOW - year + 27 * HOUR)
    assert state.fetch_queue.counts() == (0, 0, 2), "26 hours count by the clock of now"


def test_failing_what_was_done_meanwhile_does_nothing(state: State) -> None:
    fail_stale(state, NOW)
    assert not state.fetch_queue.has("demo")


def test_again_is_for_those_that_this_run_asked(state: State) -> None:
    for name in ("a", "b", "c"):
        state.fetch_queue.mark(name, 5, NOW)
    taken(state)
    state.fetch_queue.reached("b", None)
    state.fetch_queue.problem("a", "old page")
    state.fetch_queue.mark("c", 6, NOW)  # news meanwhile: the run asks anyway
    assert [look.name for look in state.fetch_queue.take_again(RUN, ["a", "b", "c"])] == ["a"]
    assert taken(state) == ["c"] and only(state).problem == "old page"


@pytest.mark.parametrize(
    ("reach", "serial", "left"),
    [(None, 5, False), (5, 5, False), (5, 6, False), (6, 5, True), (6, None, False)],
)
def test_reached(state: State, reach: int | None, serial: int | None, left: bool) -> None:
    state.fetch_queue.mark("demo", reach, NOW)
    state.fetch_queue.reached("demo", serial)
    assert state.fetch_queue.has("demo") is left


@pytest.mark.rule("R7")
def test_a_doubt_is_told_to_a_later_pass_only(state: State) -> None:
    def doubt(seen: str, run: int, now: float) -> None:
        at = Observation(now, run, 600)
        state.fetch_queue.mark_unconfirmed("demo", seen, f"{seen} was seen", at)

    doubt("404", RUN, NOW)
    assert only(state).problem == "404 was seen"
    (same,) = state.fetch_queue.take(RUN, NOW, 9, at_once=True)
    assert (same.unconfirmed, same.unconfirmed_since) == (None, NOW)
    # the look that confirms it comes later
    assert state.fetch_queue.take(RUN + 1, NOW + 599, 9) == []
    doubt("404", RUN + 1, NOW + 599)  # it was asked for by hand: since when it is doubted stays
    (later,) = state.fetch_queue.take(RUN + 1, NOW + 600, 9)
    assert (later.unconfirmed, later.unconfirmed_since, later.required_serial) == ("404", NOW, None)
    state.fetch_queue.mark("demo", 5, NOW)
    doubt("other", RUN + 1, NOW + 600)
    (last,) = state.fetch_queue.take(RUN + 2, NOW + 1200, 9)
    assert (last.unconfirmed, last.unconfirmed_since, last.required_serial) == (
        "other",
        NOW + 600,
        5,
    )


@pytest.mark.rule("R7")
def test_a_page_that_misses_files_is_asked_for_again_in_time(state: State) -> None:
    state.fetch_queue.confirm_at("demo", "demo-1.0.zip is missing", NOW, NOW + 600, run=RUN)
    assert taken(state, NOW + 600) == []  # a pass that lasts so long would ask for ever
    assert only(state).problem == "demo-1.0.zip is missing"
    assert state.fetch_queue.take(RUN + 1, NOW + 599, 9) == []
    (look,) = state.fetch_queue.take(RUN + 1, NOW + 600, 9)
    assert (look.since, look.required_serial, look.unconfirmed) == (NOW, None, None)
    state.fetch_queue.mark("demo", 7, NOW + 1)  # news does not wait for that
    (look,) = state.fetch_queue.take(RUN + 2, NOW + 1, 9)
    assert (look.since, look.required_serial) == (NOW, 7)


@pytest.mark.rule("R8")
def test_held_looks_wait_for_a_person(state: State) -> None:
    for name in ("a", "b", "c"):
        state.fetch_queue.mark(name, None, NOW)
    state.fetch_queue.hold(["a", "b"], "too many", NOW)
    assert state.fetch_queue.counts() == (1, 2, 0) and taken(state) == ["c"]
    assert state.fetch_queue.take_again(RUN, ["a"]) == []
    assert state.fetch_queue.approve(["b", "c"]) == ["b"]
    assert state.fetch_queue.approve(None) == ["a"] and taken(state) == ["a", "b"]


@pytest.mark.rule("R8")
def test_news_free_a_held_look_and_a_new_hold_counts_from_then(state: State) -> None:
    state.fetch_queue.mark("demo", 5, NOW)
    state.fetch_queue.hold(["demo"], "too many", NOW)
    state.fetch_queue.mark("demo", 6, NOW)
    assert state.fetch_queue.counts() == (1, 0, 0)
    for moment in (NOW + 50, NOW + 60):
        state.fetch_queue.hold(["demo"], "too many", moment)
        assert [(held.name, held.since) for held in state.fetch_queue.held()] == [
            ("demo", NOW + 50)
        ]


def test_forced(state: State) -> None:
    state.fetch_queue.mark("a", 5, NOW, forced=True)
    state.fetch_queue.mark("b", 5, NOW)
    state.fetch_queue.mark("a", 6, NOW)
    assert state.fetch_queue.forced() == 1
    assert {look.name: look.forced for look in state.fetch_queue.take(RUN, NOW, 9)} == {
        "a": True,
        "b": False,
    }


def test_ready_takes_nothing(state: State) -> None:
    for name in ("a", "b", "c"):
        state.fetch_queue.mark(name, 5, NOW)
    fail_stale(state, NOW)
    for _ in range(2):
        looks, total = state.fetch_queue.ready(NOW, 2)
        assert ([look.name for look in looks], total) == (["a", "b"], 3)
    assert DEMO not in taken(state)


def test_a_time_beyond_every_back_off_was_left_by_a_clock_since_set_back(state: State) -> None:
    state.fetch_queue.mark("demo", 5, NOW)
    for _ in range(20):
        state.fetch_queue.failed("demo", "no answer", NOW, stale=False)
    assert taken(state, NOW) == []  # an hour, the longest there is
    assert taken(state, NOW - 60) == ["demo"]
    assert taken(state, NOW + HOUR, run=2) == ["demo"]


def test_behind_such_a_time_is_one_beyond_a_day(state: State) -> None:
    state.fetch_queue.mark("demo", 5, NOW)
    fail_stale(state, NOW)
    fail_stale(state, NOW + 27 * HOUR)
    assert state.fetch_queue.counts() == (0, 0, 1)
    assert state.fetch_queue.take_behind(RUN, NOW + 27 * HOUR, 9) == []
    assert [look.name for look in state.fetch_queue.take_behind(RUN, NOW + 26 * HOUR, 9)] == [
        "demo"
    ]
