"""Cooldown beside a mirror that has none: empty passes in turn, then many files become visible."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial

from .scenarios import COOLDOWN, Bench, say
from .shapes import Name
from .tools import Yanksync

FILES = 4000
_PAIRS = 5  # empty passes with cooldown and without, in turn
_AGE = 3600  # seconds
_MARGIN = 90  # seconds in which the files must have been fetched, and the empty passes run
_VERSION = "300.0"


class WithoutCooldown(Yanksync):
    """The same program without cooldown: what the other is compared with."""

    name = "no cooldown"


def turn(bench: Bench, cooling: Yanksync, plain: WithoutCooldown) -> None:
    """Measure both scenarios once."""
    if not any(name in bench.scenarios for name in COOLDOWN):
        return
    upstream, both = bench.upstream, (cooling, plain)
    upstream.reset()
    for tool in both:
        tool.prepare(upstream.url, (f"cooldown.age='{_AGE}s'",) if tool is cooling else ())
        bench.measure("", tool, tool.cold(), upstream.names)
    say(f"making both hold {bench.names} projects")
    upstream.enlarge(bench.names)
    added = upstream.add_project()
    for tool in both:
        tool.know(upstream.extra)
        bench.measure("", tool, tool.sync(), added)
    due = int(time.time()) + _MARGIN
    changed = upstream.upload_at(due - _AGE, FILES, _VERSION)
    for tool in both:
        bench.measure("", tool, tool.sync(), changed)
    hidden = partial(_pages, cooling, changed, with_files=True)
    for _ in range(_PAIRS):
        bench.measure("cooldown-empty", cooling, cooling.sync(), (), check=hidden)
        bench.measure("cooldown-empty", plain, plain.sync(), ())
    time.sleep(max(0.0, due + 1 - time.time()))
    shown = partial(_pages, cooling, changed, with_files=False)
    bench.measure("cooldown-shown", cooling, cooling.sync(), changed, check=shown)


def _pages(tool: Yanksync, names: Iterable[Name], *, with_files: bool) -> list[str]:
    """Return the projects whose page has the young files, or has them not."""
    mark = f"-{_VERSION}.tar.gz".encode()
    return [
        one.name
        for one in names
        if (mark in (tool.tree / one.name / "index.html").read_bytes()) is with_files
    ]
