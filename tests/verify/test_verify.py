"""``verify_output``: every way in which the output can differ from the state is named, and
mended."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.fake_index.index import Fault
from tests.support.page_assertions import assert_equal_to_upstream
from tests.support.system.audited_calls import audited
from tests.support.verification import check, names, opened, repair
from tests.support.world import DONE, FAILED, HELD, HOUR, PARTIAL, World
from yanksync.output.comparison import Finding, FindingKind
from yanksync.output.disk.store import DiskStore
from yanksync.verify.check import verify_output
from yanksync.verify.repair import repair_output
from yanksync.verify.summary import CheckSummary

DEMO = "simple/demo/"


@pytest.fixture(params=["mark", "omit"])
def mirror(disk: World, request: pytest.FixtureRequest) -> World:
    """A mirror on disk, in both yanked modes, with a yank."""
    disk.configure(mirror_yanked=request.param)
    return started(disk)


def started(world: World, *names: str) -> World:
    for name in names or ("demo", "other", "third"):
        world.up.upload(name, "1.0")
        world.up.upload(name, "2.0")
        world.up.yank(name, "1.0", "broken")
    assert world.sync() == DONE
    return world


def clean(world: World) -> bool:
    return check(world)[:2] == ([], DONE)


def at(world: World, path: str) -> Path:
    return world.where / "out" / path


def corrupt(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


def swap(path: Path, body: bytes) -> None:
    path.unlink()
    path.write_bytes(body)


def test_a_fresh_mirror_is_clean_and_asks_nobody(mirror: World) -> None:
    found, code, checked = check(mirror)
    assert (found, code, checked.projects, checked.differences) == ([], DONE, 3, 0)
    assert mirror.requests == []


def test_each_difference_is_named_and_mended(mirror: World) -> None:
    swap(at(mirror, DEMO + "index.v1_json"), b"{}")
    at(mirror, "simple/other/index.html").unlink()
    swap(at(mirror, "simple/other/index.v1_json.gz"), gzip.compress(b"old"))
    swap(at(mirror, "simple/other/index.v1_html.gz"), b"no gzip")
    at(mirror, "simple/other/index.html.gz").write_bytes(
        at(mirror, "simple/other/index.html.gz").read_bytes()[:-9]
    )
    at(mirror, "simple/third/index.html.br").write_bytes(b"?")
    at(mirror, "simple/third/.index.html.tmp").write_bytes(b"half")
    os.chmod(at(mirror, "simple/third/index.v1_json"), 0o600)
    os.chmod(at(mirror, "simple/third"), 0o700)
    shutil.copytree(at(mirror, "simple/third"), at(mirror, "simple/nobody"))
    at(mirror, "simple/.index.v1_json.tmp").write_bytes(b"half")
    os.chmod(at(mirror, "simple"), 0o750)
    at(mirror, "simple/third/index.v1_json.gz").unlink()
    wanted = [
        ("different", "simple/demo/index.v1_json"),
        ("extra", "simple/nobody/"),
        ("extra", "simple/third/index.html.br"),
        ("leftover", "simple/.index.v1_json.tmp"),
        ("leftover", "simple/third/.index.html.tmp"),
        ("missing", "simple/other/index.html"),
        ("missing", "simple/third/index.v1_json.gz"),
        ("mode", "simple/"),
        ("mode", "simple/third/"),
        ("mode", "simple/third/index.v1_json"),
        ("stale", "simple/other/index.html.gz"),
        ("stale", "simple/other/index.v1_html.gz"),
        ("stale", "simple/other/index.v1_json.gz"),
    ]
    found, code, checked = check(mirror)
    assert (names(found), code) == (wanted, FAILED)
    assert (checked.differences, checked.unchecked) == (len(wanted), 0)
    assert (names(repair(mirror)[0]), mirror.requests) == (wanted, [])
    assert clean(mirror)
    assert_equal_to_upstream(mirror)
    assert mirror.sync() == DONE


def test_a_whole_output_that_is_gone(mirror: World) -> None:
    mirror.drop_tree()
    found, code, _ = check(mirror)
    assert code == FAILED and ("missing", "simple/demo/") in names(found)
    assert repair(mirror)[1] == DONE
    assert clean(mirror)
    assert_equal_to_upstream(mirror)


def test_what_cannot_be_read_is_counted_apart(disk: World) -> None:
    started(disk)
    with audited(disk.where) as audit:
        audit.refuse("open", "index.v1_html", 13)
        found, code, checked = check_unread(disk)
    assert code == FAILED and (checked.differences, checked.unchecked) == (0, 4)
    assert ("unchecked", "simple/demo/index.v1_html") in names(found)
    assert found[0].detail == "Permission denied"
    swap(at(disk, DEMO + "index.html"), b"")
    at(disk, DEMO + "index.html").unlink()
    os.symlink("/etc/passwd", at(disk, DEMO + "index.html"))  # never followed
    assert names(check(disk)[0]) == [("unchecked", DEMO + "index.html")]
    assert repair(disk)[1] == DONE
    assert clean(disk)


def check_unread(world: World) -> tuple[list[Finding], int, CheckSummary]:
    found: list[Finding] = []
    with opened(world) as mirror:
        checked, code = verify_output(mirror, found.append)
    return found, code, checked


def test_what_is_not_ours_is_named_and_left_alone(disk: World) -> None:
    started(disk)
    at(disk, "simple/robots.txt").write_text("x")
    at(disk, DEMO + "notes").write_text("x")
    at(disk, "simple/Static_Files").mkdir()
    at(disk, "simple/assets").mkdir()
    at(disk, "simple/assets/style.css").write_text("x")
    wanted = [
        ("foreign", "simple/Static_Files/"),
        ("foreign", "simple/assets/"),
        ("foreign", "simple/demo/notes"),
        ("foreign", "simple/robots.txt"),
    ]
    found, code, checked = check(disk)
    assert (names(found), code, checked.differences) == (wanted, DONE, 0)
    assert repair(disk)[1] == DONE
    assert names(check(disk)[0]) == wanted


def test_a_file_where_a_directory_should_be_cannot_be_mended(disk: World) -> None:
    started(disk)
    shutil.rmtree(at(disk, DEMO))
    at(disk, "simple/demo").write_text("x")
    assert ("unchecked", DEMO) in names(check(disk)[0])
    at(disk, "simple/demo").unlink()
    assert repair(disk)[1] == DONE and clean(disk)


def test_more_extras_than_the_guard_lets_through_are_held(disk: World) -> None:
    started(disk)
    for number in range(4):
        shutil.copytree(at(disk, DEMO), at(disk, f"simple/extra{number}"))
    assert repair(disk)[1] == HELD
    assert at(disk, "simple/extra3").is_dir()
    found, code, checked = check(disk)
    assert names(found) == [("held", f"simple/extra{number}/") for number in range(4)]
    assert (code, checked.notes["held"], checked.differences) == (DONE, 4, 0)
    assert len(disk.approve()) == 4
    assert disk.sync() == DONE
    assert clean(disk)


def test_the_list_may_lag_and_is_still_held_against_what_was_written(disk: World) -> None:
    started(disk)
    disk.up.upload("demo", "3.0")
    assert disk.sync(later=60) == DONE
    assert clean(disk)
    swap(at(disk, "simple/index.v1_json"), at(disk, "simple/index.v1_json").read_bytes() + b" ")
    assert names(check(disk)[0]) == [("different", "simple/index.v1_json")]
    assert repair(disk)[1] == DONE
    assert clean(disk)
    swap(at(disk, "simple/index.html"), b"")
    assert names(check(disk)[0]) == [("different", "simple/index.html")]


def test_what_is_not_published_is_no_difference(disk: World) -> None:
    started(disk)
    disk.configure(mirror_yanked="omit")
    found, code, checked = check(disk)
    assert [finding.path for finding in found][-1] == "simple/", "the list goes with them"
    assert (code, checked.notes["unpublished"], checked.differences) == (DONE, 4, 0)
    assert repair(disk)[1] == DONE
    assert clean(disk)
    assert_equal_to_upstream(disk)


def test_held_projects_are_told_as_such(disk: World) -> None:
    many = [f"p{number}" for number in range(101)]
    started(disk, *many)
    for name in many:
        disk.up.remove_project(name)
    assert disk.sync() == HELD
    _, code, checked = check(disk)
    assert (code, checked.notes["held"], checked.projects) == (DONE, 101, 101)


def test_what_is_held_must_stand_as_it_was_published_last(disk: World) -> None:
    started(disk)
    disk.up.doctor = lambda page: json.loads(
        json.dumps(page).replace(page["files"][0]["hashes"]["sha256"], "ab" * 32)
    )
    disk.up.raw_row("demo", None, "frobnicate")
    assert disk.sync() == HELD
    assert check(disk)[1] == DONE
    page = disk.where / "out/simple/demo/index.v1_json"
    page.write_bytes(b"{}")
    (page.parent / "index.html.gz").unlink()
    found, code, checked = check(disk)
    assert code == FAILED and checked.differences == 2
    assert {(str(one.kind), one.path) for one in found if one.kind is not FindingKind.HELD} == {
        ("different", "simple/demo/index.v1_json"),
        ("missing", "simple/demo/index.html.gz"),
    }
    _, code = repair(disk)
    assert code == HELD
    assert check(disk)[1] == DONE  # as it was published last: the state knows what is held
    assert ("ab" * 32).encode() not in page.read_bytes()
    assert disk.approve() == ["demo"]
    assert disk.sync() == DONE
    assert ("ab" * 32).encode() in page.read_bytes()
    disk.up.doctor = None
    disk.up.raw_row("demo", None, "frobnicate")
    assert disk.sync() == HELD  # the hash changes once more
    disk.approve()
    assert disk.sync() == DONE
    assert clean(disk)
    assert_equal_to_upstream(disk)


@pytest.mark.parametrize("damage", [b"no zlib", zlib.compress(b"no json"), None])
def test_a_page_that_the_state_lost_comes_from_upstream(disk: World, damage: bytes | None) -> None:
    started(disk)
    with closing(sqlite3.connect(disk.where / "state.db")) as connection, connection:
        if damage is None:
            connection.execute("DELETE FROM pages WHERE id = 1")
        else:
            connection.execute("UPDATE pages SET body = ? WHERE id = 1", (damage,))
    found, code, checked = check(disk)
    assert (len(found), code, checked.unchecked) == (1, FAILED, 1)
    repair(disk)
    assert disk.asked == [found[0].project]
    assert clean(disk)
    assert_equal_to_upstream(disk)


def test_upstream_is_asked_with_etags(disk: World) -> None:
    started(disk)
    found, code, _ = check(disk, upstream=True)
    assert (found, code) == ([], DONE)
    assert disk.asked == ["demo", "other", "third"]
    assert {request.status for request in disk.up.page_requests()} == {304}


def test_upstream_says_otherwise(disk: World) -> None:
    started(disk)
    disk.up.archive("demo")  # no journal entry
    disk.up.upload("other", "3.0")  # one that no run has read
    found, code, checked = check(disk, upstream=True)
    assert [(str(one.kind), one.project) for one in found if one.kind != "pending"] == [
        ("upstream", "demo")
    ]
    assert (code, checked.differences, checked.notes["pending"]) == (FAILED, 1, 1)
    assert repair(disk, upstream=True)[1] == DONE
    assert check(disk, upstream=True)[:2] == ([], DONE)
    assert_equal_to_upstream(disk)


def test_upstream_that_does_not_answer_says_nothing(disk: World) -> None:
    started(disk)
    disk.up.fail("^/simple/demo/", Fault.status(503), times=None)
    disk.up.fail("^/simple/other/", Fault.status(404), times=None)
    found, code, checked = check(disk, upstream=True)
    assert code == FAILED and (checked.differences, checked.unchecked) == (1, 1)
    assert {(str(one.kind), one.project) for one in found} == {
        ("unchecked", "demo"),
        ("upstream", "other"),
    }
    disk.up.heal()
    disk.up.fail("^/simple/demo/", Fault.status(503), times=None)
    assert repair(disk, upstream=True)[1] == FAILED
    disk.up.heal()
    assert repair(disk, upstream=True)[1] == DONE


def test_an_old_page_of_a_cache_is_no_difference(disk: World) -> None:
    started(disk)
    disk.up.cdn_hold("demo", disk.up.before("demo"))
    _, code, checked = check(disk, upstream=True)
    assert code == FAILED
    assert (checked.differences, checked.unchecked) == (0, 1)


def test_an_output_newer_than_the_state_is_caught_up_with(disk: World) -> None:
    started(disk)
    disk.keep_state()
    disk.up.yank("demo", "2.0", "later")
    disk.up.upload("new", "1.0")
    assert disk.sync(later=HOUR) == DONE
    disk.put_back_state()
    assert check(disk)[1] == FAILED
    repair(disk)
    assert disk.settle() == DONE
    assert clean(disk)
    assert_equal_to_upstream(disk)


def test_the_store_in_memory_can_be_verified(world: World) -> None:
    world.configure(mirror_compress=["gzip"])
    started(world)
    found: list[Finding] = []
    world.memory.files["simple/demo/index.html.gz"] = b"?"
    del world.memory.files["simple/other/index.html"]
    with opened(world) as mirror:
        assert verify_output(mirror, found.append)[1] == FAILED
        assert names(found) == [
            ("missing", "simple/other/index.html"),
            ("stale", "simple/demo/index.html.gz"),
        ]
        assert repair_output(mirror, lambda one, _: found.append(one))[1] == DONE
        assert verify_output(mirror, found.append)[1] == DONE
    assert not isinstance(world.kills.store, DiskStore)


def waiting(disk: World) -> World:
    """A mirror of names alone; the page of ``demo`` was not to be had, so it waits."""
    disk.up.page_serials = False
    disk.configure(upstream_journal="none", mirror_projects=["demo", "other", "third"])
    started(disk)
    disk.up.fail("^/simple/demo", Fault.status(404), 1)
    assert disk.sync() == PARTIAL
    assert disk.counts().pending == 1
    return disk


def test_what_waits_to_be_asked_for_is_told(disk: World) -> None:
    found, code, checked = check(waiting(disk), upstream=True)
    assert [(one.kind, one.project, one.detail) for one in found] == [
        (FindingKind.PENDING, "demo", "it waits to be asked for")
    ]
    assert (code, checked.notes["pending"], checked.differences) == (DONE, 1, 0)
    disk.up.upload("demo", "3.0")  # news, and no withdrawal
    found, code, _ = check(disk, upstream=True)
    assert [one.kind for one in found] == [FindingKind.PENDING] and code == DONE
    disk.up.fail("^/simple/demo", Fault.status(404), None)
    found, code, _ = check(disk, upstream=True)
    assert [(one.kind, one.detail) for one in found] == [
        (FindingKind.PENDING, "404")
    ] and code == DONE
    disk.up.heal()
    disk.up.fail("^/simple/demo", Fault.status(503), None)
    assert check(disk, upstream=True)[1] == FAILED


@pytest.mark.parametrize("how", ["yank", "remove", "quarantine"])
def test_a_withdrawal_of_what_waits_is_a_difference(disk: World, how: str) -> None:
    waiting(disk)
    if how == "yank":
        disk.up.yank("demo", "2.0", "malware")
    elif how == "remove":
        disk.up.remove_release("demo", "2.0")
    else:
        disk.up.quarantine_project("demo")
    found, code, checked = check(disk, upstream=True)
    assert [(one.kind, one.project) for one in found] == [(FindingKind.UPSTREAM, "demo")]
    assert (code, checked.differences, checked.notes["pending"]) == (FAILED, 1, 0)
    code = repair(disk, upstream=True)[1]
    if how != "remove":
        assert code == DONE
        assert_equal_to_upstream(disk)
        assert check(disk, upstream=True)[:2] == ([], DONE)


def test_an_old_page_of_what_waits_for_a_newer_one_is_no_difference(disk: World) -> None:
    started(disk)
    old = disk.up.before("demo")
    disk.up.cdn_hold("demo", old)
    disk.up.yank("demo", "2.0", "bad")
    assert disk.sync() == PARTIAL
    found, code, checked = check(disk, upstream=True)
    assert [one.kind for one in found] == [FindingKind.PENDING] and code == DONE
    assert checked.notes["pending"] == 1


def test_what_was_never_fetched_is_told(disk: World) -> None:
    started(disk)
    disk.up.upload("new", "1.0")
    disk.up.fail("^/simple/new", Fault.status(503), None)
    assert disk.sync() == PARTIAL
    found, code, _ = check(disk, upstream=True)
    assert [(one.kind, one.project) for one in found] == [
        (FindingKind.PENDING, "new")
    ] and code == DONE
