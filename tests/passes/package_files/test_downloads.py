"""Checks whole passes with troubled downloads.

They fail, are limited, or come from a run that died.
"""

from __future__ import annotations

import hashlib
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.passes.package_files.copied_mirror import copies, incoming, links
from tests.support.fake_index.http_server import Served
from tests.support.fake_index.index import Fault
from tests.support.raw_server import reply, wire
from tests.support.world import DAY, DONE, FAILED, HOUR, PARTIAL, World
from yanksync.core.package_files.copies import CopyStatus, PackageFile

FILE = "demo-1.0.tar.gz"
METADATA = f"{FILE}.metadata"


@pytest.fixture
def mirror(served: Served, tmp_path: Path) -> World:
    return World(served, tmp_path, disk=True, mirror_files="copy", upstream_timeout="5")


def asked(mirror: World, name: str) -> int:
    """Return how often the last pass asked for a file."""
    return sum(request.path.endswith(name) for request in mirror.requests)


def rows(mirror: World) -> dict[str, PackageFile]:
    """Return what the state knows, by file name."""
    with mirror.state() as state:
        found = state.package_files.by_project(["demo"])["demo"]
    return {one.file.filename: one for one in found}


def core_metadata(mirror: World) -> Any:
    """Return what the published page says of the metadata of the first release."""
    page = mirror.page("demo")
    assert page is not None
    (file,) = [one for one in page["files"] if one["filename"] == FILE]
    return file.get("core-metadata")


def test_a_cut_transfer_is_tried_again_in_the_same_pass(mirror: World) -> None:
    mirror.up.fail(FILE, Fault.truncate(), times=1)
    mirror.up.upload("demo", "1.0")
    assert mirror.sync() == DONE
    assert asked(mirror, FILE) == 2
    assert list(copies(mirror)) == [FILE]


def test_a_file_that_cannot_be_had_is_asked_for_less_and_less(
    mirror: World, caplog: pytest.LogCaptureFixture
) -> None:
    mirror.up.fail(FILE, Fault.status(404), times=None)
    mirror.up.upload("demo", "1.0")
    mirror.up.upload("demo", "2.0")
    assert mirror.sync() == PARTIAL
    assert f"demo: {FILE}: not copied: " in caplog.text
    assert list(copies(mirror)) == ["demo-2.0.tar.gz"]
    assert mirror.sync(later=30) == PARTIAL
    assert asked(mirror, FILE) == 0
    waits = []
    for _ in range(8):
        seconds = 0
        while not asked(mirror, FILE):
            seconds += 60
            assert mirror.sync(later=60) == PARTIAL
        waits.append(seconds)
        mirror.up.clear_log()
        if seconds > 240:
            break
    assert waits[1:] == [120, 240, 480]
    mirror.up.heal()
    assert mirror.sync(later=HOUR) == DONE
    assert FILE in copies(mirror)


def test_sync_now_asks_at_once_for_files_that_failed(mirror: World) -> None:
    mirror.up.fail(FILE, Fault.status(404), times=1)
    mirror.up.upload("demo", "1.0")
    assert mirror.sync() == PARTIAL
    assert mirror.sync(later=1, at_once=True) == DONE


def test_a_host_that_asks_for_a_long_pause_is_left_alone(mirror: World) -> None:
    mirror.configure(files_downloads="1")
    mirror.up.fail("/files/", Fault.status(429, retry_after=600), times=None)
    mirror.up.upload("demo", "1.0")
    mirror.up.upload("demo", "2.0")
    assert mirror.sync() == PARTIAL
    assert asked(mirror, ".tar.gz") == 1
    mirror.up.heal()
    assert mirror.sync() == DONE
    assert len(copies(mirror)) == 2


@pytest.mark.parametrize("altered", [False, True])
def test_metadata_that_cannot_be_had_keeps_no_file_away(
    mirror: World, altered: bool, caplog: pytest.LogCaptureFixture
) -> None:
    fault = Fault.body(b"Name: evil\n", "text/plain") if altered else Fault.status(404)
    mirror.up.fail(METADATA.replace(".", r"\."), fault, times=1)
    mirror.up.upload("demo", "1.0", core_metadata=b"Name: demo\n")
    assert mirror.sync() == PARTIAL
    assert "its metadata was not copied" in caplog.text
    assert list(copies(mirror)) == [FILE]
    assert links(mirror)[FILE].startswith("../../packages/")
    assert not core_metadata(mirror)
    assert mirror.sync(later=HOUR) == DONE
    assert asked(mirror, FILE) == 0
    assert copies(mirror)[METADATA] == b"Name: demo\n"
    assert core_metadata(mirror) == {"sha256": hashlib.sha256(b"Name: demo\n").hexdigest()}


