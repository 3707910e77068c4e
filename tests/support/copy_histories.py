"""Random histories of a mirror that copies package files.

Transfers are altered and cut, files are exchanged, the disk is full, and passes die in the middle
of a download and between all steps. The oracle of :mod:`tests.support.copy_oracle` judges.
"""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import ClassVar
from urllib.parse import quote

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from tests.support.copy_oracle import (
    check_links,
    check_out_of_service,
    check_settled,
    served_copies,
)
from tests.support.dying_store import Killed
from tests.support.fake_index.index import Fault
from tests.support.fake_index.values import digest
from tests.support.histories import Histories, begun, names, versions
from tests.support.page_assertions import normal
from tests.support.world import DAY, DONE, Counts
from yanksync.core.exit_codes import ExitCode
from yanksync.mirror.context import Mirror
from yanksync.verify.check import verify_output
from yanksync.verify.repair import repair_output
from yanksync.verify.summary import FileCheck

TRANSFERS = (
    Fault.body(b"other bytes\n", "application/octet-stream"),
    *(Fault.truncate(), Fault.garbage(), Fault.reset(), Fault.maintenance()),
    *(Fault.status(code) for code in (403, 404, 416, 500)),
    Fault.status(503, 0),
    Fault.body(b"", "application/octet-stream", 206),
)


