"""What others can see of the run that holds the lock."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from yanksync.core.errors import LockHeld
from yanksync.mirror.progress import NoProgress, NotedProgress
from yanksync.system.file_lock import Holder, holder, lock, lock_path, note_progress

LOOK = """
import sys, time
from pathlib import Path
from yanksync.system.file_lock import holder
while True:
    holder(Path(sys.argv[1]))
    print(flush=True)
    time.sleep(0.001)
"""


def test_nobody_holds_what_is_free(tmp_path: Path) -> None:
    state = tmp_path / "a.db"
    assert holder(state) is None
    assert not lock_path(state).exists()
    with lock(state, "sync"):
        pass
    assert holder(state) is None  # though the file still names the last one


def test_the_holder_says_what_it_does(tmp_path: Path) -> None:
    state = tmp_path / "a.db"
    with lock(state, "full-resync"):
        found = holder(state)
        assert found is not None and found.since is not None
        assert found.who.startswith(f"process {os.getpid()} on ")
        assert abs(found.since - time.time()) < 60
        assert (found.command, found.phase, found.done, found.total) == ("full-resync", "", 0, 0)
        with pytest.raises(LockHeld) as caught, lock(state):
            pass
        assert f"process {os.getpid()} on " in str(caught.value)


def test_progress_is_noted_over_the_one_before(tmp_path: Path) -> None:
    state = tmp_path / "a.db"
    with lock(state, "sync"):
        shown = NotedProgress(NoProgress(), partial(note_progress, state))
        shown.expect("pages recorded earlier", 100_000)
        shown.expect("pages", 7)
        found = holder(state)
        assert found is not None
        assert (found.command, found.phase, found.done, found.total) == ("sync", "pages", 0, 7)
        note_progress(state, "pages", 5, 7)
        found = holder(state)
        assert found is not None and (found.phase, found.done, found.total) == ("pages", 5, 7)


def test_an_empty_phase_writes_nothing(tmp_path: Path) -> None:
    state = tmp_path / "a.db"
    with lock(state, "sync"):
        before = lock_path(state).read_bytes()
        NotedProgress(NoProgress(), partial(note_progress, state)).expect("pages", 0)
        assert lock_path(state).read_bytes() == before


def test_no_progress_goes_through_a_symbolic_link(tmp_path: Path) -> None:
    state, other = tmp_path / "a.db", tmp_path / "other"
    other.write_text("precious")
    lock_path(state).symlink_to(other)
    note_progress(state, "pages", 1, 2)
    assert other.read_text() == "precious"
    assert holder(state) is None


@pytest.mark.parametrize("content", ["", "x", "1 2", "1 \u0663 host", "1 2 host\nsync\nno number"])
def test_a_strange_lock_file_is_understood_as_far_as_it_goes(tmp_path: Path, content: str) -> None:
    state = tmp_path / "a.db"
    with lock(state):
        lock_path(state).write_text(content)
        found = holder(state)
        assert isinstance(found, Holder)
        assert found.total == 0


def test_a_look_keeps_no_run_out(tmp_path: Path) -> None:
    state = tmp_path / "a.db"
    with lock(state):
        pass
    with subprocess.Popen(
        [sys.executable, "-c", LOOK, state], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()  # it is at it
        try:
            for _ in range(1000):
                with lock(state):
                    pass
        finally:
            other.kill()
