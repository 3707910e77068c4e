"""The histories of the state machine, with every other lie that an upstream can tell."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support.cooldown_histories import CooldownHistories
from tests.support.copy_histories import CopyHistories
from tests.support.fake_index.faults import Kind
from tests.support.fake_index.index import Fault, Refused, Served, Snapshot
from tests.support.histories import REASONS, VERSIONS, Histories, begun, names
from tests.support.page_assertions import normal
from tests.support.world import DAY, DONE, HELD, HOUR, Counts
from yanksync.config.load import load
from yanksync.core.project_state import Presence
from yanksync.state.state import State
from yanksync.sync.config_changes import rendering_policy

OTHER = "ab" * 32  # the digest of a file that was exchanged


def _redirect(code: int, to: str) -> Fault:
    return Fault(Kind.REPLACE, code=code, headers=(("Location", to),))


PAGE_LIES = (
    *(Fault.status(code) for code in (400, 401, 403, 408, 410, 418, 451, 500, 502, 504, 599)),
    *(Fault.status(429, 0), Fault.status(503, 0), Fault.status(429), Fault.status(204)),
    *(Fault.truncate(), Fault.garbage(), Fault.reset(), Fault.hang(0.01), Fault.drip(0.02)),
    *(Fault.maintenance(), Fault.fallback_origin(), Fault.delay(0.01)),
    *(Fault.content_type(text) for text in ("", "text/plain", "application/json", "text/html")),
    *(Fault.body(body, "application/vnd.pypi.simple.v1+json") for body in (b"", b"{}", b"[]")),
    Fault.body(b"[" * 100_000, "application/vnd.pypi.simple.v1+json"),
    *(_redirect(code, "/simple/loop/") for code in (301, 302, 307, 308)),
    *(_redirect(302, to) for to in ("//other.example/", "ftp://x/", "http://127.0.0.2:9/", "")),
)  # fmt: skip
JOURNAL_LIES = (
    *(Fault.status(code) for code in (403, 405, 429, 500, 503)),
    *(Fault.truncate(), Fault.garbage(), Fault.reset(), Fault.hang(0.01), Fault.maintenance()),
    *(Fault.rate_limit(0), Fault.rate_limit(), Fault.entity_bomb(), Fault.content_type("a/b")),
    Fault.rpc_fault(-32601, "server error; requested method not found"),
    Fault.rpc_fault(-32500, "application error"),
    Fault.rpc_fault(-32700, "parse error; not well formed"),
    *(_redirect(302, to) for to in ("/pypi", "//other.example/", "http://127.0.0.2:9/")),
    Fault.body(b"<?xml version='1.0'?><methodResponse>", "text/xml"),
)  # fmt: skip
LOSSES = (Fault.empty_page(), *(Fault.status(code) for code in (404, 503)), Fault.garbage())
LIST_LIES = (Fault.empty_list(), Fault.half_list(), *JOURNAL_LIES[:10])


class Harder(Histories):
    """Adds lasting faults, and an upstream put back to a backup."""

    tally: ClassVar[Counter[str]] = Counter()
    snapshot: Snapshot | None = None
    replaced = False  # the journal was, once
    lost = False  # the state was: what is behind since comes with the sweep
    mixed = False  # the policy was another one since the state was backed up
    unseen = False  # a state was put back, and the list tells nobody
    forgetful = False  # a state was put back, and no pass was made since
    manifests: Path | None = None  # what a hook is told of, if it is

    @initialize(
        omit=st.booleans(), begun=begun, disk=st.booleans(), told=st.booleans(), gzip=st.booleans(),
        cooling=st.booleans(),
    )  # fmt: skip
    def begin(
        self, omit: bool, begun: list[tuple[tuple[str, str], str]], disk: bool,
        told: bool = False, gzip: bool = False, cooling: bool = False,
    ) -> None:  # fmt: skip
        super().begin(omit, begun, disk)
        self.cooling = cooling
        if cooling:  # young is what was first seen on a page, before its entry was read
            self.world.configure(cooldown_age="1h", cooldown_missing="allow")
        self.copy: dict[str, bytes] = {}  # of whoever follows the manifests
        self.read: set[str] = set()
        if told:
            self.manifests = self.where / "manifests"
            self.world.configure(
                hooks_manifest=str(self.manifests),
                hooks_manifest_keep=str(366 * DAY),
                health_metrics=str(self.where / "yanksync.prom"),
            )
        self.world.configure(mirror_compress=["gzip"] if gzip else [])

    @rule(lie=st.sampled_from(PAGE_LIES), name=names, times=st.sampled_from((1, 2, 5, None)))
    def lie_in_a_page(self, lie: Fault, name: tuple[str, str], times: int | None) -> None:
        self.up.fail(f"^/simple/{normal(name[0])}/", lie, times)
        self._poll(300.0)
        self._poll(7200.0)
        self.tally["faults"] += 1

    @rule(lie=st.sampled_from(PAGE_LIES))
    def lie_in_all_pages(self, lie: Fault) -> None:
        self.up.fail("^/simple/.+", lie, None)
        self._poll(300.0)
        self.up.heal()
        self.tally["faults"] += 1

    @rule(lie=st.sampled_from(JOURNAL_LIES), passes=st.integers(1, 3))
    def lie_in_the_journal(self, lie: Fault, passes: int) -> None:
        if self.world.cursor() is not None:  # the first answer decides what is followed (R15)
            self.up.fail("^/pypi", lie, None)
        for _ in range(passes):
            self._poll(300.0)
        self.up.heal()
        self.tally["faults"] += 1

    @rule(lie=st.sampled_from(LIST_LIES))
    def lie_in_the_list(self, lie: Fault) -> None:
        if self.world.cursor() is not None:
            self.up.cdn_clear()  # an old 404 and a list without the project are its removal (R7)
            self.up.fail("^/simple/$", lie, None)
            self.resync()
            self.up.heal()
            self.tally["faults"] += 1

    @rule(name=names)
    def a_page_without_files(self, name: tuple[str, str]) -> None:
        if self._is_a_lie(name[0]):
            self.up.fail(f"^/simple/{normal(name[0])}/", Fault.empty_page())
            self.tally["faults"] += 1
        self._poll(300.0)
        self.up.heal()

    def _is_a_lie(self, name: str) -> bool:
        """Whether an empty page can be told from the truth: by what is held, and once (R7)."""
        cursor, page = self.world.cursor(), self.world.page(normal(name))
        if cursor is None or page is None or self.world.counts().pending:
            return False
        with self.world.state() as state:  # which may have been put back: then it knows less
            row = next(iter(state.projects.get([normal(name)]).values()), None)
        if row is None or row.presence is not Presence.PRESENT or not row.published:
            return False
        unread = [entry.action for entry in self.up.journal if entry.serial > cursor]
        removes = ("remove re", "remove f", "remove p", "release q", "project q")
        return bool(page["files"]) and not any(one.startswith(removes) for one in unread)

    @rule(
        name=names, rehash=st.booleans(), passes=st.integers(1, 2), reason=st.sampled_from(REASONS)
    )
    def a_file_is_lost_and_a_release_is_yanked(
        self, name: tuple[str, str], rehash: bool, passes: int, reason: str
    ) -> None:
        """R8: only the loss is held, and it hides no yank."""
        key, project = normal(name[0]), self.up.project(name[0])
        files = self._recorded(key) if self._is_a_lie(name[0]) else []
        if project is None or not files:
            return
        lost = files[0]
        self.up.doctor = partial(_without, key, lost, rehash)
        for _ in range(passes):  # within guard.confirm_after
            self.up.raw_row(project.display, None, "frobnicate", 5)
            self._poll(150.0)
        for version in VERSIONS:
            with suppress(Refused):
                self.reasons[self.up.yank(name[0], version, reason)] = reason
        self._poll(150.0)
        page = self.world.page(key)
        assert page is not None
        if self.world.flags["mirror_yanked"] == "mark":
            assert lost in {file["filename"] for file in page["files"]}
        hashes = [file["hashes"] for file in page["files"] if file["filename"] == lost]
        assert hashes != [{"sha256": OTHER}]
        self.up.doctor = None
        self.up.raw_row(project.display, None, "frobnicate", 5)
        self.tally["faults"] += 1
        self.tally["lost files"] += 1

    def _recorded(self, key: str) -> list[str]:
        """Return the files on the page that the state holds, if the output shows them, too."""
        page = self.world.page(key)
        with self.world.state() as state:
            row = next(iter(state.projects.get([key]).values()))
            stored = state.projects.page(row.id)
        if page is None or stored is None:
            return []
        held = {file["filename"] for file in json.loads(stored.text)["files"]}
        return [file["filename"] for file in page["files"] if file["filename"] in held]

    @rule()
    def the_whole_host_answers_404(self) -> None:
        """R7: an outage removes nothing."""
        before = self._published()
        self.up.fail("^/", Fault.status(404), None)
        if self.world.cursor() is not None and self.world.counts() == Counts(0, 0, 0, 0):
            for later in (300.0, 2 * HOUR):
                self._poll(later)
            assert self._published() >= before  # more, when the output was lost before
        self.up.heal()
        self.tally["faults"] += 1

    def _published(self) -> set[str]:
        return {path.split("/")[1] for path in self.world.files() if path.count("/") == 2}

    @rule(name=names)
    def upstream_loses_what_a_page_has_shown(self, name: tuple[str, str]) -> None:
        """Lose what a page has shown.

        R14: a page ahead of the journal is no floor for a journal that lacks it.
        """
        project = self.up.project(name[0])
        calm = self.world.counts() == Counts(0, 0, 0, 0)
        if project is None or not calm or self.world.cursor() != self.up.last_serial:
            return
        self.up.heal()
        self.up.raw_row(project.display, None, "frobnicate", 5)
        self.up.doctor = partial(_ahead, normal(name[0]), self.up.last_serial + 2)
        self._poll(300.0)
        self.up.doctor = None
        with self.world.state() as state:
            ahead = state.unconfirmed_serials.upto(2**31)
        for _ in range(6):  # the serial goes to an entry about something else
            self.up.raw_row("../../else", None, "frobnicate", 5)
        for version in VERSIONS:
            with suppress(Refused):
                self.reasons[self.up.yank(name[0], version, "exploit")] = "exploit"
        self.tally["faults"] += 1
        if ahead:
            self.tally["gone back"] += 1
            self._approve_other_upstream()

    @rule()
    def the_address_of_upstream_changes(self) -> None:
        address = str(self.world.flags["upstream_simple_url"])
        old, new = (
            ("127.0.0.1", "localhost") if "127.0.0.1" in address else ("localhost", "127.0.0.1")
        )
        self.world.configure(upstream_simple_url=address.replace(old, new))
        self.tally["moved"] += 1
        self._move()

    def _move(self) -> None:
        """R14: the journal tells whether it is the same one, if its row at the cursor is known."""
        self.up.heal()
        with self.world.state() as state:
            known = state.facts.cursor_row is not None or state.facts.text("followed_url") is None
            held = state.projects.published() or any(state.projects.names(Presence.PRESENT))
        # If the mirror holds and publishes nothing, another index takes away nothing.
        if known or not (held or self._shows_unknown_pages()):
            self.replaced = self.replaced or not known  # following began again
            self._poll(300.0)
            with self.world.state() as state:
                assert state.facts.text("journal_replaced") is None
        else:
            self._approve_other_upstream()

    def _shows_unknown_pages(self) -> bool:
        """Whether the next pass finds pages in the output that this state has not written."""
        stands = self.world.kills.store.published_list().stamp
        return bool(self._published()) and self._stamp_of("state.db") != stands

    def _approve_other_upstream(self) -> None:
        self.tally["passes"] += 1
        assert self.world.sync(later=2 * HOUR) == HELD
        with self.world.state() as state:  # and nothing else that is held
            state.facts.put(approve_journal=1)
        self.replaced = True
        self.kept = False  # what is of before is held again (R14)
        shutil.rmtree(self.where / "kept-out", ignore_errors=True)
        self._poll(300.0)

    @rule(name=names)
    def stale_for_ever(self, name: tuple[str, str]) -> None:
        if normal(name[0]) in self._published() and not self.up.before(name[0]).found:
            return  # a 404 that lasts is the truth (R7)
        self.up.serve_stale(name[0], None)
        self.tally["faults"] += 1

    @rule(gzip=st.booleans(), legacy=st.booleans())
    def change_forms(self, gzip: bool, legacy: bool) -> None:
        """Where a page of a later serial may stand than is held, a sibling would carry the held."""
        if not self.unseen:
            self.mixed = True
            compress = ["gzip"] if gzip else []
            self.world.configure(mirror_compress=compress, mirror_legacy_json=legacy)

    @rule()
    def change_policy(self) -> None:
        self.mixed = True
        super().change_policy()

    @rule()
    def back_up(self) -> None:
        self.mixed = False
        super().back_up()

    @precondition(lambda self: self.kept and not self.silent)
    @rule()
    def put_back(self) -> None:
        """Pages of another policy and no list: a run that was killed leaves no trace of them."""
        seen = self._stamp_of("state.db") != self._stamp_of("kept.db")
        if seen or not self.mixed:
            super().put_back()
            self.unseen = self.unseen or not seen
            self.forgetful = True
            with self.world.state() as state:
                followed = state.facts.text("followed_url")
            if followed not in (None, self.world.flags["upstream_simple_url"]):
                self._move()

    def _stamp_of(self, name: str) -> str | None:
        with State(self.where / name) as state:
            return state.facts.text("list_stamp")

    @rule()
    def back_up_tree(self) -> None:
        if self.world.disk and (self.where / "out").is_dir():
            self.world.keep_tree()

    @rule(lost=st.booleans())
    def put_back_tree(self, lost: bool) -> None:
        """It is noticed by its list, which is written when projects come and go, or serials age."""
        kept, lists = self.where / "kept-out", "simple/index.v1_json"
        if not self.world.disk or not (self.where / "out" / lists).is_file():
            return
        if lost:
            self.world.drop_tree()
            if self.forgetful:  # yanksync cannot know what was published: copy all of it
                self.copy.clear()
        elif (
            kept.is_dir()
            and _stamp(kept / lists) != _stamp(self.where / "out" / lists)
            and not self._died_at_the_list()  # then any list may be the one that was being written
        ):
            self.world.put_back_tree()

    def _died_at_the_list(self) -> bool:
        with self.world.state() as state:
            return state.facts.number("list_serial_writing") is not None

    @rule()
    def heal(self) -> None:
        self.up.heal()

    @rule(lie=st.sampled_from(LOSSES))
    def the_state_is_lost_while_upstream_lies(self, lie: Fault) -> None:
        """R8: what is published then is what the guards count, and stays."""
        self.up.heal()
        self.up.cdn_clear()
        self._poll(2 * HOUR)
        calm = self.world.counts() == Counts(0, 0, 0, 0) and not self._is_all_written_again()
        if not calm or self.replaced or self.world.cursor() != self.up.last_serial:
            return
        before, listed = self._offered(), self.world.listed()
        self.world.lose_state()
        self.kept, self.lost = False, True
        self.up.fail("^/simple/.+", lie, None)
        for _ in range(2):  # within guard.confirm_after
            self._poll(150.0)
            assert self._offered() == before
            assert {*listed} <= {*self.world.listed()} <= self._published()
        self.up.heal()
        self.tally["faults"] += 1
        self.tally["states lost"] += 1

    def _offered(self) -> set[tuple[str, str, bool | str]]:
        """Return (project, file, its mark) of everything that is published."""
        return {
            (name, *mark) for name in self._published() for mark in self.world.yanked(name).items()
        }

    @rule(lost=st.booleans())
    def upstream_is_backed_up_or_put_back(self, lost: bool) -> None:
        """R14: nothing changes until somebody approves."""
        cursor, self.snapshot = self.world.cursor(), self.snapshot or self.up.snapshot()
        if cursor is None or cursor < self.snapshot.next_serial:
            return
        self.up.heal()
        self.up.restore(self.snapshot)
        calm = self.world.counts() == Counts(0, 0, 0, 0) and not self._is_all_written_again()
        if lost and self._newest() > self.up.last_serial:
            self.world.lose_state()
            self.tally["lost and put back"] += 1
        before = self.world.files()
        self.tally["passes"] += 1
        self.tally["faults"] += 1
        self.tally["put back"] += 1
        assert self.world.sync(later=2 * HOUR) == HELD
        assert not calm or self.world.files() == before
        self._approve_other_upstream()

    def _newest(self) -> int:
        """Return the highest serial in the published pages."""
        pages = [self.world.page(name) for name in self._published()]
        return max((page["meta"]["_last-serial"] for page in pages if page), default=0)

    def _is_all_written_again(self) -> bool:
        """Whether the next pass renders every page anew, whatever upstream says."""
        wanted = rendering_policy(load(None, {}, **self.world.flags))
        stands = self.world.kills.store.published_list()
        with self.world.state() as state:
            known = (state.facts.text("policy"), state.facts.text("list_stamp"))
        return known != (wanted, stands.stamp)

    @invariant()
    def count(self) -> None:
        self.tally["steps"] += 1

    def _poll(self, later: float) -> None:
        self.tally["passes"] += 1
        super()._poll(later)
        self.forgetful = False
        self._copy()

    def _copy(self) -> None:
        """Take in the manifests that are new, as whoever keeps a copy of the output does."""
        if self.manifests is None or not self.manifests.is_dir():
            return
        files = self.world.files()
        new = {path.name: path for path in self.manifests.glob("*.txt")}.items()
        for name, path in sorted(item for item in new if item[0] not in self.read):
            self.read.add(name)
            for line in path.read_text().splitlines():
                verb, _, target = line.partition(" ")
                if verb == "put" and target in files:
                    self.copy[target] = files[target]
                elif not target.endswith("/"):  # a directory is empty by then
                    self.copy.pop(target, None)

    def _check_quarantines(self) -> None:
        if not self.replaced:  # every floor was lowered: a page of before may come again (R14)
            super()._check_quarantines()

    def _check_history(self) -> None:
        # Serials mean something else since it was replaced. With the state its entries were lost:
        # then a page that stays missing is a removal, and the history has it.
        if not self.replaced and not self.lost:
            super()._check_history()

    def _end(self) -> None:
        world = self.world
        if (
            self.replaced or self.lost or world.counts().behind
        ):  # only the sweep finds what is left of that
            self.silent = True
        self.up.heal()
        self.up.doctor = None
        before = world.files()
        super()._end()
        self.tally["histories"] += 1
        self.tally["diverged"] += before != world.files()
        assert world.sync() == DONE
        if self.manifests is not None:
            self._copy()
            files = world.files()
            differ = [
                path for path in {*self.copy} | {*files} if self.copy.get(path) != files.get(path)
            ]
            assert differ == [], [
                (path, path in self.copy, path in files) for path in sorted(differ)
            ]


def _without(key: str, lost: str, rehash: bool, page: dict[str, Any]) -> dict[str, Any]:
    """Return the page of ``key`` without one file, or with another hash for it."""
    if page["name"] != key:
        return page
    files = [
        {**file, "hashes": {"sha256": OTHER}} if file["filename"] == lost else file
        for file in page["files"]
        if rehash or file["filename"] != lost
    ]
    return {**page, "files": files}


def _ahead(key: str, serial: int, page: dict[str, Any]) -> dict[str, Any]:
    """Return the page of ``key`` as one of a serial that the journal never had."""
    meta = {**page["meta"], "_last-serial": serial}
    return {**page, "meta": meta} if page["name"] == key else page


def _stamp(path: Path) -> tuple[int, int] | None:
    return (int(path.stat().st_mtime), path.stat().st_size) if path.exists() else None


def run(
    served: Served,
    number: int,
    histories: int,
    steps: int = 30,
    *,
    shrink: bool = False,
    files: bool = False,
) -> None:
    """Run the histories of one seed; they are the same ones each time.

    Those of odd seeds have an oracle for cooldown, overrides and advisories; with ``files`` all
    have that for copies of package files.
    """
    base: type[RuleBasedStateMachine] = CooldownHistories if number % 2 else Harder
    base = CopyHistories if files else base
    machine = type("Seeded", (base,), {"served": served})
    run_state_machine_as_test(
        seed(number)(machine),
        settings=settings(
            max_examples=histories,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
