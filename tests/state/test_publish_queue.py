"""What is recorded and not published: dirty marks, holds, approvals (rules R1, R8)."""

from __future__ import annotations

import pytest

from tests.support.builders.state_rows import NOW, project, record
from yanksync.core.model import Published
from yanksync.core.names import NormalizedName
from yanksync.core.project_state import Sort
from yanksync.core.rules.removal_guard import Judgement
from yanksync.state.state import State

STANDS = Published(b"json", b"html", ("index.v1_json.gz", "index.html.br"))
TOO_MANY = Judgement(explained="too many", unexplained=None)
BOTH = Judgement(explained="too many", unexplained="nothing says so")


@pytest.fixture
def ids(state: State) -> list[int]:
    """Three projects, recorded: a, b, c."""
    return [record(state, name) for name in ("a", "b", "c")]


def publish(state: State, *ids: int, listed: bool = True, serial: int = 10) -> None:
    state.unpublished.finish([(id_, STANDS, listed, serial) for id_ in ids])


def waiting(state: State) -> list[tuple[int, Sort]]:
    return [(one.id, one.sort) for one in state.unpublished.take(99)]


def test_take_goes_on_after_an_id(state: State, ids: list[int]) -> None:
    for id_ in ids:
        state.unpublished.add(id_, Sort.PAGE, NOW)
    assert [one.id for one in state.unpublished.take(2)] == ids[:2]
    assert [one.id for one in state.unpublished.take(2, ids[1])] == ids[2:]
    assert [one.id for one in state.unpublished.among([ids[2], 999])] == ids[2:]
    assert state.unpublished.counts() == (3, 0) and state.unpublished.oldest() == NOW


@pytest.mark.rule("R1")
def test_dirty_from_the_first_write_until_it_is_finished(state: State, ids: list[int]) -> None:
    state.unpublished.add(ids[0], Sort.PAGE, NOW)
    state.unpublished.begin(ids[:1])
    state.unpublished.add(ids[0], Sort.PAGE, NOW + 1)  # recorded again meanwhile
    (one,) = state.unpublished.take(9)
    assert one.dirty and state.unpublished.oldest() == NOW
    publish(state, ids[0])
    assert state.unpublished.take(9) == [] and project(state, "a").published == STANDS
    assert project(state, "a").published_serial == 10 and state.projects.published() == 1


@pytest.mark.parametrize(
    ("listed", "serial", "flag"),
    [(True, 10, None), (True, 11, "list_serials"), (False, 10, "list_changed")],
)
def test_what_a_publication_does_to_the_list(
    state: State, ids: list[int], listed: bool, serial: int, flag: str | None
) -> None:
    publish(state, ids[0])
    assert state.meta.flag("list_changed")
    state.meta.put(list_changed=None, list_serials=None)
    publish(state, ids[0], listed=listed, serial=serial)
    flags = [name for name in ("list_changed", "list_serials") if state.meta.flag(name)]
    assert flags == ([] if flag is None else [flag])
    assert [row.name for row in state.projects.listing()] == (["a"] if listed else [])


@pytest.mark.parametrize("forget", [True, False])
def test_removed(state: State, ids: list[int], forget: bool) -> None:
    publish(state, *ids[:2])
    state.projects.remove("a", 12)
    state.unpublished.add(ids[0], Sort.EXPLAINED, NOW)
    state.meta.put(list_changed=None)
    state.unpublished.removed(ids[:1], forget=forget)
    assert state.meta.flag("list_changed") and state.unpublished.take(9) == []
    assert state.projects.page(ids[0]) is None and state.projects.page(ids[1]) is not None
    assert [row.name for row in state.projects.listing()] == ["b"]
    left = state.projects.get(["a"])
    assert (NormalizedName("a") not in left) is forget
    assert forget or (project(state, "a").serial, project(state, "a").published) == (12, None)


