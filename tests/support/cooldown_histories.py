"""Random histories under cooldown, overrides and advisories, which change, too.

Time passes, clocks go wrong, passes fail and are killed. The oracle of
:mod:`tests.support.index_oracle` judges what is offered, by what upstream's own journal says.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.support.dying_store import Killed
from tests.support.fake_index.index import Fault, Refused, Served
from tests.support.index_oracle import Config, IndexOracle, Table, Truth, Violation, Wanted, iso
from tests.support.world import DAY, DONE, HOUR, SCRATCH, World

BEGUN = 1_800_000_000
AGES = (0.0, HOUR / 4, 6 * HOUR)
PROJECTS = ("alpha", "beta", "gamma")
VERSIONS = ("1.0", "2.0", "3.0")
KEPT = "delta"  # never changed: upstream has upload-times, and does not lose everything
WITHDRAWALS = (
    "remove release", "remove project", "quarantine project", "clear project quarantine",
    "quarantine release", "clear release quarantine", "yank", "unyank",
)  # fmt: skip

projects = st.sampled_from(PROJECTS)
versions = st.sampled_from(VERSIONS)
# Upload-times: the truth, three lies, and none.
dates = st.sampled_from((0.0, 0.0, 0.0, -9000.0, -2 * DAY, 2 * HOUR, None))
passing = st.sampled_from((0.0, 60.0, HOUR / 4, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR))
faults = st.sampled_from((Fault.status(500), Fault.truncate(), Fault.garbage(), Fault.reset()))
skews = st.sampled_from((0.0, 0.0, 250.0, -2 * HOUR, 2 * HOUR, 3 * DAY))
moments = st.integers(0, 40).map(lambda hours: float(BEGUN + hours * 3600))
tables = st.lists(
    st.builds(
        lambda match, action, reason, until: Table(
            match, action, reason, BEGUN + DAY if until is None and action == "allow" else until
        ),
        st.sampled_from(("alpha", "beta==2.0.0", "beta==1", "gamma-2.0.tar.gz", "alpha==3.0")),
        st.sampled_from(("allow", "allow", "yank", "hide")),
        st.sampled_from(("", "ours")),
        st.none() | moments,
    ),
    max_size=3,
)
configs = st.builds(
    lambda age, new, **others: Config(age=age, new_projects=max(age, new) if new else 0, **others),
    st.sampled_from(AGES),
    st.sampled_from((0.0, 0.0, 12 * HOUR)),
    mode=st.sampled_from(("hide", "hide", "yank")),
    missing=st.sampled_from(("hide", "allow")),
    not_after=st.none() | moments,
    projects=st.sampled_from(((), (), (("be*", HOUR), ("*", 0.0)), (("gamma", 0.0),))),
    tables=tables.map(tuple),
    malware=st.sampled_from(((), (), (("alpha", "2.0"),), (("gamma", "1.0"), ("beta", "2.0")))),
)


class CooldownHistories(RuleBasedStateMachine):
    """Upstream lives, time passes, the mirror polls, and everything breaks now and then."""

    served: Served
    oracle: ClassVar[Callable[[Config], IndexOracle]] = IndexOracle
    wrong: ClassVar[float] = 0.0  # planted: what the mirror's clock is ahead, unknown to anybody
    tally: ClassVar[Counter[str]] = Counter()

    @initialize(
        begun=st.lists(st.tuples(projects, versions, dates), max_size=5),
        config=configs,
        sealed=st.booleans(),
        narrow=st.booleans(),
    )
    def begin(
        self, begun: list[tuple[str, str, float | None]], config: Config, sealed: bool, narrow: bool
    ) -> None:
        self.where = Path(tempfile.mkdtemp(prefix="yanksync-", dir=SCRATCH))
        (self.where / "osv").mkdir()
        self.world = World(self.served, self.where, mirror_list_interval="0")
        self.up = self.world.up
        self.up.upload(KEPT, "1.0")
        self.real, self.skew = float(BEGUN), 0.0
        self.up.date = lambda: self.real
        self.up.doctor = self._without_dates
        self.undated: set[str] = set()
        self.base: dict[str, int] = {}  # by project: the cursor of its first fetch
        self.ever: dict[str, list[float]] = {}  # when its files began to exist
        self.seen: dict[str, list[float]] = {}  # the same, of those that a pass has seen
        self.judge = type(self).oracle(config)
        self.cutoff: float | None = None
        self._configure(config)
        for name, version, date in begun:
            self.upload(name, version, date)
        if sealed:
            self.withdraw("beta", "1.0", "quarantine project")
        self.narrow = narrow
        if narrow:
            self.world.configure(mirror_projects=["alpha", "beta", KEPT])
        self.sync(0.0)
        self.base = dict.fromkeys(PROJECTS, self.up.last_serial)
        self.sync(0.0)

    def _without_dates(self, page: dict[str, Any]) -> dict[str, Any]:
        for file in page["files"]:
            if file["filename"] in self.undated:
                file.pop("upload-time", None)
        return page

    def _configure(self, config: Config) -> None:
        self.config = config
        lines = []
        for one in config.tables:
            lines += ["[[override]]", f'match = "{one.match}"', f'action = "{one.action}"']
            lines += [f'reason = "{one.reason}"'] if one.reason else []
            lines += [] if one.until is None else [f'until = "{iso(one.until)}"']
        (self.where / "overrides.toml").write_text("\n".join(lines))
        for path in (self.where / "osv").iterdir():
            path.unlink()
        for name, version in config.malware:
            package = {"ecosystem": "PyPI", "name": name}
            record = {"id": "MAL-1", "affected": [{"package": package, "versions": [version]}]}
            (self.where / f"osv/{name}.json").write_text(json.dumps(record))
        self.world.configure(
            cooldown_age=str(int(config.age)),
            cooldown_mode=config.mode,
            cooldown_missing=config.missing,
            cooldown_not_after="" if config.not_after is None else iso(config.not_after),
            cooldown_new_projects=str(int(config.new_projects)) if config.new_projects else "",
            cooldown_projects={name: str(int(age)) for name, age in config.projects},
            mirror_overrides=str(self.where / "overrides.toml"),
            mirror_advisories=[str(self.where / "osv")] if config.malware else [],
        )

    # What upstream and the operator do

    @rule(name=projects, version=versions, date=dates)
    def upload(self, name: str, version: str, date: float | None) -> None:
        self.up.clock = int(self.real)
        claimed = None if date is None else iso(self.real + date)
        before = set() if self.up.project(name) is None else {*self._stored(name)}
        self.up.upload(name, version, upload_time=claimed)
        (added,) = {*self._stored(name)} - before
        if date is None:
            self.undated.add(added)
        self._files(name)

    def _stored(self, name: str) -> set[str]:
        project = self.up.project(name)
        assert project is not None
        return {*project.files}

    @rule(name=projects, version=versions, date=dates, later=passing)
    def upload_and_sync(self, name: str, version: str, date: float | None, later: float) -> None:
        self.upload(name, version, date)
        self._pass(later)

    @rule(name=projects, version=versions, what=st.sampled_from(WITHDRAWALS))
    def withdraw(self, name: str, version: str, what: str) -> None:
        """Let upstream withdraw something, or bring it back."""
        with suppress(Refused):
            if what == "remove project":
                self.up.remove_project(name)
                self.judge.removed(name)
                self.ever.pop(name, None)
                self.seen.pop(name, None)
            elif what == "yank":
                self.up.yank(name, version, "bad")
            else:
                about = (name,) if "project" in what else (name, version)
                getattr(self.up, what.replace(" ", "_"))(*about)

    @rule(config=configs)
    def change_rules(self, config: Config) -> None:
        self._configure(config)

    @precondition(lambda self: self.narrow)
    @rule()
    def widen(self) -> None:
        self.up.heal()
        self.narrow = False
        self.world.configure(mirror_projects=["*"])
        # What a pass that failed has not read yet, the next one reads as new.
        self.base["gamma"] = self.world.cursor() or 0
        self.ever.pop("gamma", None)
        self.sync(60.0)

    # What breaks, and what the mirror does

    @rule(fault=faults, where=st.sampled_from(("^/simple/[a-z]", "^/pypi")))
    def fault(self, fault: Fault, where: str) -> None:
        self.up.fail(where, fault)
        self.tally["faults"] += 1

    @rule(skew=skews)
    def our_clock_goes_wrong(self, skew: float) -> None:
        self.skew = skew

    @rule(later=passing)
    def sync(self, later: float) -> None:
        self._pass(later)

    @rule(later=passing)
    def sync_again(self, later: float) -> None:
        self._pass(later)

    @rule(at=st.integers(-3, 12), after=st.booleans())
    def die(self, at: int, after: bool) -> None:
        """Kill a pass at a look at the clock, or at its writing (below 0)."""
        if at < 0:
            self.world.kills.at, self.world.kills.after = at + 3, after
        else:
            self.world.clock.dies = at
        self._pass(HOUR / 4)

    def _pass(self, later: float) -> None:
        self.real += later
        self.judge.begin_pass(self.config)
        begun = self.real + self.skew + self.wrong
        try:
            code = self.world.sync(later=begun - self.world.clock.time)
        except Killed:
            self.judge.died()
            with self.world.state() as state:
                recorded = state.facts.moment("cutoff")
            for name in PROJECTS:
                page = self.world.page(name)
                found = [] if page is None else page["files"]
                shown = [one["filename"] for one in found if one["yanked"] is False]
                self.judge.doubt(name, shown)
                if recorded is not None:
                    files = self._files(name)
                    self.judge.doubt_recorded(name, files, self._beginnings(name, files), recorded)
            self.judge.config = self.judge.config._replace(age=-1.0)  # it may not have come so far
            self.tally["kills"] += 1
            code = None
        self.real = max(self.real, self.world.clock.time - self.skew - self.wrong)
        self.tally["passes"] += 1
        self.tally["under cooldown"] += not self.config.is_off
        now, last = begun - self.wrong, self.cutoff
        with self.world.state() as state:
            self.cutoff = state.facts.moment("cutoff")
        if code == DONE and not self.config.is_off:
            self._check_cutoff(now, last, self.cutoff)
        if code is not None:
            self._check(now, self.cutoff, complete=code == DONE)

    def _check(self, now: float, recorded: float | None, *, complete: bool) -> None:
        """Judge every page by the cut-off that the pass recorded."""
        with self.world.state() as state:
            waiting = state.file_times.waiting()
        cutoff = now if recorded is None else recorded
        young: list[float] = []
        for name in PROJECTS:
            if self.narrow and name == "gamma":
                continue
            page, files = self.world.page(name), self._files(name)
            offered = {} if page is None else {f["filename"]: f["yanked"] for f in page["files"]}
            if complete:
                wanted = self._check_page(name, offered, files, cutoff)
                assert page is not None or self.up.project(name) is None or not files
                assert page is None or set(page["versions"]) == {
                    one.version for one in files if wanted[one.name].offered
                }
                young += [one.until for one in wanted.values() if one.until is not None]
                self.seen[name] = [*self.seen.get(name, []), *self._moments(files)]
            self.judge.remember(name, offered, files, cutoff)
        if complete and waiting[0] != len(young):
            raise Violation(f"{waiting[0]} files wait, and must be {len(young)}")

    def _check_cutoff(self, now: float, last: float | None, recorded: float | None) -> None:
        wanted = now
        if abs(self.skew) > 300.0:
            wanted = min(now, now - self.skew) if last is None else last
        elif last is not None and now < last:
            wanted = last
        if recorded is None or abs(recorded - wanted) > 3.0:
            raise Violation(f"the cut-off is {recorded}, and must be {wanted}")

    def _check_page(
        self, name: str, offered: dict[str, bool | str], files: list[Truth], cutoff: float
    ) -> dict[str, Wanted]:
        return self.judge.check(name, offered, files, self._beginnings(name, files), cutoff)

    def _beginnings(self, name: str, files: list[Truth]) -> list[float | None]:
        """Return the moments at which a project may have begun."""
        now = self._moments(files)
        return list(
            {min([*known.get(name, []), *now], default=None) for known in (self.seen, self.ever)}
        )

    def _moments(self, files: list[Truth]) -> list[float]:
        found = (self.judge.effective(one) for one in files)
        return [one for one in found if one is not None]

    def _files(self, name: str) -> list[Truth]:
        """Return what the page of a project has, with the real times of its uploads."""
        project = self.up.project(name)
        if project is None:
            return []
        added = {
            entry.action.rpartition(" ")[2]: float(entry.timestamp)
            for entry in self.up.journal
            if entry.action.startswith("add ") and entry.serial > self.base.get(name, 2**62)
        }
        truths = {
            file.filename: Truth(
                file.filename,
                file.version,
                None if file.filename in self.undated else file.upload_time,
                added.get(file.filename),
                project.yanked(file),
            )
            for file in project.files.values()
        }
        self.ever[name] = [*self.ever.get(name, []), *self._moments([*truths.values()])]
        return [truths[file.filename] for file in project.visible()]

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self._end()
        finally:
            shutil.rmtree(self.where)

    def _end(self) -> None:
        self.up.heal()
        self.skew = 0.0
        for _ in range(5):  # until the recorded cut-off, of a wrong clock, is past
            self._pass(DAY)
        assert self.world.counts() == (0, 0, 0, 0), self.world.error
        self._pass(0.0)
        assert self.world.asked == []
        self.tally["histories"] += 1
