"""``verify --repair``: marks what differs as unpublished.

The ordinary pipeline does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from msgspec.structs import replace

from yanksync.core import layout
from yanksync.core.errors import PublishError, YanksyncError
from yanksync.core.exit_codes import ExitCode
from yanksync.core.model import PublishedForms
from yanksync.core.rules.transitions import FilesDiffer, transition
from yanksync.mirror.context import Mirror, log
from yanksync.output.comparison import NOTES, Finding, FindingKind
from yanksync.output.inventory import expected_files
from yanksync.state.facts import PublishedListRecord
from yanksync.state.views.holds import count_held
from yanksync.sync import config_changes
from yanksync.sync.follow.selection_change import apply_selection
from yanksync.sync.optional_steps import deliver_hooks, update_deleted_index, update_withdrawals
from yanksync.sync.pipeline import run_pass, run_record
from yanksync.sync.policy.rules import with_recorded_rules
from yanksync.sync.publish_list import publish_list
from yanksync.sync.recovery import output_check
from yanksync.sync.removals import publish_backlog, report_held
from yanksync.verify.check import BATCH, SIZES, UNREADABLE, check, check_copies
from yanksync.verify.deleted_index import is_about_deleted_index, repair_deleted_index
from yanksync.verify.outcomes import Kept, Outcome, outcomes
from yanksync.verify.summary import CheckSummary, FileCheck
from yanksync.verify.withdrawals import is_about_withdrawals, repair_withdrawals

if TYPE_CHECKING:
    from yanksync.verify.package_repair import FileRepairer

_STOPPED = Outcome(False, "the repair was stopped")

TellOutcome = Callable[[Finding, Outcome | None], None]


def repair_output(
    mirror: Mirror, report: TellOutcome, files: FileCheck = SIZES, *, upstream: bool = False
) -> tuple[CheckSummary, ExitCode]:
    """Repair what :func:`yanksync.verify.check.verify_output` finds.

    Returns the counts and the exit code. Each finding goes to ``report`` at the end, with whether
    it was corrected. Upstream is asked only for pages that the state cannot give. Raises
    :class:`yanksync.core.errors.YanksyncError`.
    """
    summary = CheckSummary()
    if not mirror.store.directory_content(None).exists:
        mirror.store.prepare()
    mirror = with_recorded_rules(mirror)
    config_changes.apply_policies(mirror)
    mirror = apply_selection(mirror)
    output_check.check_output(mirror, all_is_looked_at=True)
    repairer = _Repairer(mirror)
    findings = check(mirror, summary, upstream=upstream)
    with Kept() as kept:
        while batch := list(islice(findings, BATCH)):
            with mirror.state.transaction():
                for finding in batch:
                    repairer.mark(finding)
                    kept.add(finding)
        try:
            copies = _repair_copies(mirror, check_copies(mirror, files, summary), kept)
            asks = repairer.needs_upstream or (copies is not None and copies.needs_upstream)
            code = _pass(mirror) if asks else _publish(mirror)
            if copies is not None:
                code = copies.delete_unreferenced(kept.all) or code
        except YanksyncError:
            for finding in kept.all():
                report(finding, None if finding.kind in NOTES else _STOPPED)
            raise
        for finding, became in outcomes(mirror, kept):
            if became is not None:
                summary.corrected += became.corrected
                summary.uncorrected += not became.corrected
            report(finding, became)
    left = repairer.unrepaired or summary.uncorrected
    return summary, code or (ExitCode.FAILED if left else ExitCode.DONE)


def _repair_copies(mirror: Mirror, found: Iterator[Finding], kept: Kept) -> FileRepairer | None:
    """Repair findings about package files; None: there are no copies."""
    if mirror.package_store is None:
        return None
    from yanksync.verify.package_repair import FileRepairer  # start-up: few mirrors copy files

    repairer = FileRepairer(mirror)
    while batch := list(islice(found, BATCH)):
        repairer.mark(batch)
        for finding in batch:
            kept.add(finding)
    repairer.drop_old_hold()
    return repairer


def _publish(mirror: Mirror) -> ExitCode:
    """Run the steps of a pass that need no upstream."""
    mirror.store.prepare()
    publish_backlog(mirror)
    publish_list(mirror)
    update_deleted_index(mirror)
    update_withdrawals(mirror)
    deliver_hooks(mirror)
    report_held(mirror.totals)
    if mirror.totals.problem is not None:
        return ExitCode.FAILED
    if count_held(mirror.state):
        return ExitCode.HELD
    return ExitCode.PARTIAL if mirror.totals.undelivered else ExitCode.DONE


def _pass(mirror: Mirror) -> ExitCode:
    """Make an ordinary pass."""
    state = mirror.state
    mirror = replace(mirror, run=state.runs.begin("verify", mirror.now()))
    try:
        code = run_pass(mirror)
    except YanksyncError as error:
        mirror.totals.problem = str(error)
        state.runs.end(mirror.run, mirror.now(), run_record(mirror, ExitCode.FAILED))
        raise
    state.runs.end(mirror.run, mirror.now(), run_record(mirror, code))
    return code


class _Repairer:
    """Marks what was found, so that publishing corrects it."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._now = mirror.now()
        recovering = mirror.state.facts.recovery.serial is not None
        self._recovering = recovering
        self.needs_upstream = recovering  #: whether upstream is needed
        self.unrepaired = 0  #: findings that cannot be corrected here

    def mark(self, finding: Finding) -> None:
        """Mark one finding."""
        directory = finding.path.endswith("/")
        if finding.kind in (*NOTES, FindingKind.WITHDRAWN):  # a pass publishes these anyway
            return
        if is_about_withdrawals(finding) or is_about_deleted_index(finding):
            self._repair_file(finding)
            return
        if finding.kind is FindingKind.MODE and directory:
            self._reset_mode(finding.project)
        elif finding.project is None:
            self._mark_whole(finding)
        elif finding.kind is FindingKind.EXTRA and directory:
            if not self._recovering:  # otherwise the pass does so, once it has caught up
                output_check.queue_unknown_directory(self._mirror, finding.project, self._now)
        else:
            self._mark_project(finding, finding.project)

    def _repair_file(self, finding: Finding) -> None:
        own = is_about_deleted_index(finding)
        try:
            (repair_deleted_index if own else repair_withdrawals)(self._mirror, finding)
        except PublishError as error:  # the second look at the end reports it
            log.error("%s", error)

    def _reset_mode(self, name: str | None) -> None:
        """Give a directory its mode.

        A directory of another user does not stop the rest.
        """
        try:
            self._mirror.store.reset_mode(name)
        except PublishError as error:
            self.unrepaired += 1
            log.error("%s; its mode stays as it is", error)

    def _mark_whole(self, finding: Finding) -> None:
        if finding.path.startswith(layout.ROOT):
            self._mirror.state.facts.change(PublishedListRecord, changed=True)
            self._forget_etags(layout.LIST_KEY)
        else:  # upstream as a whole does not answer
            self.unrepaired += 1

    def _mark_project(self, finding: Finding, name: str) -> None:
        state = self._mirror.state
        if finding.kind is FindingKind.UPSTREAM:
            state.fetch_queue.mark(name, None, self._now, patient=False)
            self.needs_upstream = True
        elif not finding.path.startswith(layout.ROOT):
            self.unrepaired += 1  # upstream gives no answer for this project
        else:
            for row in state.projects.get([name]).values():
                if state.publish_queue.waiting([row.id]).get(row.id) is not None:
                    # The state has the held page, and no longer the old one.
                    self.unrepaired += 1
                    continue
                effects = transition(row, FilesDiffer())
                state.apply(row, effects, self._mirror.observation(self._now))
                self._forget_etags(name)
                self.needs_upstream = self.needs_upstream or finding.detail == UNREADABLE

    def _forget_etags(self, name: str) -> None:
        mirror = self._mirror
        legacy = b"" if mirror.settings.mirror.legacy_json else None
        copies = layout.compressed_names(mirror.settings.mirror.compress)
        anything = PublishedForms(b"", b"", copies, legacy)
        names = [
            *expected_files(anything),
            *([] if mirror.settings.mirror.slash_keys == "none" else [""]),
        ]
        mirror.store.forget_etags(mirror.state.etags, name, names)
