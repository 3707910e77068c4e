"""Whole passes: upstream lost its newest entries and went on, and only its list tells (R14)."""

from __future__ import annotations

import pytest

from tests.support.fake_index.index import Fault
from tests.support.fake_index.pages import Answer
from tests.support.page_assertions import assert_equal_to_upstream
from tests.support.world import DONE, HELD, HOUR, PARTIAL, World
from yanksync.state.views.holds import JOURNAL, held_items


def lose(world: World) -> Answer:
    """Let upstream lose the unyank of ``demo`` and go on; return the page that it had."""
    world.configure(upstream_journal="listing")
    for name in ("demo", "other", "third"):
        world.up.upload(name, "1.0")
        world.up.upload(name, "2.0")
    world.up.yank("demo", "1.0", "malware")
    kept = world.up.snapshot()
    world.up.unyank("demo", "1.0")
    assert world.sync() == DONE
    newest = world.up.answer("demo")
    world.up.restore(kept)
    world.up.yank("third", "1.0", "bad")
    return newest


@pytest.fixture
def lost(world: World) -> World:
    """An upstream that lost the unyank of ``demo`` and went on with ``third``."""
    lose(world)
    return world


def why(world: World) -> str:
    with world.state() as state:
        (one,) = held_items(state)
    assert one.what == "journal"
    return one.why


def approved(world: World) -> None:
    assert world.approve() == [JOURNAL]
    assert world.settle() == DONE
    assert_equal_to_upstream(world)
    assert world.sync() == DONE and world.asked == []


@pytest.mark.rule("R14")
def test_a_row_that_stays_below_what_is_held_holds_all(lost: World) -> None:
    assert lost.sync() == PARTIAL and lost.asked == ["demo", "demo", "third"]
    assert lost.yanked("third")["third-1.0.tar.gz"] == "bad"
    assert lost.sync(later=HOUR - 100) == PARTIAL
    assert lost.sync() == HELD  # upstream says 304 for its list
    assert "its list has demo at serial 19, and 20 was held" in why(lost)
    lost.up.yank("other", "1.0", "bad")
    assert lost.sync() == HELD and lost.yanked("other")["other-1.0.tar.gz"] is False
    approved(lost)
    assert lost.yanked("demo")["demo-1.0.tar.gz"] == "malware"


@pytest.mark.rule("R14")
@pytest.mark.parametrize("busy", [False, True])
def test_full_resync_leads_to_the_same(lost: World, busy: bool) -> None:
    assert lost.resync() == PARTIAL
    for _ in range(3):
        assert lost.resync(later=1000.0) == PARTIAL
        if busy:
            lost.up.upload("third", f"{lost.up.last_serial}.0")
    assert lost.resync(later=1000.0) == HELD
    assert "demo" in why(lost)
    assert lost.resync() == HELD and lost.asked == []
    assert lost.approve() == [JOURNAL]
    assert lost.resync() == DONE
    assert_equal_to_upstream(lost)


@pytest.mark.rule("R14")
def test_a_removal_that_upstream_lost_is_noticed(world: World) -> None:
    world.configure(upstream_journal="listing")
    for name in ("demo", "other", "third"):
        world.up.upload(name, "1.0")
    assert world.sync() == DONE
    kept = world.up.snapshot()
    world.up.remove_project("demo")
    assert world.sync() == DONE and world.page("demo") is None
    world.up.restore(kept)
    world.up.yank("third", "1.0", "bad")
    assert world.sync() == PARTIAL
    assert world.sync(later=HOUR + 1) == HELD
    approved(world)
    assert world.page("demo") is not None


@pytest.mark.rule("R14")
def test_a_cache_that_gives_old_rows_for_a_while_is_no_alarm(lost: World) -> None:
    lost.up.unyank("demo", "1.0")  # the entries were not lost: list and page were old
    assert lost.sync() == DONE
    kept = lost.up.snapshot()
    for _ in range(3):  # now this project, now that one, in all for longer than an hour
        lost.up.unyank("demo", "1.0")
        assert lost.sync() == DONE
        newer = lost.up.snapshot()
        lost.up.restore(kept)
        lost.up.burn_serial(50)
        lost.up.yank("third", "2.0", "bad")
        assert lost.sync(later=HOUR - 400) == PARTIAL
        lost.up.restore(newer)
        lost.up.burn_serial(90)
        lost.up.yank("demo", "2.0", "worse")
        lost.up.upload("third", f"{lost.up.last_serial}.0")
        assert lost.settle(later=100.0) == DONE
        assert_equal_to_upstream(lost)
        kept = lost.up.snapshot()


@pytest.mark.rule("R14")
def test_a_page_ahead_of_the_list_is_no_alarm(world: World) -> None:
    world.configure(upstream_journal="listing", upstream_sweep_days=0)
    world.up.upload("demo", "1.0")
    world.up.upload("other", "1.0")
    assert world.sync() == DONE
    world.up.upload("demo", "2.0")
    world.up.freeze_list()
    world.up.upload("demo", "3.0")
    world.up.yank("other", "1.0", "bad")
    for _ in range(3):
        assert world.sync(later=HOUR) == DONE
    assert world.resync() == DONE
    world.up.thaw_list()
    assert world.settle() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R14")
def test_the_page_decides_when_list_and_page_disagree(world: World) -> None:
    world.up.cdn_hold("demo", lose(world))
    for _ in range(3):
        assert world.sync(later=HOUR) == DONE  # the page is the one that is held
        assert "demo" in world.asked
        assert world.sync() == DONE and world.asked == []  # once an hour
    world.up.cdn_release("demo")
    assert world.sync(later=HOUR) == PARTIAL
    assert world.sync() == HELD


@pytest.mark.rule("R14")
def test_a_page_that_fails_says_nothing(lost: World) -> None:
    lost.up.fail("^/simple/demo", Fault.status(503), None)
    for _ in range(3):
        assert lost.sync(later=HOUR) == PARTIAL
    lost.up.heal()
    assert lost.sync(later=HOUR) == PARTIAL
    assert lost.sync(later=HOUR) == HELD
