"""Whole passes: what is written, when, and what a death leaves (R1, R2, R11, R12)."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from tests.support.dying_store import Killed
from tests.support.page_assertions import HTML, JSON, assert_equal_to_upstream
from tests.support.world import DONE, FAILED, HOUR, World
from yanksync.core.errors import LockHeld
from yanksync.output.reconcile import Operation
from yanksync.output.store import Store, StoreFailure
from yanksync.system.file_lock import lock

REASONS = (
    "quotes \" and '", "<b>&amp;</b>", "two\nlines", "\r\n", "😀 emoji", "x" * 2048, "false", "0",
    " ", "\u2028\u202e\x07\ufffe", "nul\0",
)  # fmt: skip


def test_an_empty_pass_is_one_journal_call(disk: World) -> None:
    disk.started()
    stamps = disk.stamps()
    assert disk.sync() == DONE
    assert [request.call for request in disk.requests] == ["changelog_since_serial(5)"]
    assert disk.stamps() == stamps


def test_a_yank_is_one_call_one_page_and_one_project_rewritten(disk: World) -> None:
    disk.started("demo", "other")
    before = disk.stamps()
    disk.up.yank("demo", "1.0", "bad")
    assert disk.sync() == DONE
    assert [(r.method, r.project) for r in disk.requests] == [("POST", None), ("GET", "demo")]
    after = disk.stamps()
    changed = {path for path in after if after[path] != before[path]}
    assert len(changed) == 6 and {path.rsplit("/", 1)[0] for path in changed} == {"simple/demo"}
    assert_equal_to_upstream(disk)


@pytest.mark.rule("R12")
def test_a_changed_file_is_a_second_younger_however_fast(disk: World) -> None:
    disk.started()
    for reason in ("one", "two", "six"):  # of one size: nginx makes its ETag of size and mtime
        before = disk.stamps()
        disk.up.yank("demo", "1.0", reason)
        assert disk.sync() == DONE
        after = disk.stamps()
        for path in after:
            if path.startswith("simple/demo/"):
                assert after[path][1] >= before[path][1] + 10**9, path
        assert_equal_to_upstream(disk)


@pytest.mark.incident(30)
def test_a_new_serial_with_the_same_files_rewrites_that_project_alone(
    disk: World,
) -> None:
    disk.started("demo", "other")
    before = disk.stamps()
    disk.up.yank("demo", "1.0")
    disk.up.unyank("demo", "1.0")
    disk.sync()
    after = disk.stamps()
    assert all(
        before[path] == after[path] for path in before if not path.startswith("simple/demo/")
    )


def test_the_list_is_rewritten_for_serials_only_once_in_its_interval(disk: World) -> None:
    disk.started()
    first = disk.stamps()["simple/index.v1_json"]
    disk.up.yank("demo", "1.0")
    disk.sync(later=60)
    assert disk.stamps()["simple/index.v1_json"] == first
    disk.sync(later=1800)
    second = disk.stamps()["simple/index.v1_json"]
    assert second != first
    disk.up.upload("new", "1.0")  # but at once for another project
    disk.sync(later=60)
    assert disk.stamps()["simple/index.v1_json"] != second
    assert_equal_to_upstream(disk)


@pytest.mark.rule("R1")
@pytest.mark.incident(1)
@pytest.mark.incident(3)
@pytest.mark.parametrize("policy", ["mark", "omit"])
@pytest.mark.parametrize("reason", REASONS, ids=range(len(REASONS)))
def test_a_reason_is_exact_in_both_forms(world: World, policy: str, reason: str) -> None:
    world.configure(mirror_yanked=policy)
    world.started()
    world.up.yank("demo", "1.0", reason)
    assert world.sync() == DONE
    assert_equal_to_upstream(world)
    assert world.told("demo") == [(7, "yank", reason)]


@pytest.mark.rule("R1")
@pytest.mark.incident(6)
def test_a_project_whose_releases_are_all_yanked_stays(world: World) -> None:
    world.started()
    world.up.yank("demo", "1.0")
    world.up.yank("demo", "2.0", "too")
    assert world.sync() == DONE
    assert world.yanked("demo") == {"demo-1.0.tar.gz": True, "demo-2.0.tar.gz": "too"}
    world.configure(mirror_yanked="omit")
    assert world.sync() == DONE
    assert world.yanked("demo") == {} and world.listed() == ["demo"]
    assert_equal_to_upstream(world)


@pytest.mark.rule("R1")
@pytest.mark.incident(9)
def test_omit_brings_a_file_back_with_its_unyank(world: World) -> None:
    world.configure(mirror_yanked="omit")
    world.started()
    world.up.yank("demo", "1.0")
    world.sync()
    assert world.yanked("demo") == {"demo-2.0.tar.gz": False}
    world.up.unyank("demo", "1.0")
    world.sync()
    assert_equal_to_upstream(world)


@pytest.mark.rule("R1")
@pytest.mark.incident(8)
def test_unyank_and_removal_in_one_minute_show_no_good_file(world: World) -> None:
    world.started()
    world.up.yank("demo", "1.0", "bad")
    world.sync()
    world.up.unyank("demo", "1.0")
    world.up.cdn_hold("demo")
    world.up.remove_release("demo", "1.0")
    world.up.cdn_release("demo")
    assert world.sync() == DONE
    assert world.yanked("demo") == {"demo-2.0.tar.gz": False}


@pytest.mark.rule("R1")
@pytest.mark.incident(5)
def test_the_yank_of_one_file_is_kept_for_that_file(world: World) -> None:
    world.started()
    world.up.upload("demo", "1.0", "demo-1.0-py3-none-any.whl")
    world.sync()
    world.up.yank_file("demo", "demo-1.0.tar.gz", "this build", row=True)
    assert world.sync() == DONE
    assert_equal_to_upstream(world)
    (row,) = world.history()
    assert (row.serial, row.files, row.reason) == (None, ("demo-1.0.tar.gz",), "this build")


@pytest.mark.rule("R1")
@pytest.mark.incident(10)
@pytest.mark.parametrize(
    ("held", "asked"),
    [("1.0", "1.0.0"), ("1.0.0", "1"), ("1!1.0", "1!1.0"), ("1.0+l.1", "1.0+l.1")],
)
def test_versions_spelled_another_way(world: World, held: str, asked: str) -> None:
    world.up.upload("demo", held, f"demo-{asked}.tar.gz")
    world.up.upload("demo", "2.0")
    world.up.upload("demo", "2.0.post1")
    world.sync()
    world.up.yank("demo", held, "bad")
    assert world.sync() == DONE
    assert_equal_to_upstream(world)
    assert [(row.version, row.reason) for row in world.history()] == [(held, "bad")]


@pytest.mark.rule("R1")
@pytest.mark.incident(7)
def test_another_releases_reason_is_its_own(world: World) -> None:
    world.started()
    world.up.yank("demo", "2.0", "two")
    world.sync()
    world.up.yank("demo", "1.0", "one")
    world.sync()
    assert world.yanked("demo") == {"demo-1.0.tar.gz": "one", "demo-2.0.tar.gz": "two"}


@pytest.mark.rule("R1")
@pytest.mark.incident(32)
@pytest.mark.parametrize("after", [False, True], ids=["before-writing", "after-writing"])
@pytest.mark.parametrize("at", [0, 1])
def test_a_death_while_publishing_is_made_good_first(disk: World, after: bool, at: int) -> None:
    disk.started("demo", "other")
    disk.up.yank("demo", "1.0", "bad")
    disk.up.upload("more", "1.0")
    disk.kills.at, disk.kills.after = at, after
    with pytest.raises(Killed):
        disk.sync()
    disk.up.xmlrpc_status = 500  # what is recorded needs no upstream
    assert disk.sync() == FAILED
    if at == 1:
        assert disk.yanked("demo")["demo-1.0.tar.gz"] == "bad"
    disk.up.xmlrpc_status = None
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)
    assert not list(disk.where.rglob("*.tmp"))


class RefusesOnce:
    """A store that cannot write what it is first asked to; passes all else on."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.refused: list[str] = []

    def apply(self, operations: Sequence[Operation]) -> tuple[StoreFailure, ...]:
        if self.refused:
            return self._store.apply(operations)
        self.refused = [operation.name for operation in operations]
        return tuple(StoreFailure(name, "the disk says no") for name in self.refused)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class CountsPages:
    """Counts the pages that a store gets at once.

    It passes all else on.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.counts: list[int] = []

    def apply(self, operations: Sequence[Operation]) -> tuple[StoreFailure, ...]:
        self.counts += [len(operations)] if operations else []
        return self._store.apply(operations)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_memory_holds_few_large_pages_at_once(disk: World) -> None:
    names = ("small", "large-1", "large-2", "large-3", "tiny-1", "tiny-2")
    disk.started(*names)
    for name in names[1:4]:
        for version in ("1.0", "2.0"):
            disk.up.yank(name, version, incompressible(900_000))
    assert disk.sync() == DONE
    store = CountsPages(disk.kills.store)
    disk.kills.store = cast(Store, store)
    disk.configure(mirror_legacy_json=True)  # every page is written again
    assert disk.sync() == DONE
    assert store.counts == [1, 1, 1, 3]
    assert_equal_to_upstream(disk)


def incompressible(size: int) -> str:
    return "".join(random.Random(size).choices(string.ascii_letters + string.digits, k=size))


@pytest.mark.rule("R1")
def test_what_a_death_left_is_not_taken_for_what_stood_there_before(disk: World) -> None:
    # Without serials a page that was yanked and unyanked again is the old one to the byte.
    disk.up.page_serials = disk.up.list_serials = False
    disk.up.xmlrpc_status = 404
    disk.configure(mirror_projects=["demo"])
    disk.started()
    disk.up.yank("demo", "1.0", "bad")
    disk.kills.at, disk.kills.after = 0, True
    with pytest.raises(Killed):
        disk.sync()
    assert disk.yanked("demo")["demo-1.0.tar.gz"] == "bad", "it died with this in place"
    disk.up.unyank("demo", "1.0")
    store = RefusesOnce(disk.kills.store)
    disk.kills.store = cast(Store, store)
    assert disk.settle() == DONE
    assert store.refused == ["demo"]
    assert disk.yanked("demo")["demo-1.0.tar.gz"] is False
    assert_equal_to_upstream(disk)


@pytest.mark.rule("R2")
@pytest.mark.incident(32)
@pytest.mark.parametrize("looks", range(12))
def test_a_death_anywhere_loses_nothing(disk: World, looks: int) -> None:
    disk.started("demo", "other", "third")
    disk.up.yank("demo", "1.0", "bad")
    disk.up.remove_project("other")
    disk.up.quarantine_project("third")
    disk.clock.dies = looks
    try:
        disk.sync()
    except Killed:
        pass
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)
    assert [row[1] for row in disk.told()] == ["yank", "remove", "quarantine"]


@pytest.mark.rule("R11")
@pytest.mark.incident(33)
def test_two_runs_never_work_on_one_mirror(tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    with lock(state), pytest.raises(LockHeld), lock(state):
        raise AssertionError
    with lock(state):  # and it is free again
        assert True


def test_compress_writes_and_drops_siblings_without_a_request(disk: World) -> None:
    disk.started()
    plain = {path: stamp for path, stamp in disk.stamps().items() if not path.endswith(".gz")}
    disk.configure(mirror_compress=[])
    assert disk.sync() == DONE and disk.asked == []
    assert_equal_to_upstream(disk)
    disk.configure(mirror_compress=["gzip"])
    assert disk.sync() == DONE and disk.asked == []
    assert_equal_to_upstream(disk)
    pages = {path for path in plain if path.startswith("simple/demo/")}
    assert all(disk.stamps()[path] == plain[path] for path in pages)


def test_a_change_of_policy_costs_no_request(disk: World) -> None:
    disk.started("demo", "other")
    disk.up.yank("demo", "1.0", "bad")
    disk.sync()
    before = disk.stamps()
    for policy in ("omit", "mark"):
        disk.configure(mirror_yanked=policy)
        assert disk.sync() == DONE
        assert disk.asked == [] and disk.up.list_requests() == []
        assert_equal_to_upstream(disk)
    other = {path for path in before if path.startswith("simple/other/")}
    assert all(disk.stamps()[path] == before[path] for path in other)


@pytest.mark.incident(11)
def test_removed_projects_leave_tree_and_list(disk: World) -> None:
    disk.started("demo", "other")
    disk.up.remove_project("demo")
    assert disk.sync() == DONE
    assert not (disk.where / "out/simple/demo").exists()
    assert_equal_to_upstream(disk)


@pytest.mark.incident(12)
def test_releases_removed_one_by_one_leave_an_empty_project(world: World) -> None:
    world.started()
    world.up.remove_release("demo", "1.0")
    world.up.remove_release("demo", "2.0")
    assert world.sync() == DONE
    assert world.yanked("demo") == {} and world.listed() == ["demo"]
    assert_equal_to_upstream(world)


@pytest.mark.incident(13)
def test_a_single_removed_file_leaves_alone(world: World) -> None:
    world.started()
    world.up.upload("demo", "1.0", "demo-1.0-py3-none-any.whl")
    world.sync()
    world.up.remove_file("demo", "demo-1.0.tar.gz")
    assert world.sync() == DONE
    assert_equal_to_upstream(world)
    (row,) = world.history()
    assert (row.action, row.version, row.file) == ("remove", "1.0", "demo-1.0.tar.gz")


def test_other_spellings_meet_in_one_directory(disk: World) -> None:
    disk.up.upload("Foo.Bar", "1.0")
    disk.sync()
    disk.up.upload("foo_bar", "2.0")  # a rename has no row of its own
    disk.sync(later=HOUR)
    assert_equal_to_upstream(disk)
    disk.up.remove_project("foo_bar")
    disk.sync()
    disk.up.upload("FOO--BAR", "1.0", "again.zip")
    disk.sync()
    assert_equal_to_upstream(disk)


def test_an_empty_upstream_makes_an_empty_mirror(disk: World) -> None:
    assert disk.sync() == DONE
    assert disk.listed() == []
    assert_equal_to_upstream(disk)


@pytest.mark.incident(2)
def test_no_reason_is_true_and_an_empty_attribute(world: World) -> None:
    world.started()
    world.up.yank("demo", "1.0")
    assert world.sync() == DONE
    for path in (JSON, HTML):
        body = world.files()[f"simple/demo/{path}"].decode()
        if path == JSON:
            assert body.count('"yanked":true') == body.count('"yanked":false') == 1
            assert body.count('"yanked"') == 2 and "null" not in body
        else:
            assert body.count("data-yanked") == body.count('data-yanked=""') == 1