def test_a_name_too_long_for_metadata_is_copied_without(mirror: World) -> None:
    name = f"demo-1.0+{'x' * 231}.tar.gz"
    mirror.up.upload("demo", "1.0", name, core_metadata=b"Name: demo\n")
    assert mirror.sync() == DONE
    assert list(copies(mirror)) == [name]


def test_a_budget_lets_smaller_files_through(
    mirror: World, caplog: pytest.LogCaptureFixture
) -> None:
    mirror.configure(files_budget="1500")
    for version, size in (("1.0", 1000), ("2.0", 1000), ("3.0", 400)):
        mirror.up.upload("demo", version, content=b"x" * size + version.encode())
    mirror.configure(files_downloads="1")
    assert mirror.sync() == PARTIAL
    assert list(copies(mirror)) == [FILE, "demo-3.0.tar.gz"]
    assert "files.budget is reached: 1 files or more wait" in caplog.text
    mirror.configure(files_budget="1MiB")
    assert mirror.sync() == DONE
    assert len(copies(mirror)) == 3


def test_withheld_copies_count_in_the_budget(mirror: World) -> None:
    mirror.configure(files_budget="1500")
    mirror.up.upload("demo", "1.0", content=b"x" * 1000)
    assert mirror.sync() == DONE
    mirror.up.remove_release("demo", "1.0")
    mirror.up.upload("demo", "2.0", content=b"y" * 1000)
    assert mirror.sync() == PARTIAL
    assert copies(mirror) == {}
    assert mirror.sync(later=8 * DAY) == DONE  # the old one is deleted
    assert list(copies(mirror)) == ["demo-2.0.tar.gz"]


def test_the_floor_of_free_space_keeps_files_away(
    mirror: World, caplog: pytest.LogCaptureFixture
) -> None:
    mirror.configure(files_free_space="900TiB")
    mirror.up.upload("demo", "1.0")
    assert mirror.sync() == PARTIAL
    assert copies(mirror) == {}
    assert "files.free_space is reached" in caplog.text


def test_a_file_in_its_place_is_recognised(mirror: World) -> None:
    """A run may die after the rename and before it has noted the copy."""
    mirror.started()
    with mirror.state() as state, state.transaction():
        state._db.execute("UPDATE package_files SET status = 'wanted', size = NULL")
    assert mirror.sync() == DONE
    assert asked(mirror, ".tar.gz") == 0
    assert {one.status for one in rows(mirror).values()} == {CopyStatus.SERVED}


def test_other_bytes_in_its_place_are_replaced(mirror: World) -> None:
    mirror.started()
    (place,) = (mirror.where / "out/packages").rglob(FILE)
    place.write_bytes(place.read_bytes()[::-1])
    with mirror.state() as state, state.transaction():
        state._db.execute("UPDATE package_files SET status = 'wanted', size = NULL")
    assert mirror.sync() == DONE
    assert asked(mirror, FILE) == 1
    assert copies(mirror)[FILE] == f"{FILE}\n".encode()


@pytest.mark.parametrize("altered", [False, True])
def test_a_withheld_copy_comes_back_if_it_is_right(mirror: World, altered: bool) -> None:
    mirror.started("demo", core_metadata=b"Name: demo\n")
    mirror.up.quarantine_project("demo")
    assert mirror.sync() == DONE
    assert copies(mirror) == {}
    if altered:
        (place,) = (mirror.where / "state.db.withheld").rglob(FILE)
        place.write_bytes(b"evil")
    mirror.up.clear_project_quarantine("demo")
    assert mirror.sync() == DONE
    assert asked(mirror, FILE) == altered
    assert asked(mirror, "demo-2.0.tar.gz") == 0
    assert copies(mirror)[FILE] == f"{FILE}\n".encode()
    assert copies(mirror)[METADATA] == b"Name: demo\n"


