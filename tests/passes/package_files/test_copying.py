"""Whole passes of a mirror that copies package files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.passes.package_files.copied_mirror import copies, links
from tests.support.fake_index.http_server import Served
from tests.support.fake_index.index import Fault
from tests.support.world import DAY, DONE, FAILED, PARTIAL, World
from yanksync.core.errors import ConfigError


@pytest.fixture
def mirror(served: Served, tmp_path: Path) -> World:
    return World(served, tmp_path, disk=True, mirror_files="copy")


def test_a_pass_copies_every_file_and_its_page_names_the_copies(mirror: World) -> None:
    mirror.started("demo", core_metadata=b"Name: demo\n")
    body = copies(mirror)["demo-1.0.tar.gz"]
    digest = hashlib.sha256(body).hexdigest()
    url = f"../../packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/demo-1.0.tar.gz"
    assert links(mirror)["demo-1.0.tar.gz"] == url
    assert copies(mirror)["demo-1.0.tar.gz.metadata"] == b"Name: demo\n"


def test_a_file_that_was_altered_in_transit_is_never_served(mirror: World) -> None:
    mirror.up.fail("demo-1.0", Fault.body(b"other bytes", "application/octet-stream"), times=1)
    mirror.up.upload("demo", "1.0")
    assert mirror.sync() == PARTIAL
    assert copies(mirror) == {}
    assert links(mirror)["demo-1.0.tar.gz"].startswith(mirror.served.files_url)
    assert mirror.sync() == DONE
    assert copies(mirror) == {"demo-1.0.tar.gz": b"demo-1.0.tar.gz\n"}


def test_a_removed_release_leaves_the_mirror_and_is_deleted_after_the_grace(
    mirror: World,
) -> None:
    mirror.started()
    mirror.up.remove_release("demo", "1.0")
    assert mirror.sync() == DONE
    assert list(copies(mirror)) == list(links(mirror)) == ["demo-2.0.tar.gz"]
    withheld = mirror.where / "state.db.withheld"
    assert [path.name for path in withheld.rglob("*.tar.gz")] == ["demo-1.0.tar.gz"]
    assert mirror.sync(later=8 * DAY) == DONE
    assert list(withheld.rglob("*.tar.gz")) == []


def test_a_copy_that_cannot_be_moved_stops_no_other(mirror: World) -> None:
    mirror.started("demo", "other")
    held = next((mirror.where / "out/packages").rglob("demo-1.0.tar.gz"))
    blocked = mirror.where / "state.db.withheld" / held.relative_to(mirror.where / "out/packages")
    blocked.mkdir(parents=True)  # a rename does not replace a directory
    mirror.up.quarantine_project("demo")
    mirror.up.yank("other", "1.0", "broken")
    assert mirror.sync() == FAILED
    assert sorted(copies(mirror)) == ["demo-1.0.tar.gz", "other-1.0.tar.gz", "other-2.0.tar.gz"]
    page = json.loads((mirror.where / "out/simple/other/index.v1_json").read_bytes())
    assert [file["yanked"] for file in page["files"]] == ["broken", False]
    blocked.rmdir()
    assert mirror.sync() == DONE
    assert "demo-1.0.tar.gz" not in copies(mirror)


def test_withheld_files_are_not_kept_behind_a_link_into_the_output(mirror: World) -> None:
    (mirror.where / "out/packages").mkdir(parents=True)
    (mirror.where / "state.db.withheld").symlink_to(mirror.where / "out/packages")
    with pytest.raises(ConfigError, match=r"leads below mirror\.output"):
        mirror.sync()
