"""A pass under strace, which is killed at a call, or gets an error from it; then it must heal.

The calls of one healthy pass are listed first. strace counts calls in each thread apart. So a point
is the n-th call of its sort *on the files of one project* (or of the list, or the state). One
thread writes each of these. What is left is the n-th call of the whole process, whatever it is for.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

from tests.support.fake_index.index import Fault, Served
from tests.support.page_assertions import HtmlPage, assert_equal_to_upstream
from tests.support.world import DONE, HOUR, Counts, World
from yanksync.core import layout
from yanksync.core.names import NormalizedName

CALLS = (
    *("write", "pwrite64", "rename", "fsync", "fdatasync", "syncfs", "unlink", "mkdir", "rmdir"),
    *("link", "openat", "connect", "ftruncate"),
)
ERRORS = ("ENOSPC", "EIO", "EACCES")
_FAILING = {"write", "pwrite64", "rename", "fsync", "fdatasync", "mkdir", "openat", "unlink"}
_LINE = re.compile(r"(?P<thread>\d+) +(?P<call>\w+)\((?P<rest>.*)")
_PATIENCE = 300.0
# Only the calls that are traced stop the process. Not for kills: strace 6.1 then loses its signal.
_QUICK = ("--seccomp-bpf",)
KILLED = (-9, 137)  # exit codes


class Point(NamedTuple):
    """Where a pass is hit, and with what."""

    group: str  # a project, "list", "state", or "" for anything
    call: str
    nth: int
    what: str = "KILL"  # or an errno; with "+" it is that from there on

    def __str__(self) -> str:
        return ":".join((self.group, self.call, str(self.nth), self.what))

    @classmethod
    def parse(cls, text: str) -> Point:
        group, call, nth, what = text.split(":")
        return cls(group, call, int(nth), what)

    @property
    def kills(self) -> bool:
        return self.what == "KILL"


class Scenario:
    """Prepares a mirror that has a rich pass ahead.

    It can be put back to before this pass.
    """

    groups: ClassVar[tuple[str, ...]] = ("list", "state")  # those that are no projects
    command: ClassVar[tuple[str, ...]] = ("sync",)  # what is hit
    calls: ClassVar[tuple[str, ...]] = CALLS
    flags: ClassVar[dict[str, object]] = {}  # what else is configured, for passes in this process
    more = ""  # the same in the configuration file, behind the keys of [mirror]

    def __init__(self, served: Served, where: Path) -> None:
        self.where = where
        self.work, self.kept = where / "work", where / "kept"
        self.work.mkdir(parents=True)
        self.world = World(
            served,
            self.work,
            disk=True,
            mirror_compress=["gzip"],
            mirror_legacy_json=True,
            **self.flags,
        )
        self.world.clock.time = time.time() - 3 * HOUR
        self.simple = self.work / "out" / layout.ROOT
        self.tally: Counter[str] = Counter()
        self._live()
        config = f"""[upstream]
