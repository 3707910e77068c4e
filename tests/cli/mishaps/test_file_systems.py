"""File systems that lack a call, and a simple/ on another disk: told, and nothing is lost."""

from __future__ import annotations

import errno
import os
from functools import partial
from pathlib import Path

import pytest

from tests.support.cli_runner import Cli, Done
from tests.support.fake_index.index import FakeUpstream
from tests.support.system.refused_calls import refusing, without

UNSYNCED = "the file system cannot sync {} ({}). Pages are published all the same."
UNDATED = "the file system does not let the times of files be set (Operation not permitted)"


def warnings(done: Done, text: str) -> int:
    return sum("warning: " in line and text in line for line in done.err.splitlines())


@pytest.mark.parametrize(
    ("command", "number"),
    [
        ("sync", errno.ENOLCK),
        ("sync", errno.EBADF),
        ("sync", errno.EACCES),
        ("full-resync", errno.EOPNOTSUPP),
        ("verify", errno.EIO),
        ("approve", errno.ENOLCK),
    ],
)
def test_a_lock_that_cannot_be_had_is_not_one_that_is_held(
    synced: Cli, command: str, number: int
) -> None:
    before = synced.content(), synced.tree()
    done = synced(command, **refusing(synced.home, "flock", by=number))
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert f"{synced.state}.lock: cannot be locked: {os.strerror(number)}. " in done.err
    assert "Put mirror.state on a local disk" in done.err
    assert (synced.content(), synced.tree()) == before
    with synced.locked():
        assert synced(command).code == 75


@pytest.mark.parametrize(
    ("call", "number", "what"),
    [
        ("fsync of directories", errno.EINVAL, ["directories"]),
        ("fsync of directories", errno.EOPNOTSUPP, ["directories"]),
        ("fsync", errno.ENOSYS, ["files", "directories"]),
    ],
)
def test_a_file_system_that_cannot_sync(
    yanksync: Cli, upstream: FakeUpstream, call: str, number: int, what: list[str]
) -> None:
    refused = refusing(yanksync.home, call, by=number)
    assert yanksync("sync", **refused).code == 0
    upstream.yank("demo", "1.0", "bad")
    upstream.remove_project("other")
    done = yanksync("-v", "sync", **refused)
    assert done.code == 0
    for which in ("files", "directories"):  # told once, though the list is synced apart
        told = warnings(done, UNSYNCED.format(which, os.strerror(number)))
        assert told == (which in what)
    assert b"bad" in (yanksync.output / "simple/demo/index.html").read_bytes()
    assert not (yanksync.output / "simple/other").exists()
    assert yanksync("verify").silent and yanksync.leftovers() == []


@pytest.mark.parametrize("call", ["fsync", "fsync of directories"])
def test_what_a_disk_loses_is_no_lack_of_a_call(
    synced: Cli, upstream: FakeUpstream, call: str
) -> None:
    upstream.yank("demo", "1.0", "bad")
    done = synced("sync", **refusing(synced.home, call, by=errno.EIO))
    assert done.code == 1 and "Input/output error" in done.err
    assert synced("sync").silent and synced("verify").silent


def test_a_file_system_that_lets_no_time_be_set(yanksync: Cli, upstream: FakeUpstream) -> None:
    yanksync.configure(
        yanksync.config.read_text().splitlines()[-1],
        mirror='compress = ["gzip"]\nlist_interval = 0',
    )
    refused = refusing(yanksync.home, "utime", "link", by=errno.EPERM)
    assert yanksync("sync", **refused).code == 0
    for reason in ("bad", "worse"):  # passes within a second
        before = yanksync.tree()
        upstream.yank("demo", "1.0", reason)
        done = yanksync("-v", "sync", **refused)
        assert done.code == 0 and warnings(done, UNDATED) == 1
        after = yanksync.tree()
        changed = {name for name in after if after[name] != before[name]}
        assert {name for name in changed if "/demo/" in name} == {
            f"simple/demo/index.{form}{suffix}"
            for form in ("html", "v1_html", "v1_json")
            for suffix in ("", ".gz")
        }
        for name in changed:  # a server's ETag, of time and size, must be another
            assert after[name][1] >= before[name][1] + 10**9, name
    assert yanksync("verify").silent and yanksync.leftovers() == []


def test_a_page_from_the_future_is_replaced_where_no_time_can_be_set(
    synced: Cli, upstream: FakeUpstream
) -> None:
    page = synced.output / "simple/demo/index.html"
    os.utime(page, (4e9, 4e9))
    upstream.yank("demo", "1.0", "bad")
    done = synced("-v", "sync", **refusing(synced.home, "utime", by=errno.EPERM))
    assert done.code == 0 and warnings(done, UNDATED) == 1
    assert b"bad" in page.read_bytes() and page.stat().st_mtime < 4e9


