"""A state or an output that was lost or put back, with copies of package files."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.passes.package_files.copied_mirror import links
from tests.support.copy_oracle import check_links, check_settled, served_copies
from tests.support.fake_index.http_server import Served
from tests.support.fake_index.index import Fault
from tests.support.world import DAY, DONE, PARTIAL, World


@pytest.fixture
def mirror(served: Served, tmp_path: Path) -> World:
    """A mirror that copies the two files of demo and those of other."""
    world = World(served, tmp_path, disk=True, mirror_files="copy", mirror_legacy_json=True)
    return world.started("demo", "other", core_metadata=True)


def downloads(mirror: World) -> list[str]:
    return [one.path for one in mirror.requests if "/files/" in one.path]


def names(mirror: World) -> list[str]:
    paths = served_copies(mirror.where / "out")
    return sorted(path.rpartition("/")[2] for path in paths if not path.endswith(".metadata"))


DEMO = ["demo-1.0.tar.gz", "demo-2.0.tar.gz"]
OTHER = ["other-1.0.tar.gz", "other-2.0.tar.gz"]


def test_copies_are_known_again_without_a_state(mirror: World) -> None:
    mirror.lose_state()
    assert mirror.settle() == DONE
    assert downloads(mirror) == [] and names(mirror) == DEMO + OTHER
    check_settled(mirror.where / "out")


def test_copies_of_what_was_quarantined_meanwhile_are_set_aside(mirror: World) -> None:
    mirror.lose_state()
    mirror.up.quarantine_project("demo")
    assert mirror.settle() == DONE
    assert names(mirror) == OTHER
    check_settled(mirror.where / "out")
    kept = mirror.where / "state.db.withheld/altered"
    assert sorted(path.name for path in kept.rglob("*.gz")) == DEMO


def test_no_page_names_a_copy_that_an_older_state_believes_in(mirror: World) -> None:
    mirror.keep_state()
    mirror.up.quarantine_project("demo")
    assert mirror.sync() == DONE
    assert names(mirror) == OTHER
    mirror.put_back_state()
    mirror.up.clear_project_quarantine("demo")
    mirror.up.fail("^/files/", Fault.status(503, 0), None)
    mirror.sync()
    check_links(mirror.where / "out")
    mirror.up.heal()
    assert mirror.settle() == DONE
    assert names(mirror) == DEMO + OTHER
    check_settled(mirror.where / "out")


def test_lost_copies_are_copied_again(mirror: World) -> None:
    mirror.drop_tree()
    assert mirror.sync() == DONE
    assert len(downloads(mirror)) == 8 and names(mirror) == DEMO + OTHER
    check_settled(mirror.where / "out")


def test_a_file_system_that_is_not_mounted_is_noticed(
    served: Served, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mirror = World(served, tmp_path, disk=True, mirror_files="copy", mirror_deleted="yank")
    mirror.started("demo", "other")
    mirror.up.clock += int(30 * DAY)
    mirror.up.remove_release("demo", "1.0")
    assert mirror.sync(later=30 * DAY) == DONE
    before, pages = names(mirror), links(mirror)
    packages = mirror.where / "out/packages"
    packages.rename(mirror.where / "unmounted")
    packages.mkdir()
    assert mirror.sync() == PARTIAL
    assert "4 package files are missing below" in caplog.text
    assert downloads(mirror) == []
    assert [url for url in links(mirror).values() if "://" not in url] == []
    packages.rmdir()
    (mirror.where / "unmounted").rename(packages)
    assert mirror.sync() == DONE
    assert (names(mirror), links(mirror)) == (before, pages)  # also what upstream removed
    assert downloads(mirror) == []


def test_removed_copies_are_copied_again(mirror: World) -> None:
    shutil.rmtree(mirror.where / "out/packages")
    assert mirror.sync() == PARTIAL
    check_links(mirror.where / "out")
    assert mirror.sync() == DONE
    assert len(downloads(mirror)) == 8 and names(mirror) == DEMO + OTHER
    check_settled(mirror.where / "out")


def test_a_file_that_a_guard_holds_keeps_its_copy_without_a_state(mirror: World) -> None:
    """R8: the page in the output is all that is known of the file."""
    mirror.lose_state()
    mirror.up.doctor = partial(_without, DEMO[0])
    mirror.up.raw_row("demo", None, "frobnicate release")
    for _ in range(2):  # within guard.confirm_after
        mirror.sync(later=150.0)
        check_links(mirror.where / "out")
    page = mirror.page("demo")
    assert page is not None
    assert {file["filename"] for file in page["files"]} == set(DEMO)
    assert set(DEMO) <= set(names(mirror))
    texts = [body for path, body in mirror.files().items() if path.startswith("simple/")]
    assert not [body for body in texts if b"output.invalid" in body]


def _without(lost: str, page: dict[str, Any]) -> dict[str, Any]:
    files = [file for file in page["files"] if file["filename"] != lost]
    return {**page, "files": files}
