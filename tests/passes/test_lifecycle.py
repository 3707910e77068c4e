"""Whole passes: first build, full-resync, changes of configuration, lost and old state."""

from __future__ import annotations

import pytest

from tests.support.dying_store import Killed
from tests.support.fake_index.index import Fault
from tests.support.page_assertions import assert_equal_to_upstream
from tests.support.world import DONE, FAILED, HELD, HOUR, PARTIAL, World
from yanksync.core.project_state import Presence


def test_the_first_build_starts_where_the_older_of_list_and_journal_ends(world: World) -> None:
    world.up.upload("demo", "1.0")
    world.up.upload("other", "1.0")
    world.up.freeze_list()  # half an hour old
    world.up.yank("demo", "1.0", "since")
    world.up.remove_project("other")
    world.up.upload("new", "1.0")
    assert world.sync() == DONE
    assert_equal_to_upstream(world)
    assert world.told() == [(9, "yank", "since"), (10, "remove", "")]
    # The journal is read behind the pages: only what changed since the list is asked for again.
    assert world.asked == ["demo", "new", "other", "other"]


def test_an_interrupted_first_build_goes_on(disk: World) -> None:
    for n in range(30):
        disk.up.upload(f"p{n}", "1.0")
    disk.up.fail("^/simple/p1", Fault.status(500), None)
    assert disk.sync() == PARTIAL
    disk.up.heal()
    assert disk.sync() == DONE
    assert len(disk.asked) == 11  # only those that are missing
    assert_equal_to_upstream(disk)


def test_a_full_resync_asks_for_all_and_leaves_no_hole_in_the_history(disk: World) -> None:
    disk.started("demo", "other", "third")
    disk.up.archive("demo")
    disk.up.yank("other", "1.0", "bad")
    before = disk.stamps()
    assert disk.resync() == DONE
    assert disk.asked == ["demo", "other", "third"]
    assert not any("if-none-match" in r.headers for r in disk.up.page_requests())
    assert disk.told() == [(19, "yank", "bad")]
    assert_equal_to_upstream(disk)
    after = disk.stamps()
    assert all(before[path] == after[path] for path in before if "/third/" in path)


@pytest.mark.parametrize("command", ["sync", "resync"])
def test_an_interrupted_full_resync_is_carried_on(world: World, command: str) -> None:
    names = [f"p{n:02}" for n in range(30)]
    world.started(*names)
    world.up.fail("^/simple/p1", Fault.status(403), None)
    assert world.resync() == PARTIAL
    assert len(world.asked) == 40  # p10 to p19 were asked twice
    world.up.heal()
    world.up.yank("p11", "1.0", "bad")
    assert (world.resync() if command == "resync" else world.sync()) == DONE
    assert world.asked == names[10:20]
    assert world.up.list_requests() == []
    assert world.told() == [(181, "yank", "bad")]
    assert world.resync() == DONE
    assert world.asked == names  # the next one is a new one
    assert_equal_to_upstream(world)


def test_a_killed_full_resync_is_carried_on(world: World) -> None:
    names = [f"p{n:02}" for n in range(8)]
    world.started(*names)
    world.clock.dies = 6
    with pytest.raises(Killed):
        world.resync()
    assert world.settle() == DONE
    assert_equal_to_upstream(world)


def test_a_full_resync_finds_what_left_the_list(world: World) -> None:
    world.configure(upstream_journal="listing")
    world.started("demo", "other")
    world.up.remove_project("other")
    assert world.resync() == DONE
    assert_equal_to_upstream(world)


def test_a_full_resync_of_one_project_asks_for_it_alone(world: World) -> None:
    world.started("demo", "other")
    world.up.archive("demo")
    assert world.resync("demo") == DONE
    assert world.asked == ["demo"] and world.up.list_requests() == []
    assert_equal_to_upstream(world)


