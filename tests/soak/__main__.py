"""``scripts/soak``: prove it for as long as you like; see ``scripts/soak --help``."""

from __future__ import annotations

import argparse
import logging
import random
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.fake_upstream import FakeUpstream, Served, serve
from tests.harness import SCRATCH
from tests.soak import histories, kills


def main() -> int:
    """Run both parts until the time or the numbers are up; return 1 when anything failed."""
    options = _parser().parse_args()
    logging.disable(logging.CRITICAL)  # thousands of faults are thousands of warnings
    end = time.monotonic() + 60 * options.minutes
    failed = 0
    with serve(FakeUpstream()) as served:
        if options.point:
            return _kills(served, options, [tuple(map(kills.Point.parse, options.point))], end)
        both = options.histories != 0 and options.kills != 0
        half = end - 30 * options.minutes if both else end
        if options.histories != 0:
            failed += _histories(served, options, half)
        if options.kills != 0:
            failed += _kills(served, options, None, end)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/soak",
        description="Random histories of an upstream with every fault, and passes killed or failed "
        "at each of their system calls. Prints the seed or the point of what fails.",
    )
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="time for all (default: 10; halved for each)"
    )
    parser.add_argument("--histories", type=int, help="at most so many, 0: none")
    parser.add_argument("--kills", type=int, help="at most so many kills, 0: none, nor errors")
    parser.add_argument("--seed", type=int, help="begin with it; a failing one is printed")
    parser.add_argument(
        "--point", action="append", default=[], help="replay: project:call:n:KILL or an errno"
    )
    return parser


def _histories(served: Served, options: argparse.Namespace, end: float) -> int:
    tally = histories.Harder.tally
    seed = random.randrange(10**6) * 1000 if options.seed is None else options.seed
    print(f"histories: seeds from {seed} on, {histories.BATCH} each", flush=True)
    failed, begun = 0, time.monotonic()
    most = options.histories or sys.maxsize
    while time.monotonic() < end and tally["histories"] < most:
        number = min(histories.BATCH, most - tally["histories"])
        try:
            histories.run(served, seed, max(number, 10))
        except Exception as error:
            failed += 1
            print(f"FAILED: seed {seed}; again with: scripts/soak --kills 0 --seed {seed}")
            traceback.print_exception(error)
        seed += 1
    print(_told("histories", tally, begun), f"failed seeds: {failed}", flush=True)
    return failed


def _kills(
    served: Served,
    options: argparse.Namespace,
    chosen: list[tuple[kills.Point, ...]] | None,
    end: float,
) -> int:
    seed = random.randrange(10**6) if options.seed is None else options.seed
    chance = random.Random(seed)
    where = Path(tempfile.mkdtemp(prefix="yanksync-kills-", dir=SCRATCH))
    failed, begun = 0, time.monotonic()
    try:
        scenario = kills.Scenario(served, where)
        tally = scenario.tally
        print(f"kills: seed {seed}, {len(scenario.points)} calls in the pass", flush=True)
        for points in chosen or kills.choose(scenario.points, chance):
            if time.monotonic() > end or tally["kills"] >= (options.kills or sys.maxsize):
                break
            try:
                scenario.prove(*points, alone=chance.random() < 0.5)
            except AssertionError as error:
                failed += 1
                again = " ".join(f"--point {point}" for point in points)
                print(f"FAILED: again with: scripts/soak {again}")
                traceback.print_exception(error)
        print(_told("kills", tally, begun), f"failed: {failed}", flush=True)
    finally:
        shutil.rmtree(where)
    return failed


def _told(what: str, tally: dict[str, int], begun: float) -> str:
    counts = ", ".join(f"{key} {value}" for key, value in sorted(tally.items()))
    return f"{what} in {time.monotonic() - begun:.0f} s: {counts};"


if __name__ == "__main__":
    sys.exit(main())