class CopyHistories(Histories):
    """Upstream lives, the mirror copies its files, and everything breaks now and then."""

    tally: ClassVar[Counter[str]] = Counter()
    is_done = False  # the last pass left nothing to do
    exchanged = False  # a file was, which a guard may hold (R8)

    @initialize(omit=st.booleans(), begun=begun, hide=st.booleans(), link=st.booleans())
    def begin(
        self,
        omit: bool,
        begun: list[tuple[tuple[str, str], str]],
        hide: bool = False,
        link: bool = False,
    ) -> None:
        super().begin(omit, begun, disk=True)
        self.output = self.where / "out"
        self.world.configure(
            mirror_files="link" if link else "copy",
            files_missing="hide" if hide else "link",
            files_free_space="0",
            files_downloads="2",
        )

    # What upstream does

    @rule(name=names, version=versions)
    def upload_with_metadata(self, name: tuple[str, str], version: str) -> None:
        self.up.upload(name[0], version, core_metadata=True)

    @rule(name=names, which=st.integers(0, 9))
    def exchange(self, name: tuple[str, str], which: int) -> None:
        """Put other bytes under the name of a file."""
        project = self.up.project(name[0])
        if project is None or not project.files:
            return
        key = sorted(project.files)[which % len(project.files)]
        content = project.files[key].content + b"again\n"
        file = replace(project.files[key], content=content, sha256=digest(content))
        changed = replace(project, files={**project.files, key: file})
        self.up.commit(normal(name[0]), changed, [(file.version, "frobnicate release")])
        self.silent = self.exchanged = True  # no entry of the journal explains it

    # What happens to downloads

    @rule(fault=st.sampled_from(TRANSFERS), times=st.sampled_from((1, 3, None)))
    def transfers_go_wrong(self, fault: Fault, times: int | None) -> None:
        self.up.fail("^/files/", fault, times)
        self._poll(300.0)

    @rule(name=names, times=st.sampled_from((1, 2, None)))
    def alter_files(self, name: tuple[str, str], times: int | None) -> None:
        """Send other bytes of the right length."""
        project = self.up.project(name[0])
        for file in project.visible() if project is not None else ():
            path = re.escape(quote(file.filename, safe="!+~"))
            altered = Fault.body(file.content.swapcase(), "application/octet-stream")
            self.up.fail(f"^/files/.*/{path}$", altered, times)
        self._poll(300.0)

    @rule()
    def heal(self) -> None:
        self.up.heal()

    @rule(at=st.integers(0, 12), after=st.booleans(), later=st.sampled_from((300.0, 8 * DAY)))
    def die_among_the_files(self, at: int, after: bool, later: float) -> None:
        self.world.package_kills.at, self.world.package_kills.after = at, after
        self._poll(later)

    @rule(which=st.integers(0, 9), altered=st.booleans(), dies=st.sampled_from((None, False, True)))
    def damage_a_copy(self, which: int, altered: bool, dies: bool | None) -> None:
        """Alter or lose a copy on disk; ``verify`` sees it, though one dies around a step."""
        self.up.heal()
        self._poll(300.0)
        copies = served_copies(self.output)
        if not (copies and self._copies and self.is_done):
            return
        path = sorted(copies)[which % len(copies)]
        if altered:
            (self.output / path).write_bytes(copies[path].swapcase())
        else:
            (self.output / path).unlink()
        if dies is not None:
            self.world.package_kills.at, self.world.package_kills.after = 0, dies
            self._verify(repairs=not altered)
        self._verify(repairs=not altered)
        check_links(self.output)
        assert not (altered and (self.output / path).exists())
        self.tally["altered" if altered else "lost"] += 1

    def _verify(self, *, repairs: bool) -> None:
        """Read all copies, as ``verify --hash`` does."""

        def work(mirror: Mirror) -> ExitCode:
            if repairs:
                return repair_output(mirror, lambda *_: None, FileCheck(read=True))[1]
            return verify_output(mirror, lambda _: None, FileCheck(read=True))[1]

        with suppress(Killed):
            self.world.work(work)

    @rule()
    def run_out_of_room(self) -> None:
        self.world.package_kills.full = True
        self._poll(300.0)
        self.world.package_kills.full = False

    @rule(copy=st.booleans())
    def switch(self, copy: bool) -> None:
        self.world.configure(mirror_files="copy" if copy else "link")

    @rule()
    def lose_the_state(self) -> None:
        """The output stays, with its copies: they are known again by their hashes."""
        if self._is_calm:
            self.world.lose_state()
            self.kept = False
            self.silent = self.exchanged = True  # the history is lost

    @rule()
    def lose_the_output(self) -> None:
        if self._is_calm and (self.output / "simple/index.v1_json").is_file():
            self.world.drop_tree()

    @property
    def _is_calm(self) -> bool:
        is_current = self.world.cursor() == self.up.last_serial
        return is_current and not self.silent and self.world.counts() == Counts(0, 0, 0, 0)

    def _poll(self, later: float) -> None:
        self._note_baseline()
        self.is_done = False
        with suppress(Killed):
            code = self.world.sync(later=later)
            self.is_done = code == DONE
            self._check_quarantines()
            if code == DONE and self._copies:
                check_settled(self.output)
        check_links(self.output)

    @property
    def _copies(self) -> bool:
        return self.world.flags["mirror_files"] == "copy"

    def _check_quarantines(self) -> None:
        super()._check_quarantines()
        cursor = self.world.cursor()
        if self.world.error is not None or cursor is None or not self._copies:
            return
        for name in self.up.all_names():
            project = self.up.project(name)
            newest = max(
                (entry.serial for entry in self.up.journal if normal(entry.name) == name), default=0
            )
            if project and project.status == "quarantined" and self.base < newest <= cursor:
                check_out_of_service(
                    self.output, {key: file.content for key, file in project.files.items()}
                )

    def resync(self) -> None:
        super().resync()
        check_links(self.output)

    def _approve_a_loss_of_everything(self) -> None:
        if self.exchanged:
            self.world.approve()
        else:
            super()._approve_a_loss_of_everything()

    def _check_history(self) -> None:
        if not self.exchanged:
            super()._check_history()

    def _end(self) -> None:
        self.world.configure(mirror_files="copy")
        super()._end()
        check_settled(self.output)
        self.world.configure(mirror_files="link")
        assert self.world.settle(6) == DONE
        assert self.world.sync() == DONE
        self.tally["histories"] += 1
