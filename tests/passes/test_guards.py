"""Whole passes: what a person must see first (R8), and an upstream that was put back (R14)."""

from __future__ import annotations

import json

import pytest

from tests.support.dying_store import Killed
from tests.support.fake_index.index import Fault
from tests.support.page_assertions import assert_equal_to_upstream
from tests.support.world import DAY, DONE, FAILED, HELD, HOUR, PARTIAL, World
from yanksync.state.views.holds import SELECTION, held_items


def started(world: World, number: int) -> list[str]:
    names = [f"p{n:03}" for n in range(number)]
    for name in names:
        world.up.upload(name, "1.0")
        world.up.upload(name, "2.0")
    assert world.sync() == DONE
    return names


@pytest.mark.rule("R8")
def test_explained_removals_above_the_limit_are_held_and_all_else_goes_on(
    world: World,
) -> None:
    world.configure(guard_explained=1)
    names = started(world, 103)
    for name in names[:101]:
        world.up.remove_project(name)
    world.up.yank(names[101], "1.0", "bad")
    world.up.quarantine_project(names[102])
    assert world.sync() == HELD
    assert world.counts().held == 101 and world.page(names[0]) is not None
    assert world.yanked(names[101])[f"{names[101]}-1.0.tar.gz"] == "bad"
    assert world.yanked(names[102]) == {}  # quarantines are never held
    assert world.sync() == HELD
    assert len(world.approve()) == 101
    world.up.remove_project(names[101])  # one more is not counted with what was approved
    assert world.sync() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R8")
def test_as_many_as_the_limit_go_through(world: World) -> None:
    for name in started(world, 101)[:100]:
        world.up.remove_project(name)
    assert world.sync() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R8")
def test_a_project_that_lost_files_before_it_vanished_counts_once(world: World) -> None:
    names = [f"p{n:03}" for n in range(8)]
    world.configure(upstream_journal="none", mirror_projects=names)
    assert started(world, 8) == names
    world.up.doctor = lambda page: {**page, "files": page["files"][page["name"] < "p002" :]}
    assert world.sync() == PARTIAL
    world.up.fail("^/simple/p00[01]", Fault.status(404), times=None)
    assert world.sync(later=HOUR) == PARTIAL
    assert world.sync(later=HOUR) == DONE  # two removals, not four
    assert world.listed() == names[2:]


@pytest.mark.rule("R8")
def test_lost_files_that_are_approved_take_no_project_along(world: World) -> None:
    """Its removal waits for its own judgement, though a run died before that."""
    names = started(world, 4)
    world.configure(upstream_journal="none", mirror_projects=names)
    world.up.doctor = lambda page: {**page, "files": page["files"][1:]}
    assert world.sync() == HELD
    world.up.fail("^/simple/p", Fault.status(404), times=None)
    assert world.sync(later=HOUR) == HELD
    looks = 0  # at the clock, before it dies
    while world.counts().unpublished == 0:
        world.clock.dies = looks
        with pytest.raises(Killed):
            world.sync(later=HOUR)
        looks += 1
    with world.state() as state:
        assert {held.what for held in held_items(state)} == {"files"}
    assert world.approve() == names
    assert world.sync() == HELD
    assert {path.split("/")[1] for path in world.files()} >= {*names}
    with world.state() as state:
        assert {held.what for held in held_items(state)} == {"removal"}


@pytest.mark.rule("R8")
def test_half_of_the_mirror_may_go_when_the_journal_says_so(world: World) -> None:
    names = started(world, 230)
    for name in names[:115]:
        world.up.remove_project(name)
    assert world.sync() == DONE
    for name in names[115:216]:
        world.up.remove_project(name)
    assert world.sync() == HELD  # more than 100, and more than half of what is left
    assert world.counts().held == 101
    world.approve()
    assert world.sync() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R8")
def test_unexplained_losses_are_held_above_three(world: World) -> None:
    names = started(world, 5)
    gone = {*names[:4]}
    world.up.doctor = lambda page: {**page, "files": page["files"][page["name"] in gone :]}
    for name in names:
        world.up.raw_row(name, None, "frobnicate")
    world.up.yank(names[4], "1.0", "bad")
    assert world.sync() == HELD
    assert world.sync(later=HOUR) == HELD
    assert world.counts().held == 4
    assert len(world.yanked(names[0])) == 2
    assert world.yanked(names[4])[f"{names[4]}-1.0.tar.gz"] == "bad"
    assert world.approve(names[0]) == [names[0]]
    assert world.sync() == HELD
    assert len(world.yanked(names[0])) == 1 and len(world.yanked(names[1])) == 2
    world.approve()
    assert world.sync() == DONE


