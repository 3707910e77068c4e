"""Processes that copy or read package files, and get a signal in the middle of it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

from tests.soak.copy_kills import LARGE, Copying, Repairing, Verifying
from tests.soak.kills import Scenario
from tests.support.copy_oracle import INCOMING
from tests.support.fake_index.index import Fault
from tests.support.world import DONE, PARTIAL

_SLOW = ("verify", "--hash", "--rate", "4MiB")
_PATIENCE = 60.0  # seconds


class Interruption(NamedTuple):
    """What is interrupted, and how."""

    scenario: type[Copying]
    command: tuple[str, ...]
    number: signal.Signals
    codes: tuple[int, ...]  # of a process that the signal ended

    @property
    def sort(self) -> str:
        """What it is counted by."""
        return f"{self.scenario.__name__}: {self.command[0]} {self.number.name}"


INTERRUPTIONS = (
    Interruption(Copying, ("sync",), signal.SIGKILL, (-9,)),
    Interruption(Copying, ("run",), signal.SIGTERM, (0,)),
    Interruption(Verifying, _SLOW, signal.SIGKILL, (-9,)),
    Interruption(Copying, ("run",), signal.SIGKILL, (-9,)),
    Interruption(Copying, ("sync",), signal.SIGTERM, (143, -15)),
    Interruption(Repairing, (*_SLOW, "--repair"), signal.SIGKILL, (-9,)),
    Interruption(Verifying, _SLOW, signal.SIGTERM, (143, -15)),
)


def interrupt(scenario: Copying, one: Interruption, chance: random.Random) -> None:
    """Send a signal in the middle of the work; the next runs make up for it."""
    scenario.put_back()
    up = scenario.world.up
    up.fail("^/files/", Fault.drip(chance.uniform(1, 8)), None)
    received = scenario.output / INCOMING
    before = _received(received)
    enough = before + chance.randint(1, max(1, (len(LARGE) - before) * 4 // 5))
    wanted = chance.uniform(0.5, 5.0)  # seconds of reading
    process = _start(scenario, one.command)
    began = time.monotonic()
    while process.poll() is None and time.monotonic() < began + _PATIENCE:
        reads = time.monotonic() > began + wanted
        if reads if one.command[0] == "verify" else _received(received) >= enough:
            break
        time.sleep(0.005)
    process.send_signal(one.number)
    out, err = process.communicate(timeout=_PATIENCE)
    up.heal()
    assert "Traceback" not in out + err, err
    if process.returncode in one.codes:
        scenario.tally[f"killed/{one.sort}"] += 1
    else:
        assert process.returncode in (*scenario.codes, 1, PARTIAL), (process.returncode, out, err)
    scenario.check_tree()
    if one.scenario is Copying:
        _continue(scenario, received)
    scenario.heal()
    scenario.tally["interrupted"] += 1


def _received(place: Path) -> int:
    """Return the size of the largest file that is being received."""
    sizes = [0]
    for path in place.glob("*"):
        try:
            sizes.append(path.stat().st_size)
        except FileNotFoundError:  # it is complete
            continue
    return max(sizes)


def _start(scenario: Copying, command: Sequence[str]) -> subprocess.Popen[str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("YANKSYNC_", "COV"))}
    return subprocess.Popen(
        [sys.executable, "-m", "yanksync", "--config", scenario.config, *command],
        cwd=Path(__file__).parents[2],
        env=environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _continue(scenario: Copying, received: Path) -> None:
    """Make a pass, and check that it asks for the rest of what it has, and for no more."""
    # A note that is empty was being written: that part is received from its beginning.
    parts = [path for path in received.glob("*.part") if path.stat().st_size]
    notes = [json.loads(path.read_text()) for path in parts]
    sizes = [path.with_suffix("").stat().st_size for path in parts]
    scenario.world.up.clear_log()
    done = scenario.run(args=("sync",))
    assert done.returncode in (DONE, PARTIAL), done
    for (path, validator), size in zip(notes, sizes, strict=True):
        name = path.rpartition("/")[2]
        if size == len(LARGE) or name.startswith("dropped"):
            continue
        asked = [one for one in scenario.world.requests if one.path.endswith(name)]
        first = asked[0]
        assert first.headers.get("range") == f"bytes={size}-", (name, first)
        assert first.headers.get("if-range") == validator and first.status == 206, (name, first)
        scenario.tally["continued"] += 1


def in_turn(scenarios: Sequence[Scenario]) -> Iterator[tuple[Copying, Interruption]]:
    """Yield all interruptions of these scenarios, again and again."""
    by_type = {type(one): one for one in scenarios if isinstance(one, Copying)}
    return cycle((by_type[one.scenario], one) for one in INTERRUPTIONS if one.scenario in by_type)
