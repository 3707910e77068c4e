"""A machine that runs out of things: room, files, the output itself."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.cli_runner import Cli, Done, wait_for
from tests.support.fake_index.index import FakeUpstream, Fault, Served, serve

MANY = 60
mounting = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("mount") is None, reason="only root mounts"
)


@pytest.fixture
def upstream() -> FakeUpstream:
    upstream = FakeUpstream()
    for index in range(MANY):
        upstream.upload(f"p{index}", "1.0")
    return upstream


@pytest.fixture
def served(upstream: FakeUpstream) -> Iterator[Served]:
    with serve(upstream) as served:
        yield served


@pytest.fixture
def yanksync(tmp_path: Path, served: Served) -> Cli:
    return Cli(tmp_path, served.simple_url)


@contextmanager
def mounted(path: Path, options: str) -> Iterator[None]:
    path.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", path], check=False)
    if done.returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


def fill(path: Path) -> None:
    """Write until nothing more fits."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass


def told(done: Done, why: str) -> None:
    assert (done.code, done.out) == (1, "")
    assert why in done.err
    assert all(line.startswith("yanksync: ") for line in done.err.splitlines())


def whole(yanksync: Cli, upstream: FakeUpstream) -> None:
    """The next runs make everything good, and nothing is left over."""
    for _ in range(3):
        done = yanksync("sync", "--now")
    assert done.silent and done.code == 0
    assert yanksync.leftovers() == []
    status = yanksync("status", "--json").json
    assert status["pending"] == status["unpublished"] == status["held"] == 0
    pages = sorted(path.parent.name for path in yanksync.output.glob("simple/*/index.v1_json"))
    assert pages == sorted(upstream.all_names())
    for name in pages:
        marked = (
            b'"yanked":"bad"' in (yanksync.output / "simple" / name / "index.v1_json").read_bytes()
        )
        assert marked == any(
            entry.name == name and entry.action == "yank release" for entry in upstream.journal
        )


def yank_all(upstream: FakeUpstream, reason: str = "bad") -> None:
    for index in range(MANY):
        upstream.yank(f"p{index}", "1.0", reason)


@pytest.mark.incident(34)
@mounting
def test_a_full_disk(yanksync: Cli, upstream: FakeUpstream) -> None:
    with mounted(yanksync.output, "size=4m"):
        assert yanksync("sync").silent
        filler = yanksync.output / "filler"
        fill(filler)
        before = yanksync.tree()
        yank_all(upstream)
        done = yanksync("sync")
        told(done, "No space left")
        assert yanksync.tree().keys() == before.keys()
        assert yanksync.leftovers() == []
        filler.unlink()
        whole(yanksync, upstream)


@pytest.mark.incident(34)
@mounting
def test_a_state_on_a_full_disk(yanksync: Cli, upstream: FakeUpstream) -> None:
    there = yanksync.home / "state"
    with mounted(there, "size=2m"):
        yanksync.state = there / "yanksync.db"
        keep = {"YANKSYNC_MIRROR_STATE": str(yanksync.state)}
        yanksync.environ |= keep
        assert yanksync("sync").silent
        fill(there / "filler")
        before = yanksync.tree()
        yank_all(upstream)
        for _ in range(2):
            done = yanksync("sync")
            assert (done.code, done.out) == (1, "")
            assert "full" in done.err or "disk I/O error" in done.err or "No space" in done.err
            assert done.err.count("\n") == 1
        assert yanksync.tree() == before
        (there / "filler").unlink()
        whole(yanksync, upstream)


@pytest.mark.rule("R9")
@pytest.mark.incident(34)
@mounting
def test_a_quarantine_on_a_full_disk_that_has_the_state(
    yanksync: Cli, upstream: FakeUpstream
) -> None:
    there = yanksync.home / "disk"
    with mounted(there, "size=128m"):
        yanksync.state, yanksync.output = there / "yanksync.db", there / "out"
        yanksync.environ |= {
            "YANKSYNC_MIRROR_STATE": str(yanksync.state),
            "YANKSYNC_MIRROR_OUTPUT": str(yanksync.output),
            "YANKSYNC_MIRROR_FILES": "copy",
            "YANKSYNC_FILES_FREE_SPACE": "0",
        }
        assert yanksync("sync").silent
        reserve = there / "yanksync.db.reserve"
        assert reserve.stat().st_blocks * 512 >= 4 << 20
        fill(there / "filler")
        upstream.quarantine_project("p0")
        done = yanksync("sync")
        assert "the reserve of 4 MiB beside the state was deleted" in done.err
        assert not reserve.exists()
        assert not list(yanksync.output.rglob("p0-1.0*"))
        assert b"p0-1.0" not in (yanksync.output / "simple/p0/index.html").read_bytes()
        assert yanksync("check").code == 0
        (there / "filler").unlink()
        assert yanksync("sync").silent
        assert reserve.exists()


