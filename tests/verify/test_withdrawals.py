"""``verify`` and the files about withdrawals: what differs is named and written again."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from tests.support.osv_reader import read_archive
from tests.support.verification import check, names, repair
from tests.support.world import DONE, FAILED, World
from yanksync.output.digests import digest
from yanksync.state.facts import EventLogPosition
from yanksync.system.zip_stream import ZipEntry, compressed, read_entries, unpacked, zip_chunks

BASE = "withdrawals"


@pytest.fixture
def logged(disk: World) -> World:
    """A mirror with a log, a watch list and two projects that have events."""
    disk.configure(withdrawals_publish="true", withdrawals_watch={"ours": ["d*"]})
    disk.started("demo", "other")
    disk.up.yank("demo", "1.0", "bad")
    disk.up.remove_release("other", "1.0")
    assert disk.sync() == DONE
    return disk


def test_what_follows_from_the_log_is_as_it_should_be(logged: World) -> None:
    assert names(check(logged)[0]) == []
    logged.up.yank("demo", "2.0")
    assert logged.sync(later=30.0) == DONE  # the archive waits, and is of an earlier time
    assert names(check(logged)[0]) == []


def test_each_difference_is_named_and_repaired(logged: World) -> None:
    out = logged.where / "out" / BASE
    assert logged.sync(later=30.0) == DONE
    logged.up.yank("demo", "2.0")
    assert logged.sync() == DONE  # which leaves the assets as they are
    (out / "assets/pins.js").write_text("x")
    (out / "assets/icon.svg").unlink()
    (out / "feed.atom").write_text("x")
    (out / "log/index.json").unlink()
    (out / "osv/all.zip").write_text("x")
    (out / "osv/demo/x_YANKSYNC-demo@1.0.json").unlink()
    (out / "project/other/feed.atom").write_text("x")
    (out / "project/gone").mkdir()
    (out / "project/gone/feed.atom").write_text("x")
    (out / "watch/old.atom").write_text("x")
    (out / ".feed.json.tmp").write_text("x")
    (out / "robots.txt").write_text("the operator's")
    found, code, _ = check(logged)
    wanted = [
        ("different", "withdrawals/assets/pins.js"),
        ("different", "withdrawals/feed.atom"),
        ("different", "withdrawals/osv/all.zip"),
        ("different", "withdrawals/project/other/feed.atom"),
        ("extra", "withdrawals/project/gone/feed.atom"),
        ("extra", "withdrawals/watch/old.atom"),
        ("foreign", "withdrawals/robots.txt"),
        ("leftover", "withdrawals/.feed.json.tmp"),
        ("missing", "withdrawals/assets/icon.svg"),
        ("missing", "withdrawals/log/index.json"),
        ("missing", "withdrawals/osv/demo/x_YANKSYNC-demo@1.0.json"),
    ]
    assert (names(found), code) == (wanted, FAILED)
    found, code = repair(logged)
    assert (names(found), code) == (wanted, DONE)
    assert names(check(logged)[0]) == [("foreign", "withdrawals/robots.txt")]


def put_archive(logged: World, pack: Callable[[ZipEntry], ZipEntry]) -> None:
    """Have an archive with other entries that counts as written by a pass."""
    path = logged.where / "out" / BASE / "osv/all.zip"
    body = b"".join(zip_chunks(map(pack, read_entries([path.read_bytes()]))))
    path.write_bytes(body)
    with logged.state() as state:
        state.facts.change(EventLogPosition, archive_digest=digest(body).hex())


def stored(entry: ZipEntry) -> ZipEntry:
    """Return an entry as another library for compression may write it."""
    data = zlib.compress(unpacked(entry), level=0, wbits=-15)
    *about, _, size = entry.about
    return replace(entry, data=data, about=(*about, len(data), size))


def test_other_compressed_bytes_of_the_archive_are_no_difference(logged: World) -> None:
    put_archive(logged, stored)
    assert names(check(logged)[0]) == []


@pytest.mark.parametrize("body", [b"junk", None])
def test_a_wrong_archive_is_found_while_a_new_one_waits(logged: World, body: bytes | None) -> None:
    path = logged.where / "out" / BASE / "osv/all.zip"
    path.unlink()
    if body is not None:
        path.write_bytes(body)
    logged.up.yank("demo", "2.0")
    assert logged.sync(later=10.0) == DONE
    wanted = [("missing" if body is None else "different", "withdrawals/osv/all.zip")]
    assert names(check(logged)[0]) == wanted
    found, code = repair(logged)
    assert (names(found), code) == (wanted, DONE)
    assert names(check(logged)[0]) == []
    assert len(read_archive(path.read_bytes())) == 3


def test_an_archive_that_says_something_else_is_made_again(logged: World) -> None:
    put_archive(logged, lambda entry: compressed(entry.name.decode(), b"{}"))
    wanted = [("different", "withdrawals/osv/all.zip")]
    assert names(check(logged)[0]) == wanted
    found, code = repair(logged)
    assert (names(found), code) == (wanted, DONE)
    assert names(check(logged)[0]) == []


def test_what_waits_to_be_written_is_no_difference(logged: World) -> None:
    logged.configure(withdrawals_title="Another title")
    assert names(check(logged)[0]) == [("unpublished", "withdrawals/")]
    _, code = repair(logged)
    assert code == DONE and names(check(logged)[0]) == []
    logged.configure(withdrawals_publish="false")
    assert names(check(logged)[0]) == [("unpublished", "withdrawals/")]
    repair(logged)
    assert names(check(logged)[0]) == []


def test_withdrawals_that_are_no_events_yet_wait(logged: World) -> None:
    with logged.state() as state:  # as after a run that died before it logged them
        state.event_log.unlogged.add_all()
    found, code, _ = check(logged)
    assert (names(found), code) == ([("unpublished", "withdrawals/")], DONE)


def test_what_no_pass_could_write_is_named_with_its_cause(logged: World) -> None:
    directory = logged.where / "out" / BASE
    shutil.rmtree(directory)
    directory.write_text("in the way")
    found, code, _ = check(logged)  # nothing waits; each file is missing
    assert {str(one.kind) for one in found} == {"missing"} and code == FAILED
    logged.up.yank("demo", "2.0", "bad")
    assert logged.sync() == FAILED
    for look in (check, repair):
        found, code = look(logged)[:2]
        assert (names(found), code) == ([("withdrawn", "withdrawals/")], FAILED)
        assert "withdrawals: is there and no directory of ours" in str(found[0].detail)
    directory.unlink()
    assert repair(logged)[1] == DONE
    assert (names(check(logged)[0]), len(list(directory.rglob("*.html")))) == ([], 3)


def test_without_a_log_verify_looks_at_none(disk: World) -> None:
    disk.started()
    assert names(check(disk)[0]) == []
