"""Says which commands are run, and in what order.

It also says what happens upstream in between.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from . import measure
from .measure import Command, Taken
from .shapes import Name
from .tools import Floor, Tool, Yanksync, Yardstick
from .upstream import Upstream

SCENARIOS = {
    "cold": "full-resync into nothing",
    "cold-gzip": "full-resync into nothing, with gzip copies of the pages",
    "delay": "full-resync into nothing, every page answered 50 ms later",
    "empty": "sync with nothing new",
    "withdrawals": "sync after 100 yanks and unyanks and 20 uploads",
    "catchup": "sync after 50,000 journal entries, all about projects held",
    "history": "sync after --many yanks and unyanks of one project",
    "big-pages": "sync after four projects got --many yanked files each",
    "removals": "sync after one of these lost them again, one entry a release",
    "list-empty": "sync with nothing new, the list being long (--names)",
    "list-withdrawals": "100 yanks and unyanks and 20 uploads, the list being long",
    "list-add": "sync that adds one project, the list being long: it is written anew",
    "cooldown-empty": "sync with nothing new, the list being long, 4,000 files waiting",
    "cooldown-shown": "sync in which these 4,000 files become visible",
    "events-empty": "sync with nothing new and a log of --events withdrawals",
    "events": "sync that adds 100 to this log",
    "events-archive": "the same, when the archive of OSV records is due",
    "files": "full-resync into nothing that copies --files package files",
}
DEFAULT = ("cold", "empty", "withdrawals")
BUILDS = ("cold-gzip", "delay", "cold")
"""Start from nothing; the others continue after the last of these."""
COOLDOWN = ("cooldown-empty", "cooldown-shown")
"""Have mirrors of their own: see ``cooldown``."""
EVENTS = ("events-empty", "events", "events-archive")
"""Begin a mirror of their own: see ``events``."""
FILES = ("files",)
"""Has a mirror of its own: see ``files``."""
WITHDRAWALS, UPLOADS, ENTRIES = 100, 20, 50_000
_SETTINGS = {"cold-gzip": ("mirror.compress=['gzip']",)}


class Size(Struct, frozen=True):
    """What a mirror takes on disk."""

    state: int  # bytes of the state database
    tree: int  # bytes of the published files, each inode once
    names: int  # the same, each name counted
    files: int  # names
    inodes: int


class Outcome(Struct):
    """Everything that was measured against one upstream."""

    projects: int
    facts: dict[str, int]
    runs: dict[str, dict[str, list[Taken]]]  # scenario, tool
    size: Size | None = None

    def add(self, scenario: str, tool: Tool, taken: Taken) -> None:
        """Take a measurement in."""
        self.runs.setdefault(scenario, {}).setdefault(tool.name, []).append(taken)


class Bench(Struct):
    """A run of the whole bench against one upstream."""

    upstream: Upstream
    logs: Path
    scenarios: Sequence[str]
    names: int
    many: int
    outcome: Outcome
    count_fsyncs: bool = False
    events: int = 1_000_000
    files: int = 20_000

    def turn(self, tool: Tool, repetition: int) -> None:
        """Measure ``tool`` in every scenario, once."""
        if isinstance(tool, Yardstick):
            tool.prepare("")
            for scenario in self._wanted("empty", "list-empty"):
                self.measure(scenario, tool, tool.sync(), ())
            return
        builds = self._wanted("cold-gzip", "delay")
        follows = self._wanted(
            *(name for name in SCENARIOS if name not in (*BUILDS, *COOLDOWN, *EVENTS, *FILES))
        )
        if follows or self._wanted("cold"):
            builds.append("cold")
        for scenario in builds:
            self._build(tool, scenario)
        if isinstance(tool, Floor) or not follows:
            return
        self._follow(tool)
        if self._wanted("list-empty", "list-withdrawals", "list-add"):
            self._long_list(tool)
        if self.count_fsyncs and repetition == 0:
            self._count(tool)

    def _build(self, tool: Tool, scenario: str) -> None:
        if scenario == "cold-gzip" and not isinstance(tool, Yanksync | Floor):
            return  # the others have no such copies
        if scenario == "delay" and not self.upstream.nginx.can_delay:
            return
        tar = self.logs.parent / f"{scenario}.tar"
        self.upstream.reset()
        if isinstance(tool, Floor):
            tool.urls, tool.tar = list(self.upstream.urls()), tar
        url = self.upstream.slow_url if scenario == "delay" else self.upstream.url
        tool.prepare(url, _SETTINGS.get(scenario, ()))
        self.measure(scenario, tool, tool.cold(), self.upstream.names)
        if isinstance(tool, Yanksync):
            tool.pack(tar)
            if scenario == "cold":
                self.outcome.size = size_of(tool)

    def _follow(self, tool: Tool) -> None:
        upstream, many = self.upstream, self.many
        self.measure("empty", tool, tool.sync(), ())
        steps: tuple[tuple[str, Callable[[], list[Name]]], ...] = (
            ("withdrawals", lambda: upstream.withdraw(WITHDRAWALS, UPLOADS)),
            ("catchup", lambda: upstream.flood(ENTRIES)),
            ("history", lambda: upstream.waver(many)),
            ("big-pages", lambda: upstream.swell(many)),
            ("removals", upstream.shrink),
        )
        for scenario, change in steps:
            swell = scenario == "big-pages" and self._wanted("removals")
            if swell or self._wanted(scenario):
                self.measure(scenario, tool, tool.sync(), change(), watch=scenario == "catchup")

    def _long_list(self, tool: Tool) -> None:
        say(f"{tool.name}: making it hold {self.names} projects")
        self.upstream.enlarge(self.names)
        tool.know(self.upstream.extra)
        changed = self.upstream.add_project()
        self.measure("", tool, tool.sync(), changed)  # writes the long list for the first time
        self.measure("list-empty", tool, tool.sync(), ())
        changed = self.upstream.withdraw(WITHDRAWALS, UPLOADS)
        self.measure("list-withdrawals", tool, tool.sync(), changed)
        changed = self.upstream.add_project()
        self.measure("list-add", tool, tool.sync(), changed)

    def _count(self, tool: Tool) -> None:
        """Run once more under strace."""
        self.upstream.reset()
        tool.prepare(self.upstream.url)
        steps: list[tuple[str, Callable[[], Command]]] = [("cold", tool.cold), ("empty", tool.sync)]
        if self._wanted("withdrawals"):
            steps.append(("withdrawals", tool.sync))
        for scenario, command in steps:
            if scenario == "withdrawals":
                self.upstream.withdraw(WITHDRAWALS, UPLOADS)
            say(f"{tool.name}: {scenario}, counting fsyncs")
            number = measure.fsyncs(command(), self.logs / f"{_slug(tool)}-{scenario}-strace.log")
            taken = self.outcome.runs.get(scenario, {}).get(tool.name)
            if taken:
                self.outcome.runs[scenario][tool.name] = [
                    msgspec.structs.replace(one, fsyncs=number) for one in taken
                ]

    def _wanted(self, *names: str) -> list[str]:
        return [name for name in names if name in self.scenarios]

    def measure(
        self,
        scenario: str,
        tool: Tool,
        command: Command,
        changed: Iterable[Name],
        *,
        watch: bool = False,
        check: Callable[[], list[str]] = list,
    ) -> None:
        """Run; ``changed`` are the projects that the mirror must show as they are now.

        ``check`` names further pages that are wrong.
        """
        os.sync()  # what was written before is not this command's business
        log = self.logs / f"{_slug(tool)}-{scenario or 'warm-up'}.log"
        taken = measure.run(command, self.upstream.nginx, log, watch=watch)
        wrong = tool.stale(changed) + check()
        if wrong and taken.good:
            note = f"{len(wrong)} pages are not as upstream has them: {wrong[0]}, see {log}"
            taken = msgspec.structs.replace(taken, good=False, note=note)
        shown = taken.note or f"{taken.wall:.2f} s, {taken.cpu:.2f} CPU s, {taken.peak_mib:.0f} MiB"
        say(f"{tool.name}: {scenario or 'warm-up'}: {shown}")
        if scenario in self.scenarios:
            self.outcome.add(scenario, tool, taken)


def size_of(tool: Yanksync) -> Size:
    """Return what the mirror of ``tool`` takes on disk."""
    state = sum(path.stat().st_size for path in tool.state.parent.glob(f"{tool.state.name}*"))
    total = files = 0
    inodes: dict[int, int] = {}
    for directory, _, names in os.walk(tool.tree):
        for name in names:
            status = os.stat(os.path.join(directory, name))
            inodes[status.st_ino] = status.st_size
            total += status.st_size
            files += 1
    return Size(state, sum(inodes.values()), total, files, len(inodes))


def say(text: str) -> None:
    """Tell what is going on."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def _slug(tool: Tool) -> str:
    return tool.name.replace(" ", "-")
