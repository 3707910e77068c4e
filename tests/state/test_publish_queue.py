"""What is recorded and not published: dirty marks, holds, approvals (rules R1, R8)."""

from __future__ import annotations

import pytest

from tests.support.builders.state_rows import NOW, project, record
from yanksync.core.model import PublishedForms
from yanksync.core.names import NormalizedName
from yanksync.core.project_state import PublishReason
from yanksync.core.rules.removal_guard import GuardDecision
from yanksync.state.state import State

STANDS = PublishedForms(b"json", b"html", ("index.v1_json.gz", "index.html.br"))
TOO_MANY = GuardDecision(explained="too many", unexplained=None)
BOTH = GuardDecision(explained="too many", unexplained="nothing says so")


@pytest.fixture
def ids(state: State) -> list[int]:
    """Three projects, recorded: a, b, c."""
    return [record(state, name) for name in ("a", "b", "c")]


def publish(state: State, *ids: int, listed: bool = True, serial: int = 10) -> None:
    state.publish_queue.mark_published([(id_, STANDS, listed, serial) for id_ in ids])


def waiting(state: State) -> list[tuple[int, PublishReason]]:
    return [(one.id, one.reason) for one in state.publish_queue.take(99)]


def test_take_goes_on_after_an_id(state: State, ids: list[int]) -> None:
    for id_ in ids:
        state.publish_queue.add(id_, PublishReason.PAGE, NOW)
    assert [one.id for one in state.publish_queue.take(2)] == ids[:2]
    assert [one.id for one in state.publish_queue.take(2, ids[1])] == ids[2:]
    assert [one.id for one in state.publish_queue.queued([ids[2], 999])] == ids[2:]
    assert state.publish_queue.counts() == (3, 0) and state.publish_queue.oldest() == NOW


@pytest.mark.rule("R1")
def test_dirty_from_the_first_write_until_it_is_finished(state: State, ids: list[int]) -> None:
    state.publish_queue.add(ids[0], PublishReason.PAGE, NOW)
    state.publish_queue.mark_writing(ids[:1])
    state.publish_queue.add(ids[0], PublishReason.PAGE, NOW + 1)  # recorded again meanwhile
    (one,) = state.publish_queue.take(9)
    assert one.write_started and state.publish_queue.oldest() == NOW
    publish(state, ids[0])
    assert state.publish_queue.take(9) == [] and project(state, "a").published == STANDS
    assert project(state, "a").published_serial == 10 and state.projects.published() == 1


@pytest.mark.parametrize(
    ("listed", "serial", "flag"),
    [(True, 10, None), (True, 11, "list_serials"), (False, 10, "list_changed")],
)
def test_what_a_publication_does_to_the_list(
    state: State, ids: list[int], listed: bool, serial: int, flag: str | None
) -> None:
    publish(state, ids[0])
    assert state.facts.flag("list_changed")
    state.facts.put(list_changed=None, list_serials=None)
    publish(state, ids[0], listed=listed, serial=serial)
    flags = [name for name in ("list_changed", "list_serials") if state.facts.flag(name)]
    assert flags == ([] if flag is None else [flag])
    assert [row.name for row in state.projects.listing()] == (["a"] if listed else [])


@pytest.mark.parametrize("forget", [True, False])
def test_removed(state: State, ids: list[int], forget: bool) -> None:
    publish(state, *ids[:2])
    state.projects.remove("a", 12)
    state.publish_queue.add(ids[0], PublishReason.EXPLAINED, NOW)
    state.facts.put(list_changed=None)
    state.publish_queue.removed(ids[:1], forget=forget)
    assert state.facts.flag("list_changed") and state.publish_queue.take(9) == []
    assert state.projects.page(ids[0]) is None and state.projects.page(ids[1]) is not None
    assert [row.name for row in state.projects.listing()] == ["b"]
    left = state.projects.get(["a"])
    assert (NormalizedName("a") not in left) is forget
    assert forget or (project(state, "a").serial, project(state, "a").published) == (12, None)