simple_url = "{served.simple_url}"
journal_interval = 0
stale_retry = 0
workers = 2
timeout = 20
[mirror]
output = "{self.work}/out"
state = "{self.work}/state.db"
compress = ["gzip"]
legacy_json = true
{self.more}"""
        self.config = str(where / "yanksync.toml")
        Path(self.config).write_text(config)
        self.old = self.files()
        self.keep()
        self.points = sorted(self._list_points())
        self._check_done()
        self.new = self.files()
        self.serials = {
            path.split("/")[0]: json.loads(body)["meta"]["_last-serial"]
            for path, body in self.new.items()
            if path.endswith(f"/{layout.V1_JSON.filename}")
        }

    def _check_done(self) -> None:
        """Check what a pass makes that nothing hits: all others are compared with it."""
        assert_equal_to_upstream(self.world)

    def _live(self) -> None:
        """Build the mirror, then let everything happen upstream that a pass can bring."""
        up = self.world.up
        names = ("yanked", "taken-back", "removed", "quarantined", "uploaded", "calm", "thrice")
        for name in names:
            for version in ("1.0", "2.0"):
                up.upload(name, version)
        up.yank("taken-back", "1.0", "too early")
        assert self.world.sync(later=0) == DONE
        self._live_before()
        up.yank("yanked", "1.0", 'broken <b>"x"</b> & co')
        up.unyank("taken-back", "1.0")
        up.remove_project("removed")
        up.quarantine_project("quarantined")
        up.upload("uploaded", "3.0")
        up.upload("new", "1.0")
        up.yank("thrice", "2.0", "one")
        up.unyank("thrice", "2.0")
        up.yank("thrice", "2.0", "two")

    def _live_before(self) -> None:
        """Let happen, and be mirrored, what the pass is to find."""

    def files(self) -> dict[str, bytes]:
        """Return what is published, by its path below ``simple/``; temporary files are left out.

        Copies are unpacked: for the same page ISA-L seldom gives other bytes.
        """
        return {
            path.relative_to(self.simple).as_posix(): content(path)
            for path in self.simple.rglob("*")
            if path.is_file() and not path.name.endswith(".tmp")
        }

    def keep(self) -> None:
        subprocess.run(["cp", "-a", self.work, self.kept], check=True)

    def put_back(self) -> None:
        """Put state and tree back to before the pass."""
        shutil.rmtree(self.work)
        subprocess.run(["cp", "-a", self.kept, self.work], check=True)
        self.world.up.heal()
        self.world.served.upstream = self.world.up  # other scenarios may share the server

    def run(
        self, *strace: str, args: tuple[str, ...] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the command in a process of its own, under strace when there is anything to do."""
        command = [sys.executable, "-m", "yanksync", "--config", self.config]
        if strace:
            command = ["strace", "-f", "-qq", *strace, *command]
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("YANKSYNC_", "COV"))}
        return subprocess.run(
            [*command, *(self.command if args is None else args)],
            cwd=Path(__file__).parents[2],
            env=environ | {"PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
        )

    def _list_points(self) -> Iterator[Point]:
        trace = self.where / "trace"
        calls = ("-e", f"trace={','.join(self.calls)}")
        done = self.run(*_QUICK, "-y", "-s", "0", "-o", str(trace), *calls)
        self._check_listed(done)
        seen: Counter[tuple[str, str, str]] = Counter()
        for line in trace.read_text().splitlines():
            match = _LINE.fullmatch(line)
            if match is None:
                continue
            thread, call = match["thread"], match["call"]
            # The first path alone is what strace selects by: that of the descriptor, or the source.
            for group in {self._group(match["rest"].split(" = ")[0]), ""}:
                seen[group, call, thread] += 1
        most: dict[tuple[str, str], int] = {}
        for (group, call, _), count in seen.items():
            most[group, call] = max(most.get((group, call), 0), count)
        for (group, call), count in most.items():
            for nth in range(1, count + 1):
                yield Point(group, call, nth)

    def _check_listed(self, done: subprocess.CompletedProcess[str]) -> None:
        """Check the run of which the calls are listed."""
        assert (done.returncode, done.stdout, done.stderr) == (DONE, "", "")

    def _group(self, arguments: str) -> str:
        found = re.search(re.escape(str(self.work)) + r"/([^\">, ]+)", arguments)
        if found is None:
            return ""
        parts = found[1].split("/")
        if parts[0].startswith("state.db"):
            return "state"
        if parts[:2] == ["out", layout.ROOT]:
            return parts[2] if len(parts) > 2 and "index" not in parts[2] else "list"
        return ""

    def _paths(self, group: str) -> list[str]:
        names = [*layout.filenames(), *map(layout.temporary_name, layout.filenames())]
        if group == "":
            return []
        if group == "state":
            return [f"{self.work}/state.db{tail}" for tail in ("", "-wal", "-shm", ".lock")]
        base = self.simple if group == "list" else self.simple / group
        return [str(base), *(f"{base}/{name}" for name in names)]

    def hit(self, point: Point) -> subprocess.CompletedProcess[str]:
        """Make a pass that is hit at ``point``; it may go past it."""
        paths = [text for path in self._paths(point.group) for text in ("-P", path)]
        lasting = point.what.endswith("+")
        what = "signal=KILL" if point.kills else f"error={point.what.rstrip('+')}"
        when = f"{point.nth}+" if lasting else str(point.nth)
        trace = self.where / "hit"
        done = self.run(
            *(() if point.kills else _QUICK),
            *paths,
            *("-o", str(trace), "-e", f"trace={point.call}"),
            *("-e", f"inject={point.call}:{what}:when={when}"),
        )
        if "(INJECTED)" in trace.read_text() or (point.kills and done.returncode in KILLED):
            self.tally[f"{'killed' if point.kills else 'failed'}/{self.sort(point)}"] += 1
        return done

    def sort(self, point: Point) -> str:
        """Return what hits are counted by: the scenario, what a call is on, and the call."""
        group = point.group if point.group in self.groups else "pages" if point.group else "any"
        return f"{type(self).__name__}: {group} {point.call}"

    def prove(self, *points: Point, alone: bool = False) -> None:
        """Hit the following passes at ``points``, one each.

        Whatever that does must heal. With ``alone``, a pass without upstream comes first: it must
        complete what was recorded.
        """
        self.put_back()
        for point in points:
            done = self.hit(point)
            if point.kills:
                self._check_killed(done)
            else:
                self._check_failed(done)
        if self.files() != self.new:
            self.tally["diverged"] += 1
        if alone:
            self._finish_alone()
        self.heal()
        self.tally["proven"] += 1

    def _check_killed(self, done: subprocess.CompletedProcess[str]) -> None:
        assert (done.stdout, done.stderr) == ("", "")
        assert done.returncode in (*KILLED, DONE), done.returncode
        self.tally["kills"] += done.returncode != DONE
        self.tally["past"] += done.returncode == DONE
        self.check_tree()

    def _check_failed(self, done: subprocess.CompletedProcess[str]) -> None:
        lines = done.stderr.splitlines()
        self.tally["errors"] += 1
        assert done.stdout == ""
        if "yanksync: " in done.stderr or done.returncode in (DONE, 1, 3):
            assert "Traceback" not in done.stderr and "internal error" not in done.stderr, done
            assert done.returncode in (DONE, 1, 3, 75), done
            assert (done.returncode in (DONE, 3, 75)) == (not lines), done
            self.tally["told"] += bool(lines)
        else:  # Python itself failed to start: its own words, and nothing was begun
            self.tally["never begun"] += 1
            assert self.files() == self.old, done
        self.check_tree(listed=False)

    def check_tree(self, *, listed: bool = True) -> None:
        """Each file is the old one or the new one, whole; none is older than its sibling says."""
        now = self.files()
        for path, body in now.items():
            self._check_page(path, body)
            if "/" not in path and not listed:
                continue
            known = body in (self.old.get(path), self.new.get(path))
            assert known or path.startswith("quarantined/"), path
        for path, body in now.items():
            sibling = f"{path}.gz"
            if body == self.new.get(path) != self.old.get(path) and sibling in now:
                assert now[sibling] == self.new[sibling], f"{sibling} is older than its page"
        for path in {*self.old} & {*self.new}:
            if "/" not in path or not path.endswith(".gz"):
                assert path in now, f"{path} is missing"

    def _check_page(self, path: str, body: bytes) -> None:
        offers: object
        if "json" in path:
            page = json.loads(body)
            offers = page.get("files", page.get("urls"))
        else:
            assert b"</html>" in body, path
            offers = HtmlPage(body).anchors
        if path.startswith("quarantined/") and body != self.old[path.removesuffix(".gz")]:
            assert offers == [], path  # on the journal's word, or confirmed: twice, not the same

    def _finish_alone(self) -> None:
        """R1: what was recorded is completed by the next run, though upstream is away."""
        world = self.world
        world.up.fail(".", Fault.status(503), None)
        assert world.sync(later=0) != DONE
        world.up.heal()
        self.check_tree(listed=False)
        now = self.files()
        names = [NormalizedName(name) for name in self.serials if name != "quarantined"]
        with world.state() as state:
            rows = state.projects.get(names)
        for name, row in rows.items():
            if row.presence == "present" and row.serial == self.serials[name]:
                wanted = {path for path in self.new if path.startswith(f"{name}/")}
                assert {path for path in wanted if now.get(path) != self.new[path]} == set(), name
        self.tally["finished alone"] += 1

    def heal(self) -> None:
        """Make passes until all is as if nothing had happened."""
        world = self.world
        world.clock.time = time.time()
        code = world.settle(6)
        assert code == DONE, (code, world.error, world.counts())
        assert world.counts() == Counts(0, 0, 0, 0)
        assert [path for path in self.work.rglob("*.tmp") if path.is_file()] == []
        now = self.files()
        other = {path for path in {*now, *self.new} if now.get(path) != self.new.get(path)}
        assert other == set(), [(path, now.get(path), self.new.get(path)) for path in sorted(other)]
        assert [row for row in world.history() if row.serial is None] == []


def content(path: Path) -> bytes:
    """Return what a file or copy says."""
    body = path.read_bytes()
    return gzip.decompress(body) if path.suffix == ".gz" else body


def choose(
    points: list[Point], chance: random.Random, share: float = 0.5
) -> Iterator[tuple[Point, ...]]:
    """Yield what to prove, endlessly: each kill and each error once, then chains of kills.

    ``share`` of the first are kills, until there are no more of either sort.
    """
    failing = [point for point in points if point.call in _FAILING and point.group != ""]
    # Most opens are Python's own, long before anything is begun.
    kills = [p for p in points if (p.group, p.call) != ("", "openat") or p.nth % 10 == 0]
    errors = [point._replace(what=what) for what in (*ERRORS, "ENOSPC+") for point in failing]
    chance.shuffle(kills)
    chance.shuffle(errors)
    while kills or errors:
        first = kills and (not errors or chance.random() < share)
        yield ((kills if first else errors).pop(),)
    near = [point for point in points if point.group != ""]
    while True:
        yield tuple(chance.choice(near) for _ in range(chance.randint(2, 4)))


def choose_among(
    scenarios: Sequence[Scenario], chance: random.Random, share: float
) -> Iterator[tuple[Scenario, tuple[Point, ...]]]:
    """Yield what to prove, endlessly: with several scenarios, each sort of point in each first.

    Kills come before errors, and what is of files before what every pass does.
    """
    first = []
    for scenario in scenarios if len(scenarios) > 1 else ():
        by_sort: dict[str, list[Point]] = {}
        for point in chance.sample(scenario.points, len(scenario.points)):
            if point.group:
                by_sort.setdefault(scenario.sort(point), []).append(point)
        for kill, *_ in by_sort.values():
            is_common = kill.group not in scenario.groups[len(Scenario.groups) :]
            first.append((is_common, 0, scenario, kill))
            if kill.call in _FAILING:
                error = kill._replace(what=chance.choice(ERRORS))
                first.append((is_common, 1, scenario, error))
    chance.shuffle(first)
    for *_, scenario, point in sorted(first, key=lambda one: one[:2]):
        yield scenario, (point,)
    rest = [(scenario, choose(scenario.points, chance, share)) for scenario in scenarios]
    while True:
        for scenario, chosen in rest:
            yield scenario, next(chosen)
