"""Whole passes: a changed ``projects`` or ``exclude`` that leaves out what is published (R8)."""

from __future__ import annotations

import pytest

from tests.support.fake_index.index import Fault
from tests.support.page_assertions import assert_equal_to_upstream
from tests.support.world import DONE, HELD, PARTIAL, World
from yanksync.core.exit_codes import ExitCode
from yanksync.core.rules.fetch_plan import PassPlan
from yanksync.mirror.context import Mirror
from yanksync.state.views.holds import SELECTION, HeldItem, held_items
from yanksync.sync.pipeline import PassRequest
from yanksync.sync.plan import plan_pass

NAMES = ["demo", "other", "third"]


def begun(world: World, *names: str) -> World:
    for name in names:
        world.up.upload(name, "1.0")
        world.up.upload(name, "2.0")
    world.configure(mirror_projects=[*names])
    assert world.sync() == DONE
    assert world.up.list_requests() == []  # names alone need no list
    return world


def held(world: World) -> list[HeldItem]:
    with world.state() as state:
        return list(held_items(state))


@pytest.fixture
def named(world: World) -> World:
    return begun(world, *NAMES)


@pytest.mark.rule("R8")
def test_a_misspelt_name_removes_nothing(named: World, caplog: pytest.LogCaptureFixture) -> None:
    named.configure(mirror_projects=["demmo", "other", "third"])
    for _ in range(3):
        caplog.clear()
        assert named.sync() == HELD
        assert named.listed() == NAMES and named.page("demo") is not None
        (line,) = [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]
        assert "demo" in line and "demmo" in line and "yanksync approve" in line
        assert named.up.list_requests() == []
    (hold,) = held(named)
    assert (hold.project, hold.what) == (None, "selection")
    assert hold.why == (
        "it takes away demo, and upstream does not have demmo; perhaps demo is meant"
    )
    assert named.counts().held == 1


@pytest.mark.rule("R8")
def test_the_hold_ends_when_the_name_is_corrected(named: World) -> None:
    named.configure(mirror_projects=["demmo", "other", "third"])
    assert named.sync() == HELD
    named.configure(mirror_projects=NAMES)
    files = named.files()
    assert named.sync() == DONE
    assert held(named) == [] and named.files() == files
    # And when it leaves out no more than may go.
    named.configure(mirror_projects=["demmo", "other", "third"])
    assert named.sync() == HELD
    named.configure(mirror_projects=["other", "third"])
    assert named.sync() == DONE
    assert held(named) == [] and named.listed() == ["other", "third"]


@pytest.mark.rule("R8")
def test_what_only_the_held_selection_had_goes_when_it_is_taken_back(named: World) -> None:
    """Else it would stay as it is, and no yank of it would ever arrive."""
    named.up.upload("new", "1.0")
    named.configure(mirror_projects=["demmo", "new", "third"])
    assert named.sync() == HELD
    assert named.listed() == [*NAMES[:1], "new", *NAMES[1:]]
    named.configure(mirror_projects=NAMES)
    assert named.sync() == DONE
    assert named.listed() == NAMES and named.page("new") is None
    assert_equal_to_upstream(named)


@pytest.mark.rule("R8")
def test_what_only_the_held_selection_had_goes_when_another_is_held(named: World) -> None:
    named.up.upload("new", "1.0")
    named.configure(mirror_projects=["demmo", "new", "third"])
    assert named.sync() == HELD
    named.configure(mirror_projects=["demmo", "third"])
    assert named.sync() == HELD
    assert named.listed() == NAMES
    (hold,) = held(named)
    assert "it takes away demo, other, and" in hold.why


@pytest.mark.rule("R8")
def test_an_approval_is_for_the_selection_that_was_seen(named: World) -> None:
    named.configure(mirror_projects=["demmo", "other", "third"])
    assert named.sync() == HELD
    assert named.approve("demo") == []  # no project is held: the selection is
    assert named.approve() == [SELECTION] and held(named) == []
    named.configure(mirror_projects=["demmo", "third"])
    assert named.sync() == HELD  # another one than that
    assert named.listed() == NAMES
    assert named.approve() == [SELECTION]
    assert named.sync() == DONE
    assert named.listed() == ["third"]
    assert_equal_to_upstream(named)
    named.configure(mirror_projects=["thirt"])
    assert named.sync() == HELD and named.listed() == ["third"]


@pytest.mark.rule("R1")
def test_what_a_held_selection_leaves_out_is_followed(named: World) -> None:
    named.configure(mirror_projects=["demmo", "third"])
    assert named.sync() == HELD
    named.up.yank("demo", "1.0", "bad")
    named.up.upload("demo", "3.0")
    named.up.quarantine_project("other")
    assert named.sync() == HELD
    assert named.yanked("demo") == {
        "demo-1.0.tar.gz": "bad",
        "demo-2.0.tar.gz": False,
        "demo-3.0.tar.gz": False,
    }
    assert named.yanked("other") == {}
    named.up.remove_project("demo")
    assert named.sync() == HELD
    assert named.page("demo") is None  # upstream removed it: that is not held


@pytest.mark.rule("R8")
def test_a_selection_is_held_since_it_was_first(named: World) -> None:
    named.configure(mirror_projects=["demmo", "third"])
    assert named.sync() == HELD
    (first,) = held(named)
    named.up.remove_project("other")  # now it would take away one less
    assert named.sync() == HELD
    (now,) = held(named)
    assert now.why != first.why and now.since == first.since
    named.configure(mirror_projects=["demmo"])
    assert named.sync() == HELD
    (another,) = held(named)
    assert another.since > now.since