@pytest.mark.rule("R6")
def test_a_yank_of_a_file_that_was_lost_meanwhile_is_told_once(world: World) -> None:
    world.up.upload("demo", "1.0")
    world.up.upload("demo", "2.0")
    assert world.settle() == DONE
    world.configure(upstream_journal="listing")  # pages are read before the entries about them
    world.up.doctor = lambda page: {
        **page,
        "files": [file for file in page["files"] if file["filename"] != "demo-1.0.tar.gz"],
    }
    world.up.yank("demo", "1.0", "bad")
    world.sync(later=HOUR)
    world.up.doctor = None
    world.up.raw_row("demo", None, "frobnicate")
    world.sync(later=HOUR)
    assert world.yanked("demo")["demo-1.0.tar.gz"] == "bad"
    world.configure(upstream_journal="xmlrpc")
    assert world.settle() == DONE
    told = [(row.version, str(row.action), row.reason, row.source) for row in world.history()]
    assert told == [("1.0", "yank", "bad", "journal")]


@pytest.mark.rule("R8")
def test_news_about_a_held_project_does_not_let_its_losses_through(world: World) -> None:
    names = started(world, 5)
    gone = {*names[:4]}
    world.up.doctor = lambda page: {**page, "files": page["files"][page["name"] in gone :]}
    for name in names:
        world.up.raw_row(name, None, "frobnicate")
    world.sync()
    assert world.sync() == HELD
    world.up.raw_row(names[0], None, "frobnicate")
    assert world.sync() == HELD
    assert len(world.yanked(names[0])) == 2


@pytest.mark.rule("R8")
def test_what_is_held_hides_no_withdrawal(world: World) -> None:
    names = started(world, 5)
    gone = {f"{name}-1.0.tar.gz" for name in names[:4]}
    world.up.doctor = lambda page: {
        **page,
        "files": [file for file in page["files"] if file["filename"] not in gone],
    }
    for name in names:
        world.up.raw_row(name, None, "frobnicate")
    assert world.sync() == HELD
    world.up.yank(names[0], "2.0", "exploit")
    world.up.yank(names[1], "1.0", "the file that is held")
    world.up.upload(names[2], "3.0")
    world.up.remove_release(names[3], "1.0")
    assert world.sync() == HELD
    assert world.yanked(names[0]) == {
        f"{names[0]}-1.0.tar.gz": False, f"{names[0]}-2.0.tar.gz": "exploit",
    }  # fmt: skip
    assert world.yanked(names[1])[f"{names[1]}-1.0.tar.gz"] is True  # the reason is on no page
    assert f"{names[2]}-3.0.tar.gz" in world.yanked(names[2])
    assert f"{names[3]}-1.0.tar.gz" not in world.yanked(names[3])  # explained by now
    assert world.counts().held == 3
    world.up.quarantine_project(names[0])
    world.up.remove_project(names[1])
    assert world.sync() == HELD
    assert world.yanked(names[0]) == {} and world.page(names[1]) is None
    assert world.approve() == [names[2]]
    world.up.doctor = None
    for name in (names[0], *names[2:]):
        world.up.raw_row(name, None, "frobnicate")
    assert world.settle() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R7")
@pytest.mark.parametrize("after", ["0s", "2h"])
def test_a_pass_asks_once_for_what_a_later_one_confirms(world: World, after: str) -> None:
    """However soon that may be, and however much there is: more than one batch."""
    names = started(world, 230)
    world.configure(guard_confirm_after=after)
    world.up.doctor = lambda page: {**page, "files": page["files"][1:]}
    for name in names:
        world.up.raw_row(name, None, "frobnicate")
    world.clock.dies = 300  # looks at the clock: a pass without end dies
    assert world.sync() == HELD
    assert world.asked == names


