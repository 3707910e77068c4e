"""``scripts/soak`` itself: its processes, its counts and what it says of a failure."""

from __future__ import annotations

import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.soak.kills import Point, choose

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="there is no strace")
ROOT = Path(__file__).parents[2]


def soak(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.soak", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_it_works_in_several_processes_and_sums_up() -> None:
    done = soak(
        *("--jobs", "2", "--kills", "2", "--kill-share", "1"),
        *("--histories", "1", "--batch", "4", "--seed", "3"),
    )
    assert (done.returncode, done.stderr) == (0, "")
    last = done.stdout.splitlines()[-1]
    assert re.fullmatch(
        r"all in \d+ s: \d+ histories, ([2-9]|\d\d+) kills, \d+ faults of upstream, 0 errors "
        r"of system calls, 0 damaged documents, \d+ divergences found, \d+ mended, 0 failed",
        last,
    )


def test_it_is_stopped_by_a_signal_and_sums_up() -> None:
    some = ("--jobs", "2", "--kills", "0", "--batch", "4", "--seed", "5")
    command = [sys.executable, "-m", "tests.soak", *some]
    run = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert run.stdout is not None and "seeds from" in run.stdout.readline()
    time.sleep(1)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=120)
    assert (run.returncode, err) == (0, "stopping; what is under way is finished first\n")
    assert re.search(r"^all in \d+ s: \d+ histories, .* 0 failed$", out, re.MULTILINE)


def test_a_point_is_replayed() -> None:
    done = soak("--point", "yanked:rename:1:KILL")
    assert (done.returncode, done.stderr) == (0, "")
    assert "'kills': 2" in done.stdout


def test_the_share_of_kills_is_as_asked_for() -> None:
    points = [Point("demo", "write", nth) for nth in range(100)]
    for share, kills in ((1.0, 100), (0.0, 0)):
        chosen = choose(points, random.Random(1), share)
        first = [next(chosen) for _ in range(100)]
        assert sum(point.kills for (point,) in first) == kills
    chosen = choose(points, random.Random(1), 0.5)
    once = [next(chosen) for _ in range(100 + 400)]
    assert {point for (point,) in once} > {*points} and len({*once}) == 500
    assert all(len(next(chosen)) > 1 for _ in range(9))  # chains from here on
