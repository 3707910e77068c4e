"""Whole passes: a file once published is never published with another hash unasked (R8)."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support.dated_uploads import upload
from tests.support.fake_index.values import digest
from tests.support.page_assertions import assert_equal_to_upstream
from tests.support.world import DAY, DONE, HELD, HOUR, World
from yanksync.core.model import HistoryAction

FILE, NEXT = "demo-1.0.tar.gz", "demo-2.0.tar.gz"


def rehash(world: World, name: str, content: bytes) -> None:
    """Let upstream have another file of that name."""
    project = world.up.project("demo")
    assert project is not None
    file = replace(project.files[name], content=content, sha256=digest(content))
    changed = replace(project, files={**project.files, name: file})
    world.up.commit("demo", changed, [(file.version, f"add source file {name}")])


def drop(world: World, name: str, write: tuple[str | None, str]) -> None:
    project = world.up.project("demo")
    assert project is not None
    left = {key: file for key, file in project.files.items() if key != name}
    world.up.commit("demo", replace(project, files=left), [write])


def shown(world: World, name: str = FILE) -> str | None:
    """Return the hash with which a file is published; None when it is not."""
    page = world.page("demo")
    files = [] if page is None else page["files"]
    found = [file["hashes"]["sha256"] for file in files if file["filename"] == name]
    return found[0] if found else None


@pytest.fixture
def begun(world: World) -> World:
    return world.started("demo", "other", "third")


def held(world: World) -> str:
    """Let a changed hash be held; return the one that is published."""
    old = shown(world)
    assert old is not None
    rehash(world, FILE, b"EVIL")
    assert world.sync() == HELD and shown(world) == old
    return old


def quarantined(world: World) -> None:
    world.up.quarantine_project("demo")
    assert world.sync() == DONE and shown(world) is None
    world.up.clear_project_quarantine("demo")


def quarantined_and_cleared_at_once(world: World) -> None:
    world.up.quarantine_project("demo")
    world.up.clear_project_quarantine("demo")


def narrowed(world: World) -> None:
    world.configure(mirror_exclude=["demo"])
    assert world.sync() == DONE and world.page("demo") is None
    assert world.sync() == DONE
    world.configure(mirror_exclude=[])


def named(world: World) -> None:
    world.configure(mirror_projects=["other", "third"])
    assert world.sync() == DONE and world.page("demo") is None
    world.configure(mirror_projects=["demo", "other", "third"])


def release_removed(world: World) -> None:
    project = world.up.project("demo")
    assert project is not None
    drop(world, FILE, ("1.0", "remove release"))
    assert world.sync() == DONE and shown(world) is None
    world.up.commit("demo", project, [("1.0", "new release")])


def vanished(world: World) -> None:
    project = world.up.project("demo")
    assert project is not None
    drop(world, FILE, ("3.0", "new release"))
    world.sync()
    assert world.sync(later=HOUR) == DONE and shown(world) is None
    world.up.commit("demo", project, [("1.0", "new release")])


def missing_for_a_while(world: World) -> None:
    project = world.up.project("demo")
    assert project is not None
    drop(world, FILE, ("3.0", "new release"))
    world.sync()
    world.up.commit("demo", project, [("1.0", "new release")])


WAYS = [
    quarantined, quarantined_and_cleared_at_once, narrowed, named, release_removed, vanished,
    missing_for_a_while,
]  # fmt: skip


@pytest.mark.rule("R8")
@pytest.mark.parametrize("way", WAYS)
def test_a_held_hash_stays_held(begun: World, way: Callable[[World], None]) -> None:
    old = held(begun)
    way(begun)
    for _ in range(2):
        assert begun.sync() == HELD
        assert shown(begun) in (None, old) and shown(begun, NEXT) is not None
        assert begun.counts().held == 1
    assert begun.resync() == HELD and shown(begun) in (None, old)
    assert begun.approve("demo") == ["demo"]
    assert begun.settle() == DONE
    assert_equal_to_upstream(begun)
    assert begun.sync() == DONE and begun.asked == []


@pytest.mark.rule("R8")
@pytest.mark.parametrize("way", WAYS)
def test_the_old_hash_ends_the_hold(begun: World, way: Callable[[World], None]) -> None:
    project = begun.up.project("demo")
    held(begun)
    way(begun)
    begun.up.commit("demo", project, [("1.0", "add source file x")])
    assert begun.settle() == DONE
    assert_equal_to_upstream(begun)
    assert begun.counts() == (0, 0, 0, 0)


@pytest.mark.rule("R8")
def test_what_is_back_from_a_quarantine_has_the_hashes_of_before(begun: World) -> None:
    begun.up.quarantine_project("demo")
    assert begun.sync() == DONE
    begun.up.upload("demo", "3.0")
    rehash(begun, FILE, b"EVIL")
    assert begun.sync() == DONE and begun.counts().held == 0
    begun.up.clear_project_quarantine("demo")
    assert begun.sync() == HELD
    assert shown(begun) is None and shown(begun, NEXT) is not None
    assert begun.approve() == ["demo"]
    assert begun.sync() == DONE
    assert_equal_to_upstream(begun)


@pytest.mark.rule("R8")
def test_another_project_of_that_name_is_not_held(begun: World) -> None:
    held(begun)
    begun.up.quarantine_project("demo")
    assert begun.sync() == DONE
    begun.up.remove_project("demo")
    assert begun.sync() == DONE
    with begun.state() as state:
        assert not state.lost_files.any()
    begun.up._used.clear()  # what no Warehouse does
    begun.up.upload("demo", "1.0", FILE, content=b"another's")
    assert begun.sync() == DONE
    assert_equal_to_upstream(begun)


@pytest.mark.rule("R8")
def test_a_hash_that_was_approved_is_not_held_again(begun: World) -> None:
    held(begun)
    assert begun.approve() == ["demo"]
    quarantined(begun)
    assert begun.sync() == DONE
    assert_equal_to_upstream(begun)


def test_a_quarantine_costs_a_pass_no_work_later(begun: World) -> None:
    begun.up.quarantine_project("demo")
    assert begun.sync() == DONE
    with begun.state() as state:
        assert (
            state.lost_files.to_judge(),
            state.lost_files.rehashed(),
            state.lost_files.held(),
        ) == ([], [], [])


@pytest.mark.incident(37)
def test_another_hash_is_an_alarm(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.started("demo", "other")
    # PyPI never does so (section 4, 46). Only an upstream with false looks does.
    world.up.doctor = lambda page: json.loads(
        json.dumps(page).replace(page["files"][0]["hashes"]["sha256"], "ab" * 32)
    )
    world.up.role("other")
    world.up.raw_row("demo", None, "frobnicate")
    caplog.clear()
    before = world.page("demo")
    assert before is not None
    assert world.sync() == HELD
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert told[0].startswith("demo: demo-1.0.tar.gz: the file has another hash")
    world.up.yank("demo", "1.0", "news lets nothing through")
    assert world.sync() == HELD
    page = world.page("demo")
    assert page is not None
    assert [file["hashes"] for file in page["files"]] == [f["hashes"] for f in before["files"]]
    assert page["files"][0]["yanked"] == "news lets nothing through"
    world.approve()
    assert world.sync() == DONE
    page = world.page("demo")
    assert page is not None and page["files"][0]["hashes"]["sha256"] == "ab" * 32
    assert world.sync() == DONE


@pytest.mark.incident(37)
def test_a_hash_that_comes_back_is_let_go(world: World) -> None:
    world.started("demo", "other")
    world.up.doctor = lambda page: json.loads(
        json.dumps(page).replace(page["files"][0]["hashes"]["sha256"], "ab" * 32)
    )
    world.up.raw_row("demo", None, "frobnicate")
    assert world.sync() == HELD
    world.up.doctor = None
    assert world.settle() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R8")
def test_a_file_that_nobody_was_offered_is_shown_with_neither_hash(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.configure(cooldown_age="1d")
    world.started("demo", "other")
    new = "demo-3.0.tar.gz"
    upload(world, "demo", "3.0")
    assert world.sync(later=HOUR) == DONE
    rehash(world, new, b"EVIL")
    for _ in range(3):
        assert world.sync(later=DAY) == HELD and shown(world, new) is None
    assert "nothing of that is published until a person approves" in caplog.text
    assert world.approve() == ["demo"]
    assert world.sync() == DONE and shown(world, new) == digest(b"EVIL")
    assert [row.action for row in world.history()] == [HistoryAction.AVERTED]  # of the first one
