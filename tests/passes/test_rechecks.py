"""Whole passes: the sweep proves every page within its days, and never in a burst."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.support.fake_index.index import Fault
from tests.support.page_assertions import assert_equal_to_upstream
from tests.support.world import DAY, DONE, HOUR, World
from yanksync.core.rules.fetch_plan import recheck_budget

QUARTER = 900.0  # seconds between passes
PROJECTS = 80


def started(world: World, number: int = PROJECTS, *, days: int = 1) -> list[str]:
    """Build a mirror whose sweep takes ``days``."""
    names = [f"p{n:03}" for n in range(number)]
    for name in names:
        world.up.upload(name, "1.0")
    world.configure(upstream_sweep_days=str(days))
    assert world.sync() == DONE
    return names


def sweep(world: World, seconds: float) -> dict[str, list[float]]:
    """Make a pass each quarter of an hour; return when each project was asked for."""
    asked: dict[str, list[float]] = {}
    share = recheck_budget(PROJECTS, QUARTER, 1)
    for _ in range(int(seconds / QUARTER)):
        assert world.sync(later=QUARTER) == DONE
        assert len(world.asked) <= share
        for name in world.asked:
            asked.setdefault(name, []).append(world.clock.time)
    return asked


def test_every_page_is_asked_for_within_the_days_and_no_pass_asks_more_than_its_share(
    world: World,
) -> None:
    names = started(world)
    begun = world.clock.time
    asked = sweep(world, 2.5 * DAY)
    assert sorted(asked) == names
    for times in asked.values():
        gaps = [later - before for before, later in zip([begun, *times], times, strict=False)]
        assert max(gaps) <= DAY + QUARTER  # the pass after it is due
        assert min(gaps) >= DAY / 2
        assert world.clock.time - times[-1] <= DAY + QUARTER
    assert Counter(request.status for request in world.up.page_requests()).keys() <= {304}


def test_a_clock_set_back_by_months_stops_no_sweep(world: World) -> None:
    names = started(world)
    world.clock.time -= 200 * DAY
    assert sorted(sweep(world, DAY)) == names


def test_a_shorter_sweep_counts_from_the_next_pass(world: World) -> None:
    names = started(world, days=300)
    world.configure(upstream_sweep_days="1")
    assert sorted(sweep(world, DAY)) == names


def test_a_sweep_that_was_off_begins_when_it_is_turned_on(world: World) -> None:
    names = started(world, days=0)
    assert sweep(world, DAY) == {}
    world.configure(upstream_sweep_days="1")
    assert sorted(sweep(world, DAY)) == names


@pytest.mark.parametrize("days", [0, 30])
def test_what_is_behind_is_asked_for_each_day_though_nothing_is_published(
    world: World, days: int
) -> None:
    (name,) = started(world, 1, days=days)
    world.up.remove_project(name)
    assert world.sync() == DONE and world.page(name) is None
    world.up.serve_stale(name, None)
    world.resync(name)
    for _ in range(14):
        world.sync(later=2 * HOUR)
    assert world.page(name) is None and world.counts().behind == 1
    world.up.cdn_release(name)
    assert world.settle(later=DAY) == DONE
    assert world.counts() == (0, 0, 0, 0)


def test_a_project_that_is_behind_takes_nobodys_place(world: World) -> None:
    names = started(world, 4, days=30)
    world.up.yank(names[0], "1.0")
    world.up.cdn_hold(names[0], world.up.before(names[0]))
    for _ in range(14):
        world.sync(later=2 * HOUR)
    assert world.counts().behind == 1
    world.up.archive(names[3])
    for _ in range(70):
        world.sync(later=DAY / 2)
    assert world.page(names[3])["project-status"] == {"status": "archived"}  # type: ignore[index]
    world.up.cdn_release(names[0])
    assert world.settle(later=DAY) == DONE
    assert_equal_to_upstream(world)


def test_an_old_first_page_of_a_named_project_is_found_within_the_day(world: World) -> None:
    """No list tells the serial of a project that is named; a CDN may answer with an old page."""
    world.up.upload("demo", "1.0")
    world.up.cdn_hold("demo")
    world.up.yank("demo", "1.0", "bad")
    world.configure(mirror_projects=["demo"], upstream_sweep_days=30)
    assert world.sync() == DONE
    assert world.yanked("demo") == {"demo-1.0.tar.gz": False}
    world.up.cdn_release("demo")
    assert world.sync(later=25 * HOUR) == DONE and world.asked == []
    assert world.sync(later=2 * HOUR) == DONE and world.asked == ["demo"]
    assert_equal_to_upstream(world)


def removed_by_two_404s(world: World) -> None:
    """Remove a project although upstream still has it."""
    started(world, 5, days=30)
    world.up.fail("/p003/", Fault.status(404), None)
    for _ in range(2):
        world.resync("p003", later=QUARTER)
    assert "p003" not in world.listed()


@pytest.mark.rule("R7")
@pytest.mark.parametrize("journal", ["xmlrpc", "listing"])
def test_a_project_that_went_without_an_explanation_returns_within_the_day(
    world: World, journal: str
) -> None:
    world.configure(upstream_journal=journal)
    removed_by_two_404s(world)
    for _ in range(3):  # the fault lasts
        assert world.sync(later=20 * HOUR) == DONE
    world.up.heal()
    for _ in range(13):
        assert world.sync(later=2 * HOUR) == DONE
    assert_equal_to_upstream(world)


def asked_in_days(world: World, days: int) -> Counter[str]:
    """Make a pass every two hours; count for how often each project was asked."""
    asked: Counter[str] = Counter()
    for _ in range(days * 12):
        world.sync(later=2 * HOUR)
        asked.update(world.asked)
    return asked


@pytest.mark.rule("R7")
@pytest.mark.parametrize("journal", ["xmlrpc", "listing"])
def test_a_project_that_stays_away_is_asked_for_once_a_day(world: World, journal: str) -> None:
    world.configure(upstream_journal=journal)
    removed_by_two_404s(world)
    assert asked_in_days(world, 10)["p003"] == 10
    world.up.remove_project("p003")
    assert world.sync() == DONE
    assert asked_in_days(world, 3)["p003"] == 0  # the journal or the list explains it now


@pytest.mark.rule("R7")
def test_a_removed_project_is_not_asked_for_in_each_pass_of_an_outage(world: World) -> None:
    removed_by_two_404s(world)
    world.up.heal()
    world.up.fail("/p003/", Fault.status(503), None)
    assert asked_in_days(world, 5)["p003"] == 5
    world.up.heal()
    assert world.settle(3, later=DAY) == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R7")
def test_a_list_that_was_empty_by_mistake_explains_no_removal(world: World) -> None:
    world.configure(upstream_journal="listing", guard_confirm_after="10m")
    started(world, 5, days=30)
    world.up.fail("^/simple/$", Fault.empty_list(), None)
    world.up.fail("/p003/", Fault.status(404), None)
    for _ in range(5):
        world.sync(later=DAY)
    world.up.fail("^/simple/$", Fault.empty_list(), None)
    assert asked_in_days(world, 5)["p003"] <= 6
    world.up.heal()
    world.settle(3, later=DAY)
    assert_equal_to_upstream(world)


@pytest.mark.rule("R14")
def test_projects_that_a_restored_upstream_lacks_keep_no_other_from_being_asked(
    world: World,
) -> None:
    world.configure(guard_unexplained=100)
    names = started(world, 3, days=1)
    backup = world.up.snapshot()
    for number in range(4):
        world.up.upload(f"lost{number}", "1.0")
    assert world.sync() == DONE
    world.up.restore(backup)
    for version in ("0.0", "1.0"):
        world.up.upload("other", version)
    world.sync()
    world.approve()
    for _ in range(3):
        world.settle()
    asked = asked_in_days(world, 5)
    assert all(asked[name] >= 5 for name in names)
    assert asked["lost0"] <= 6
