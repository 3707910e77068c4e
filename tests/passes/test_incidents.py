"""What went wrong in other mirrors, as far as no other module has it."""

from __future__ import annotations

import json
import logging

import pytest

from tests.support.fake_index.index import Fault
from tests.support.page_assertions import HTML, JSON, assert_equal_to_upstream
from tests.support.world import DAY, DONE, HELD, PARTIAL, World


def started(world: World, *projects: str) -> None:
    for name in projects or ("demo",):
        world.up.upload(name, "1.0")
        world.up.upload(name, "2.0")
    assert world.sync() == DONE


@pytest.mark.incident(2)
def test_no_reason_is_true_and_an_empty_attribute(world: World) -> None:
    started(world)
    world.up.yank("demo", "1.0")
    assert world.sync() == DONE
    for path in (JSON, HTML):
        body = world.files()[f"simple/demo/{path}"].decode()
        if path == JSON:
            assert body.count('"yanked":true') == body.count('"yanked":false') == 1
            assert body.count('"yanked"') == 2 and "null" not in body
        else:
            assert body.count("data-yanked") == body.count('data-yanked=""') == 1


@pytest.mark.incident(11)
def test_a_tombstone_stays(world: World) -> None:
    started(world, "demo", "other")
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
    started(world, "demo", "other")
    world.up.quarantine_project("demo")
    assert world.sync() == DONE
    world.up.remove_project("demo")
    assert world.sync() == DONE
    assert not any("demo" in path for path in world.files())
    assert b"demo" not in b"".join(world.files().values())


@pytest.mark.incident(18)
def test_a_name_of_another_owner_has_none_of_the_old_files(world: World) -> None:
    started(world)
    world.up.yank("demo", "1.0", "theirs")
    world.up.remove_project("demo")
    world.up.upload("demo", "1.0", "demo-1.0.zip")
    assert world.sync() == DONE
    assert world.yanked("demo") == {"demo-1.0.zip": False}
    assert_equal_to_upstream(world)


@pytest.mark.incident(21)
@pytest.mark.parametrize("tries", [1, 3, 9])
def test_stale_for_so_many_tries(world: World, tries: int) -> None:
    started(world, "demo", "other")
    world.up.yank("demo", "1.0", "bad")
    last = world.up.yank("other", "1.0", "bad")
    world.up.serve_stale("demo", tries)
    world.sync()
    assert world.yanked("other")["other-1.0.tar.gz"] == "bad" and world.cursor() == last
    assert world.settle(9) == DONE
    assert_equal_to_upstream(world)


@pytest.mark.incident(29)
def test_a_name_of_200_characters(disk: World) -> None:
    """Longer ones leave no room for a sibling's temporary name, and PyPI has none."""
    name = "a" * 200
    started(disk, name, "demo")
    disk.up.yank(name, "1.0", "long")
    disk.up.upload("b" * 201, "1.0")
    disk.up.raw_row("c" * 5000, None, "create")
    assert disk.sync() == DONE
    assert disk.yanked(name)[f"{name}-1.0.tar.gz"] == "long"
    assert disk.listed() == [name, "demo"]


@pytest.mark.incident(31)
def test_an_empty_page_that_nothing_explains_is_not_believed_at_once(
    world: World,
) -> None:
    started(world)
    world.up.raw_row("demo", None, "frobnicate")
    world.up.fail("^/simple/demo/", Fault.empty_page())
    assert world.sync() in (DONE, PARTIAL)
    assert len(world.yanked("demo")) == 2
    assert world.settle() == DONE
    assert_equal_to_upstream(world)
    assert world.told() == []


@pytest.mark.incident(35)
def test_directories_of_another_case_are_left_alone(disk: World) -> None:
    """A mirror on a file system that ignores case never deletes what it does not know exactly."""
    started(disk, "demo", "other")
    other = disk.where / "out/simple/DeMo"
    other.mkdir()
    (other / "index.html").write_bytes(b"theirs")
    disk.up.remove_project("other")
    disk.up.yank("demo", "1.0", "bad")
    assert disk.sync() == DONE
    assert disk.resync() == DONE
    disk.lose_state()
    assert disk.settle(later=DAY) == DONE
    assert (other / "index.html").read_bytes() == b"theirs"
    assert disk.yanked("demo")["demo-1.0.tar.gz"] == "bad"


@pytest.mark.incident(37)
def test_another_hash_is_an_alarm(world: World, caplog: pytest.LogCaptureFixture) -> None:
    started(world, "demo", "other")
    # Never a fact of PyPI (section 4, 46): only an upstream that is not what it seems does so.
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
    started(world, "demo", "other")
    world.up.doctor = lambda page: json.loads(
        json.dumps(page).replace(page["files"][0]["hashes"]["sha256"], "ab" * 32)
    )
    world.up.raw_row("demo", None, "frobnicate")
    assert world.sync() == HELD
    world.up.doctor = None
    assert world.settle() == DONE
    assert_equal_to_upstream(world)