@pytest.mark.incident(34)
@mounting
def test_an_output_mounted_read_only(yanksync: Cli, upstream: FakeUpstream) -> None:
    with mounted(yanksync.output, "size=4m"):
        assert yanksync("sync").silent
        subprocess.run(["mount", "-o", "remount,ro", str(yanksync.output)], check=True)
        yank_all(upstream)
        done = yanksync("sync")
        told(done, "Read-only file system")
        assert "p0 1.0 was yanked by upstream at 20" in done.err
        assert "; its page cannot be changed: " in done.err
        assert done.err.count("\n") == 7  # five withdrawals, that there are more, and the error
        assert yanksync("check").code == 2
        subprocess.run(["mount", "-o", "remount,rw", str(yanksync.output)], check=True)
        whole(yanksync, upstream)


@pytest.mark.incident(34)
@mounting
def test_a_quarantine_of_copies_in_a_read_only_output(
    yanksync: Cli, upstream: FakeUpstream
) -> None:
    yanksync.environ |= {"YANKSYNC_MIRROR_FILES": "copy", "YANKSYNC_FILES_FREE_SPACE": "0"}
    with mounted(yanksync.output, "size=4m"):
        assert yanksync("sync").silent
        subprocess.run(["mount", "-o", "remount,ro", str(yanksync.output)], check=True)
        upstream.quarantine_project("p0")
        done = yanksync("sync")
        told(done, "Read-only file system; mount mirror.output writable")
        assert "no page names it" not in done.err and "mount files.withheld" not in done.err
        why = " ".join(yanksync("why", "p0").out.split())
        assert "the output does not have that yet" in why
        assert "mount it writable" in yanksync("doctor").out
        subprocess.run(["mount", "-o", "remount,rw", str(yanksync.output)], check=True)
        assert yanksync("sync").silent
        assert not list(yanksync.output.rglob("p0-1.0*"))


@mounting
def test_a_state_mounted_read_only(yanksync: Cli) -> None:
    there = yanksync.home / "state"
    with mounted(there, "size=4m"):
        yanksync.state = there / "yanksync.db"
        yanksync.environ |= {"YANKSYNC_MIRROR_STATE": str(yanksync.state)}
        assert yanksync("sync").silent
        subprocess.run(["mount", "-o", "remount,ro", str(there)], check=True)
        told(yanksync("verify"), f"{there} is read-only, and this command writes there")
        assert yanksync("status").code == yanksync("check").code == 0


def test_an_output_that_vanishes_in_the_middle(
    yanksync: Cli, upstream: FakeUpstream, tmp_path: Path
) -> None:
    upstream.fail("^/simple/p7/", Fault.delay(1.5))
    run = yanksync.start("sync")
    wait_for(lambda: len(upstream.page_requests()) >= MANY)
    yanksync.output.rename(tmp_path / "gone")  # at once, whatever is written just now
    _, err = run.communicate(timeout=300)
    shutil.rmtree(tmp_path / "gone")
    assert run.returncode == 1
    assert "Traceback" not in err and "No such file or directory" in err
    whole(yanksync, upstream)


def test_few_open_files(yanksync: Cli, upstream: FakeUpstream) -> None:
    def limit(most: int) -> Callable[[], None]:
        return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    yank_all(upstream)
    done = limited(yanksync, limit(32))
    assert (done.code, done.err) == (0, "")
    for most in (6, 9, 12, 15):
        yank_all(upstream, "again")
        done = limited(yanksync, limit(most))
        assert "Traceback (most" not in done.err or "yanksync:" not in done.err
        assert "internal error" not in done.err
        assert done.code in (0, 1, 3)
        assert (done.code != 0) == (done.err != "")
    yank_all(upstream)
    whole(yanksync, upstream)


def limited(yanksync: Cli, limit: Callable[[], None]) -> Done:
    done = subprocess.run(
        [sys.executable, "-m", "yanksync", "sync"],
        cwd=yanksync.home,
        env=yanksync.environ,
        capture_output=True,
        text=True,
        preexec_fn=limit,
        timeout=60,
    )
    return Done(done.returncode, done.stdout, done.stderr)