def test_what_a_run_that_died_has_received_is_removed(mirror: World) -> None:
    mirror.started()
    place = mirror.where / "out/packages/.incoming"
    place.mkdir()
    received(place)
    assert mirror.sync() == DONE
    assert incoming(mirror) == []
    assert not place.exists()


def received(place: Path) -> None:
    """Write what a run that died leaves in the directory of received files."""
    one, other = "0123" * 16, "89ab" * 16
    (place / one).write_bytes(b"x")
    (place / f"{one}.part").write_text('["packages/aa/bb/cc/demo-9.0.tar.gz", "etag"]')
    (place / f"{other}.part").write_bytes(b"\xff")


@pytest.mark.parametrize("is_link", [True, False])
def test_what_another_program_has_there_stays(mirror: World, is_link: bool) -> None:
    mirror.started()
    place = mirror.where / "out/packages/.incoming"
    if is_link:
        (mirror.where / "documents").mkdir()
        place.symlink_to(mirror.where / "documents")
    else:
        place.mkdir()
    received(place)
    (place / "below").mkdir()
    for name in ("report.txt", "demo.part", "below/file"):
        (place / name).write_text("precious")
    mirror.up.upload("demo", "3.0")
    assert mirror.sync() == DONE
    assert sorted(path.name for path in place.rglob("*")) == [
        "below", "demo.part", "file", "report.txt"
    ]  # fmt: skip
    assert len(copies(mirror)) >= 3


def test_a_file_in_the_place_of_received_files_is_named(mirror: World) -> None:
    mirror.started()
    place = mirror.where / "out/packages/.incoming"
    place.write_text("precious")
    assert mirror.sync() == FAILED
    assert "is there and no directory of ours; move it away" in (mirror.error or "")
    place.unlink()
    assert mirror.sync() == DONE


def test_the_part_of_a_file_that_is_still_wanted_stays(mirror: World) -> None:
    mirror.up.fail(FILE, Fault.truncate(), times=None)
    mirror.up.upload("demo", "1.0", content=b"x" * 1000)
    assert mirror.sync() == PARTIAL
    assert len(incoming(mirror)) == 2
    mirror.up.remove_release("demo", "1.0")
    mirror.up.heal()
    assert mirror.sync() == DONE
    assert incoming(mirror) == []


def test_the_journal_is_read_between_downloads(mirror: World) -> None:
    """A withdrawal does not wait for the end of the queue."""
    mirror.configure(files_downloads="1")
    for number in range(1, 5):
        mirror.up.upload("demo", f"{number}.0")
    mirror.up.fail("demo-2.0", Fault.delay(1.0), times=1)
    mirror.clock.step = 100.0
    assert mirror.sync() == DONE
    journals = [request.call for request in mirror.requests if request.method == "POST"]
    assert len(journals) > 3


def test_pages_of_projects_are_not_written_after_each_file(mirror: World) -> None:
    mirror.started("demo", "other")
    assert mirror.mirror is not None
    assert mirror.mirror.totals.files_copied == 4
    assert mirror.mirror.totals.published == 4  # each page: with upstream's links, then with ours


def test_a_host_is_asked_for_no_more_files_at_once_than_allowed(mirror: World) -> None:
    mirror.configure(files_downloads="6", files_downloads_per_host="2")
    both, lock, counts = threading.Barrier(2), threading.Lock(), [0, 0]

    def answer(head: str) -> bytes:
        with lock:
            counts[0] += 1
            counts[1] = max(counts)
        both.wait(60)  # two are under way
        time.sleep(0.05)
        with lock:
            counts[0] -= 1
        return reply(f"{head.split()[1].rpartition('/')[2]}\n".encode())

    with wire(answer) as host:
        mirror.up.files_url = host.url("files/")
        for number in range(6):
            mirror.up.upload("demo", f"{number}.0")
        assert mirror.sync() == DONE
    assert (counts, len(copies(mirror))) == ([0, 2], 6)


def test_an_output_that_cannot_be_written_ends_the_pass(mirror: World) -> None:
    packages = mirror.where / "out/packages"
    packages.mkdir(parents=True)
    (packages / ".incoming").symlink_to("nowhere")
    mirror.up.upload("demo", "1.0")
    assert mirror.sync() == FAILED
    assert ".incoming" in (mirror.error or "")
    assert links(mirror)[FILE].startswith(mirror.served.files_url)