@pytest.mark.incident(36)
def test_narrowing_and_widening(disk: World) -> None:
    disk.started("aa-one", "aa-two", "bb-one")
    disk.configure(mirror_projects=["aa-*"])
    assert disk.sync() == DONE and disk.asked == []
    assert disk.up.list_requests() == []  # narrowing needs no request
    assert_equal_to_upstream(disk)
    disk.up.yank("bb-one", "1.0", "not ours")
    disk.up.yank("aa-one", "1.0", "ours")
    assert disk.sync() == DONE and disk.asked == ["aa-one"]
    assert [row.project for row in disk.history()] == ["aa-one"]
    disk.configure(mirror_projects=["*"], mirror_exclude=["aa-two"])
    disk.up.freeze_list()
    disk.up.yank("bb-one", "2.0", "ours again")
    assert disk.sync() == DONE and disk.asked == ["bb-one"]
    assert_equal_to_upstream(disk)
    assert disk.told("bb-one") == [(21, "yank", "ours again")]
    assert disk.told("aa-one") == [(20, "yank", "ours")]


def test_narrowed_to_names_and_back(disk: World) -> None:
    disk.started("demo", "other")
    disk.configure(mirror_projects=["demo", "ghost"])
    assert disk.sync() == HELD  # it may be misspelt
    disk.approve()
    assert disk.sync() == DONE
    with disk.state() as state:  # nobody knew of it, so it was looked for
        assert list(state.projects.names(Presence.UNKNOWN)) == ["ghost"]
    disk.configure(mirror_projects=["demo"])
    assert disk.sync() == DONE and disk.up.list_requests() == [] and disk.asked == []
    disk.up.yank("other", "1.0", "meanwhile")
    assert disk.sync() == DONE and disk.asked == []
    disk.configure(mirror_projects=["*"])
    assert disk.sync() == DONE
    assert_equal_to_upstream(disk)


@pytest.mark.incident(36)
def test_widened_again_before_the_narrowing_was_published(disk: World) -> None:
    disk.started("demo", "other")
    disk.configure(mirror_projects=["demo"])
    disk.kills.at = 0
    with pytest.raises(Killed):
        disk.sync()
    disk.configure(mirror_projects=["*"])
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)


def test_named_projects_unknown_quarantined_and_removed(world: World) -> None:
    world.configure(mirror_projects=["demo", "ghost", "bad"])
    world.up.upload("demo", "1.0")
    world.up.upload("bad", "1.0")
    world.up.quarantine_project("bad")
    assert world.sync() == DONE
    assert world.counts() == (0, 0, 0, 0)
    assert world.sync() == DONE and world.asked == []  # the unknown one is not asked for again
    assert world.yanked("bad") == {} and world.page("ghost") is None
    world.up.upload("ghost", "1.0")
    world.up.clear_project_quarantine("bad")
    assert world.sync() == DONE
    assert_equal_to_upstream(world)


def test_a_state_kept_while_a_pass_was_under_way_knows_the_tree_is_newer(disk: World) -> None:
    disk.started("demo")
    disk.up.upload("other", "1.0")
    disk.up.fail("^/simple/other", Fault.status(500), 2)
    disk.sync()  # the journal was read, the list is the old one
    disk.keep_state()
    disk.sync()
    disk.put_back_state()
    disk.up.remove_project("other")
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)


@pytest.mark.parametrize("quarantine", [False, True])
def test_what_a_run_published_that_the_state_put_back_knows_nothing_of_goes(
    disk: World, quarantine: bool
) -> None:
    disk.started("demo")
    disk.keep_state()
    disk.up.upload("other", "1.0")
    disk.kills.at, disk.kills.after = 0, True  # its page is there, the list is still the old one
    with pytest.raises(Killed):
        disk.sync()
    assert disk.page("other") is not None
    disk.put_back_state()
    if quarantine:
        disk.up.quarantine_project("other")
        disk.up.fail("^/simple/", Fault.garbage(), None)
        disk.sync()
        assert disk.page("other") is None, "on the journal's word (R9)"
        disk.up.heal()
    else:
        disk.up.remove_project("other")
    assert disk.settle() == DONE
    assert quarantine or disk.page("other") is None
    assert_equal_to_upstream(disk)


def test_a_death_while_the_list_is_written_does_not_make_it_a_strangers(disk: World) -> None:
    disk.started("demo", "other")
    disk.up.remove_project("other")
    disk.kills.at, disk.kills.after = 1, True  # the removal, then the list
    with pytest.raises(Killed):
        disk.sync()
    before = disk.stamps()
    assert disk.sync() == DONE
    assert_equal_to_upstream(disk)
    after = disk.stamps()
    assert all(before[path] == after[path] for path in before if "/demo/" in path)