def test_a_mode_that_cannot_be_set_keeps_nothing_else_from_being_mended(synced: Cli) -> None:
    (synced.output / "simple").chmod(0o700)
    page = synced.output / "simple/other/index.html"
    page.write_bytes(b"damaged")
    done = synced("verify", "--repair", **refusing(synced.home, "chmod", by=errno.EPERM))
    assert done.code == 1
    assert f"{synced.output}/simple: Operation not permitted; " in done.err
    assert "; its mode stays as it is" in done.err
    assert page.read_bytes() != b"damaged"
    (synced.output / "simple").chmod(0o755)
    assert synced("verify").silent


def test_a_copy_of_the_state_where_nothing_can_be_synced(synced: Cli) -> None:
    done = synced("backup", "copy.db", **refusing(synced.home, "fsync"))
    assert (done.code, done.out) == (0, "")
    assert "copy.db: " in done.err and "it was written all the same" in done.err
    assert (synced.home / "copy.db").read_bytes()[:15] == b"SQLite format 3"


@pytest.mark.parametrize(("library", "suffix"), [("brotli", "br"), ("zstandard", "zst")])
def test_a_sibling_that_nobody_here_can_unpack(
    synced: Cli, upstream: FakeUpstream, library: str, suffix: str
) -> None:
    page = synced.output / "simple/demo/index.html"
    page.with_name(f"index.html.{suffix}").write_bytes(b"whatever")
    lacking = without(synced.home, library)
    done = synced("verify", **lacking)
    assert done.code == 1 and f"extra  simple/demo/index.html.{suffix}" in done.out
    assert synced("verify", "--repair", **lacking).code == 0
    assert synced("verify", **lacking).silent


@pytest.fixture
def elsewhere(yanksync: Cli) -> Path:
    """The directory on another disk that simple/ leads to."""
    target = yanksync.home / "disk2"
    target.mkdir(mode=0o755)
    yanksync.output.mkdir(mode=0o755)
    (yanksync.output / "simple").symlink_to(target)
    return target


def test_simple_on_another_disk(yanksync: Cli, elsewhere: Path, upstream: FakeUpstream) -> None:
    simple = yanksync.output / "simple"
    upstream.upload("third", "1.0")
    assert yanksync("sync").silent and yanksync("verify").silent
    upstream.yank("demo", "1.0", "bad")
    upstream.remove_project("third")
    assert yanksync("sync").silent and yanksync("verify").silent
    assert b"bad" in (elsewhere / "demo/index.html").read_bytes()
    assert {path.name for path in elsewhere.iterdir() if path.is_dir()} == {"demo", "other"}
    assert yanksync("full-resync").silent and yanksync("verify").silent
    (elsewhere / "demo/index.html").write_bytes(b"damaged")
    (elsewhere / "stray").mkdir()
    elsewhere.chmod(0o700)
    done = yanksync("verify")
    assert done.code == 1 and "4 differences" in done.out
    assert yanksync("verify", "--repair").code == 0 and yanksync("verify").silent
    assert elsewhere.stat().st_mode & 0o777 == 0o755
    for path in yanksync.home.glob("yanksync.db*"):
        path.unlink()
    assert yanksync("adopt").code == 0
    assert yanksync("sync").silent and yanksync("verify").silent
    assert simple.is_symlink() and yanksync.leftovers() == []


@pytest.mark.parametrize("what", ["nothing", "a file"])
def test_simple_leads_to_no_directory(yanksync: Cli, elsewhere: Path, what: str) -> None:
    assert yanksync("sync").silent
    elsewhere.rename(elsewhere.with_name("unmounted"))
    why = "is a symbolic link that leads to nothing"
    if what == "a file":
        elsewhere.write_bytes(b"precious")
        why = "is there and no directory"
    for command in ("sync", "full-resync", "verify"):
        done = yanksync(command)
        assert done.code == 1 and why in done.out + done.err
    assert elsewhere.exists() == (what == "a file")
    elsewhere.unlink(missing_ok=True)
    elsewhere.with_name("unmounted").rename(elsewhere)
    assert yanksync("sync").silent and yanksync("verify").silent


def test_the_directory_of_a_project_may_be_no_link(synced: Cli, upstream: FakeUpstream) -> None:
    demo, away = synced.output / "simple/demo", synced.home / "away"
    demo.rename(away)
    demo.symlink_to(away)
    done = synced("verify")
    assert done.code == 1 and "unchecked  simple/demo/: is there and no directory" in done.out
    for change in (partial(upstream.yank, "demo", "1.0"), partial(upstream.remove_project, "demo")):
        change()
        done = synced("sync")
        assert done.code == 1 and "is there and no directory of ours" in done.err
    assert (away / "index.html").exists()
