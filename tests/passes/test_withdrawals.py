"""Whole passes: what upstream takes back is taken back here, first and without a trace."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.fake_index.index import Fault
from tests.support.page_assertions import assert_equal_to_upstream
from tests.support.world import DONE, FAILED, PARTIAL, World


def published(world: World, name: str) -> dict[str, dict[str, Any]]:
    """Return what is published of a project's files, without their marks."""
    page = world.page(name)
    assert page is not None
    return {file["filename"]: {**file, "yanked": None} for file in page["files"]}


def everything(world: World) -> bytes:
    return b"".join(world.files().values())


def test_a_quarantine_and_a_removal_need_no_page(world: World) -> None:
    world.started("removed", "suspect", "yanked")
    world.up.remove_project("removed")
    world.up.quarantine_project("suspect")
    world.up.yank("yanked", "1.0", "bad")
    world.up.fail("^/simple/", Fault.status(503), times=None)
    assert world.sync() in (FAILED, PARTIAL)
    assert world.page("removed") is None
    assert world.yanked("suspect") == {}
    assert world.listed() == ["yanked"]
    assert not any(world.yanked("yanked").values())  # a reason stands on the page alone
    world.up.heal()
    assert world.settle() == DONE
    assert_equal_to_upstream(world)


def test_withdrawals_are_asked_for_before_uploads(world: World) -> None:
    names = [f"p{number:02}" for number in range(30)]
    world.started(*names)
    world.configure(upstream_workers="1")
    for name in names:
        world.up.upload(name, "3.0")
    world.up.yank(names[-1], "1.0")
    world.up.remove_release(names[-2], "1.0")
    assert world.sync() == DONE
    asked = [str(request.project) for request in world.up.page_requests()]
    assert {*asked[:2]} == {*names[-2:]}
    assert_equal_to_upstream(world)


def test_name_url_hash_and_provenance_outlive_a_yank(world: World) -> None:
    """Locks and attestations name files by these; a mark changes none of them."""
    world.started(provenance="https://upstream.example/integrity/x/provenance")
    before = published(world, "demo")
    assert {file["provenance"] for file in before.values()} != {None}
    for act in (world.up.yank, world.up.unyank, world.up.yank):
        act("demo", "1.0")
        assert world.sync() == DONE
        assert published(world, "demo") == before


def test_of_an_earlier_reason_nothing_is_left(disk: World) -> None:
    disk.started()
    disk.up.yank("demo", "1.0", "the first reason")
    assert disk.sync() == DONE and b"the first reason" in everything(disk)
    disk.up.yank("demo", "1.0", "the second reason")  # needs no unyank between
    assert disk.sync() == DONE
    assert disk.yanked("demo")["demo-1.0.tar.gz"] == "the second reason"
    assert b"the first reason" not in everything(disk)
    disk.up.unyank("demo", "1.0")
    assert disk.sync() == DONE
    assert b"reason" not in everything(disk)
    assert [reason for _, _, reason in disk.told("demo")] == [
        "the first reason",
        "the second reason",
        "",
    ]


@pytest.mark.parametrize("policy", ["mark", "omit"])
def test_a_new_file_of_a_yanked_release_has_the_mark_that_its_page_gives_it(
    world: World, policy: str
) -> None:
    world.configure(mirror_yanked=policy)
    world.started()
    world.up.yank("demo", "1.0", "bad")
    assert world.sync() == DONE
    world.up.upload("demo", "1.0", "demo-1.0.zip")  # the journal tells of no yank of it
    assert world.sync() == DONE
    assert_equal_to_upstream(world)
    world.up.upload("demo", "1.0", "demo-1.0-py3-none-any.whl")
    world.up.yank_file("demo", "demo-1.0-py3-none-any.whl", None)
    assert world.sync() == DONE
    assert world.yanked("demo")["demo-1.0-py3-none-any.whl"] is False
    assert_equal_to_upstream(world)


def test_what_was_undone_within_one_answer_of_the_journal(world: World) -> None:
    world.started("yanked", "suspect", "release", "file", "gone")
    for name, act, undo in (
        ("yanked", world.up.yank, world.up.unyank),
        ("release", world.up.quarantine_release, world.up.clear_release_quarantine),
    ):
        act(name, "1.0")
        undo(name, "1.0")
    world.up.quarantine_project("suspect")
    world.up.clear_project_quarantine("suspect")
    world.up.remove_file("file", "file-1.0.tar.gz")
    world.up.upload("file", "1.0", "file-1.0.zip")
    world.up.remove_project("gone")
    world.up.upload("gone", "1.0", "gone-1.0.zip")
    assert world.sync() == DONE
    assert_equal_to_upstream(world)
    assert world.yanked("gone") == {"gone-1.0.zip": False}


@pytest.mark.parametrize("code", [400, 401, 403, 406, 410, 418, 451, 500, 502, 503, 504])
def test_no_status_but_404_takes_a_page_away(world: World, code: int) -> None:
    world.started("demo", "other")
    before = world.files()
    world.up.raw_row("demo", None, "frobnicate")
    world.up.fail("^/simple/demo/", Fault.status(code), times=None)
    for _ in range(3):
        assert world.sync() == PARTIAL
        assert world.files() == before
    world.up.heal()
    assert world.settle() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.incident(11)
def test_a_tombstone_stays(world: World) -> None:
    world.started("demo", "other")
    stale = world.up.answer("demo")
    world.up.remove_project("demo")
    assert world.sync() == DONE
    world.up.cdn_hold("demo", stale)
    world.up.role("other")
    for _ in range(3):
        assert world.resync() in (DONE, PARTIAL)
        assert world.page("demo") is None and world.listed() == ["other"]
    assert [action for _, action, _ in world.told("demo")] == ["remove"]


@pytest.mark.incident(17)
def test_what_was_quarantined_and_removed_is_nowhere(world: World) -> None:
    world.started("demo", "other")
    world.up.quarantine_project("demo")
    assert world.sync() == DONE
    world.up.remove_project("demo")
    assert world.sync() == DONE
    assert not any("demo" in path for path in world.files())
    assert b"demo" not in b"".join(world.files().values())


@pytest.mark.incident(18)
def test_a_name_of_another_owner_has_none_of_the_old_files(world: World) -> None:
    world.started()
    world.up.yank("demo", "1.0", "theirs")
    world.up.remove_project("demo")
    world.up.upload("demo", "1.0", "demo-1.0.zip")
    assert world.sync() == DONE
    assert world.yanked("demo") == {"demo-1.0.zip": False}
    assert_equal_to_upstream(world)
