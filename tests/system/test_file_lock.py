"""One run on a mirror at a time (rule R11)."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.system.file_size_limit import small_files
from yanksync.core.errors import LockHeld, StateError
from yanksync.system.file_lock import held_since, lock, lock_path

HOLD = """
import sys
from pathlib import Path
from yanksync.system.file_lock import lock
with lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "yanksync.db"


@contextmanager
def holder(state: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(state)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def take(state: Path) -> None:
    with lock(state):
        pass


def test_another_run_is_told_who_holds_it(state: Path) -> None:
    with holder(state) as process:
        for _ in range(2):
            with pytest.raises(LockHeld, match=f"process {process.pid} on .*, since 20") as caught:
                take(state)
        assert caught.value.path == str(lock_path(state))
        since = held_since(state)
        assert since is not None and abs(time.time() - since) < 60


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_system_frees_it_when_the_process_dies(state: Path, how: signal.Signals) -> None:
    with holder(state) as process:
        process.send_signal(how)
        process.wait()
        take(state)


def test_it_is_free_after_a_run_and_after_an_error(state: Path) -> None:
    take(state)
    with pytest.raises(ZeroDivisionError), lock(state):
        raise ZeroDivisionError
    take(state)


def test_the_file_stays_and_is_the_same(state: Path) -> None:
    take(state)
    path = lock_path(state)
    before = path.stat().st_ino
    path.write_text("a long text that an older version may have left there " * 9)
    take(state)
    assert path.stat().st_ino == before and len(path.read_text()) < 200


def test_one_process_is_two_runs_all_the_same(state: Path) -> None:
    with lock(state), pytest.raises(LockHeld):
        take(state)


def test_mirrors_do_not_share_a_lock(tmp_path: Path) -> None:
    with lock(tmp_path / "a.db"):
        take(tmp_path / "b.db")


def test_its_directory_is_made(tmp_path: Path) -> None:
    take(tmp_path / "a" / "b" / "yanksync.db")


@pytest.mark.parametrize("where", ["file/yanksync.db", "directory/yanksync.db"])
def test_where_no_lock_can_be(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    lock_path(tmp_path / "directory" / "yanksync.db").mkdir(parents=True)
    with pytest.raises(StateError, match="cannot make the lock file"):
        take(tmp_path / where)


@pytest.mark.parametrize("text", [b"", b"odd", b"1 x y", b"1 2", b"\xff\xfe 1 2", "1 ² y".encode()])
def test_a_lock_file_with_another_text(state: Path, text: bytes) -> None:
    with lock(state):
        lock_path(state).write_bytes(text)
        assert held_since(state) is None or text == b"\xff\xfe 1 2"
        with pytest.raises(LockHeld, match=r"unknown|since 1970"):
            take(state)


def test_nobody_ever_held_it(state: Path) -> None:
    assert held_since(state) is None


def test_a_full_disk_takes_the_note_and_not_the_lock(state: Path) -> None:
    with small_files(0), lock(state):
        assert lock_path(state).read_bytes() == b""
        with pytest.raises(LockHeld, match="unknown"):
            take(state)


@pytest.mark.parametrize("there", [True, False])
def test_no_lock_is_opened_through_a_link(state: Path, tmp_path: Path, there: bool) -> None:
    precious = tmp_path / "precious"
    if there:
        precious.write_text("of somebody else")
    lock_path(state).symlink_to(precious)
    with pytest.raises(StateError, match=r"is a symbolic link.*; remove it") as caught:
        take(state)
    assert caught.value.where == str(lock_path(state))
    assert precious.read_text() == "of somebody else" if there else not precious.exists()