def test_lost_files_of_many_projects_go_batch_by_batch(world: World) -> None:
    """All their pages at once would not fit into memory."""
    names = started(world, 510)
    world.up.doctor = lambda page: {**page, "files": page["files"][1:]}
    for name in names:
        world.up.raw_row(name, None, "frobnicate")
    assert world.sync() == HELD
    assert len(world.approve()) == 510
    world.kills.at = 1
    with pytest.raises(Killed):
        world.sync()
    assert world.counts().unpublished == 10
    assert world.sync(later=HOUR) == DONE
    assert all(len(world.yanked(name)) == 1 for name in names)


@pytest.mark.rule("R6")
def test_a_yank_of_a_lost_file_is_told_once(world: World) -> None:
    started(world, 3)
    world.up.doctor = lambda page: {
        **page,
        "files": [file for file in page["files"] if file["filename"] != "p000-1.0.tar.gz"],
    }
    world.up.raw_row("p000", None, "frobnicate")
    older = world.up.answer("p000")
    yanked = world.up.yank("p000", "1.0", "bad")
    world.up.cdn_hold("p000", older)  # the page is older than the journal
    assert world.sync() == PARTIAL
    assert world.yanked("p000")["p000-1.0.tar.gz"] is True
    world.up.cdn_release("p000")
    assert world.sync(later=60) == PARTIAL
    world.up.doctor = None
    world.up.raw_row("p000", None, "frobnicate")
    assert world.settle() == DONE
    assert world.told() == [(yanked, "yank", "bad")]
    assert_equal_to_upstream(world)


@pytest.mark.rule("R8")
def test_a_file_with_another_hash_stays_and_takes_a_new_mark(world: World) -> None:
    started(world, 2)
    old = world.page("p000")
    assert old is not None
    world.up.doctor = lambda page: json.loads(
        json.dumps(page).replace(old["files"][0]["hashes"]["sha256"], "ab" * 32)
    )
    world.up.raw_row("p000", None, "frobnicate")
    assert world.sync() == HELD
    world.up.yank("p000", "1.0", "tampered")
    world.up.yank("p000", "2.0", "exploit")
    assert world.sync() == HELD
    page = world.page("p000")
    assert page is not None
    assert [file["hashes"] for file in page["files"]] == [file["hashes"] for file in old["files"]]
    assert [file["yanked"] for file in page["files"]] == ["tampered", "exploit"]
    with world.state() as state:
        (held,) = held_items(state)
    assert (held.project, held.what) == ("p000", "hash")
    (file,) = held.files
    assert dict(file.old) == old["files"][0]["hashes"]
    assert dict(file.new or ()) == {"sha256": "ab" * 32}


@pytest.mark.rule("R8")
def test_an_approval_is_for_the_hash_that_was_held(world: World) -> None:
    started(world, 2)
    old = world.page("p000")
    assert old is not None

    def rehashed(digest: str) -> None:
        world.up.doctor = lambda page: json.loads(
            json.dumps(page).replace(old["files"][0]["hashes"]["sha256"], digest)
        )
        world.up.raw_row("p000", None, "frobnicate")

    rehashed("ab" * 32)
    assert world.sync() == HELD
    assert world.approve("p000") == ["p000"]
    rehashed("cd" * 32)
    assert world.sync() == HELD
    page = world.page("p000")
    assert page is not None and page["files"][0]["hashes"]["sha256"] == "ab" * 32
    with world.state() as state:
        (held,) = held_items(state)
    assert dict(held.files[0].new or ()) == {"sha256": "cd" * 32}


@pytest.mark.rule("R8")
def test_what_is_held_is_free_once_upstream_shows_the_files_again(world: World) -> None:
    names = started(world, 5)
    gone = {*names[:4]}
    world.up.doctor = lambda page: {**page, "files": page["files"][page["name"] in gone :]}
    for name in names:
        world.up.raw_row(name, None, "frobnicate")
    world.sync()
    assert world.sync() == HELD
    world.up.doctor = None
    for name in names:
        world.up.yank(name, "1.0", "bad")
    assert world.settle() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R8")
@pytest.mark.incident(20)
@pytest.mark.parametrize("fault", [Fault.half_list(), Fault.empty_list()], ids=["half", "empty"])
def test_half_a_list_takes_nothing_away(world: World, fault: Fault) -> None:
    world.configure(upstream_journal="listing")
    names = started(world, 210)
    world.up.upload(names[0], "3.0")
    world.up.fail("^/simple/$", fault)
    assert world.sync() == HELD
    assert len(world.asked) < 5
    assert len({path.split("/")[1] for path in world.files()}) > 210
    world.up.heal()
    world.up.upload(names[0], "4.0")
    assert world.settle(3) == DONE  # it heals by itself when the list does
    assert_equal_to_upstream(world)