@pytest.mark.rule("R8")
def test_removals_are_counted_held_and_let_through_once(state: State, ids: list[int]) -> None:
    sorts = [PublishReason.EXPLAINED, PublishReason.UNEXPLAINED, PublishReason.PAGE]
    for id_, sort in zip(ids, sorts, strict=True):
        state.publish_queue.add(id_, sort, NOW)
    assert state.publish_queue.removals().explained == 1
    assert state.publish_queue.names(PublishReason.UNEXPLAINED) == ["b"]
    assert [state.publish_queue.reason(id_) for id_ in (*ids, 99)] == [*sorts, None]
    assert not state.publish_queue.approved()
    state.publish_queue.hold(TOO_MANY, NOW)
    assert waiting(state) == [(ids[1], PublishReason.UNEXPLAINED), (ids[2], PublishReason.PAGE)]
    assert state.publish_queue.counts() == (2, 1)
    state.publish_queue.hold(BOTH, NOW + 5)
    assert [
        (hold.name, hold.reason, hold.why, hold.since) for hold in state.publish_queue.holds()
    ] == [
        ("a", "explained", "too many", NOW),
        ("b", "unexplained", "nothing says so", NOW + 5),
    ]
    assert state.publish_queue.approve(["b", "unheard-of"]) == ["b"]
    assert state.publish_queue.approve(["b"]) == [] and state.publish_queue.approved()
    state.publish_queue.hold(BOTH, NOW + 9)
    assert [hold.name for hold in state.publish_queue.holds()] == ["a"], "what was approved goes on"
    removals = state.publish_queue.removals()
    assert (removals.explained, removals.unexplained) == (1, 0)
    assert state.publish_queue.approve(None) == ["a"] and state.publish_queue.counts() == (3, 0)


@pytest.mark.rule("R8")
@pytest.mark.parametrize(
    ("again", "held"),
    [
        (PublishReason.EXPLAINED, False),
        (PublishReason.PAGE, False),
        (PublishReason.UNEXPLAINED, True),
    ],
)
def test_an_approval_is_for_what_was_seen(
    state: State, ids: list[int], again: PublishReason, held: bool
) -> None:
    state.publish_queue.add(ids[0], PublishReason.EXPLAINED, NOW)
    state.publish_queue.hold(BOTH, NOW)
    state.publish_queue.approve(None)
    state.publish_queue.add(ids[0], again, NOW)
    state.publish_queue.hold(BOTH, NOW)
    assert bool(state.publish_queue.holds()) is held


def test_held_removals_do_not_count_as_lag(state: State, ids: list[int]) -> None:
    state.publish_queue.add(ids[0], PublishReason.EXPLAINED, NOW)
    state.publish_queue.hold(BOTH, NOW)
    assert state.publish_queue.oldest() is None


def test_our_own_configuration_is_never_held(state: State, ids: list[int]) -> None:
    state.drop_unselected(["a", "b", "unheard-of"], NOW)
    state.publish_queue.hold(BOTH, NOW)
    assert waiting(state) == [(ids[0], PublishReason.EXCLUDED), (ids[1], PublishReason.EXCLUDED)]
    removals = state.publish_queue.removals()
    assert (removals.explained, removals.unexplained) == (0, 0)


def test_narrowing_forgets_what_was_pending_or_held(state: State, ids: list[int]) -> None:
    state.fetch_queue.mark("a", 5, NOW)
    state.publish_queue.add(ids[0], PublishReason.UNEXPLAINED, NOW)
    state.publish_queue.hold(BOTH, NOW)
    state.drop_unselected(["a"], NOW)
    assert not state.fetch_queue.has("a") and waiting(state) == [(ids[0], PublishReason.EXCLUDED)]


def test_a_change_of_form_concerns_every_page_that_is_there(state: State, ids: list[int]) -> None:
    state.projects.remove("b", 12)
    state.publish_queue.add(ids[1], PublishReason.EXPLAINED, NOW)
    state.publish_queue.add(ids[2], PublishReason.UNEXPLAINED, NOW)
    state.publish_queue.add_all(NOW)
    assert waiting(state) == list(
        zip(
            ids,
            (PublishReason.PAGE, PublishReason.EXPLAINED, PublishReason.UNEXPLAINED),
            strict=True,
        )
    )


def test_an_output_that_is_not_known_any_more_is_written_anew(state: State, ids: list[int]) -> None:
    publish(state, *ids)
    state.projects.remove("b", 12)
    state.publish_queue.add(ids[2], PublishReason.UNEXPLAINED, NOW)
    state.distrust_output()
    found = {one.id: (one.reason, one.write_started) for one in state.publish_queue.take(9)}
    assert found == {ids[0]: (PublishReason.PAGE, True), ids[2]: (PublishReason.UNEXPLAINED, True)}


def test_a_problem_is_kept(state: State, ids: list[int]) -> None:
    state.publish_queue.add(ids[0], PublishReason.PAGE, NOW)
    state.publish_queue.problem(ids[0], "cannot be read")
    assert state.publish_queue.counts() == (1, 0)
