"""Passes and commands that work on package files, killed or failed at each of their calls.

What a call does is told by where its file is: *received* ones become copies, *served* ones leave,
and *withheld* ones come back or are deleted. A *note* lets a download be resumed.
"""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import ClassVar

from tests.soak.kills import CALLS, KILLED, Scenario, content
from tests.support.copy_oracle import INCOMING, check_links, check_settled, served_copies
from tests.support.fake_index.index import Fault, Served
from tests.support.page_assertions import assert_equal_to_upstream
from tests.support.world import DONE, PARTIAL
from yanksync.config.load import load
from yanksync.sync.package_files.restore import find_restorable, restore

RECEIVED, NOTES, SERVED, WITHHELD = "received", "notes", "served", "withheld"
FILES = (RECEIVED, NOTES, SERVED, WITHHELD, "deleted index")
LARGE = b"0123456789abcdef" * (3 << 16)  # 3 MiB: what is resumed is more than 1 MiB
GRACE = "1h"  # over, in the pass, for what left before
OLD = "2020-01-01T00:00:00Z"


class Copying(Scenario):
    """A pass in which files come and go, come back, are resumed, dropped and deleted."""

    groups = (*Scenario.groups, *FILES)
    calls = (*CALLS, "chmod")
    flags: ClassVar[dict[str, object]] = {
        "mirror_files": "copy",
        "files_free_space": "0",
        "files_grace": GRACE,
        "files_deleted_index": "yes",
    }
    more = 'files = "copy"\n[files]\nfree_space = 0\ngrace = "1h"\ndeleted_index = true\n'
    codes: ClassVar[tuple[int, ...]] = (DONE,)  # of a run that nothing hits

    def __init__(self, served: Served, where: Path) -> None:
        self._places: dict[str, set[str]] = {}
        super().__init__(served, where)

    @property
    def output(self) -> Path:
        return self.work / "out"

    def _live_before(self) -> None:
        up, world = self.world.up, self.world
        for name in ("cleared", "expired", "yanked", "removed"):
            up.upload(name, "0.5", core_metadata=True)
        for version in ("0.5", "0.6"):
            up.upload("deleted", version, upload_time=OLD, core_metadata=True)
            up.upload("restored", version, core_metadata=True)
        assert world.sync() == DONE
        up.quarantine_project("cleared")
        up.remove_release("expired", "0.5")
        assert world.sync() == DONE
        world.configure(files_grace="7d")
        up.remove_release("restored", "0.5")
        assert world.sync() == DONE
        world.configure(files_grace=GRACE)
        up.upload("resumed", "1.0", content=LARGE)
        up.upload("dropped", "1.0", content=LARGE[::-1])
        up.upload("dropped", "2.0")
        up.upload("damaged", "1.0", content=LARGE[1:])
        up.fail("/(resumed|dropped|damaged)-1.0", Fault.truncate(), None)
        assert world.sync() == PARTIAL
        up.heal()
        notes = list(self.output.glob(f"{INCOMING}*.part"))
        assert len(notes) == 3
        (damaged,) = (path for path in notes if "damaged" in path.read_text())
        damaged.with_suffix("").write_bytes(LARGE[: len(LARGE) // 2])

    def _live(self) -> None:
        super()._live()
        up = self.world.up
        up.clear_project_quarantine("cleared")
        up.remove_release("dropped", "1.0")
        up.remove_release("deleted", "0.5")
        up.quarantine_release("yanked", "0.5")
        up.upload("large", "1.0", content=LARGE[2:])

    def _check_listed(self, done: subprocess.CompletedProcess[str]) -> None:
        assert done.returncode in self.codes and "Traceback" not in done.stderr, done

    def _check_done(self) -> None:
        if self.command != Scenario.command:
            self._repair()
            self.world.clock.time = time.time()
            code = self.world.settle(6)
            assert code == DONE, (code, self.world.error, self.world.counts())
        self._check_upstream()
        self._check_settled()
        self.stands = self._everything()

    def _check_upstream(self) -> None:
        assert_equal_to_upstream(self.world)

    def _check_settled(self) -> None:
        check_settled(self.output)

    def _repair(self) -> None:
        """Do what the command leaves to others."""

    def _everything(self) -> dict[str, bytes]:
        """Return all that is served of files, by path."""
        pages = (path for path in (self.output / "deleted").rglob("*") if path.is_file())
        return served_copies(self.output) | {str(path): content(path) for path in pages}

    def _group(self, arguments: str) -> str:
        group = self._file_group(arguments)
        return super()._group(arguments) if group is None else group

    def _file_group(self, arguments: str) -> str | None:
        for root in ("out/packages", "out/deleted", "state.db.withheld"):
            _, found, rest = arguments.partition(f"{self.work}/{root}")
            if found:
                place = rest.partition('"')[0].partition(">")[0]
                group = _group_of(root, place)
                self._places.setdefault(group, set()).add(f"{self.work}/{root}{place}")
                return group
        return None

    def _paths(self, group: str) -> list[str]:
        return sorted(self._places[group]) if group in FILES else super()._paths(group)

    def put_back(self) -> None:
        super().put_back()
        self.world.clock.time = time.time()
        self.may_lack = set[str]()
        self.copies = {*served_copies(self.output)}

    def check_tree(self, *, listed: bool = True) -> None:
        """Each page is whole, and names no copy that is missing or wrong."""
        self.check_copies()
        for path, body in self.files().items():
            if "json" in path:
                json.loads(body)
            else:
                assert b"</html>" in body, path

    def check_copies(self) -> None:
        check_links(self.output, self.may_lack)

    def _check_killed(self, done: subprocess.CompletedProcess[str]) -> None:
        is_killed = done.returncode in KILLED
        assert is_killed or done.returncode in self.codes, done
        assert "Traceback" not in done.stderr, done
        self.tally["kills" if is_killed else "past"] += 1
        self.check_tree()

    def _check_failed(self, done: subprocess.CompletedProcess[str]) -> None:
        self.tally["errors"] += 1
        assert "internal error" not in done.stderr, done
        assert done.returncode in (*self.codes, 1, 3, 75), done
        assert "Traceback" not in done.stderr or "yanksync: " not in done.stderr, done
        if done.returncode == 1:  # where a page cannot be written, a withdrawn file goes before it
            self.may_lack = self.copies - {*self.stands}
        self.check_tree()

    def _finish_alone(self) -> None:
        """Run a pass without upstream.

        No page gets worse. Only files that a page names are served.
        """
        self.world.up.fail(".", Fault.status(503, 0), None)
        assert self.world.sync(later=0) != DONE
        self.world.up.heal()
        self.may_lack = set()
        self.check_tree()
        assert {*served_copies(self.output)} <= {*check_links(self.output), *self.stands}
        self.tally["finished alone"] += 1

    def heal(self) -> None:
        """Repeat the command before all else."""
        if self.command != Scenario.command:
            done = self.run()
            assert done.returncode in (DONE, 1), done
        super().heal()
        self._check_settled()
        now = self._everything()
        other = {path for path in {*now, *self.stands} if now.get(path) != self.stands.get(path)}
        assert other == set(), other


def _group_of(root: str, place: str) -> str:
    if root == "out/deleted":
        return "deleted index"
    if root != "out/packages":
        return WITHHELD
    if not f"packages{place}/".startswith(INCOMING):
        return SERVED
    return NOTES if place.endswith(".part") else RECEIVED


class Keeping(Copying):
    """Runs a pass that keeps files removed upstream.

    It also puts restored files back.
    """

    flags: ClassVar[dict[str, object]] = {**Copying.flags, "mirror_deleted": "yank"}
    more = 'deleted = "yank"\n' + Copying.more

    def _live(self) -> None:
        super()._live()
        settings = load(None, {}, **self.world.flags)
        with self.world.state() as state:
            restore(state, find_restorable(state, settings, ["restored"], force=False))
        self.world.up.remove_project("calm")

    def _check_upstream(self) -> None:
        """Pages have more than those of upstream: the kept and the restored files."""
        assert {"deleted-0.5.tar.gz", "restored-0.5.tar.gz"} <= self.offered()

    def offered(self) -> set[str]:
        """Return the names of all files that pages offer."""
        return {name for page in self.simple.glob("*") if page.is_dir()
                for name in self.world.yanked(page.name)}  # fmt: skip


class Linking(Copying):
    """A pass that begins to link to upstream's files: all copies leave."""

    more = Copying.more.replace('"copy"', '"link"').replace("deleted_index = true\n", "")

    def _live(self) -> None:
        super()._live()
        self.world.configure(mirror_files="link", files_deleted_index="no")

    def _check_settled(self) -> None:
        assert check_links(self.output) == set() == {*served_copies(self.output)}
        assert not list((self.output / "packages").glob(".incoming/*"))


class Forgetting(Copying):
    """``forget``, of projects with copies, withheld ones and a part."""

    command = ("forget", "--yes", "removed", "restored", "resumed")

    def _check_upstream(self) -> None:
        names = {path.name for path in self.simple.glob("*") if path.is_dir()}
        assert names.isdisjoint(self.command) and "yanked" in names

    def _check_settled(self) -> None:
        super()._check_settled()
        left = [path.name.rpartition("-")[0] for path in self.work.rglob("*-*.*")]
        assert not {*left} & {*self.command}, left


class Restoring(Copying):
    """``restore``, which the next pass carries out."""

    command = ("restore", "restored")

    def _check_upstream(self) -> None:
        assert set(self.world.yanked("restored")) >= {"restored-0.5.tar.gz"}


class Verifying(Copying):
    """``verify --hash`` of a mirror with copies that were altered, lost, and put there."""

    command: ClassVar[tuple[str, ...]] = ("verify", "--hash")
    codes: ClassVar[tuple[int, ...]] = (1,)
    again: ClassVar[tuple[int, ...]] = ()  # more codes of the command when it is repeated
    is_checked = True  # a run of the command came to its end since the mirror was put back

    def _live(self) -> None:
        super()._live()
        self.world.settle(3, later=60)
        copies = served_copies(self.output)
        damaged = sorted(path for path in copies if "/yanked-" in path or "/calm-" in path)
        for path in damaged[::2]:
            (self.output / path).write_bytes(copies[path].swapcase())
        (self.output / damaged[1]).unlink()
        (self.output / "packages/planted.txt").write_text("planted")

    def put_back(self) -> None:
        super().put_back()
        self.is_checked = False

    def check_copies(self) -> None:
        if self.is_checked:
            super().check_copies()

    def _finish_alone(self) -> None:
        """A pass looks at no copy that it knows."""

    def _repair(self) -> None:
        repaired = self.run(args=("verify", "--repair"))
        assert repaired.returncode == 0, repaired

    def heal(self) -> None:
        """Repeat the command before all else."""
        done = self.run()
        assert done.returncode in (*self.codes, *self.again), done
        served = served_copies(self.output)
        both = {*served} & {*self.stands}
        assert {path for path in both if served[path] != self.stands[path]} == set()
        self._repair()
        self.is_checked = True
        super().heal()


class Repairing(Verifying):
    """``verify --hash --repair``, which downloads what it finds altered or lost."""

    command = ("verify", "--hash", "--repair")
    codes = (0, 1)
    again = (3,)  # a copy is missing, and the next run downloads it


SCENARIOS = (Copying, Keeping, Verifying, Repairing, Forgetting, Linking, Restoring)
NAMES = tuple(one.__name__ for one in SCENARIOS)
