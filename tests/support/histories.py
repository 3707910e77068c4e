"""Random histories of an upstream and its mirror, step by step."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)

from tests.support.dying_store import Killed
from tests.support.fake_index.index import Fault, Refused, Served
from tests.support.page_assertions import assert_equal_to_upstream, normal
from tests.support.world import DAY, DONE, HELD, HOUR, SCRATCH, Counts, World
from yanksync.core.model import HistoryAction, JournalEntry
from yanksync.state.views.holds import held_items

NAMES = (("Alpha", "alpha"), ("be.Ta", "BE_ta"), ("Gam_ma", "gam-ma"))  # two spellings of each
VERSIONS = ("1.0", "1.0.0", "2.0", "3.0rc1", "1!1.0", "1.0+l.1")
REASONS = (
    "", "broken", "false", "0", " ", "\r\n", 'a"b\'c<b>&amp;</a>\n', "\u2028\u202e\x07\ufffe",
    "😀" * 40, "x" * 300,
)  # fmt: skip

names = st.sampled_from(NAMES)
versions = st.sampled_from(VERSIONS)
reasons = st.sampled_from(REASONS)
begun = st.lists(st.tuples(names, versions), max_size=4)
times = st.integers(1, 3)
actions = st.sampled_from(("add Owner release", "remove Maintainer x", "invite"))
faults = st.sampled_from(
    (
        Fault.status(500), Fault.status(503), Fault.status(429, 0), Fault.status(403),
        Fault.truncate(), Fault.garbage(), Fault.reset(), Fault.maintenance(),
        Fault.content_type("text/plain"), Fault.fallback_origin(),
    )
)  # fmt: skip
journal_faults = st.sampled_from(
    (
        Fault.status(500), Fault.status(429), Fault.truncate(), Fault.garbage(), Fault.reset(),
        Fault.maintenance(), Fault.rate_limit(), Fault.entity_bomb(), Fault.status(404),
        Fault.rpc_fault(-32601, "server error; requested method not found"),
    )
)  # fmt: skip


class Histories(RuleBasedStateMachine):
    """Upstream lives, the mirror polls, everything breaks now and then."""

    served: Served

    @initialize(
        omit=st.booleans(),
        begun=begun,
        disk=st.booleans(),
    )
    def begin(self, omit: bool, begun: list[tuple[tuple[str, str], str]], disk: bool) -> None:
        self.where = Path(tempfile.mkdtemp(prefix="yanksync-", dir=SCRATCH))
        policy = "omit" if omit else "mark"
        self.world = World(self.served, self.where, disk=disk, mirror_yanked=policy)
        self.up = self.world.up
        self.reasons: dict[int, str] = {}  # of each yank, by its serial
        self.silent = False  # something changed without a serial
        self.missed: set[str] = set()  # projects that an old page said to be missing
        self.cooling = False  # files that were not seen before are young
        self.kept = False
        self.base = self.kept_base = 0  # the serial after which the history is whole
        for name, version in begun:
            self.up.upload(name[0], version)

    # What upstream does

    @rule(name=names, version=versions, other=st.booleans())
    def upload(self, name: tuple[str, str], version: str, other: bool) -> None:
        self.up.upload(name[other], version)

    @rule(name=names, version=versions, reason=reasons)
    def yank(self, name: tuple[str, str], version: str, reason: str) -> None:
        with suppress(Refused):
            self.reasons[self.up.yank(name[0], version, reason)] = reason

    @rule(name=names, version=versions)
    def unyank(self, name: tuple[str, str], version: str) -> None:
        with suppress(Refused):
            self.up.unyank(name[0], version)

    @rule(name=names, which=st.integers(0, 9))
    def remove_file(self, name: tuple[str, str], which: int) -> None:
        project = self.up.project(name[0])
        if project and project.files:
            self.up.remove_file(name[0], sorted(project.files)[which % len(project.files)])

    @rule(name=names, version=versions)
    def remove_release(self, name: tuple[str, str], version: str) -> None:
        with suppress(Refused):
            self.up.remove_release(name[0], version)

    @rule(name=names)
    def remove_project(self, name: tuple[str, str]) -> None:
        with suppress(Refused):
            self.up.remove_project(name[0])

    @rule(name=names, version=versions, clear=st.booleans())
    def quarantine_release(self, name: tuple[str, str], version: str, clear: bool) -> None:
        with suppress(Refused):
            if clear:
                self.up.clear_release_quarantine(name[0], version)
            else:
                self.up.quarantine_release(name[0], version)

    @rule(name=names, clear=st.booleans())
    def quarantine_project(self, name: tuple[str, str], clear: bool) -> None:
        with suppress(Refused):
            if clear:
                self.up.clear_project_quarantine(name[0])
            else:
                self.up.quarantine_project(name[0])

    @rule(name=names, action=actions)
    def role(self, name: tuple[str, str], action: str) -> None:
        with suppress(Refused):
            if action == "invite":
                self.up.invite(name[0])
            else:
                self.up.role(name[0], action)

    @rule(name=names, status=st.sampled_from(("archived", "active", "deprecated")))
    def set_status(self, name: tuple[str, str], status: str) -> None:
        with suppress(Refused):
            self.up.set_status(name[0], status)
            self.silent = True

    @rule(verb=st.sampled_from(("resurrect", "docupdate", "frobnicate release")), name=names)
    def strange_row(self, verb: str, name: tuple[str, str]) -> None:
        self.up.raw_row("../../" + name[0], None, verb, 5)
        if project := self.up.project(name[0]):
            self.up.raw_row(project.display, None, verb, 5)
        self.up.burn_serial()

    # What stands between

    @rule(on=st.booleans())
    def cdn(self, on: bool) -> None:
        self.up.cdn = on

    @rule(name=names, count=times)
    def stale(self, name: tuple[str, str], count: int) -> None:
        if self.up.before(name[0]).project is not None:
            self.up.serve_stale(name[0], count)
        elif normal(name[0]) not in self.missed:  # two 404s are the truth (R7)
            self.missed.add(normal(name[0]))
            self.up.serve_stale(name[0], 1)

    @rule(name=names)
    def alternate(self, name: tuple[str, str]) -> None:
        self.up.cdn_alternate(name[0])

    @rule(name=names)
    def release(self, name: tuple[str, str]) -> None:
        self.up.cdn_release(name[0])

    @rule()
    def old_list(self) -> None:
        self.up.freeze_list()

    # What the mirror does

    @rule(later=st.sampled_from((0.0, 61.0, 300.0, 3 * HOUR, 30 * HOUR)))
    def poll(self, later: float) -> None:
        self._poll(later)

    @rule(fault=faults, name=names, count=times)
    def poll_with_fault(self, fault: Fault, name: tuple[str, str], count: int) -> None:
        key = normal(name[0])
        self.up.fail(f"^/simple/{key}/", fault, count)
        self._poll(300.0)
        self.up.heal()

    @rule(name=names)
    def poll_with_404(self, name: tuple[str, str]) -> None:
        if self.world.counts().pending == 0:  # two such lies in a row are the truth (R7)
            key = normal(name[0])
            self.up.fail(f"^/simple/{key}/", Fault.status(404))
        self._poll(300.0)
        self.up.heal()

    @rule(fault=journal_faults, pattern=st.sampled_from(("^/pypi", "^/simple/$")))
    def poll_without_journal(self, fault: Fault, pattern: str) -> None:
        if self.world.cursor() is not None:  # the first answer decides what is followed (R15)
            self.up.fail(pattern, fault)
        self._poll(300.0)
        self.up.heal()

    @rule(at=st.integers(0, 3), after=st.booleans())
    def poll_killed_while_publishing(self, at: int, after: bool) -> None:
        self.world.kills.at, self.world.kills.after = at, after
        self._poll(300.0)

    @rule(looks=st.integers(0, 12))
    def poll_killed(self, looks: int) -> None:
        self.world.clock.dies = looks
        self._poll(300.0)

    @rule()
    def resync(self) -> None:
        self._note_baseline()
        with suppress(Killed):
            self.world.resync()

    @rule(looks=st.integers(0, 12))
    def resync_killed(self, looks: int) -> None:
        self.world.clock.dies = looks
        self.resync()

    @rule()
    def change_policy(self) -> None:
        now = self.world.flags["mirror_yanked"]
        self.world.configure(mirror_yanked="mark" if now == "omit" else "omit")

    @rule()
    def back_up(self) -> None:
        self.world.keep_state("kept.db" if not self.kept else "later.db")
        if self.kept:
            (self.where / "later.db").rename(self.where / "kept.db")
        self.kept, self.kept_base = True, self.base

    @precondition(lambda self: self.kept and not self.silent)
    @rule()
    def put_back(self) -> None:
        """Put back an older state.

        It is noticed by serials. Changes of pages that lack one go unseen.
        """
        self.world.put_back_state()
        self.base = self.kept_base

    def _poll(self, later: float) -> None:
        self._note_baseline()
        with suppress(Killed):
            self.world.sync(later=later)
            self._check_quarantines()

    def _note_baseline(self) -> None:
        """Note where the history starts."""
        if self.world.cursor() is None:
            self.base = self.up.served_listing().serial

    def _check_quarantines(self) -> None:
        """R9: what the journal quarantined last, as far as this state read it, offers nothing."""
        cursor = self.world.cursor()
        newest: dict[str, JournalEntry] = {}
        for entry in self.up.journal:
            read = cursor is not None and self.base < entry.serial <= cursor
            if read and not entry.action.startswith(("add Owner ", "remove M", "invite", "docu")):
                newest[normal(entry.name)] = entry
        for name, entry in newest.items():
            page = self.world.page(name)
            if entry.action == "project quarantined" and page is not None:
                # A page of later may show that it was cleared before the journal is read to there.
                assert page["files"] == [] or page["meta"]["_last-serial"] > entry.serial

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self._end()
        finally:
            shutil.rmtree(self.where)

    def _end(self) -> None:
        world = self.world
        self.up.heal()
        self.up.cdn = False
        self.up.cdn_clear()
        self.up.thaw_list()
        self._note_baseline()
        code = world.settle(12, later=25 * HOUR)
        if code == HELD:
            self._approve_a_loss_of_everything()
            code = world.settle(12, later=25 * HOUR)
        assert code == DONE, (code, world.error, world.counts())
        if self.cooling:  # what that pass saw first was young
            assert world.sync(later=2 * HOUR) == DONE
        if self.silent:
            world.sync(later=31 * DAY)
            for _ in range(3):
                assert world.sync(later=HOUR) == DONE
        assert_equal_to_upstream(world)
        assert world.counts() == Counts(0, 0, 0, 0)
        assert not list(self.where.rglob("*.tmp"))
        self._check_history()
        assert world.sync() == DONE
        assert len(world.requests) == 1 and world.requests[0].call, world.requests

    def _approve_a_loss_of_everything(self) -> None:
        """R8 holds it always: a person must say that upstream really has nothing any more."""
        with self.world.state() as state:
            found = held_items(state)
        assert found and all("no file would be left in the mirror" in one.why for one in found)
        self.world.approve()

    def _check_history(self) -> None:
        rows = self.world.history()
        # An entry that removes a project has a row, and one for each release hidden by cooldown.
        entries = [
            row
            for row in rows
            if row.serial is not None and row.action is not HistoryAction.AVERTED
        ]
        told = {row.serial: row for row in entries}
        # The journal explains it all, but a first look may be older than where the history starts.
        verbs = ("remove r", "remove f", "remove p", "yank", "unyank", "project q", "release q")
        early = [e for e in self.up.journal if e.serial <= self.base and e.action.startswith(verbs)]
        known = {(normal(e.name), version) for e in early for version in (e.version, None)}
        whole = {normal(e.name) for e in early if e.version is None}  # explains every version
        seen = [row for row in rows if row.serial is None and row.project not in whole]
        unknown = [row for row in seen if (row.project, row.version) not in known]
        assert unknown == [], unknown
        words = {"yank release": HistoryAction.YANK, "unyank release": HistoryAction.UNYANK}
        wanted = {
            e.serial: e for e in self.up.journal if e.action in words and e.serial > self.base
        }
        assert {s for s, row in told.items() if row.action in words.values()} == {*wanted}
        for serial, entry in wanted.items():
            row = told[serial]
            assert (row.action, row.version) == (words[entry.action], entry.version)
            if row.action is HistoryAction.YANK:
                assert row.reason in (None, self.reasons[serial])
        newest = {(normal(e.name), e.version): e.serial for e in wanted.values()}
        for (name, version), serial in newest.items():
            project = self.up.project(name)
            if project is not None and any(
                file.version == version and project.yanked(file) is not None
                for file in project.visible()
            ):
                assert told[serial].reason == self.reasons[serial]
        assert len(told) == len(entries)