@pytest.mark.rule("R8")
def test_removals_are_counted_held_and_let_through_once(state: State, ids: list[int]) -> None:
    sorts = [Sort.EXPLAINED, Sort.UNEXPLAINED, Sort.PAGE]
    for id_, sort in zip(ids, sorts, strict=True):
        state.unpublished.add(id_, sort, NOW)
    assert state.unpublished.removals().explained == 1
    assert state.unpublished.names(Sort.UNEXPLAINED) == ["b"]
    assert [state.unpublished.sort(id_) for id_ in (*ids, 99)] == [*sorts, None]
    assert not state.unpublished.approved()
    state.unpublished.hold(TOO_MANY, NOW)
    assert waiting(state) == [(ids[1], Sort.UNEXPLAINED), (ids[2], Sort.PAGE)]
    assert state.unpublished.counts() == (2, 1)
    state.unpublished.hold(BOTH, NOW + 5)
    assert [(hold.name, hold.sort, hold.why, hold.since) for hold in state.unpublished.holds()] == [
        ("a", "explained", "too many", NOW),
        ("b", "unexplained", "nothing says so", NOW + 5),
    ]
    assert state.unpublished.approve(["b", "unheard-of"]) == ["b"]
    assert state.unpublished.approve(["b"]) == [] and state.unpublished.approved()
    state.unpublished.hold(BOTH, NOW + 9)
    assert [hold.name for hold in state.unpublished.holds()] == ["a"], "what was approved goes on"
    removals = state.unpublished.removals()
    assert (removals.explained, removals.unexplained) == (1, 0)
    assert state.unpublished.approve(None) == ["a"] and state.unpublished.counts() == (3, 0)


@pytest.mark.rule("R8")
@pytest.mark.parametrize(
    ("again", "held"), [(Sort.EXPLAINED, False), (Sort.PAGE, False), (Sort.UNEXPLAINED, True)]
)
def test_an_approval_is_for_what_was_seen(
    state: State, ids: list[int], again: Sort, held: bool
) -> None:
    state.unpublished.add(ids[0], Sort.EXPLAINED, NOW)
    state.unpublished.hold(BOTH, NOW)
    state.unpublished.approve(None)
    state.unpublished.add(ids[0], again, NOW)
    state.unpublished.hold(BOTH, NOW)
    assert bool(state.unpublished.holds()) is held


def test_held_removals_do_not_count_as_lag(state: State, ids: list[int]) -> None:
    state.unpublished.add(ids[0], Sort.EXPLAINED, NOW)
    state.unpublished.hold(BOTH, NOW)
    assert state.unpublished.oldest() is None


def test_our_own_configuration_is_never_held(state: State, ids: list[int]) -> None:
    state.narrow(["a", "b", "unheard-of"], NOW)
    state.unpublished.hold(BOTH, NOW)
    assert waiting(state) == [(ids[0], Sort.EXCLUDED), (ids[1], Sort.EXCLUDED)]
    removals = state.unpublished.removals()
    assert (removals.explained, removals.unexplained) == (0, 0)


def test_narrowing_forgets_what_was_pending_or_held(state: State, ids: list[int]) -> None:
    state.pending.mark("a", 5, NOW)
    state.unpublished.add(ids[0], Sort.UNEXPLAINED, NOW)
    state.unpublished.hold(BOTH, NOW)
    state.narrow(["a"], NOW)
    assert not state.pending.has("a") and waiting(state) == [(ids[0], Sort.EXCLUDED)]


def test_a_change_of_form_concerns_every_page_that_is_there(state: State, ids: list[int]) -> None:
    state.projects.remove("b", 12)
    state.unpublished.add(ids[1], Sort.EXPLAINED, NOW)
    state.unpublished.add(ids[2], Sort.UNEXPLAINED, NOW)
    state.unpublished.add_all(NOW)
    assert waiting(state) == list(
        zip(ids, (Sort.PAGE, Sort.EXPLAINED, Sort.UNEXPLAINED), strict=True)
    )


def test_an_output_that_is_not_known_any_more_is_written_anew(state: State, ids: list[int]) -> None:
    publish(state, *ids)
    state.projects.remove("b", 12)
    state.unpublished.add(ids[2], Sort.UNEXPLAINED, NOW)
    state.distrust_output()
    found = {one.id: (one.sort, one.dirty) for one in state.unpublished.take(9)}
    assert found == {ids[0]: (Sort.PAGE, True), ids[2]: (Sort.UNEXPLAINED, True)}


def test_a_problem_is_kept(state: State, ids: list[int]) -> None:
    state.unpublished.add(ids[0], Sort.PAGE, NOW)
    state.unpublished.problem(ids[0], "cannot be read")
    assert state.unpublished.counts() == (1, 0)
