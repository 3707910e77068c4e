"""A mirror begins to copy files, or ends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.copy_oracle import check_links, check_settled, served_copies
from tests.support.fake_index.http_server import Served
from tests.support.fake_index.index import Fault
from tests.support.world import DAY, DONE, FAILED, World


@pytest.fixture
def mirror(served: Served, tmp_path: Path) -> World:
    """A mirror that copies two files."""
    return World(served, tmp_path, disk=True, mirror_files="copy").started()


def withheld(mirror: World) -> list[str]:
    found = (mirror.where / "state.db.withheld").rglob("*")
    return sorted(path.name for path in found if path.is_file())


def urls(mirror: World) -> set[str]:
    page = mirror.page("demo")
    assert page is not None
    return {file["url"] for file in page["files"]}


FILES = ["demo-1.0.tar.gz", "demo-2.0.tar.gz"]


def test_pages_link_to_upstream_at_once_and_the_copies_leave(mirror: World) -> None:
    output = mirror.where / "out"
    assert len(served_copies(output)) == 2
    mirror.configure(mirror_files="link")
    assert mirror.sync() == DONE
    assert mirror.asked == []
    assert all(url.startswith(mirror.served.files_url) for url in urls(mirror))
    assert served_copies(output) == {} and withheld(mirror) == FILES
    assert mirror.sync(later=8 * DAY) == DONE
    assert withheld(mirror) == []
    assert mirror.sync() == DONE
    with mirror.state() as state:
        assert state.facts.config.has_copies is None


def test_copies_are_served_again_without_a_download(mirror: World) -> None:
    mirror.configure(mirror_files="link")
    assert mirror.sync() == DONE
    mirror.configure(mirror_files="copy")
    assert mirror.sync() == DONE
    assert [one.path for one in mirror.requests if "/files/" in one.path] == []
    check_settled(mirror.where / "out")
    assert withheld(mirror) == []


def test_an_altered_copy_does_not_come_back(
    mirror: World, caplog: pytest.LogCaptureFixture
) -> None:
    mirror.configure(mirror_files="link")
    assert mirror.sync() == DONE
    (altered,) = (mirror.where / "state.db.withheld").rglob(FILES[0])
    altered.write_bytes(b"other bytes")
    mirror.configure(mirror_files="copy")
    assert mirror.sync() == DONE
    assert f"{FILES[0]}: its copy in files.withheld was altered" in caplog.text
    assert FILES[1] not in caplog.text
    check_settled(mirror.where / "out")


def test_a_place_that_cannot_be_made_is_named_with_its_key(
    mirror: World, caplog: pytest.LogCaptureFixture
) -> None:
    mirror.configure(files_withheld="/proc/x/y")
    mirror.up.remove_release("demo", "1.0")
    assert mirror.sync() == FAILED
    assert ": /proc/x" in caplog.text
    assert "; correct files.withheld, or make that directory" in caplog.text


def test_a_mirror_of_links_begins_to_copy(served: Served, tmp_path: Path) -> None:
    mirror = World(served, tmp_path, disk=True).started()
    mirror.configure(mirror_files="copy")
    assert mirror.sync() == DONE
    assert mirror.asked == []
    check_settled(tmp_path / "out")
    assert len(served_copies(tmp_path / "out")) == 2


def test_a_page_that_cannot_be_written_keeps_its_copies(mirror: World) -> None:
    mirror.up.upload("other", "1.0")
    assert mirror.sync() == DONE
    mirror.configure(mirror_files="link")
    mirror.up.fail("^/", Fault.status(503), None)
    blocked = mirror.where / "out/simple/demo"
    blocked.rename(blocked.with_name("away"))
    blocked.write_text("a file in the way")
    mirror.sync()
    blocked.unlink()
    blocked.with_name("away").rename(blocked)
    named = check_links(mirror.where / "out")
    assert {path.rpartition("/")[2] for path in named} == set(FILES)
    assert withheld(mirror) == ["other-1.0.tar.gz"]
    mirror.up.heal()
    assert mirror.settle() == DONE
    assert served_copies(mirror.where / "out") == {}