@pytest.mark.rule("R7")
def test_an_empty_list_and_no_pages_are_an_outage_until_seen_twice(world: World) -> None:
    world.configure(upstream_journal="listing")
    names = started(world, 3)
    world.up.upload(names[0], "3.0")
    world.up.fail("^/simple/$", Fault.empty_list(), times=None)
    world.up.fail("^/simple/p", Fault.status(404), times=None)
    assert world.sync() == PARTIAL
    assert all(len(world.yanked(name)) == 2 for name in names)
    world.up.heal()
    world.up.upload(names[0], "4.0")
    assert world.settle(3) == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R7")
def test_an_empty_list_that_stays_waits_for_a_person(world: World) -> None:
    world.configure(upstream_journal="listing")
    names = started(world, 5)
    for name in names:
        world.up.remove_project(name)
    assert world.sync() == PARTIAL
    assert world.settle() == HELD
    assert all(len(world.yanked(name)) == 2 for name in names)
    assert world.approve() == names
    assert world.settle() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R7")
def test_a_project_that_is_quarantined_alone_leaves_the_list_empty(world: World) -> None:
    world.configure(upstream_journal="listing")
    started(world, 1)
    world.up.quarantine_project("p000")
    assert world.sync() == DONE  # R9: at once, whatever the list is worth
    assert world.yanked("p000") == {}
    assert_equal_to_upstream(world)


@pytest.mark.rule("R7")
@pytest.mark.parametrize("everything", [False, True])
def test_nothing_begins_with_an_empty_list(world: World, everything: bool) -> None:
    world.up.upload("demo", "1.0")
    world.up.fail("^/simple/$", Fault.empty_list())
    assert world.sync(everything=everything) == FAILED
    assert world.mirror is not None and world.mirror.totals.problem is not None
    assert "it is empty, though the journal is at" in world.mirror.totals.problem
    assert world.sync(everything=everything) == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R7")
def test_a_list_that_stays_empty_is_true(world: World) -> None:
    world.up.upload("demo", "1.0")
    world.up.remove_project("demo")
    assert world.sync() == FAILED
    assert world.sync(later=HOUR - 1) == FAILED
    assert world.sync(later=1) == DONE
    world.up.upload("demo", "2.0")
    assert world.sync() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R7")
def test_no_selection_is_widened_by_an_empty_list(world: World) -> None:
    world.configure(mirror_projects="demo")
    world.up.upload("demo", "1.0")
    world.up.upload("other", "1.0")
    assert world.sync() == DONE
    world.configure(mirror_projects="*")
    world.up.fail("^/simple/$", Fault.empty_list())
    assert world.sync() == FAILED
    assert world.sync() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R8")
def test_of_what_left_the_list_only_what_is_gone_goes_once_approved(world: World) -> None:
    world.configure(upstream_journal="listing")
    names = started(world, 210)
    for name in names[:150]:
        world.up.remove_project(name)
    world.up.fail("^/simple/$", Fault.half_list(), times=None)  # and some more
    assert world.sync() == HELD
    assert world.counts().held > 150
    world.approve()
    assert world.settle() == DONE  # not held a second time, as removals
    assert world.page(names[0]) is None
    assert all(world.page(name) is not None for name in names[150:])
    world.up.heal()
    world.up.upload(names[-1], "3.0")
    assert world.settle() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R8")
def test_what_left_the_list_waits_for_no_second_look_at_its_files(world: World) -> None:
    world.configure(upstream_journal="listing")
    names = started(world, 6)
    world.up.doctor = lambda page: {**page, "files": page["files"][page["name"] == names[0] :]}
    world.up.raw_row(names[0], None, "frobnicate")
    assert world.sync() == PARTIAL
    world.up.remove_project(names[0])
    assert world.sync() == DONE
    assert world.listed() == names[1:]


