"""A state that does not know what is published: it was put back, it was lost, or a run died."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Sequence
from typing import Any, cast

import pytest

from tests.support.dying_store import Killed
from tests.support.fake_index.index import Fault
from tests.support.page_assertions import HTML, JSON, assert_equal_to_upstream
from tests.support.world import DONE, FAILED, HOUR, PARTIAL, World
from yanksync.output.reconcile import Operation
from yanksync.output.store import Store, StoreFailure

MANY = 110  # more removals than the guard lets through without counting what is left


def built(world: World, count: int, source: str = "xmlrpc") -> list[str]:
    """Build a mirror of ``keep`` and ``count`` more projects, which it returns."""
    names = [f"p{number:03}" for number in range(count)]
    if source == "none":
        world.up.page_serials = world.up.list_serials = False
        world.up.xmlrpc_status = 404
        world.configure(mirror_projects=["keep", *names])
    world.configure(upstream_journal=source)
    for name in ("keep", *names):
        world.up.upload(name, "1.0")
    assert world.sync() == DONE
    return names


def left(world: World, names: Sequence[str]) -> list[str]:
    return [name for name in names if world.page(name) is not None]


@pytest.mark.parametrize("source", ["xmlrpc", "listing", "none"])
def test_a_state_put_back_brings_nothing_back(disk: World, source: str) -> None:
    names = built(disk, 3, source)
    disk.keep_state()
    for name in names[:2]:
        disk.up.remove_project(name)
    disk.up.yank("keep", "1.0", "bad")
    disk.settle()
    assert left(disk, names) == names[2:]
    files = disk.files()
    disk.put_back_state()
    disk.up.fail("^/", Fault.status(503), None)
    for _ in range(2):
        assert disk.sync() == FAILED
        assert disk.files() == files
    disk.up.heal()
    disk.sync()
    assert left(disk, names) == names[2:]
    assert disk.listed() == ["keep", *names[2:]]
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)


@pytest.mark.parametrize("source", ["xmlrpc", "listing"])
def test_removals_of_what_is_not_published_are_not_counted(world: World, source: str) -> None:
    names = built(world, MANY, source)
    world.keep_state()
    for half in (names[:50], names[50:]):
        for name in half:
            world.up.remove_project(name)
        assert world.settle() == DONE
    world.up.upload("keep", "2.0")
    assert world.sync(later=HOUR) == DONE
    world.put_back_state()
    world.up.fail("^/(pypi|simple/$)", Fault.status(502), None)
    assert world.sync() == FAILED
    assert left(world, names) == []
    world.up.heal()
    assert world.sync() == DONE
    assert world.counts().held == 0
    assert_equal_to_upstream(world)


def test_removals_that_a_run_made_before_it_died_are_not_counted_again(disk: World) -> None:
    names = built(disk, MANY)
    for name in names[:60]:
        disk.up.remove_project(name)
    disk.kills.at, disk.kills.after = 0, True
    with pytest.raises(Killed):
        disk.sync()
    assert left(disk, names) == names[60:]
    for name in names[60:]:
        disk.up.remove_project(name)
    assert disk.sync() == DONE
    assert_equal_to_upstream(disk)


def test_what_upstream_still_has_comes_back_once_it_was_read(disk: World) -> None:
    names = built(disk, 2)
    disk.keep_state()
    disk.up.remove_project(names[0])
    disk.up.upload("keep", "2.0")
    assert disk.sync(later=HOUR) == DONE
    disk.up.upload(names[0], "3.0")  # another project of that name
    disk.put_back_state()
    for path in (disk.where / "out/simple" / names[1]).iterdir():
        path.unlink()
    (disk.where / "out/simple" / names[1]).rmdir()  # lost by accident
    disk.up.fail(f"^/simple/{names[0]}/", Fault.status(503), None)
    assert disk.sync() == PARTIAL
    assert left(disk, names) == [names[1]], "the journal says nothing of it; of the other it does"
    assert names[0] not in disk.listed()
    disk.up.heal()
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)


def test_an_old_page_from_a_cdn_brings_nothing_back(disk: World) -> None:
    names = built(disk, 1)
    disk.up.upload(names[0], "2.0")
    disk.up.fail(f"^/simple/{names[0]}/", Fault.status(500), 2)
    disk.sync()  # it is known to have changed
    disk.keep_state()
    disk.up.remove_project(names[0])
    disk.settle()
    disk.put_back_state()
    disk.up.serve_stale(names[0], None)
    disk.up.fail("^/pypi", Fault.status(503), None)
    assert disk.sync(at_once=True) == FAILED
    assert disk.asked, "its page was asked for, and a page came"
    assert left(disk, names) == []
    disk.up.heal()
    disk.up.cdn_clear()
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)


def test_a_quarantine_is_published_over_a_page_newer_than_the_state(disk: World) -> None:
    names = built(disk, 1)
    disk.keep_state()
    disk.up.upload(names[0], "2.0")
    assert disk.sync(later=HOUR) == DONE
    disk.put_back_state()
    disk.up.quarantine_project(names[0])
    disk.up.fail("^/simple/", Fault.garbage(), None)
    disk.sync()
    page = disk.page(names[0])
    assert page is not None and page["files"] == []
    disk.up.heal()
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)


def test_pages_that_are_right_are_not_written_again(disk: World) -> None:
    built(disk, 5)
    disk.keep_state()
    disk.up.upload("keep", "2.0")
    assert disk.sync(later=HOUR) == DONE
    before = disk.stamps()
    (disk.where / "out/simple/p000" / JSON).write_text("{}")
    os.truncate(disk.where / "out/simple/p001" / f"{HTML}.gz", 3)
    (disk.where / "out/simple/p002" / HTML).chmod(0o600)
    (disk.where / "out/simple/p003" / f".{HTML}.tmp").write_text("half")
    disk.put_back_state()
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)
    after = disk.stamps()
    changed = {path.split("/")[1] for path in before if before[path] != after[path]}
    # "keep" is fetched again and is the same; the list is not the one of this state
    assert {name for name in changed if not name.startswith("index.")} == {
        "p000",
        "p001",
        "p002",
        "p003",
    }
    mode = (disk.where / "out/simple/p002" / HTML).stat().st_mode & 0o777
    assert mode == (disk.where / "out/simple/p004" / HTML).stat().st_mode & 0o777


class FullDisk:
    """A store whose disk is full when it is asked to write the second batch."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._calls = 0

    def apply(self, operations: Sequence[Operation]) -> tuple[StoreFailure, ...]:
        self._calls += 1
        if self._calls == 2:
            why = os.strerror(errno.ENOSPC)
            return tuple(StoreFailure(operation.name, why, fatal=True) for operation in operations)
        return self._store.apply(operations)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def interrupt(world: World, how: str) -> int:
    """Begin a first build of 450 projects and end it; return how many upstream has."""
    for number in range(450):
        world.up.upload(f"p{number:03}", "1.0")
    if how == "full disk":
        store = world.kills.store
        world.kills.store = cast(Store, FullDisk(store))
        assert world.sync() == FAILED
        world.kills.store = store
    elif how == "outage":
        world.up.fail("^/simple/p([234]|19)", Fault.status(503), None)
        assert world.sync() == FAILED
        world.up.heal()
    else:
        world.kills.at, world.kills.after = 1, how == "after writing"
        with pytest.raises(Killed):
            world.sync()
    return 450


