"""Whole passes: what upstream's journal tells, and what it does not, is what is mirrored."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.builders.upstream_pages import HEX
from tests.support.fake_index.index import FakeUpstream, Fault
from tests.support.page_assertions import assert_equal_to_upstream
from tests.support.world import DAY, DONE, HELD, PARTIAL, World

Act = Callable[[FakeUpstream], object]


# What is done beforehand, what is then done, whether a page is asked for, what the history says.
VERBS: dict[str, tuple[Act | None, Act, bool, str | None]] = {
    "create": (None, lambda up: up.create("new"), True, None),
    "new release and file": (None, lambda up: up.upload("demo", "3.0"), True, None),
    "file": (None, lambda up: up.upload("demo", "2.0", "demo-2.0.zip"), True, None),
    "remove file": (None, lambda up: up.remove_file("demo", "demo-2.0.tar.gz"), True, "remove"),
    "remove release": (None, lambda up: up.remove_release("demo", "2.0"), True, "remove"),
    "remove project": (None, lambda up: up.remove_project("demo"), True, "remove"),
    "yank": (None, lambda up: up.yank("demo", "2.0", "bad"), True, "yank"),
    "unyank": (
        lambda up: up.yank("demo", "2.0"),
        lambda up: up.unyank("demo", "2.0"),
        True,
        "unyank",
    ),
    "quarantine project": (None, lambda up: up.quarantine_project("demo"), True, "quarantine"),
    "clear project": (
        lambda up: up.quarantine_project("demo"),
        lambda up: up.clear_project_quarantine("demo"),
        True,
        "unquarantine",
    ),
    "quarantine release": (
        None,
        lambda up: up.quarantine_release("demo", "2.0"),
        True,
        "quarantine",
    ),
    "clear release": (
        lambda up: up.quarantine_release("demo", "2.0"),
        lambda up: up.clear_release_quarantine("demo", "2.0"),
        True,
        "unquarantine",
    ),
    "change role": (
        None,
        lambda up: up.role("demo", "change Owner bob to Maintainer"),
        False,
        None,
    ),
    "alternate repository": (
        None,
        lambda up: up.role("demo", "add alternate repository x"),
        True,
        None,
    ),
    "yank file": (
        None,
        lambda up: up.yank_file("demo", "demo-2.0.tar.gz", "one", row=True),
        True,
        "yank",
    ),
}


@pytest.mark.parametrize(("before", "act", "asks", "told"), VERBS.values(), ids=VERBS)
def test_each_verb_of_the_journal(
    world: World, before: Act | None, act: Act, asks: bool, told: str | None
) -> None:
    world.started()
    if before is not None:
        before(world.up)
        assert world.sync() == DONE
    earlier = len(world.told())
    act(world.up)
    assert world.sync() == DONE
    assert bool(world.asked) == asks
    assert_equal_to_upstream(world)
    assert [row[1] for row in world.told()[earlier:]] == ([] if told is None else [told])


def test_a_cleared_project_is_active_though_it_had_been_archived(world: World) -> None:
    world.started()
    world.up.archive("demo")
    world.resync("demo")
    assert (world.page("demo") or {})["project-status"] == {"status": "archived"}
    world.up.quarantine_project("demo")
    assert world.sync() == DONE
    world.up.clear_project_quarantine("demo")
    assert world.sync() == DONE
    assert "project-status" not in (world.page("demo") or {})
    assert_equal_to_upstream(world)


@pytest.mark.parametrize("source", ["xmlrpc", "listing"])
def test_no_other_method_of_the_journal_is_ever_called(world: World, source: str) -> None:
    world.configure(upstream_journal=source)
    called = set()
    world.started()
    for act in (world.up.yank, world.up.unyank, world.up.quarantine_release):
        called |= {request.call.partition("(")[0] for request in world.up.journal_calls()}
        act("demo", "1.0")
        world.sync()
    world.resync()
    called |= {request.call.partition("(")[0] for request in world.up.journal_calls()}
    assert called <= {"changelog_last_serial", "changelog_since_serial"}
    assert bool(called) == (source == "xmlrpc")


def test_a_name_that_died_without_a_row_is_found_by_the_sweep(world: World) -> None:
    world.started("demo", "other")
    world.up.commit("demo", None, [])
    assert world.sync() == DONE and world.page("demo") is not None
    for _ in range(4):
        world.sync(later=31 * DAY)
    assert world.page("demo") is None and world.listed() == ["other"]
    assert world.told() == [(None, "remove", "")]
    assert_equal_to_upstream(world)


def test_what_was_only_gone_for_a_while_comes_back_and_no_older_page_of_it(
    world: World,
) -> None:
    world.started("demo", "other")
    kept, older = world.up.project("demo"), world.up.before("demo")
    world.up.commit("demo", None, [])
    for _ in range(4):
        world.sync(later=31 * DAY)
    assert world.page("demo") is None
    world.up.commit("demo", kept, [])  # with the serial that it had: it was upstream's fault
    world.up.cdn_hold("demo", older)
    for _ in range(3):
        world.resync()
        assert world.page("demo") is None
    world.up.cdn_release("demo")
    assert world.settle() == DONE
    assert world.page("demo") is not None
    assert_equal_to_upstream(world)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("core-metadata", {"sha256": HEX}),
        pytest.param("provenance", "https://upstream.example/p"),
        pytest.param("gpg-sig", True, id="a-key-more"),
        pytest.param("upload-time", None, id="a-key-less"),
    ],
)
def test_what_changed_without_a_row_is_found_by_the_sweep(
    world: World, key: str, value: object
) -> None:
    world.started()

    def doctor(page: dict[str, Any]) -> dict[str, Any]:
        files = [{**file, key: value} for file in page["files"]]
        there = [{k: v for k, v in file.items() if v is not None} for file in files]
        return {**page, "files": there}

    world.up.doctor = doctor
    assert world.sync() == DONE and world.asked == []
    for _ in range(3):
        assert world.sync(later=31 * DAY) == DONE
    page = world.page("demo")
    assert page is not None and [file.get(key) for file in page["files"]] == [value] * 2
    assert world.told() == []


def test_a_quarantined_name_leaves_the_list_and_its_page_tells_why(world: World) -> None:
    world.configure(upstream_journal="listing")
    world.started("demo", "other", "third")
    world.up.quarantine_project("demo")
    world.up.remove_project("other")
    assert world.sync() == DONE
    assert world.asked == ["demo", "other"]
    assert world.yanked("demo") == {} and world.page("other") is None
    assert_equal_to_upstream(world)
    world.up.clear_project_quarantine("demo")
    assert world.sync() == DONE
    assert_equal_to_upstream(world)


def test_a_list_that_is_older_than_what_is_known_takes_nothing_away(world: World) -> None:
    world.configure(upstream_journal="listing")
    world.started("demo")
    world.up.freeze_list()
    world.up.upload("new", "1.0")
    world.resync("new")
    assert world.page("new") is not None
    for _ in range(3):
        assert world.sync() == DONE
    world.resync()
    assert world.settle() == DONE
    assert world.page("new") is not None and world.listed() == ["demo", "new"]


def test_nor_is_one_followed_that_is_older_than_the_list_before(world: World) -> None:
    world.configure(upstream_journal="listing")
    world.started("demo", "other")
    older = world.up.listing()
    world.up.upload("Demo", "3.0")
    world.up.remove_project("other")
    assert world.sync() == DONE
    files, newest = world.files(), world.up.last_serial
    world.up._frozen_list = older  # from another cache
    for _ in range(3):
        assert world.sync() == PARTIAL  # it does not count as read
        assert world.files() == files and world.asked == []
    rows = [{"name": name, "_last-serial": 99} for name in ("demo", "new")]
    said = json.dumps({"meta": {"api-version": "1.0"}, "projects": rows}).encode()
    world.up.fail("^/simple/$", Fault.body(said, "application/vnd.pypi.simple.v1+json"))
    assert world.sync() == PARTIAL, "nor one of no time at all"
    assert world.files() == files and world.asked == []
    with world.state() as state:
        assert state.facts.number("list_serial") == newest
    world.up.thaw_list()
    world.up.yank("demo", "1.0", "bad")
    assert world.sync() == DONE
    assert_equal_to_upstream(world)


def test_half_a_list_is_made_good_by_the_whole_one_of_the_same_serial(world: World) -> None:
    world.configure(upstream_journal="listing")
    names = [f"p{number:03}" for number in range(210)]
    world.started(*names)
    world.up.yank(names[0], "1.0")
    world.up.fail("^/simple/$", Fault.half_list())
    assert world.sync() == HELD
    assert world.sync() == DONE
    assert_equal_to_upstream(world)


def test_an_unyank_leaves_no_reason_upstream_and_the_history_keeps_it(world: World) -> None:
    world.started()
    world.up.yank("demo", "1.0", "kept here alone")
    assert world.sync() == DONE
    world.up.unyank("demo", "1.0")
    assert world.sync() == DONE
    assert world.yanked("demo")["demo-1.0.tar.gz"] is False
    assert world.told() == [(7, "yank", "kept here alone"), (8, "unyank", "")]


@pytest.mark.parametrize("also", [True, False], ids=["beside-another-file", "alone"])
def test_the_yank_of_a_file_of_no_known_version_is_told_once(world: World, also: bool) -> None:
    world.up.upload("demo", "1.0", "whatever.exe")
    if also:
        world.up.upload("demo", "1.0")
    assert world.sync() == DONE
    before = world.up.last_serial
    world.up.yank("demo", "1.0", "bad")
    assert world.sync() == DONE
    world.up.unyank("demo", "1.0")
    assert world.sync() == DONE
    assert world.told() == [(before + 1, "yank", "bad"), (before + 2, "unyank", "")]
    assert_equal_to_upstream(world)


@pytest.mark.parametrize("passes", [1, 2], ids=["at-once", "in-two-passes"])
def test_a_name_registered_anew_is_a_project_of_its_own(world: World, passes: int) -> None:
    """The same file name with another hash is an alarm, except in another project."""
    world.started("demo", "other")
    old = world.page("demo")
    world.up.remove_project("demo")
    if passes == 2:
        assert world.sync() == DONE
    world.up._used.clear()  # what no Warehouse does
    world.up.upload("demo", "1.0", "demo-1.0.tar.gz", content=b"another's")
    assert world.sync() == DONE
    assert_equal_to_upstream(world)
    new = world.page("demo")
    assert old is not None and new is not None
    assert new["files"][0]["hashes"] != old["files"][0]["hashes"]
    if passes == 2:
        (request,) = world.up.page_requests()
        assert "if-none-match" not in request.headers