@pytest.mark.parametrize("also_changed", [False, True])
def test_a_lost_state_is_built_again_without_going_back(disk: World, also_changed: bool) -> None:
    disk.started("demo", "other", "gone")
    disk.up.yank("demo", "1.0", "bad")
    disk.sync(later=HOUR)
    disk.lose_state()
    if also_changed:
        disk.up.remove_project("gone")
        disk.up.cdn_hold("demo", disk.up.before("demo"))  # older than what stands in the tree
    disk.sync()
    assert disk.yanked("demo")["demo-1.0.tar.gz"] == "bad"
    disk.up.cdn_clear()
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)


@pytest.mark.parametrize("command", ["sync", "resync", "listing"])
def test_a_quarantine_while_the_state_was_lost_does_not_wait_for_a_first_build(
    disk: World, command: str
) -> None:
    disk.configure(upstream_workers=1)
    if command == "listing":
        disk.configure(upstream_journal="listing")
    disk.started("demo", "bad", "gone", "other")
    disk.lose_state()
    disk.up.quarantine_project("bad")  # and no list names it any more
    disk.up.remove_project("gone")
    disk.up.fail("^/simple/(demo|gone)/", Fault.status(503), None)
    (disk.resync if command == "resync" else disk.sync)()
    first = [request.project for request in disk.up.page_requests()][:2]
    assert sorted(map(str, first)) == ["bad", "gone"], "before all that is listed"
    page = disk.page("bad")
    assert page is not None and page["files"] == []
    assert disk.page("gone") is not None
    disk.up.heal()
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)


def test_an_old_page_of_what_was_quarantined_while_the_state_was_lost_is_not_taken(
    disk: World,
) -> None:
    disk.started("demo", "bad")
    disk.lose_state()
    disk.up.quarantine_project("bad")
    disk.up.serve_stale("bad", None)
    disk.sync()
    with disk.state() as state:
        assert state.projects.get(["bad"])["bad"].presence == "new"  # type: ignore[index]
    disk.up.cdn_clear()
    assert disk.settle() == DONE
    page = disk.page("bad")
    assert page is not None and page["files"] == []
    assert_equal_to_upstream(disk)


def test_a_state_older_than_the_tree_never_brings_an_old_page_back(disk: World) -> None:
    disk.started("demo", "other")
    disk.keep_state()
    disk.up.yank("demo", "1.0", "bad")
    disk.up.upload("new", "1.0")
    disk.up.remove_project("other")
    assert disk.sync(later=HOUR) == DONE
    disk.put_back_state()
    disk.up.cdn_hold("demo", disk.up.before("demo"))
    disk.sync()
    assert disk.yanked("demo")["demo-1.0.tar.gz"] == "bad"
    disk.up.cdn_clear()
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)
    told = [row for row in disk.told() if row[1] in ("yank", "remove")]
    assert told == [(13, "yank", "bad"), (18, "remove", "")]


def test_a_state_older_than_the_tree_while_upstream_is_away(disk: World) -> None:
    disk.started("demo")
    disk.keep_state()
    disk.up.yank("demo", "1.0", "bad")
    disk.sync(later=HOUR)
    files = disk.files()
    disk.put_back_state()
    disk.up.fail("^/", Fault.status(503), None)
    disk.configure(mirror_yanked="omit")  # which asks for every page to be rendered again
    for _ in range(2):
        assert disk.sync() == FAILED
        assert disk.files() == files
    disk.up.heal()
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)


@pytest.mark.parametrize("all_of_it", [True, False])
def test_a_lost_tree_is_written_again(disk: World, all_of_it: bool) -> None:
    disk.started("demo", "other")
    if all_of_it:
        disk.drop_tree()
    else:
        (disk.where / "out/simple/index.v1_json").unlink()
        (disk.where / "out/simple/demo/index.html").unlink()
    assert disk.sync() == DONE
    assert disk.asked == [], "from the state alone"
    assert_equal_to_upstream(disk)
    before = disk.stamps()
    assert disk.sync() == DONE
    assert disk.stamps() == before