INTERRUPTED = ["before writing", "after writing", "full disk", "outage"]


@pytest.mark.parametrize("how", INTERRUPTED)
def test_an_interrupted_first_build_goes_on_at_the_first_page_that_is_missing(
    disk: World, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    total = interrupt(disk, how)
    before = disk.stamps()
    done = len({path.split("/")[1] for path in before if path.count("/") == 2})
    assert 150 < done < total
    disk.up.fail("^/", Fault.status(503), None)
    caplog.clear()
    with caplog.at_level(logging.INFO, "yanksync"):
        assert disk.sync() == FAILED
    said = [record.message for record in caplog.records if "first build" in record.message]
    # What the run that died wrote and did not note is looked at, and then noted.
    known = done - 200 if how == "after writing" else done
    assert said == [f"resuming a first build: {known} of {total} done"]
    after = disk.stamps()
    pages = [path for path in before if path.count("/") == 2]
    assert [path for path in pages if before[path] != after[path]] == []
    disk.up.heal()
    assert disk.settle() == DONE
    after = disk.stamps()
    assert [path for path in pages if before[path] != after[path]] == []
    assert_equal_to_upstream(disk)
    caplog.clear()
    with caplog.at_level(logging.INFO, "yanksync"):
        assert disk.sync() == DONE
    assert "first build" not in caplog.text, "it is over"


def test_a_first_build_that_died_while_it_wrote_the_list_has_its_own(disk: World) -> None:
    disk.up.upload("demo", "1.0")
    disk.kills.at, disk.kills.after = 1, True  # the pages, then the list
    with pytest.raises(Killed):
        disk.sync()
    assert disk.listed() == ["demo"]
    before = disk.stamps()
    assert disk.sync() == DONE
    after = disk.stamps()
    assert all(before[path] == after[path] for path in before if "/demo/" in path)
    assert_equal_to_upstream(disk)


def test_pages_that_were_lost_between_two_parts_of_a_first_build_are_written_again(
    disk: World,
) -> None:
    interrupt(disk, "before writing")
    for name in ("p000", "p001"):
        for path in (disk.where / "out/simple" / name).iterdir():
            path.unlink()
        (disk.where / "out/simple" / name).rmdir()
    before = disk.stamps()
    disk.up.fail("^/", Fault.status(503), None)
    assert disk.sync() == FAILED
    assert left(disk, ["p000", "p001", "p002"]) == ["p000", "p001", "p002"]
    after = disk.stamps()
    pages = [path for path in before if path.count("/") == 2]
    assert [path for path in pages if before[path] != after[path]] == []
    disk.up.heal()
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)


def test_a_state_put_back_to_an_earlier_part_of_a_first_build_is_older(disk: World) -> None:
    interrupt(disk, "before writing")
    disk.keep_state()
    disk.up.yank("p000", "1.0", "bad")
    disk.up.remove_project("p001")
    disk.kills.at, disk.kills.after = 3, False  # before the list is written
    with pytest.raises(Killed):
        disk.sync()
    assert left(disk, ["p001"]) == []
    assert disk.yanked("p000") == {"p000-1.0.tar.gz": "bad"}
    disk.put_back_state()
    disk.up.fail("^/", Fault.status(503), None)
    assert disk.sync() == FAILED
    assert left(disk, ["p001"]) == []
    assert disk.yanked("p000") == {"p000-1.0.tar.gz": "bad"}
    disk.up.heal()
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)
