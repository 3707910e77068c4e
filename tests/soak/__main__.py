"""``scripts/soak``: prove it for as long as you like; see ``scripts/soak --help``."""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import queue
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, groupby
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tests.soak import copy_kills, histories, kills, signals
from tests.support.cooldown_histories import CooldownHistories
from tests.support.copy_histories import CopyHistories
from tests.support.fake_index.index import FakeUpstream, Served, serve
from tests.support.world import SCRATCH

_SIGNALS = 4  # of so many turns one interrupts a process, too
_FORK = multiprocessing.get_context("fork")
_READERS = 5  # of upstream's documents, each with a fuzz target
_CHECKED = 5.0  # seconds between looks at whether a worker is still there
_TOLD = 60.0  # seconds between lines that tell how far it is


@dataclass(frozen=True)
class Came:
    """What a worker tells: counts to add, and what to print."""

    counts: Counter[str]
    told: str = ""
    failed: bool = False


@dataclass
class Shift:
    """What the workers of one part share."""

    options: argparse.Namespace
    seed: int
    end: float  # monotonic seconds
    most: int  # of what the part counts
    done: Any  # so many there are, for all to see
    results: Any

    def over(self) -> bool:
        """Whether nothing more is to be begun."""
        return time.monotonic() > self.end or self.done.value >= self.most

    def stop(self) -> None:
        """Begin nothing more; what is under way is finished and counted."""
        with self.done.get_lock():
            self.done.value = sys.maxsize

    def tell(self, counts: Counter[str], what: str) -> None:
        """Hand over what was done since, of which ``what`` is counted."""
        with self.done.get_lock():
            self.done.value = min(self.done.value + counts[what], sys.maxsize)
        self.results.put(Came(Counter(counts)))
        counts.clear()

    @contextmanager
    def failures(self, told: str) -> Iterator[None]:
        """Hand over what fails, and how to see it again."""
        try:
            yield
        except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
            self.tell_failure(told, error)

    def tell_failure(self, told: str, error: BaseException) -> None:
        """Hand over how to see a failure again."""
        text = "".join(traceback.format_exception(error))
        self.results.put(Came(Counter(failed=1), f"FAILED: again with: {told}\n{text}", True))


def main() -> int:
    """Run all parts until the time or the numbers are up; return 1 when anything failed."""
    options = _parser().parse_args()
    logging.disable(logging.CRITICAL)  # thousands of faults are thousands of warnings
    if options.point:
        with serve(FakeUpstream()) as served:
            return _replay(served, options)
    begun = time.monotonic()
    end = begun + 60 * options.minutes
    total: Counter[str] = Counter()
    if options.documents:
        total += _documents(options)
    if options.kills != 0:
        part = (end - time.monotonic()) / (1 if options.histories == 0 else 2)
        total += _part("kills", _kill, options, options.kills, time.monotonic() + part)
    if options.histories != 0 and not options.stopped:
        total += _part("histories", _live, options, options.histories, end)
    print(*_hits(total), sep="\n", flush=True)
    mended = total["diverged"] - total["failed"]
    print(
        f"all in {time.monotonic() - begun:.0f} s: {total['histories']} histories, "
        f"{total['kills']} kills, {total['faults']} faults of upstream, {total['errors']} errors "
        f"of system calls, {total['documents']} damaged documents, {total['diverged']} divergences "
        f"found, {max(mended, 0)} mended, {total['failed']} failed",
        flush=True,
    )
    return 1 if total["failed"] else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/soak",
        description="Random histories of an upstream with every fault, half of them judged by an "
        "oracle for cooldown and overrides, and passes killed or failed "
        "at each of their system calls. Prints the seed or the point of what fails, and counts. "
        "Kills come first and get half the time at most. "
        "Ten thousand histories and a thousand kills: --minutes 60 --histories 10000 --kills 1000",
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="time for all (default: 10)")
    parser.add_argument("--histories", type=int, help="at least so many, if time allows; 0: none")
    parser.add_argument(
        "--batch", type=int, default=25, metavar="N", help="histories of each seed (default: 25)"
    )
    parser.add_argument(
        "--kills", type=int, help="at least so many kills, if time allows; 0: none, nor errors"
    )
    parser.add_argument(
        "--kill-share", type=float, default=0.67, metavar="SHARE",
        help="this part of the hits are kills, the others errors (default: 0.67)",
    )  # fmt: skip
    parser.add_argument(
        "--documents", type=int, default=0, help="so many damaged documents for the readers first"
    )
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a CPU)"
    )
    parser.add_argument("--seed", type=int, help="begin with it; a failing one is printed")
    parser.add_argument(
        "--point", action="append", default=[], help="replay: project:call:n:KILL or an errno"
    )
    parser.add_argument(
        "--files", nargs="?", const="all", choices=("all", *copy_kills.NAMES), metavar="SCENARIO",
        help="mirrors that copy package files, with their oracle; SCENARIO: one kind of kills, of "
        + ", ".join(copy_kills.NAMES)
    )  # fmt: skip
    parser.set_defaults(stopped=False)
    return parser


