"""Whole passes: an outage is no removal (R7), and upstreams that lost what they had shown (R14)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.fake_index.index import Fault
from tests.support.page_assertions import assert_equal_to_upstream
from tests.support.world import DONE, FAILED, HELD, HOUR, PARTIAL, World
from yanksync.state.views.holds import JOURNAL, held_items

NAMES = ("a", "b", "c")
EMPTY = b"<html><head><title>Links for {}</title></head><body><h1>Links for {}</h1></body></html>"


def named(world: World, *names: str) -> World:
    """Return a mirror of an index that lacks a journal and serials."""
    world.up.xmlrpc_status = 404
    world.up.page_serials = world.up.list_serials = False
    world.configure(mirror_projects=[*names], guard_confirm_after=600)
    for name in names:
        world.up.upload(name, "1.0")
        world.up.upload(name, "2.0")
    assert world.sync() == DONE
    return world


def started(world: World, *names: str) -> World:
    for name in names or NAMES:
        world.up.upload(name, "1.0")
    assert world.sync() == DONE
    return world


def projects(world: World) -> set[str]:
    return {path.split("/")[1] for path in world.files() if path.count("/") == 2}


@pytest.mark.rule("R7")
@pytest.mark.parametrize("number", [1, 3, 30])
def test_a_host_that_answers_404_to_everything_removes_nothing(world: World, number: int) -> None:
    names = [f"p{n:02}" for n in range(number)]
    named(world, *names)
    files = world.files()
    world.up.fail("^/", Fault.status(404), None)
    for later in (0, 300, HOUR, 30 * HOUR):
        assert world.sync(later=later) == FAILED
        assert world.files() == files
        assert world.mirror is not None and "the root of the index answered 404" in str(
            world.mirror.totals.problem
        )
    world.up.heal()
    world.up.yank(names[0], "1.0", "bad")
    assert world.settle() == DONE
    assert world.yanked(names[0])[f"{names[0]}-1.0.tar.gz"] == "bad"


@pytest.mark.rule("R7")
def test_pages_that_are_all_missing_are_an_outage_whatever_the_root_says(world: World) -> None:
    started(world, *NAMES, "d")
    for name in NAMES:  # the sweep, a second look: no journal entry
        world.resync(name)
    world.up.fail("^/simple/.+", Fault.status(404), None)
    for _ in range(3):
        assert world.resync(*NAMES, later=HOUR) == FAILED
        assert projects(world) == {*NAMES, "d"}
        assert world.asked[-1] == "d"  # one that nobody asked about tells the two apart
    world.up.heal()
    assert world.settle() == DONE


@pytest.mark.rule("R7")
def test_a_project_that_alone_is_missing_is_believed_when_another_page_is_there(
    world: World,
) -> None:
    started(world)
    world.up.fail("^/simple/a/", Fault.status(404), None)
    for later in (0, 300, 299):
        assert world.resync("a", later=later) == PARTIAL
        assert projects(world) == {*NAMES}
    assert world.resync("a", later=1) == DONE
    assert projects(world) == {"b", "c"}


@pytest.mark.rule("R8")
def test_a_loss_of_everything_is_held(world: World) -> None:
    named(world, *NAMES)
    world.up.fail("^/simple/.+", Fault.status(404), None)
    assert world.sync() == PARTIAL
    for _ in range(2):
        assert world.sync(later=HOUR) == HELD
        assert projects(world) == {*NAMES}
    assert world.approve() == [*NAMES]
    assert world.sync() == DONE
    assert projects(world) == set()


@pytest.mark.rule("R8")
@pytest.mark.parametrize("serials", [True, False])
def test_a_project_that_loses_all_its_files_is_held_when_there_is_no_other(
    world: World, serials: bool
) -> None:
    if serials:
        started(world, "demo")
    else:
        named(world, "demo")
    before = world.yanked("demo")
    world.up.doctor = lambda page: {**page, "files": []}
    world.up.raw_row("demo", None, "frobnicate")
    assert world.sync() == PARTIAL
    assert world.sync(later=HOUR) == HELD
    assert world.yanked("demo") == before
    world.approve()
    assert world.sync() == DONE
    assert world.yanked("demo") == {}


@pytest.mark.rule("R7")
def test_an_index_that_answers_every_name_with_an_empty_page(world: World) -> None:
    """As Nexus does, for names it never had and when the last version was deleted."""
    world.up.html_only = True
    named(world, "demo", "more")
    world.configure(mirror_projects=["demo", "more", "ghost"])
    world.up.fail("^/simple/ghost/", Fault.body(EMPTY.replace(b"{}", b"ghost"), "text/html"), None)
    assert world.sync() == DONE
    assert projects(world) == {"demo", "more"}
    world.up.fail("^/simple/demo/", Fault.body(EMPTY.replace(b"{}", b"demo"), "text/html"), None)
    assert world.sync() == PARTIAL
    assert len(world.yanked("demo")) == 2
    assert world.sync(later=HOUR) == DONE
    assert world.yanked("demo") == {} and len(world.yanked("more")) == 2


def _at(name: str, serial: int, page: dict[str, Any]) -> dict[str, Any]:
    """Return the page of ``name`` as one of ``serial``."""
    meta = {**page["meta"], "_last-serial": serial}
    return {**page, "meta": meta} if page["name"] == name else page


@pytest.mark.rule("R14")
def test_a_page_whose_entry_upstream_lost_hides_no_yank(world: World) -> None:
    started(world)
    world.up.raw_row("a", None, "frobnicate")
    lost = world.up.last_serial + 2
    world.up.doctor = lambda page: _at("a", lost, page)
    assert world.sync() == DONE  # ahead of the journal, as pages often are
    world.up.doctor = None
    world.up.raw_row("b", None, "frobnicate")
    world.up.yank("a", "1.0", "exploit")  # the serial that the page had
    assert world.up.last_serial == lost
    world.up.raw_row("b", None, "frobnicate")
    assert world.sync() == DONE  # it is an entry about the project, so nobody can tell
    world.up.raw_row("a", None, "frobnicate")
    ahead = world.up.last_serial + 1
    world.up.doctor = lambda page: _at("a", ahead, page)
    assert world.sync() == DONE
    world.up.doctor = None
    files = world.files()
    world.up.raw_row("b", None, "frobnicate")
    world.up.unyank("a", "1.0")
    for _ in range(2):
        assert world.sync() == HELD
        assert world.files() == files
    with world.state() as state:
        (held,) = held_items(state)
    assert f"the page of a is of serial {ahead}" in held.why
    assert world.approve() == [JOURNAL]
    assert world.settle() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R14")
def test_a_page_that_the_journal_confirms_is_no_reason_to_hold(world: World) -> None:
    started(world)
    journal = world.up.journal
    world.up.raw_row("a", None, "frobnicate")
    world.up.upload("a", "2.0")
    whole = world.up.journal
    world.up.replace_journal([*journal, whole[len(journal)]])
    world.up.doctor = lambda page: _at("a", whole[-1].serial, page)
    assert world.sync() == DONE
    world.up.doctor = None
    world.up.replace_journal(whole)
    assert world.sync() == DONE
    with world.state() as state:
        assert state.unconfirmed_serials.upto(whole[-1].serial) == []
    assert_equal_to_upstream(world)


@pytest.mark.rule("R14")
@pytest.mark.parametrize("serial", [2**31, 10**15])
def test_what_is_too_large_for_a_serial_is_none(world: World, serial: int) -> None:
    started(world)
    world.up.upload("a", "2.0")
    world.up.doctor = lambda page: _at("a", serial, page)
    assert world.sync() == PARTIAL
    world.up.doctor = None
    world.up.yank("a", "1.0", "exploit")
    assert world.settle() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R14")
def test_lists_that_stay_older_are_of_an_upstream_that_was_put_back(world: World) -> None:
    world.configure(upstream_journal="listing")
    started(world)
    backup = world.up.snapshot()
    for _ in range(5):
        world.up.upload("c", "2.0")
    assert world.sync() == DONE
    world.up.restore(backup)
    world.up.yank("a", "1.0", "exploit")
    assert world.sync() == PARTIAL
    with world.state() as state:
        read = state.facts.moment("complete_read")
    assert world.sync(later=HOUR) == PARTIAL  # a cache may keep a list for so long
    with world.state() as state:
        assert state.facts.moment("complete_read") == read  # so that the lag grows
    for _ in range(2):
        assert world.sync() == HELD
        assert world.yanked("a") == {"a-1.0.tar.gz": False}
    world.approve()
    assert world.settle() == DONE
    assert_equal_to_upstream(world)
    assert world.yanked("a") == {"a-1.0.tar.gz": "exploit"}


@pytest.mark.rule("R14")
@pytest.mark.parametrize("newer", [True, False])
def test_a_hold_of_old_lists_ends_when_they_are_new_again(world: World, newer: bool) -> None:
    world.configure(upstream_journal="listing")
    started(world)
    frozen = world.up.listing()
    world.up.upload("a", "2.0")
    assert world.sync() == DONE

    def until_it_is_held() -> None:
        world.up._frozen_list = frozen
        assert world.sync() == PARTIAL
        assert world.sync(later=2 * HOUR) == HELD

    until_it_is_held()
    world.up.thaw_list()
    if newer:
        world.up.yank("a", "1.0", "bad")
    assert world.sync() == DONE
    assert world.counts().held == 0
    until_it_is_held()
    assert world.approve() == [JOURNAL]
    world.up.thaw_list()
    assert world.sync() == DONE
    until_it_is_held()  # the approval was unneeded, so it is dropped
    world.up.thaw_list()
    assert world.sync() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R14")
def test_an_old_list_is_forgotten_when_the_newest_comes_again(world: World) -> None:
    world.configure(upstream_journal="listing")
    started(world)
    frozen = world.up.listing()
    world.up.upload("a", "2.0")
    assert world.sync() == DONE
    for _ in range(3):
        world.up._frozen_list = frozen  # from another cache
        assert world.sync(later=HOUR) == PARTIAL
        world.up.thaw_list()
        assert world.sync() == DONE  # 304


@pytest.mark.rule("R14")
def test_a_list_from_an_old_cache_is_forgotten_when_a_newer_one_comes(world: World) -> None:
    world.configure(upstream_journal="listing")
    started(world)
    world.up.freeze_list()
    for _ in range(3):
        world.up.thaw_list()
        world.up.yank("a", "1.0", "bad")
        assert world.sync() == DONE
        world.up.unyank("a", "1.0")
        frozen = world.up.listing()
        world.up.upload("b", "2.0")
        assert world.sync() == DONE
        world.up._frozen_list = frozen
        assert world.sync(later=HOUR) == PARTIAL
    world.up.thaw_list()
    assert world.settle() == DONE
    assert_equal_to_upstream(world)
