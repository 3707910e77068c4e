"""``legacy_json``: what bandersnatch and shadowmire read is right whenever the pages are."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.support.dying_store import Killed
from tests.support.followers_documents import NAME, documents
from tests.support.page_assertions import assert_equal_to_upstream
from tests.support.verification import check, repair
from tests.support.world import DONE, HOUR, World
from yanksync.output.comparison import FindingKind


def assert_follows(world: World) -> None:
    """Hold the documents against the pages, which are held against upstream."""
    assert_equal_to_upstream(world)
    found = documents(world)
    rows = json.loads(world.files()["simple/index.v1_json"])["projects"]
    serials = {row["name"]: row["_last-serial"] for row in rows}
    assert found.pop("") == serials
    pages = {path.split("/")[1] for path in world.files() if path.count("/") == 2}
    assert found.keys() == pages
    for name, document in found.items():
        marks = {
            file["filename"]: (file["yanked_reason"] or True) if file["yanked"] else False
            for release in document["releases"].values()
            for file in release
        }
        assert marks == world.yanked(name)
        assert document["last_serial"] >= serials.get(name, 0)


@pytest.fixture(params=["mark", "omit"])
def followed(disk: World, request: pytest.FixtureRequest) -> World:
    disk.configure(mirror_legacy_json=True, mirror_list_interval="0", mirror_yanked=request.param)
    for name in ("demo", "other", "third"):
        disk.up.upload(name, "1.0")
        disk.up.upload(name, "2.0")
    disk.up.yank("demo", "1.0", "first")
    assert disk.sync() == DONE
    assert_follows(disk)
    return disk


def test_what_happens_upstream_is_in_the_documents(followed: World) -> None:
    up = followed.up
    changes: tuple[Callable[[], object], ...] = (
        lambda: up.yank("demo", "2.0", 'a "<b>" \U0001f600'),
        lambda: up.unyank("demo", "1.0"),
        lambda: up.yank("other", "1.0"),
        lambda: up.quarantine_project("other"),
        lambda: up.clear_project_quarantine("other"),
        lambda: up.upload("new", "1.0"),
        lambda: up.remove_project("third"),
    )
    for change in changes:
        change()
        assert followed.sync() == DONE
        assert_follows(followed)
    stamps = followed.stamps()
    assert followed.sync() == DONE
    assert followed.stamps() == stamps
    assert not [path for path in followed.files() if path.endswith(".tmp")]


def test_the_documents_stand_before_the_list_that_names_them(world: World) -> None:
    world.configure(mirror_legacy_json=True, mirror_list_interval="0")
    world.up.upload("demo", "1.0")
    assert world.sync() == DONE
    world.memory.writes.clear()
    world.up.yank("demo", "1.0", "bad")
    assert world.sync() == DONE
    assert world.memory.writes == [
        f"simple/demo/{NAME}",
        "simple/demo/index.v1_json",
        "simple/demo/index.html",
        "simple/demo/index.v1_html",
        "simple/index.v1_json",
        "simple/index.html",
        "simple/index.v1_html",
        f"simple/{NAME}",
    ]


def test_switched_on_later_no_page_is_touched(disk: World) -> None:
    disk.up.upload("demo", "1.0")
    assert disk.sync() == DONE
    assert documents(disk) == {}
    before = disk.stamps()
    disk.configure(mirror_legacy_json=True)
    assert disk.sync() == DONE
    assert_follows(disk)
    assert not disk.asked
    after = disk.stamps()
    assert {path for path in after if before.get(path) != after[path]} >= {f"simple/demo/{NAME}"}
    assert all(after[path] == before[path] for path in before if "/demo/" in path)


def test_switched_off_they_go_and_the_pages_stay(followed: World) -> None:
    pages = {path: body for path, body in followed.files().items() if NAME not in path}
    followed.configure(mirror_legacy_json=False)
    assert followed.sync() == DONE
    assert followed.files() == pages
    assert check(followed)[:2] == ([], 0)
    followed.configure(mirror_legacy_json=True)
    assert followed.sync() == DONE
    assert_follows(followed)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("on", [True, False])
def test_a_death_at_any_write_is_mended_by_the_next_pass(
    followed: World, at: int, after: bool, on: bool
) -> None:
    """The key is switched off with the death, or stays."""
    followed.up.yank("demo", "2.0", "second")
    followed.up.remove_project("other")
    followed.up.upload("new", "1.0")
    followed.configure(mirror_legacy_json=on)
    followed.kills.at, followed.kills.after = at, after
    try:
        assert followed.sync() == DONE
    except Killed:
        pass
    assert followed.settle() == DONE
    if on:
        assert_follows(followed)
    else:
        assert_equal_to_upstream(followed)
        assert documents(followed) == {}
    assert check(followed)[:2] == ([], 0)


def test_what_was_changed_by_hand_is_found_and_mended(followed: World) -> None:
    simple = followed.where / "out/simple"
    (simple / "demo" / NAME).write_text("{}")
    (simple / "other" / f"{NAME}.gz").unlink()
    (simple / NAME).write_text("{}")
    found, code, _ = check(followed)
    assert code == 1
    assert {(one.path, one.kind) for one in found} == {
        (f"simple/demo/{NAME}", FindingKind.DIFFERENT),
        (f"simple/other/{NAME}.gz", FindingKind.MISSING),
        (f"simple/{NAME}", FindingKind.DIFFERENT),
    }
    assert repair(followed)[1] == DONE
    assert_follows(followed)
    assert check(followed)[:2] == ([], 0)


def test_one_that_nobody_wants_is_found_and_goes(disk: World) -> None:
    disk.up.upload("demo", "1.0")
    assert disk.sync() == DONE
    for directory in ("simple", "simple/demo"):
        (disk.where / "out" / directory / NAME).write_text("{}")
    found, _, _ = check(disk)
    assert {(one.path, one.kind) for one in found} == {
        (f"simple/demo/{NAME}", FindingKind.EXTRA),
        (f"simple/{NAME}", FindingKind.EXTRA),
    }
    assert repair(disk)[1] == DONE
    assert documents(disk) == {} and check(disk)[:2] == ([], 0)


def test_serials_that_have_aged_are_no_difference(followed: World) -> None:
    followed.configure(mirror_list_interval="1h")
    followed.up.yank("demo", "2.0", "second")
    assert followed.sync() == DONE
    assert check(followed)[:2] == ([], 0)
    assert followed.sync(later=2 * HOUR) == DONE
    assert_follows(followed)


@pytest.mark.parametrize("on", [True, False])
def test_a_lost_state_takes_them_over_or_lets_them_go(followed: World, on: bool) -> None:
    followed.lose_state()
    followed.configure(mirror_legacy_json=on)
    assert followed.adopt() == DONE
    assert followed.settle() == DONE
    if on:
        assert_follows(followed)
    else:
        assert documents(followed) == {}
    assert check(followed)[:2] == ([], 0)


def test_a_manifest_tells_of_them(disk: World) -> None:
    manifests = disk.where / "manifests"

    def newest() -> list[str]:
        lines = max(manifests.iterdir()).read_text().splitlines()
        return [line for line in lines if NAME in line]

    disk.configure(mirror_legacy_json=True, hooks_manifest=str(manifests))
    disk.up.upload("demo", "1.0")
    assert disk.sync() == DONE
    every = [f"simple/demo/{NAME}.gz", f"simple/demo/{NAME}", f"simple/{NAME}"]
    assert newest() == [f"put {path}" for path in every]
    disk.configure(mirror_legacy_json=False)
    assert disk.sync() == DONE
    assert {*newest()} >= {f"delete {path}" for path in every}
    disk.up.yank("demo", "1.0", "bad")
    assert disk.sync() == DONE
    assert newest() == []
