"""The command that checks: ``verify``."""

from __future__ import annotations

import sys

import click
from msgspec import Struct

from yanksync.cli.display.columns import counted
from yanksync.cli.display.progress import ProgressBars
from yanksync.cli.display.report_rows import ReportWriter, json_option
from yanksync.cli.error_handling import print_line
from yanksync.cli.logs import CliContext
from yanksync.cli.option_values import rate_option
from yanksync.cli.reports.check import UNFINISHED_BUNDLE
from yanksync.config.settings import Settings
from yanksync.core.errors import LockHeld
from yanksync.core.exit_codes import ExitCode
from yanksync.mirror.open_mirror import open_mirror
from yanksync.mirror.other_owner import other_owner, refuse_other_owner
from yanksync.mirror.state_access import path_for_reading
from yanksync.output.comparison import NOTES, Finding, FindingKind
from yanksync.state.state import State
from yanksync.verify.check import verify_output as check
from yanksync.verify.outcomes import Outcome
from yanksync.verify.repair import repair_output
from yanksync.verify.summary import CheckSummary, FileCheck

_NAMED = 3  # paths that wait to be published
_FULL = "a bundle that was made without --since"


class _How(Struct, frozen=True, kw_only=True):
    """The options: what to check, and what to do with findings."""

    files: FileCheck
    repair: bool
    upstream: bool


@click.command(short_help="Compare the output with the state.")
@click.option(
    "--repair", is_flag=True, help="Correct what is found. Without it nothing is changed."
)
@click.option(
    "--upstream", is_flag=True, help="Also fetch every page, and compare it with the state."
)
@click.option(
    "--hash", "read", is_flag=True, help="Also read every package file, and compare its hash."
)
@rate_option
@json_option
@click.pass_obj
def verify(
    context: CliContext,
    repair: bool,
    upstream: bool,
    read: bool,
    rate: int | None,
    as_json: bool,
) -> ExitCode:
    """Compare the published files with the state.

    Renders every page again. Prints what is missing, different, stale, extra, left over or has a
    wrong mode, and what could not be checked; then the exit code is 1. Takes the lock, because
    output and state differ in the middle of a run. A page that is recorded and not published yet is
    no difference.

    --repair publishes again what differs and removes what is extra. The guards can hold removals
    (exit 4). It prints for each finding whether it was corrected, and asks upstream only for what
    the state has lost or --upstream found.

    --upstream also compares the state with upstream's pages.

    With mirror.files = "copy" the size of each package file is checked, too, and files below
    packages/ that no page names are listed. --hash reads the files. If it is interrupted, the next
    one goes on from there. A file with other bytes is taken out of service at once, also without
    --repair, and the next sync downloads it again. --repair downloads it, and deletes the files
    that no page names, unless they are too many.

    Where bundles feed the output, it is compared with what they brought, and only another bundle
    can correct it.

    \b
    Examples:
      yanksync verify
      yanksync verify --repair
      yanksync verify --hash --rate 50MiB
      yanksync verify --upstream --json
    """
    settings = context.needed_settings()
    if rate is not None and not read:
        raise click.UsageError("--rate is about --hash: name both")
    if repair:
        refuse_other_owner(settings)
    files = FileCheck(read=read, rate=rate, may_write=other_owner(settings) is None)
    report = _Report(as_json=as_json, notes=bool(context.verbose) or sys.stdout.isatty())
    how = _How(files=files, repair=repair, upstream=upstream)
    try:
        with path_for_reading(settings) as path, State(path, create=False) as state:
            is_fed = state.facts.applied_bundle.source is not None  # without upgrading the state
        if is_fed:
            return _verify_received(context, settings, how, report)
        if read and not settings.copies_files:
            raise click.UsageError('--hash reads package files, and mirror.files is not "copy"')
        return _verify(context, settings, how, report)
    except LockHeld as held:
        print_line(str(held))
        return ExitCode.LOCKED


def _verify(context: CliContext, settings: Settings, how: _How, report: _Report) -> ExitCode:
    """Compare the output with the state."""
    with (
        ProgressBars() as bars,
        context.buffered() as kept,
        report.rows,
        open_mirror(settings, "verify", progress=bars, dry_run=True) as mirror,
    ):
        work = repair_output if how.repair else check
        summary, code = work(mirror, report.tell, how.files, upstream=how.upstream)
        kept.end(code, report=True)
    report.end(summary, code, quiet=context.quiet)
    waiting = summary.kinds[FindingKind.UNPUBLISHED]
    if waiting and not (how.repair or report.shows_notes or context.quiet):
        more = f" and {waiting - _NAMED} more" if waiting > _NAMED else ""
        named = f"{', '.join(report.waiting)}{more}"
        print_line(
            f"{waiting} not published yet: {named}; 'yanksync sync' publishes them", "warning"
        )
    if code != ExitCode.DONE and not kept.failed and not context.quiet:
        print_line(_why(summary, code, repair=how.repair))
    return code


