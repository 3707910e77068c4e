"""A state that was lost, or is older than the output: what is published then is what counts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.support.fake_index.index import FakeUpstream, Fault
from tests.support.page_assertions import assert_equal_to_upstream
from tests.support.world import DONE, FAILED, HELD, HOUR, PARTIAL, World
from yanksync.core.exit_codes import ExitCode
from yanksync.mirror.context import Mirror
from yanksync.state.views.holds import held_items
from yanksync.sync.plan import plan_pass
from yanksync.verify.repair import repair_output

NAMES = [f"p{number}" for number in range(8)]


def built(world: World, source: str = "xmlrpc", **flags: object) -> World:
    """Build a mirror of eight projects, one of them yanked, and lose its state."""
    if source == "none":
        world.up.page_serials = world.up.list_serials = False
        world.up.xmlrpc_status = 404
        flags["mirror_projects"] = NAMES
    world.configure(upstream_journal=source, **flags)
    for name in NAMES:
        world.up.upload(name, "1.0")
        world.up.upload(name, "2.0")
    world.up.yank("p0", "1.0", "bad")
    assert world.sync() == DONE
    world.lose_state()
    return world


def held(world: World) -> list[tuple[str | None, str]]:
    with world.state() as state:
        return [(one.project, one.what) for one in held_items(state)]


def offered(world: World) -> dict[str, dict[str, bool | str]]:
    return {name: world.yanked(name) for name in NAMES if world.page(name) is not None}


def repair(world: World) -> int:
    return world.work(lambda mirror: repair_output(mirror, lambda finding, outcome: None)[1])


def lose_list(world: World) -> None:
    """Leave what a first build leaves that dies at its end: every page and no list."""
    for path in (world.where / "out" / "simple").glob("index.*"):
        path.unlink()


@pytest.mark.parametrize("source", ["xmlrpc", "listing"])
@pytest.mark.parametrize("everything", [False, True], ids=["sync", "full-resync"])
@pytest.mark.parametrize("with_list", [True, False])
def test_an_upstream_that_ends_before_the_output_changes_nothing(
    disk: World, source: str, everything: bool, with_list: bool
) -> None:
    snapshot = disk.up.snapshot()
    built(disk, source)
    if not with_list:
        lose_list(disk)
    files = disk.files()
    disk.up.restore(snapshot)
    disk.up.upload("p0", "9.0")
    code = disk.sync(everything=everything)
    if source == "listing":  # a cache may give an old list, for an hour at most
        assert code == PARTIAL
        code = disk.sync(everything=everything, later=2 * HOUR)
    assert code == HELD
    assert held(disk) == [(None, "journal")]
    assert disk.files() == files
    disk.approve()
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)


def test_the_newest_page_tells_another_index_with_a_longer_journal(disk: World) -> None:
    built(disk)
    files = disk.files()
    disk.served.upstream = disk.up = FakeUpstream()
    for number in range(12):
        disk.up.upload("other", f"{number}.0")
    disk.up.upload("p1", "9.0")
    assert disk.sync() == HELD
    assert held(disk) == [(None, "journal")]
    assert disk.files() == files


@pytest.mark.parametrize("source", ["xmlrpc", "listing", "none"])
def test_a_file_that_gets_another_hash_meanwhile_is_held(disk: World, source: str) -> None:
    built(disk, source)

    def rehashed(page: dict[str, Any]) -> dict[str, Any]:
        if page["name"] != "p1":
            return page
        first, *others = page["files"]
        return {**page, "files": [{**first, "hashes": {"sha256": "ab" * 32}}, *others]}

    before = disk.page("p1")
    disk.up.doctor = rehashed
    assert disk.sync() == HELD
    assert held(disk) == [("p1", "hash")]
    after = disk.page("p1")
    assert before is not None and after is not None and before["files"] == after["files"]
    disk.up.doctor = None
    assert disk.resync() == DONE
    assert_equal_to_upstream(disk)


@pytest.mark.parametrize("source", ["xmlrpc", "listing", "none"])
@pytest.mark.parametrize("fault", [Fault.empty_page(), Fault.status(404)], ids=["empty", "404"])
def test_projects_that_vanish_are_counted_against_what_is_published(
    disk: World, source: str, fault: Fault
) -> None:
    before = offered(built(disk, source))
    missing = fault == Fault.status(404)
    for name in NAMES[1:]:
        body = f"<html><head><title>Links for {name}</title></head><body></body></html>".encode()
        as_html = source == "none" and not missing
        disk.up.fail(f"^/simple/{name}/", Fault.body(body, "text/html") if as_html else fault, None)
    for _ in range(2):
        code = disk.sync(later=2.0)
        assert offered(disk) == before
        assert code == (PARTIAL if missing else HELD)
    code = disk.sync(later=HOUR)
    counts = source == "none" or not missing  # a list that has them denies a 404
    assert code == (HELD if counts else PARTIAL)
    assert len(held(disk)) == (7 if counts else 0)
    with disk.state() as state:
        assert all("of 8 published projects" in one.why for one in held_items(state))
    assert offered(disk) == before
    assert disk.listed() == NAMES
    disk.up.heal()
    assert disk.settle(later=25 * HOUR) == DONE
    assert offered(disk) == before
    assert held(disk) == []


@pytest.mark.parametrize("source", ["xmlrpc", "none"])
@pytest.mark.parametrize("typo", [["zz"], ["zz*"], ["p0", "p1", "zz"]])
def test_a_slip_in_projects_is_held_against_what_is_published(
    disk: World, source: str, typo: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    if source == "none" and typo == ["zz*"]:
        source = "listing"
    built(disk, source)
    right = disk.flags.get("mirror_projects", ["*"])
    disk.configure(mirror_projects=typo)
    for projects in (typo, typo, ["p0"]):
        disk.configure(mirror_projects=projects)
        caplog.clear()
        assert disk.sync() == HELD
        assert "published projects: p" in caplog.text
        assert held(disk) == [(None, "selection")]
        assert disk.listed() == sorted(offered(disk)) == NAMES
    disk.configure(mirror_projects=right)
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)


def test_a_held_loss_hides_no_yank(disk: World) -> None:
    built(disk, "none")
    disk.up.yank("p1", "2.0", "late")
    disk.up.doctor = partial(_without, "p1-1.0.tar.gz")
    assert disk.sync(later=2.0) == PARTIAL
    assert disk.yanked("p1") == {"p1-1.0.tar.gz": False, "p1-2.0.tar.gz": "late"}


@pytest.mark.parametrize("source", ["xmlrpc", "listing"])
def test_a_rehearsal_tells_of_another_upstream(disk: World, source: str) -> None:
    snapshot = disk.up.snapshot()
    files = built(disk, source).files()
    disk.up.restore(snapshot)
    held: list[str] = []

    def rehearse(mirror: Mirror) -> ExitCode:
        held.extend(plan_pass(mirror).held)
        return DONE

    if source == "xmlrpc":
        assert disk.work(rehearse) == DONE
        assert any("the output is of serial" in why for why in held)
    else:
        assert disk.work(rehearse) == FAILED
        assert disk.error is not None and "than what is published" in disk.error
    assert disk.files() == files
    assert disk.counts().held == 0


def test_what_upstream_takes_back_in_a_pass_is_not_logged_as_held(
    disk: World, caplog: pytest.LogCaptureFixture
) -> None:
    built(disk, "none")
    disk.up.fail("^/simple/p[1-7]/", Fault.status(404), None)
    for later in (2.0, HOUR):
        disk.sync(later=later)
    assert "held: 7 unexplained removals" in caplog.text
    disk.up.heal()
    caplog.clear()
    with caplog.at_level(logging.ERROR, "yanksync"):
        assert disk.sync() == DONE
    assert held(disk) == []
    assert "held" not in caplog.text


def _policy(world: World) -> int:
    world.configure(mirror_yanked="omit", mirror_compress=[])
    return world.sync()


def _stale_page(world: World) -> int:
    world.up.heal()
    world.up.fail("^/pypi", Fault.status(503), None)
    world.up.serve_stale("p1", None)
    return world.resync("p1")


@pytest.mark.parametrize("work", [repair, _policy, World.sync, _stale_page])
@pytest.mark.parametrize("source", ["xmlrpc", "listing"])
def test_an_older_state_writes_no_page_over_a_newer_one(
    disk: World, source: str, work: Callable[[World], int]
) -> None:
    """The list of projects is written again only after ``list_interval``: it tells nothing."""
    disk.configure(upstream_journal=source)
    for name in NAMES:
        disk.up.upload(name, "1.0")
    assert disk.sync() == DONE
    disk.keep_state()
    disk.up.yank("p1", "1.0", "malware")
    assert disk.sync() == DONE
    assert disk.yanked("p1") == {"p1-1.0.tar.gz": "malware"}
    disk.put_back_state()
    disk.up.fail("^/", Fault.status(503), None)
    assert work(disk) in (FAILED, PARTIAL)
    for _ in range(2):
        assert disk.yanked("p1") == {"p1-1.0.tar.gz": "malware"}
        disk.sync()
    disk.up.heal()
    disk.up.cdn_clear()
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)


def test_a_file_published_since_the_backup_is_compared_with_upstreams_page(disk: World) -> None:
    disk.up.upload("p0", "1.0")
    disk.up.upload("keep", "1.0")
    assert disk.sync() == DONE
    disk.keep_state()
    disk.up.upload("p0", "2.0")
    assert disk.sync(later=HOUR) == DONE
    disk.put_back_state()
    disk.up.set_status("p0", "deprecated")
    disk.up.raw_row("p0", None, "frobnicate", 5)
    disk.up.doctor = partial(_without, "p0-2.0.tar.gz")
    assert disk.sync(later=2.0) == PARTIAL
    assert sorted(disk.yanked("p0")) == ["p0-1.0.tar.gz", "p0-2.0.tar.gz"]
    disk.up.doctor = None
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)


def _without(file: str, page: dict[str, Any]) -> dict[str, Any]:
    return {**page, "files": [one for one in page["files"] if one["filename"] != file]}


@pytest.mark.parametrize("source", ["xmlrpc", "listing", "none"])
@pytest.mark.parametrize("pattern", ["^/simple/p", "^/"])
def test_the_list_names_every_published_page_until_upstream_was_read(
    disk: World, source: str, pattern: str
) -> None:
    built(disk, source)
    disk.up.fail(pattern, Fault.status(503), None)
    for _ in range(2):
        assert disk.sync() in (PARTIAL, FAILED)
        assert disk.listed() == NAMES
    disk.up.heal()
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)


def test_what_went_while_the_state_was_lost_goes(disk: World) -> None:
    built(disk)
    disk.up.remove_project("p1")
    disk.up.quarantine_project("p2")
    disk.up.remove_file("p3", "p3-1.0.tar.gz")
    disk.up.yank("p4", "1.0", "late")
    assert disk.sync() in (DONE, PARTIAL)
    assert disk.page("p1") is None
    page = disk.page("p2")
    assert page is None or page["files"] == []
    assert disk.yanked("p4")["p4-1.0.tar.gz"] == "late"
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)


def test_a_yank_that_is_read_again_has_the_reason_of_its_page(disk: World) -> None:
    for name in NAMES:
        disk.up.upload(name, "1.0")
    disk.up.freeze_list()  # the journal is read again from where it was
    serial = disk.up.yank("p1", "1.0", "bad")
    assert disk.sync() == DONE
    disk.lose_state()
    disk.sync()
    disk.up.thaw_list()
    assert disk.settle() == DONE
    assert disk.told("p1") == [(serial, "yank", "bad")]


def test_a_page_without_serial_does_not_replace_one_that_has_it(disk: World) -> None:
    built(disk)
    before = disk.page("p0")
    disk.up.fail("^/simple/p0/", Fault.fallback_origin(), None)
    assert disk.sync() in (FAILED, PARTIAL)
    assert disk.page("p0") == before
    disk.up.heal()
    assert disk.settle() == DONE
    assert_equal_to_upstream(disk)


def test_a_half_list_does_not_keep_a_published_page_from_upstreams_for_ever(disk: World) -> None:
    built(disk)
    disk.up.fail("^/simple/$", Fault.half_list())
    disk.sync()
    disk.settle()
    disk.configure(mirror_compress=[])
    for _ in range(5):
        code = disk.sync(later=30 * HOUR)
    assert code == DONE
    assert_equal_to_upstream(disk)