def _documents(options: argparse.Namespace) -> Counter[str]:
    """Feed damaged documents to the readers of upstream's answers."""
    each = -(-options.documents // _READERS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
         f"--numprocesses={options.jobs}", "tests/core/formats/test_fuzz.py"],
        env=os.environ | {"YANKSYNC_FUZZ": str(each)},
        check=False,
    )  # fmt: skip
    return Counter(documents=each * _READERS, failed=done.returncode != 0)


def _part(
    what: str,
    work: Callable[[Shift, int], None],
    options: argparse.Namespace,
    most: int | None,
    end: float,
) -> Counter[str]:
    """Let ``--jobs`` processes work until the time is up or enough is done; return the counts."""
    seed = random.randrange(10**6) * 1000 if options.seed is None else options.seed
    begun = time.monotonic()
    done = _FORK.Value("q", 0)
    shift = Shift(options, seed, end, most or sys.maxsize, done, _FORK.Queue())
    _stop_by_signal(shift, options)
    print(f"{what}: seeds from {seed} on, {options.jobs} processes", flush=True)
    workers = [
        _FORK.Process(target=_worker, args=(work, shift, number), daemon=True)
        for number in range(options.jobs)
    ]
    for worker in workers:
        worker.start()
    total: Counter[str] = Counter()
    told = begun
    for came in _results(shift, workers):
        total += came.counts
        if came.told:
            print(came.told, flush=True)
        if time.monotonic() - told > _TOLD:
            told = time.monotonic()
            print(_so_far(what, total, told - begun), flush=True)
    total["failed"] += sum(worker.exitcode != 0 for worker in workers)
    print(_so_far(what, total, time.monotonic() - begun), flush=True)
    return total


def _stop_by_signal(shift: Shift, options: argparse.Namespace) -> None:
    """Let Ctrl-C and SIGTERM end the run with the sum of what was done; a second one ends it."""

    def stop(number: int, _frame: object) -> None:
        signal.signal(number, signal.default_int_handler)
        options.stopped = True
        shift.stop()
        print("stopping; what is under way is finished first", file=sys.stderr, flush=True)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def _so_far(what: str, total: Counter[str], seconds: float) -> str:
    items = [(key, value) for key, value in sorted(total.items()) if "/" not in key]
    counts = ", ".join(f"{key} {value}" for key, value in items)
    return f"{what} in {seconds:.0f} s: {counts}"


def _hits(total: Counter[str]) -> Iterator[str]:
    """Yield how often each sort of point was hit, and how many points it has."""
    sorts = sorted(key.removeprefix("points/") for key in total if key.startswith("points/"))
    for what, found in groupby(sorts, lambda sort: sort.rpartition(" ")[0]):
        told = (
            f"{sort.rpartition(' ')[2]} {total[f'killed/{sort}']}+{total[f'failed/{sort}']}"
            f" of {total[f'points/{sort}']}"
            for sort in found
        )
        yield f"kills+errors of points: {what}: {', '.join(told)}"
    if not sorts:
        return
    missed = [sort for sort in sorts if not total[f"killed/{sort}"] + total[f"failed/{sort}"]]
    yield f"{len(sorts)} sorts of points, {len(missed)} not hit: {', '.join(missed)}"


