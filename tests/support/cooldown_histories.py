"""Random histories under cooldown and overrides, judged by what upstream's own journal says.

The judge knows when each file was really uploaded, whatever its page claims. It shares nothing with
the package.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.support.dated_uploads import names, upload
from tests.support.dying_store import Killed
from tests.support.fake_index.index import Fault, Refused, Served
from tests.support.world import DAY, DONE, HOUR, SCRATCH, World

AGE = 6 * HOUR
PROJECTS = ("alpha", "beta", "gamma")
VERSIONS = ("1.0", "2.0", "3.0")
HIDDEN = "gamma-2.0.tar.gz"  # by an override
OVERRIDES = f'[[override]]\nmatch = "{HIDDEN}"\naction = "hide"\nreason = "ours"\n'

projects = st.sampled_from(PROJECTS)
versions = st.sampled_from(VERSIONS)
dates = st.sampled_from((None, None, "2020-01-01T00:00:00Z"))  # the last one is a lie
passing = st.sampled_from((60.0, HOUR, 3 * HOUR, AGE, 2 * AGE))
faults = st.sampled_from((Fault.status(500), Fault.truncate(), Fault.garbage(), Fault.reset()))


class Truth(NamedTuple):
    """What is known of one file that upstream has."""

    version: str
    uploaded: float  # really; OLD for those from before the mirror


OLD = float("-inf")


class Violation(AssertionError):
    """The mirror offers what it must not, or hides what it must not."""


def judge(offered: set[str], files: Mapping[str, Truth], cutoff: float, *, complete: bool) -> None:
    """Check what is offered of a project against the truth about its files.

    ``complete``: the mirror has seen everything, so that nothing old may be missing. Raises
    :class:`Violation`.
    """
    for name in offered:
        if name == HIDDEN:
            raise Violation(f"{name} is hidden by an override")
        if name in files and cutoff - files[name].uploaded <= AGE:
            raise Violation(f"{name} is offered {cutoff - files[name].uploaded} s after its upload")
    if not complete:
        return
    for name, file in files.items():
        together = [one.uploaded for one in files.values() if one.version == file.version]
        newest = max(moment for moment in together)
        if cutoff - newest > AGE + HOUR and name not in offered and name != HIDDEN:
            raise Violation(f"{name} is still hidden")
    if extra := offered - files.keys():
        raise Violation(f"{extra} is not upstream's any more")


class CooldownHistories(RuleBasedStateMachine):
    """Upstream lives, time passes, the mirror polls, and everything breaks now and then."""

    served: Served

    @initialize(begun=st.lists(st.tuples(projects, versions), max_size=4, unique=True))
    def begin(self, begun: list[tuple[str, str]]) -> None:
        self.where = Path(tempfile.mkdtemp(prefix="yanksync-", dir=SCRATCH))
        (self.where / "overrides.toml").write_text(OVERRIDES)
        self.world = World(
            self.served,
            self.where,
            cooldown_age=str(int(AGE)),
            mirror_overrides=str(self.where / "overrides.toml"),
        )
        self.up = self.world.up
        self.old: set[str] = set()
        for name, version in begun:
            self.up.upload(name, version)
            project = self.up.project(name)
            assert project is not None
            self.old |= project.files.keys()
        self.world.sync()

    @rule(name=projects, version=versions, date=dates)
    def upload(self, name: str, version: str, date: str | None) -> None:
        upload(self.world, name, version, upload_time=date)

    @rule(name=projects, version=versions)
    def remove_release(self, name: str, version: str) -> None:
        with suppress(Refused):
            self.up.remove_release(name, version)

    @rule(name=projects)
    def remove_project(self, name: str) -> None:
        with suppress(Refused):
            self.up.remove_project(name)

    @rule(name=projects, clear=st.booleans())
    def quarantine(self, name: str, clear: bool) -> None:
        with suppress(Refused):
            if clear:
                self.up.clear_project_quarantine(name)
            else:
                self.up.quarantine_project(name)

    @rule(name=projects, version=versions, back=st.booleans())
    def yank(self, name: str, version: str, back: bool) -> None:
        with suppress(Refused):
            if back:
                self.up.unyank(name, version)
            else:
                self.up.yank(name, version, "bad")

    @rule(fault=faults, where=st.sampled_from(("^/simple/[a-z]", "^/pypi")))
    def fault(self, fault: Fault, where: str) -> None:
        self.up.fail(where, fault)

    @rule(later=passing)
    def sync(self, later: float) -> None:
        code = self.world.sync(later=later)
        self.check(complete=code == DONE)

    @rule(at=st.integers(0, 2), after=st.booleans())
    def die(self, at: int, after: bool) -> None:
        self.world.kills.at, self.world.kills.after = at, after
        with suppress(Killed):
            self.world.sync(later=HOUR)
        self.world.kills.at = None

    def check(self, *, complete: bool) -> None:
        """Judge every page by the cut-off that the pass recorded."""
        with self.world.state() as state:
            cutoff = state.facts.moment("cutoff")
        assert cutoff is not None
        for name in PROJECTS:
            if self.world.page(name) is not None:
                judge(set(names(self.world, name)), self.files(name), cutoff, complete=complete)

    def files(self, name: str) -> dict[str, Truth]:
        """Return what upstream has of a project, with the real times of its uploads."""
        project = self.up.project(name)
        if project is None or project.status == "quarantined":
            return {}
        added = {
            entry.action.rpartition(" ")[2]: float(entry.timestamp)
            for entry in self.up.journal
            if entry.action.startswith("add ")
        }
        return {
            file.filename: Truth(
                file.version, OLD if file.filename in self.old else added[file.filename]
            )
            for file in project.visible()
        }

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.up.heal()
            assert self.world.settle(12, later=DAY) == DONE, self.world.error
            assert self.world.sync(later=DAY) == DONE
            self.check(complete=True)
            assert self.world.sync() == DONE
            assert self.world.asked == []
        finally:
            shutil.rmtree(self.where)