@pytest.mark.rule("R8")
def test_a_project_that_left_the_list_is_not_forgotten_with_its_lost_files(
    world: World,
) -> None:
    world.configure(upstream_journal="listing")
    names = started(world, 6)
    page = world.page(names[0])
    assert page is not None
    known = page["files"][0]["hashes"]["sha256"]
    world.up.doctor = lambda page: json.loads(json.dumps(page).replace(known, "ab" * 32))
    world.up.raw_row(names[0], None, "frobnicate")
    assert world.sync() == HELD
    world.up.remove_project(names[0])
    world.up.fail(f"^/simple/{names[0]}/", Fault.status(500), times=None)
    assert world.sync() == HELD
    assert world.approve() == names[:1]
    world.up.heal()
    assert world.settle() == DONE
    assert world.listed() == names[1:]


@pytest.mark.rule("R8")
def test_a_large_narrowing_waits_for_a_person(world: World) -> None:
    names = started(world, 110)
    world.configure(mirror_projects=names[:2])
    world.up.yank(names[5], "1.0", "bad")  # what is held hides no withdrawal
    assert world.sync() == HELD
    assert world.yanked(names[5])[f"{names[5]}-1.0.tar.gz"] == "bad"
    assert world.counts().held == 1 and world.listed() == names
    with world.state() as state:
        (held,) = held_items(state)
    assert held.what == "selection" and "108 of 110 published projects: p002, p003" in held.why
    assert world.approve() == [SELECTION]
    assert world.sync() == DONE
    assert world.asked == []
    assert world.listed() == names[:2]
    assert_equal_to_upstream(world)


@pytest.mark.rule("R8")
def test_a_small_narrowing_is_followed_at_once(world: World) -> None:
    names = started(world, 110)
    world.configure(mirror_projects=names[11:])
    assert world.sync() == DONE
    assert world.asked == [] and world.listed() == names[11:]
    world.configure(mirror_projects=names[21:])
    assert world.sync() == HELD  # 10 of 99


@pytest.mark.rule("R14")
def test_an_upstream_that_was_put_back_changes_nothing_until_approved(world: World) -> None:
    names = started(world, 5)
    backup = world.up.snapshot()
    world.up.yank(names[0], "1.0", "lost")
    world.up.upload("lost", "1.0")
    assert world.sync() == DONE
    files = world.files()
    world.up.restore(backup)
    for _ in range(2):
        assert world.sync() == HELD
        assert world.asked == [] and world.files() == files
    world.up.yank(names[1], "1.0", "new")
    world.up.yank(names[2], "1.0", "new")
    world.up.upload("other", "1.0")
    assert world.sync() == HELD  # the serials are there again, the rows are others
    world.approve()
    assert world.settle() == DONE
    assert_equal_to_upstream(world)
    assert world.cursor() == world.up.last_serial
    assert world.sync() == DONE and len(world.requests) == 1


@pytest.mark.rule("R14")
def test_the_state_and_then_upstream_were_put_back(disk: World) -> None:
    names = started(disk, 4)
    backup = disk.up.snapshot()
    disk.up.yank(names[0], "1.0", "lost")
    assert disk.sync() == DONE
    disk.keep_state()
    disk.up.upload("lost", "1.0")
    assert disk.sync() == DONE
    disk.put_back_state()
    disk.up.restore(backup)
    disk.up.yank(names[1], "1.0", "new")  # with fewer serials than the output has seen
    for _ in range(2):
        assert disk.sync() == HELD
    disk.approve()
    assert disk.settle() == DONE
    assert disk.page("lost") is None and disk.listed() == names
    assert_equal_to_upstream(disk)


@pytest.mark.rule("R14")
def test_a_state_put_back_unnoticed_believes_in_no_page_of_another_upstream(
    disk: World,
) -> None:
    names = started(disk, 3)
    backup = disk.up.snapshot()
    disk.up.upload(names[2], "3.0")
    assert disk.sync() == DONE
    disk.keep_state()
    disk.up.yank(names[0], "1.0", "lost")
    disk.up.upload("lost", "1.0")
    disk.kills.at, disk.kills.after = 0, True  # both pages are there, the list is still the old one
    with pytest.raises(Killed):
        disk.sync()
    assert disk.page("lost") is not None and "lost" in disk.yanked(names[0]).values()
    disk.put_back_state()
    disk.up.restore(backup)
    disk.up.upload(names[1], "9.0")
    assert disk.sync() == HELD
    disk.approve()
    assert disk.settle() == DONE
    assert disk.page("lost") is None
    assert_equal_to_upstream(disk)


