"""A world to make passes in: a fake upstream over HTTP, a mirror, and a clock that a test sets.

:class:`World` opens and closes the state for each pass, as a cron job does.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

from tests.support.dying_store import Killed, Kills, PackageKills
from tests.support.empty_state import open_state
from tests.support.fake_index.faults import Request as Asked
from tests.support.fake_index.index import FakeUpstream, Served
from tests.support.memory_store import MemoryStore
from tests.support.page_assertions import HTML, JSON, HtmlPage, normal
from yanksync.adopt.adopt import adopt_output
from yanksync.adopt.results import AdoptResult
from yanksync.config.load import load
from yanksync.config.settings import Settings
from yanksync.core.errors import YanksyncError
from yanksync.core.exit_codes import ExitCode
from yanksync.core.names import NormalizedName
from yanksync.mirror.context import Mirror
from yanksync.mirror.forgotten import without_forgotten
from yanksync.mirror.open_mirror import open_package_store
from yanksync.output.disk.store import DiskStore
from yanksync.output.package_store import PackageStore
from yanksync.state.state import State
from yanksync.state.views.history_rows import HistoryRow
from yanksync.state.views.holds import (
    WHOLE_MIRROR,
    approve_held,
    count_held,
    held_items,
    select_holds,
)
from yanksync.sync.pipeline import PassRequest, run_pass, run_record
from yanksync.upstream.client import UpstreamClient

DONE, FAILED = ExitCode.DONE, ExitCode.FAILED
PARTIAL, HELD = ExitCode.PARTIAL, ExitCode.HELD
HOUR, DAY = 3600.0, 86400.0
# Every commit waits for the disk, and a pass makes dozens: in memory the tests are much faster.
_IN_MEMORY = "/dev/shm"
_KEEPS_DEFAULT = tempfile.gettempdir().startswith(_IN_MEMORY) or not os.access(_IN_MEMORY, os.W_OK)
SCRATCH = None if _KEEPS_DEFAULT else _IN_MEMORY


class Clock:
    """Time that passes only when somebody says so, or sleeps."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0
        self.step = 0.0  # what each look at :meth:`monotonic` takes
        self.slept: list[float] = []
        self.dies: int | None = None  # looks at the clock that still succeed

    def now(self) -> float:
        if self.dies is not None:
            if self.dies <= 0:
                self.dies = None
                raise Killed
            self.dies -= 1
        return self.time

    def monotonic(self) -> float:
        self.time += self.step
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


class Counts(NamedTuple):
    """What ``status`` counts; all zero is up to date."""

    pending: int
    unpublished: int
    held: int
    behind: int