def test_a_tree_that_was_lost_after_a_death_while_the_list_was_written(disk: World) -> None:
    disk.started("demo", "other")
    disk.up.remove_project("other")
    disk.kills.at, disk.kills.after = 1, True  # the removal, then the list
    with pytest.raises(Killed):
        disk.sync()
    disk.drop_tree()
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)


def test_a_tree_that_is_lost_again_before_all_is_recovered(disk: World) -> None:
    disk.started("demo", "other")
    disk.drop_tree()
    disk.up.yank("other", "1.0", "bad")
    disk.up.fail("^/simple/other/", Fault.status(503), None)
    assert disk.sync() == PARTIAL
    assert disk.page("demo") is not None
    disk.drop_tree()
    assert disk.sync() == PARTIAL
    assert disk.page("demo") is not None
    before = disk.stamps()
    assert disk.sync() == PARTIAL
    assert disk.stamps() == before
    disk.up.heal()
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("after", [False, True])
def test_a_tree_that_is_lost_after_a_death_before_there_was_a_list(
    disk: World, begun: bool, after: bool
) -> None:
    if begun:  # then it is the list of a tree that was lost before
        disk.started("demo", "other")
        disk.drop_tree()
    else:
        disk.up.upload("demo", "1.0")
    disk.kills.at, disk.kills.after = 1, after  # the pages, then the list
    with pytest.raises(Killed):
        disk.sync()
    assert disk.page("demo") is not None
    disk.drop_tree()
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)
    before = disk.stamps()
    assert disk.sync() == DONE
    assert disk.stamps() == before


def test_a_tree_put_back_from_a_backup_hands_out_nothing_that_was_withdrawn(disk: World) -> None:
    disk.started("demo", "bad", "other", *(f"gone-{n}" for n in range(5)))
    disk.keep_tree()
    disk.up.yank("demo", "1.0", "bad")
    disk.up.quarantine_project("bad")
    for n in range(5):  # more than may go unexplained
        disk.up.remove_project(f"gone-{n}")
    assert disk.sync(later=HOUR) == DONE
    disk.put_back_tree()
    assert disk.yanked("demo")["demo-1.0.tar.gz"] is False
    disk.up.fail("^/", Fault.status(503), None)  # it needs nobody for that
    disk.sync()
    assert disk.yanked("demo")["demo-1.0.tar.gz"] == "bad"
    page = disk.page("bad")
    assert page is not None and page["files"] == []
    disk.up.heal()
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)


def test_a_tree_that_was_copied_with_its_times_is_the_same_tree(disk: World) -> None:
    disk.started("demo", "other")
    disk.keep_tree()
    disk.put_back_tree()
    before = disk.stamps()
    assert disk.sync() == DONE
    assert disk.stamps() == before


def test_a_policy_that_was_changed_and_changed_back_while_the_state_was_put_back(
    disk: World,
) -> None:
    disk.started("demo")
    disk.up.yank("demo", "1.0", "bad")
    assert disk.sync(later=HOUR) == DONE
    disk.keep_state()
    disk.configure(mirror_yanked="omit")
    assert disk.sync() == DONE and list(disk.yanked("demo")) == ["demo-2.0.tar.gz"]
    disk.configure(mirror_yanked="mark")
    disk.put_back_state()
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)


def test_without_a_journal_an_outage_is_a_failure_and_no_remainder(world: World) -> None:
    world.configure(upstream_journal="none", mirror_projects=["demo", "other"])
    world.up.upload("demo", "1.0")
    world.up.upload("other", "1.0")
    world.up.fail("^/simple/", Fault.status(502), None)
    assert world.sync() == FAILED
    world.up.heal()
    assert world.sync() == DONE
    world.up.fail("^/simple/other/", Fault.status(502), None)
    assert world.sync() == PARTIAL  # one of two answered: upstream is there


def test_a_journal_that_fails_behind_a_first_build_is_told_and_read_in_the_next_pass(
    world: World,
) -> None:
    world.up.upload("demo", "1.0")
    world.up.freeze_list()
    world.up.yank("demo", "1.0", "since")
    world.up.fail("changelog_since_serial", Fault.status(502), None)
    assert world.sync() == FAILED
    assert world.page("demo") is not None and world.told() == []
    world.up.heal()
    assert world.sync() == DONE
    assert world.told() == [(5, "yank", "since")]
    assert_equal_to_upstream(world)