def _worker(work: Callable[[Shift, int], None], shift: Shift, number: int) -> None:
    os.setpgid(0, 0)  # the passes of this process, too, must not hear of Ctrl-C
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        work(shift, number)
    except Exception as error:  # of the soak itself
        shift.tell_failure("the same", error)
    shift.results.put(None)


def _results(shift: Shift, workers: Sequence[BaseProcess]) -> Iterator[Came]:
    """Yield what the workers tell until the last of them has ended, however it has."""
    left = len(workers)
    while left:
        try:
            came = shift.results.get(timeout=_CHECKED)
        except queue.Empty:
            left = min(left, sum(worker.is_alive() for worker in workers))
            continue
        if came is None:
            left -= 1
        else:
            yield came
    for worker in workers:
        worker.join()


def _live(shift: Shift, number: int) -> None:
    """Run the histories of every ``--jobs``-th seed."""
    batch = shift.options.batch
    with serve(FakeUpstream()) as served:
        for seed in count(shift.seed + number, shift.options.jobs):
            if shift.over():
                return
            try:
                histories.run(served, seed, batch, files=bool(shift.options.files))
            except Exception as error:
                again = (
                    f"scripts/soak --kills 0 --jobs 1 --histories 1 --batch {batch} --seed {seed}"
                )
                again += " --files" if shift.options.files else ""
                shift.tell_failure(again, error)
            tallies = (histories.Harder.tally, CooldownHistories.tally, CopyHistories.tally)
            counts: Counter[str] = Counter()
            for tally in tallies:
                counts += tally
                tally.clear()
            shift.tell(counts, "histories")


def _kill(shift: Shift, number: int) -> None:
    """Hit every ``--jobs``-th of the chosen points."""
    options = shift.options
    with serve(FakeUpstream()) as served, _scenarios(served, options) as scenarios:
        if number == 0:
            print(f"kills: {sum(len(one.points) for one in scenarios)} calls", flush=True)
            kinds = {type(one) for one in scenarios}
            shift.tell(
                Counter(f"points/{i.sort}" for i in signals.INTERRUPTIONS if i.scenario in kinds),
                "kills",
            )
            ours = [(one, point) for one in scenarios for point in one.points if point.group]
            shift.tell(Counter(f"points/{one.sort(point)}" for one, point in ours), "kills")
        chosen = kills.choose_among(scenarios, random.Random(shift.seed), options.kill_share)
        chance = random.Random(shift.seed + number)
        interruptions = signals.in_turn(scenarios)
        for turn, (scenario, points) in enumerate(chosen):
            if shift.over():
                return
            if turn % options.jobs != number:
                continue
            again = " ".join(f"--point {point}" for point in points)
            files = f" --files {type(scenario).__name__}" if options.files else ""
            with shift.failures(f"scripts/soak{files} {again}"):
                scenario.prove(*points, alone=chance.random() < 0.5)
            shift.tell(scenario.tally, "kills")
            if turn % _SIGNALS == 0 and (pair := next(interruptions, None)):
                with shift.failures(f"more of --files --seed {shift.seed}: {pair[1]}"):
                    signals.interrupt(*pair, chance)
                shift.tell(pair[0].tally, "kills")


def _replay(served: Served, options: argparse.Namespace) -> int:
    """Hit these points once more, with and without a pass alone behind them."""
    points = [kills.Point.parse(text) for text in options.point]
    with _scenarios(served, options) as (scenario, *_):
        for alone in (False, True):
            scenario.prove(*points, alone=alone)
        print(dict(scenario.tally))
    return 0


@contextmanager
def _scenarios(served: Served, options: argparse.Namespace) -> Iterator[list[kills.Scenario]]:
    where = Path(tempfile.mkdtemp(prefix="yanksync-kills-", dir=SCRATCH))
    kinds: Sequence[type[kills.Scenario]] = [kills.Scenario]
    if options.files:
        kinds = [one for one in copy_kills.SCENARIOS if options.files in ("all", one.__name__)]
    try:
        yield [kind(served, where / kind.__name__) for kind in kinds]
    finally:
        shutil.rmtree(where)


if __name__ == "__main__":
    sys.exit(main())