def test_a_name_that_upstream_has_replaces_another_at_once(named: World) -> None:
    named.up.upload("demmo", "1.0")
    named.configure(mirror_projects=["demmo", "other", "third"])
    assert named.sync() == DONE
    assert named.listed() == ["demmo", "other", "third"]
    assert_equal_to_upstream(named)


def test_a_new_name_that_upstream_cannot_be_asked_for_waits(named: World) -> None:
    """It may be misspelt: everything stays, and no approval is needed."""
    named.up.upload("new", "1.0")
    named.up.fail("^/simple/new/", Fault.status(500), times=None)
    named.configure(mirror_projects=["new", "other", "third"])
    assert named.sync() == PARTIAL
    assert named.listed() == NAMES and held(named) == []
    named.up.heal()
    assert named.settle() == DONE
    assert named.listed() == ["new", "other", "third"]


@pytest.mark.rule("R8")
@pytest.mark.parametrize(
    "flags",
    [
        pytest.param({"mirror_projects": ["p0?"]}, id="projects"),
        pytest.param({"mirror_exclude": ["p[12]*"]}, id="exclude"),
        pytest.param({"mirror_projects": ["q*"]}, id="nothing"),
        pytest.param({"mirror_projects": ["p00", "demmo"]}, id="names"),
    ],
)
def test_a_large_narrowing_is_held(world: World, flags: dict[str, object]) -> None:
    names = [f"p{number:02}" for number in range(30)]
    for name in names:
        world.up.upload(name, "1.0")
    assert world.sync() == DONE
    world.configure(**flags)
    for _ in range(2):
        assert world.sync() == HELD
        assert world.listed() == names
    (hold,) = held(world)
    assert "of 30 published projects" in hold.why or "all 30 published projects" in hold.why
    world.up.upload("p20", "2.0")
    assert world.sync() == HELD and len(world.yanked("p20")) == 2
    assert world.approve() == [SELECTION]
    assert world.sync() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R8")
@pytest.mark.parametrize(("share", "code"), [("10", HELD), ("20", DONE)])
def test_the_limit_is_a_setting(world: World, share: str, code: int) -> None:
    for number in range(40):
        world.up.upload(f"p{number:02}", "1.0")
    assert world.sync() == DONE
    world.configure(mirror_exclude=["p0[0-7]"], guard_selection=share)
    assert world.sync() == code
    assert len(world.listed()) == (40 if code == HELD else 32)


def plan(world: World) -> PassPlan:
    def rehearsed(mirror: Mirror) -> ExitCode:
        found.append(plan_pass(mirror, PassRequest()))
        return DONE

    found: list[PassPlan] = []
    assert world.work(rehearsed) == DONE
    return found[0]


def test_a_rehearsal_tells_each_removal_with_its_reason(named: World) -> None:
    named.up.remove_project("other")
    named.configure(mirror_projects=["other", "third"])
    found = plan(named)
    assert {one.name: one.why for one in found.removals} == {
        "demo": "mirror.projects and mirror.exclude leave it out",
        "other": "upstream says that it was removed",
    }
    assert (found.held, found.publications) == ((), 0)
    named.configure(mirror_projects=["demmo"])
    found = plan(named)
    assert [one.name for one in found.removals] == ["other"]
    (why,) = found.held
    assert "all 3 published projects: demo, other, third" in why
    assert named.listed() == NAMES and held(named) == []  # it was a rehearsal


@pytest.mark.rule("R8")
@pytest.mark.parametrize("journal", ["xmlrpc", "listing"])
@pytest.mark.parametrize("before", [["*"], ["[a-z]*"], ["demo", "o*", "third"]], ids=str)
def test_a_misspelt_name_removes_nothing_when_a_pattern_had_it(
    world: World, before: list[str], journal: str
) -> None:
    for name in NAMES:
        world.up.upload(name, "1.0")
    world.configure(mirror_projects=before, upstream_journal=journal)
    assert world.sync() == DONE
    for wanted in (["demo", "othr", "third"], ["demo", "othr", "t*"]):
        world.configure(mirror_projects=wanted)
        for _ in range(2):
            assert world.sync() == HELD
            assert world.listed() == NAMES
        (hold,) = held(world)
        assert hold.why == (
            "it takes away other, and upstream does not have othr; perhaps other is meant"
        )
    world.configure(mirror_projects=["demo", "third"])
    assert world.sync() == DONE
    assert world.listed() == ["demo", "third"] and held(world) == []


@pytest.mark.rule("R8")
def test_names_that_a_pattern_had_are_taken_at_once(world: World) -> None:
    for name in NAMES:
        world.up.upload(name, "1.0")
    assert world.sync() == DONE
    world.configure(mirror_projects=["demo", "third"])
    assert world.sync() == DONE
    assert world.listed() == ["demo", "third"] and world.up.list_requests() == []


@pytest.mark.rule("R8")
def test_a_name_that_upstream_removed_long_ago_holds_too(world: World) -> None:
    for name in NAMES:
        world.up.upload(name, "1.0")
    assert world.sync() == DONE
    world.up.remove_project("other")
    assert world.sync() == DONE
    world.configure(mirror_projects=["other", "third"])
    assert world.sync() == HELD and world.listed() == ["demo", "third"]
    assert world.approve("selection") == [SELECTION]
    assert world.sync() == DONE and world.listed() == ["third"]
