"""``verify --repair``: marks what differs as unpublished; the ordinary pipeline does the rest."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from msgspec.structs import replace

from yanksync.core import layout
from yanksync.core.errors import PublishError, YanksyncError
from yanksync.core.exit_codes import ExitCode
from yanksync.core.model import Published
from yanksync.core.project_state import Sort
from yanksync.mirror.context import Mirror, log
from yanksync.output.comparison import NOTES, Finding, Kind
from yanksync.output.inventory import files_of
from yanksync.state.views.holds import count_held
from yanksync.sync import config_changes, output_check
from yanksync.sync.follow.selection_change import settle_selection
from yanksync.sync.pipeline import outcome, sync, tell_hooks
from yanksync.sync.publish_list import publish_list
from yanksync.sync.removals import finish, tell_held
from yanksync.verify.check import BATCH, UNREADABLE, Checked, check
from yanksync.verify.outcomes import Kept, Outcome, outcomes

_STOPPED = Outcome(False, "the repair was stopped")

TellOutcome = Callable[[Finding, Outcome | None], None]


def mend(mirror: Mirror, tell: TellOutcome, *, upstream: bool = False) -> tuple[Checked, ExitCode]:
    """Look as :func:`verify` does and mend what is found; return the counts and the exit code.

    Each finding goes to ``tell`` at the end, with what became of it.

    Upstream is asked only for what cannot be made from the state. Raises
    :class:`yanksync.core.errors.YanksyncError`.
    """
    checked = Checked()
    if not mirror.store.standing(None).there:
        mirror.store.prepare()
    config_changes.apply_policies(mirror)
    mirror = settle_selection(mirror)
    output_check.check_output(mirror, all_is_looked_at=True)
    mender = _Mender(mirror)
    findings = check(mirror, checked, upstream=upstream)
    with Kept() as kept:
        while batch := list(islice(findings, BATCH)):
            with mirror.state.transaction():
                for finding in batch:
                    mender.mark(finding)
                    kept.add(finding)
        try:
            code = _pass(mirror) if mender.ask else _publish(mirror)
        except YanksyncError:
            for finding in kept.all():
                tell(finding, None if finding.kind in NOTES else _STOPPED)
            raise
        for finding, became in outcomes(mirror, kept):
            if became is not None:
                checked.corrected += became.corrected
                checked.uncorrected += not became.corrected
            tell(finding, became)
    left = mender.left or checked.uncorrected
    return checked, code or (ExitCode.FAILED if left else ExitCode.DONE)


def _publish(mirror: Mirror) -> ExitCode:
    """Make the steps of a pass that need no upstream."""
    mirror.store.prepare()
    finish(mirror)
    publish_list(mirror)
    tell_hooks(mirror)
    tell_held(mirror)
    if mirror.tally.problem is not None:
        return ExitCode.FAILED
    if count_held(mirror.state):
        return ExitCode.HELD
    return ExitCode.PARTIAL if mirror.tally.undelivered else ExitCode.DONE


def _pass(mirror: Mirror) -> ExitCode:
    """Make an ordinary pass."""
    state = mirror.state
    mirror = replace(mirror, run=state.runs.begin("verify", mirror.now()))
    try:
        code = sync(mirror)
    except YanksyncError as error:
        mirror.tally.problem = str(error)
        state.runs.end(mirror.run, mirror.now(), outcome(mirror, ExitCode.FAILED))
        raise
    state.runs.end(mirror.run, mirror.now(), outcome(mirror, code))
    return code


class _Mender:
    """Marks what was found, so that publishing mends it."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._now = mirror.now()
        recovering = mirror.state.meta.number("tree_serial") is not None
        self._recovering = recovering
        self.ask = recovering  #: whether upstream is needed
        self.left = 0  #: what cannot be mended from here

    def mark(self, finding: Finding) -> None:
        """Mark one finding."""
        directory = finding.path.endswith("/")
        if finding.kind in NOTES:
            return
        if finding.kind is Kind.MODE and directory:
            self._reset_mode(finding.project)
        elif finding.project is None:
            self._mark_whole(finding)
        elif finding.kind is Kind.EXTRA and directory:
            if not self._recovering:  # else the pass does so, once it has caught up
                output_check.disown(self._mirror, finding.project, self._now)
        else:
            self._mark_project(finding, finding.project)

    def _reset_mode(self, name: str | None) -> None:
        """Give a directory its mode; one of another user keeps nothing else waiting."""
        try:
            self._mirror.store.reset_mode(name)
        except PublishError as error:
            self.left += 1
            log.error("%s; its mode stays as it is", error)

    def _mark_whole(self, finding: Finding) -> None:
        if finding.path.startswith(layout.ROOT):
            self._mirror.state.meta.put(list_changed=1)
            self._doubt("")
        else:  # upstream as a whole does not answer
            self.left += 1

    def _mark_project(self, finding: Finding, name: str) -> None:
        state = self._mirror.state
        if finding.kind is Kind.UPSTREAM:
            state.pending.mark(name, None, self._now, patient=False)
            self.ask = True
        elif not finding.path.startswith(layout.ROOT):
            self.left += 1  # upstream does not answer for it
        else:
            for row in state.projects.get([name]).values():
                if state.unpublished.waiting([row.id]).get(row.id) is not None:
                    self.left += 1  # the state has the page that is held, and no more the old one
                    continue
                state.unpublished.add(row.id, Sort.PAGE, self._now)
                state.unpublished.begin([row.id])
                self._doubt(name)
                self.ask = self.ask or finding.detail == UNREADABLE

    def _doubt(self, name: str) -> None:
        mirror = self._mirror
        if mirror.fence is None:
            return
        legacy = b"" if mirror.settings.mirror.legacy_json else None
        copies = layout.copies(mirror.settings.mirror.compress)
        anything = Published(b"", b"", copies, legacy)
        names = [
            *files_of(anything),
            *([] if mirror.settings.mirror.slash_keys == "none" else [""]),
        ]
        mirror.fence.doubt(mirror.state, name, names)