def _verify_received(
    context: CliContext, settings: Settings, how: _How, report: _Report
) -> ExitCode:
    """Compare an output that bundles feed with what they brought."""
    from yanksync.bundle.places import open_places  # start-up: most mirrors apply no bundle
    from yanksync.verify.received import ReceivedOutput, check_received

    if how.repair or how.upstream:
        problem = f"{settings.mirror.output} is made of bundles; {_FULL}"
        print_line(f"verify has no --repair and no --upstream here: {problem} corrects it")
        return ExitCode.FAILED
    summary = CheckSummary()
    with (
        ProgressBars() as bars,
        context.buffered(),
        report.rows,
        open_places(settings, "verify", bars, dry_run=True) as places,
    ):
        bundle = places.state.facts.applied_bundle
        output = ReceivedOutput(places.state, places.store, places.packages, bars)
        for finding in check_received(output, how.files, summary) if bundle.begun is None else ():
            report.tell(finding)
    if bundle.begun is not None:
        print_line(f"{settings.mirror.output}: not checked, because {UNFINISHED_BUNDLE}")
        return ExitCode.FAILED
    code = ExitCode.FAILED if summary.differences or summary.unchecked else ExitCode.DONE
    report.end(summary, code, quiet=context.quiet)
    if code != ExitCode.DONE and not context.quiet:
        if summary.differences:
            print_line(f"{counted(summary.differences, 'difference')}; only {_FULL} corrects that")
        else:
            print_line(_why(summary, code, repair=False))
    return code


def _why(summary: CheckSummary, code: ExitCode, *, repair: bool) -> str:
    """Return why the exit code is not 0, and what to do."""
    if summary.uncorrected:
        return f"{summary.uncorrected} not corrected; each line says why"
    if summary.unchecked and (repair or not summary.differences):
        return f"{summary.unchecked} could not be checked; each line says why"
    if repair and code == ExitCode.HELD:
        return "changes are held until a person approves them; see 'yanksync holds'"
    if repair:
        return "not everything could be brought up to date; see 'yanksync status'"
    which = counted(summary.differences, "difference")
    return f"{which}; 'yanksync verify --repair' corrects what is wrong in the output"


class _Report:
    """Prints findings as they come."""

    def __init__(self, *, as_json: bool, notes: bool) -> None:
        self.rows = ReportWriter("findings", as_json=as_json)
        self._json = as_json
        self.shows_notes = as_json or notes
        self.waiting: list[str] = []  # the first paths that are not published yet

    def tell(self, finding: Finding, outcome: Outcome | None = None) -> None:
        """Print one finding, and whether it was corrected."""
        if finding.kind is FindingKind.UNPUBLISHED and len(self.waiting) < _NAMED:
            self.waiting.append(finding.path)
        if self.shows_notes or finding.kind not in NOTES:
            self.rows.write(finding, outcome_object(outcome), _note(outcome))

    def end(self, summary: CheckSummary, code: ExitCode, *, quiet: bool) -> None:
        """Print the counts."""
        self.rows.end(counts_object(summary))
        repaired = summary.corrected + summary.uncorrected
        if (
            not self._json
            and (repaired or code != ExitCode.DONE or sys.stdout.isatty())
            and not quiet
        ):
            projects = counted(summary.projects, "project")
            files = f" and {counted(summary.files, 'package file')}" if summary.files else ""
            differences = counted(summary.differences, "difference")
            done = f"; {summary.corrected} corrected, {summary.uncorrected} not corrected"
            click.echo(
                f"{projects}{files} checked: {differences}, "
                f"{summary.unchecked} could not be checked{done if repaired else ''}"
            )


def _note(outcome: Outcome | None) -> str:
    if outcome is None:
        return ""
    return "  corrected" if outcome.corrected else f"  not corrected: {outcome.why}"


def outcome_object(outcome: Outcome | None) -> dict[str, object]:
    """Return the outcome of a repair for JSON; null without one."""
    if outcome is None:
        return {"corrected": None, "why": None}
    return {"corrected": outcome.corrected, "why": outcome.why}


def counts_object(summary: CheckSummary) -> dict[str, object]:
    """Return the counts as they are printed in JSON."""
    return {
        "projects": summary.projects,
        "files": summary.files,
        "differences": summary.differences,
        "unchecked": summary.unchecked,
        **summary.notes,
        "corrected": summary.corrected,
        "uncorrected": summary.uncorrected,
    }