@pytest.mark.rule("R14")
@pytest.mark.parametrize("lost", [True, False])
def test_the_state_is_as_old_as_the_upstream_that_was_put_back(disk: World, lost: bool) -> None:
    names = started(disk, 3)
    backup = disk.up.snapshot()
    disk.keep_state()
    disk.up.yank(names[0], "1.0", "lost")
    disk.up.upload("lost", "1.0")
    assert disk.sync(later=HOUR) == DONE
    disk.lose_state() if lost else disk.put_back_state()
    disk.up.restore(backup)
    if lost:
        disk.sync()
    files = disk.files()
    for _ in range(2):
        assert disk.sync() == HELD
        assert disk.files() == files and "lost" in disk.yanked(names[0]).values()
    with disk.state() as state:
        (held,) = held_items(state)
    assert "the output is of serial" in held.why
    disk.approve()
    assert disk.settle() == DONE
    assert disk.page("lost") is None
    assert_equal_to_upstream(disk)


@pytest.mark.rule("R14")
def test_a_tree_of_before_upstream_was_put_back_is_held_again(disk: World) -> None:
    names = started(disk, 3)
    backup = disk.up.snapshot()
    disk.up.yank(names[0], "1.0", "lost")
    disk.up.upload("lost", "1.0")
    assert disk.sync(later=HOUR) == DONE
    disk.keep_tree()
    disk.up.restore(backup)
    assert disk.sync() == HELD
    disk.approve()
    assert disk.settle() == DONE
    disk.put_back_tree()
    files = disk.files()
    for _ in range(2):
        assert disk.sync() == HELD
        assert disk.files() == files
    disk.approve()
    assert disk.settle() == DONE
    assert disk.page("lost") is None
    assert_equal_to_upstream(disk)


@pytest.mark.rule("R14")
def test_a_node_of_upstream_that_lags_behind_the_output_is_no_other_upstream(
    disk: World,
) -> None:
    names = started(disk, 3)
    disk.keep_state()
    lagging = disk.up.snapshot()
    disk.up.yank(names[0], "1.0", "bad")
    assert disk.sync(later=HOUR) == DONE
    ahead = disk.up.snapshot()
    disk.put_back_state()
    disk.up.restore(lagging)
    assert disk.sync() == HELD
    disk.up.restore(ahead)
    assert disk.settle() == DONE
    with disk.state() as state:
        assert held_items(state) == ()
    assert_equal_to_upstream(disk)


@pytest.mark.rule("R14")
def test_an_approval_that_was_not_needed_is_not_kept(world: World) -> None:
    names = started(world, 2)
    world.up.yank(names[0], "1.0")
    assert world.sync() == DONE
    true = world.up.journal
    world.up.replace_journal(true[:-1])
    assert world.sync() == HELD
    world.approve()
    world.up.replace_journal(true)  # it was only a bad answer
    assert world.sync(later=HOUR) == DONE
    world.up.replace_journal(true[:-1])
    assert world.sync(later=DAY) == HELD


def test_holds_tell_every_kind_apart(world: World) -> None:
    names = started(world, 5)
    gone = {*names[:4]}
    world.up.doctor = lambda page: {**page, "files": page["files"][page["name"] in gone :]}
    for name in names:
        world.up.raw_row(name, None, "frobnicate")
    world.sync()
    assert world.sync() == HELD
    with world.state() as state:
        files = held_items(state)
    assert [(held.project, held.what) for held in files] == [(name, "files") for name in names[:4]]
    assert {held.since for held in files} == {world.clock.time - 300}
    assert "removes these files" in files[0].approve
    assert [file.filename for file in files[0].files] == [f"{names[0]}-1.0.tar.gz"]
    assert "4 unexplained removals" in files[0].why


def test_holds_tell_of_removals_that_nothing_explains(world: World) -> None:
    world.configure(upstream_journal="none", mirror_projects=[f"p{n:03}" for n in range(5)])
    names = started(world, 5)
    for name in names[:4]:
        world.up.fail(f"^/simple/{name}/", Fault.status(404), times=None)
    world.sync()
    assert world.sync(later=HOUR) == HELD
    with world.state() as state:
        found = held_items(state)
    assert {(held.project, held.what) for held in found} == {(n, "removal") for n in names[:4]}
    assert "removes the project" in found[0].approve
