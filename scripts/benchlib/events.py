"""The log of withdrawals: a pass that adds to a long one, and what it writes for that."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from time import time

from msgspec.structs import replace

from .measure import Command
from .scenarios import EVENTS, WITHDRAWALS, Bench, say
from .tools import Yanksync

_PROJECTS = 20_000  # that the events are about, beside those of upstream
_RELEASES = 5  # of each
_LOGGED = {"YANKSYNC_WITHDRAWALS_PUBLISH": "true"}


def turn(bench: Bench, tool: Yanksync) -> None:
    """Measure these scenarios once."""
    if not any(name in bench.scenarios for name in EVENTS):
        return
    bench.upstream.reset()
    tool.prepare(bench.upstream.url)
    bench.measure("", tool, tool.cold(), bench.upstream.names)
    say(f"making a history of {bench.events} withdrawals")
    _remember(tool.state, bench.events)
    bench.measure("", tool, _sync(tool), ())  # the log begins
    bench.measure("events-empty", tool, _sync(tool), ())
    for number, scenario in enumerate(EVENTS[1:]):
        _set_archive_age(tool.state, 1e6 * number)
        before = dict(_files(tool))
        changed = bench.upstream.withdraw(WITHDRAWALS, 0)
        bench.measure(scenario, tool, _sync(tool), changed)
        written = [one[1] for path, one in _files(tool) if before.get(path) != one]
        say(f"{scenario}: wrote {len(written)} files below withdrawals/, {sum(written)} bytes")


def _sync(tool: Yanksync) -> Command:
    return replace(tool.sync(), env=_LOGGED)


def _remember(state: Path, count: int) -> None:
    """Put yanks into the history, below all serials of upstream."""
    with sqlite3.connect(state) as db:
        db.executemany(
            """INSERT INTO history
            (era, place, serial, timestamp, project, version, kind, action, reason)
            VALUES (0, ?1, ?1, 1700000000, ?2, ?3, 'yank release', 'yank', '"broken wheels"')""",
            (
                (number - count, f"gone-{number % _PROJECTS}", f"{number // _PROJECTS % _RELEASES}")
                for number in range(count)
            ),
        )
    db.close()


def _set_archive_age(state: Path, seconds: float) -> None:
    written = time() - seconds
    with sqlite3.connect(state) as db:
        db.execute("UPDATE meta SET value = ? WHERE key = 'events_archived_at'", (written,))
    db.close()


def _files(tool: Yanksync) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield each file about withdrawals, with its time and size."""
    for directory, _, names in os.walk(tool.tree.parent / "withdrawals"):
        for name in names:
            path = os.path.join(directory, name)
            status = os.stat(path)
            yield path, (status.st_mtime_ns, status.st_size)