class World:
    """An upstream and a mirror of it."""

    def __init__(self, served: Served, where: Path, *, disk: bool = False, **flags: object) -> None:
        self.up = FakeUpstream()
        served.upstream = self.up
        self.served = served
        self.where = where
        self.flags: dict[str, object] = {
            "upstream_simple_url": served.simple_url,
            "upstream_journal_interval": "0",
            "upstream_workers": "2",
            "mirror_output": str(where / "out"),
            "mirror_state": str(where / "state.db"),
            "mirror_compress": [],
            **flags,
        }
        self.config: Path | None = None  # a file for what no flag can say
        self.disk = disk
        self.memory = MemoryStore()
        self.kills = Kills(DiskStore(where / "out") if disk else self.memory)
        self.package_kills = PackageKills()
        self.clock = Clock()
        self.mirror: Mirror | None = None  # that of the last pass
        self.error: str | None = None
        self._seen: tuple[Counts, int | None] | None = None
        self.fates: list[AdoptResult] = []  # what the last adoption said
        self.lacks: tuple[str, ...] = ()

    def configure(self, **flags: object) -> None:
        """Change the configuration from the next pass on."""
        self.flags.update(flags)

    @contextmanager
    def state(self) -> Iterator[State]:
        try:
            with open_state(self.where / "state.db") as state:
                yield state
        finally:
            self._seen = None

    def started(self, *projects: str, **about: Any) -> Self:
        """Upload two releases of each project, ``demo`` by default, and build the mirror."""
        for name in projects or ("demo",):
            self.up.upload(name, "1.0", **about)
            self.up.upload(name, "2.0", **about)
        assert self.sync() == DONE
        return self

    def sync(self, *, later: float = 300.0, **request: Any) -> ExitCode:
        """Make a pass ``later`` seconds after the one before; return its exit code."""
        return self.work(lambda mirror: run_pass(mirror, PassRequest(**request)), later)

    def adopt(self, *, rehearse: bool = False, rate: int | None = None) -> int:
        """Adopt what stands in the output; return the exit code."""
        self.fates = []

        def run(mirror: Mirror) -> ExitCode:
            adopted = adopt_output(mirror, self.fates.append, rate=rate, dry_run=rehearse)
            assert adopted.counts.total() == len(self.fates)
            self.lacks = adopted.lacks
            return adopted.exit_code

        return self.work(run, 0.0)

    def work(self, work: Callable[[Mirror], ExitCode], later: float = 300.0) -> ExitCode:
        """Do ``work`` with the mirror opened, as a command does; return its exit code."""
        self.clock.time += later
        self.up.clear_log()
        self.error = None
        settings = load(self.config, {}, **self.flags)
        with self.state() as state:
            settings, forgotten = without_forgotten(settings, state)
            upstream = UpstreamClient(settings, json_only=state.facts.flag("json"))
            run = state.runs.begin("sync", self.clock.time)
            self.mirror = mirror = Mirror(
                settings,
                state,
                upstream,
                self.kills,
                self._package_store(settings, state),
                run,
                now=self.clock.now,
                monotonic=self.clock.monotonic,
                sleep=self.clock.sleep,
                forgotten=forgotten,
            )
            try:
                code = work(mirror)
            except YanksyncError as error:
                self.error, code = str(error), FAILED
            finally:
                upstream.close()
                self.clock.dies = self.kills.at = self.package_kills.at = None
            state.runs.end(run, self.clock.now(), run_record(mirror, code))
        return code

    def _package_store(self, settings: Settings, state: State) -> PackageStore | None:
        has_copies = bool(state.facts.config.has_copies)
        return self.package_kills.around(open_package_store(settings, has_copies=has_copies))

    def resync(self, *names: str, later: float = 300.0) -> ExitCode:
        """Make a full-resync, of everything or of ``names``."""
        projects = tuple(NormalizedName(name) for name in names)
        return self.sync(later=later, everything=not names, projects=projects, at_once=True)

    def settle(self, passes: int = 6, *, later: float = 2 * HOUR) -> ExitCode:
        """Make passes until one is done; return the last exit code."""
        code = self.sync(later=later)
        while code != DONE and (passes := passes - 1) > 0:
            code = self.sync(later=later)
        return code

    def approve(self, *names: str) -> list[str]:
        """Let what is held through, once."""
        with self.state() as state:
            going = select_holds(held_items(state), names)
            approve_held(state, going)
        whole = [WHOLE_MIRROR[held.what] for held in going if held.project is None]
        return whole + sorted({held.project for held in going if held.project is not None})

    def history(self, project: str | None = None) -> list[HistoryRow]:
        with self.state() as state:
            return list(state.history_rows.select(project))

    def told(self, project: str | None = None) -> list[tuple[int | None, str, str | None]]:
        """Return the history in short: (serial, action, reason)."""
        return [(row.serial, str(row.action), row.reason) for row in self.history(project)]

    def counts(self) -> Counts:
        return self._look()[0]

    def cursor(self) -> int | None:
        return self._look()[1]

    def _look(self) -> tuple[Counts, int | None]:
        """Return what the state says; it changes only when it is opened."""
        seen = self._seen
        if seen is None:
            with self.state() as state:
                pending, _, behind = state.fetch_queue.counts()
                unpublished, _ = state.publish_queue.counts()
                counts = Counts(pending, unpublished, count_held(state), behind)
                seen = (counts, state.facts.cursor)
            self._seen = seen
        return seen

    @property
    def requests(self) -> list[Asked]:
        return self.up.requests

    @property
    def asked(self) -> list[str]:
        """The projects whose pages the last pass asked for, sorted, each as often as asked."""
        return sorted(str(request.project) for request in self.up.page_requests())

    def files(self) -> dict[str, bytes]:
        """Return every published file by its path below the output."""
        if not self.disk:
            return dict(self.memory.files)
        out = self.where / "out"
        found = (path for path in out.rglob("*") if path.is_file())
        return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}

    def page(self, name: str) -> dict[str, Any] | None:
        """Return the published JSON page of a project; None when there is none."""
        body = self.kills.store.read(name, JSON)
        return None if body is None else dict(json.loads(body))

    def pages(self, name: str) -> tuple[dict[str, Any], HtmlPage] | None:
        """Return both published forms of a project; None when there are none."""
        in_json = self.page(name)
        in_html = self.kills.store.read(name, HTML)
        assert (in_json is None) == (in_html is None)
        return None if in_json is None or in_html is None else (in_json, HtmlPage(in_html))

    def yanked(self, name: str) -> dict[str, bool | str]:
        """Return what the published page says of each file's yank."""
        page = self.page(name)
        assert page is not None, name
        return {file["filename"]: file["yanked"] for file in page["files"]}

    def listed(self) -> list[str]:
        """Return the names in the published list, sorted."""
        body = self.kills.store.read(None, JSON)
        assert body is not None
        return sorted(normal(row["name"]) for row in json.loads(body)["projects"])

    def stamps(self) -> dict[str, tuple[int, int]]:
        """Return inode and mtime of every published file; on disk only."""
        out = self.where / "out"
        found = {path: path.stat() for path in out.rglob("*") if path.is_file()}
        return {
            path.relative_to(out).as_posix(): (at.st_ino, at.st_mtime_ns)
            for path, at in found.items()
        }

    def keep_state(self, name: str = "kept.db") -> None:
        """Keep a copy of the state, to be put back by :meth:`put_back_state`."""
        with self.state() as state:
            state.backup(self.where / name)

    def put_back_state(self, name: str = "kept.db") -> None:
        self.lose_state()
        shutil.copy(self.where / name, self.where / "state.db")

    def lose_state(self) -> None:
        self._seen = None
        for path in self.where.glob("state.db*"):
            if path.is_file():  # else what is out of service
                path.unlink()

    def keep_tree(self) -> None:
        """Keep a copy of the whole output, on disk, to be put back by :meth:`put_back_tree`."""
        shutil.rmtree(self.where / "kept-out", ignore_errors=True)
        shutil.copytree(self.where / "out", self.where / "kept-out")

    def put_back_tree(self) -> None:
        self.drop_tree()
        (self.where / "kept-out").rename(self.where / "out")

    def drop_tree(self) -> None:
        """Lose the whole output, on disk."""
        shutil.rmtree(self.where / "out")
