"""What a guard holds is there for followers, as it is published, when that is switched on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.dying_store import Killed
from tests.support.followers_documents import NAME, documents
from tests.support.page_assertions import assert_equal_to_upstream
from tests.support.verification import check
from tests.support.world import DONE, FAILED, HELD, PARTIAL, World

GONE = [f"p{number}" for number in range(101)]  # more than the guard lets through


@pytest.fixture
def holding(disk: World) -> World:
    """A mirror on which a hundred and one removals and another hash of a file are held."""
    disk.configure(mirror_list_interval="0", mirror_compress=["gzip"])
    for name in (*GONE, "demo", "hashed"):
        disk.up.upload(name, "1.0")
        disk.up.upload(name, "2.0")
    disk.up.yank("p7", "1.0", "why not")
    assert disk.sync() == DONE
    for name in GONE:
        disk.up.remove_project(name)
    (before,) = [file for file in (disk.page("hashed") or {})["files"] if "1.0" in file["filename"]]
    disk.up.doctor = lambda page: json.loads(
        json.dumps(page).replace(before["hashes"]["sha256"], "ab" * 32)
    )
    disk.up.yank("hashed", "2.0", "bad")
    assert disk.sync() == HELD
    assert disk.counts().held == 102
    assert disk.yanked("hashed") == {"hashed-1.0.tar.gz": False, "hashed-2.0.tar.gz": "bad"}
    return disk


def switched_on(world: World) -> dict[str, dict[str, Any]]:
    """Switch it on; return the documents, whose files are those of the pages."""
    world.configure(mirror_legacy_json=True)
    assert world.sync() == HELD
    found = documents(world)
    listed = found.pop("")
    assert found.keys() == listed.keys() == {*GONE, "demo", "hashed"}
    for name, document in found.items():
        files = [file for release in document["releases"].values() for file in release]
        page = world.page(name)
        assert page is not None and document["last_serial"] == listed[name]
        urls = {file["filename"]: (file["url"], file["digests"]) for file in files}
        assert urls == {file["filename"]: (file["url"], file["hashes"]) for file in page["files"]}
    return found


def test_it_is_made_of_the_page_that_stands_there(holding: World) -> None:
    before = holding.stamps()
    found = switched_on(holding)
    after = holding.stamps()
    assert all(after[path] == before[path] for path in before if path.count("/") == 2)
    assert holding.asked == ["hashed"]  # whether the hash is what it was again
    assert found["p7"]["info"]["yanked"] is False
    (yanked,) = found["p7"]["releases"]["1.0"]
    assert (yanked["yanked"], yanked["yanked_reason"]) == (True, "why not")
    assert holding.counts().held == 102
    assert check(holding)[2].differences == 0
    assert holding.sync() == HELD and holding.stamps() == after


def test_a_page_of_which_a_file_is_held_needs_none(holding: World) -> None:
    """One file is held, and its page is not: it is rendered, with the hash that was published."""
    found = switched_on(holding)
    (fresh,) = found["hashed"]["releases"]["2.0"]
    assert (fresh["yanked"], fresh["yanked_reason"]) == (True, "bad")
    (old,) = found["hashed"]["releases"]["1.0"]
    assert old["digests"]["sha256"] != "ab" * 32


def test_it_goes_with_the_hold(holding: World) -> None:
    switched_on(holding)
    holding.approve()
    assert holding.sync() == DONE
    assert documents(holding).keys() == {"", "demo", "hashed"}
    holding.up.doctor = None
    holding.resync()
    holding.approve()
    assert holding.settle() == DONE
    assert_equal_to_upstream(holding)


def test_switched_off_it_goes_with_the_hold_too(holding: World) -> None:
    switched_on(holding)
    holding.configure(mirror_legacy_json=False)
    assert holding.sync() == HELD
    left = documents(holding)
    assert left.keys() == {*GONE}  # what is held stays as it is
    assert check(holding)[2].differences == 0
    holding.approve()
    assert holding.sync() == DONE
    assert documents(holding) == {}


@pytest.mark.parametrize("damage", ["lost", "changed", "unreadable"])
def test_of_a_page_that_is_not_ours_nothing_is_made(
    holding: World, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    page = holding.where / "out/simple/p1/index.v1_json"
    body = page.read_bytes()
    page.unlink()
    if damage == "changed":
        page.write_bytes(body.replace(b"p1-1.0", b"p1-6.6"))
    elif damage == "unreadable":
        page.mkdir()
    holding.configure(mirror_legacy_json=True)
    assert holding.sync() == HELD
    assert documents(holding).keys() == {"", *GONE, "demo", "hashed"} - {"p1"}
    told = [record.getMessage() for record in caplog.records if "p1: is held" in record.message]
    assert len(told) == 1


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(3))
def test_a_death_before_or_behind_it_is_made_good(holding: World, at: int, after: bool) -> None:
    holding.configure(mirror_legacy_json=True)
    holding.kills.at, holding.kills.after = at, after
    with pytest.raises(Killed):
        holding.sync()
    switched_on(holding)


def test_hooks_are_told(holding: World) -> None:
    holding.configure(hooks_manifest=str(holding.where / "manifests"))
    switched_on(holding)
    (told,) = (holding.where / "manifests").iterdir()
    lines = told.read_text().splitlines()
    assert {f"put simple/p1/{NAME}.gz", f"put simple/p1/{NAME}"} <= {*lines}


def test_what_cannot_be_written_is_tried_again(holding: World) -> None:
    blocked = holding.where / "out/simple/p1" / NAME
    blocked.mkdir()
    holding.configure(mirror_legacy_json=True)
    assert holding.sync() == FAILED
    assert documents(holding).keys() >= {"p2", "demo"}
    blocked.rmdir()
    assert holding.sync() in (HELD, PARTIAL)
    switched_on(holding)
