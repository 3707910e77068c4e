"""The command that takes over a tree: ``adopt``."""

from __future__ import annotations

import os
import time
from pathlib import Path

import click
from msgspec.structs import replace

from yanksync.adopt.adopt import adopt_output as take_over
from yanksync.adopt.results import AdoptOutcome, AdoptResult, AdoptSummary
from yanksync.cli.display.progress import ProgressBars
from yanksync.cli.display.report_rows import ReportWriter, json_option
from yanksync.cli.error_handling import print_line
from yanksync.cli.logs import CliContext
from yanksync.cli.option_values import rate_option
from yanksync.config.settings import Settings
from yanksync.core import layout
from yanksync.core.errors import ConfigError, LockHeld, YanksyncError
from yanksync.core.exit_codes import ExitCode
from yanksync.mirror.context import Mirror
from yanksync.mirror.open_mirror import open_mirror
from yanksync.sync.pipeline import run_record

# counted; listed one by one only with -v
_QUIET = (
    AdoptOutcome.KEPT,
    AdoptOutcome.REWRITTEN,
    AdoptOutcome.MISSING,
    AdoptOutcome.COPY_KEPT,
    AdoptOutcome.COPY_MISSING,
)


@click.command(short_help="Take over a tree of another program.")
@click.argument(
    "directory", required=False, metavar="[DIR]", type=click.Path(path_type=Path, file_okay=False)
)
@click.option("--dry-run", is_flag=True, help="Change nothing; print what would be changed.")
@rate_option
@json_option
@click.pass_obj
def adopt(
    context: CliContext, directory: Path | None, dry_run: bool, rate: int | None, as_json: bool
) -> ExitCode:
    """Take over a tree that bandersnatch, shadowmire or another yanksync made.

    DIR is the directory with the tree's simple/; for bandersnatch that is its directory web.
    Default: the configured output. Without --dry-run no other directory is possible. The state must
    be empty.

    Pages that are right are taken over without a request, and written again if a sync would write
    other bytes. The next sync fetches all others and removes what upstream no longer has; the
    guards can hold that. Prints what became of each page.

    With mirror.files = "copy" package files are taken over, too: each that a page names is read
    once, and becomes a copy if its hash is that of the page. One with other bytes is taken out of
    service, and the next sync downloads it. An interrupted adopt reads no file again. --dry-run
    compares sizes only.

    \b
    Examples:
      yanksync adopt --dry-run
      yanksync adopt --dry-run --json /srv/pypi/web
      yanksync adopt
      yanksync adopt --rate 100MiB
    """
    settings = _settings(context.needed_settings(), directory, dry_run=dry_run)
    report = _Report(as_json=as_json, every=bool(context.verbose))
    try:
        with (
            ProgressBars() as bars,
            context.buffered() as kept,
            report.rows,
            open_mirror(settings, "adopt", progress=bars, dry_run=dry_run) as mirror,
        ):
            summary = _take_over(mirror, report, rate, dry_run=dry_run)
            kept.end(summary.exit_code, report=True)
    except LockHeld as held:
        print_line(str(held))
        return ExitCode.LOCKED
    report.end(summary, dry_run=dry_run, quiet=context.quiet)
    return summary.exit_code


def _take_over(mirror: Mirror, report: _Report, rate: int | None, *, dry_run: bool) -> AdoptSummary:
    """Adopt, and remember how it ended.

    It counts as done in part if the next sync has something to fetch.
    """
    if dry_run:
        return take_over(mirror, report.tell, rate=rate, dry_run=True)
    runs = mirror.state.runs
    try:
        summary = take_over(mirror, report.tell, rate=rate)
    except YanksyncError as error:
        mirror.totals.problem = str(error)
        runs.end(mirror.run, time.time(), run_record(mirror, ExitCode.FAILED))
        raise
    waits = summary.exit_code == ExitCode.DONE and any(mirror.state.fetch_queue.counts())
    runs.end(
        mirror.run,
        time.time(),
        run_record(mirror, ExitCode.PARTIAL if waits else summary.exit_code),
    )
    return summary


def _settings(settings: Settings, directory: Path | None, *, dry_run: bool) -> Settings:
    """Return the settings with ``directory`` as the output.

    It must be the output of each sync.
    """
    output = settings.mirror.output
    if directory is not None and directory.resolve() != (
        output.resolve() if isinstance(output, Path) else output
    ):
        if not dry_run:
            raise ConfigError(
                "mirror.output",
                str(settings.source or "the configuration"),
                f"is {output}, and a tree is adopted in place: set it to {directory.resolve()}",
            )
        output = directory.resolve()
    if isinstance(output, Path) and not os.path.isdir(output / layout.ROOT):
        web = output / "web"
        if os.path.isdir(web / layout.ROOT):
            raise click.UsageError(f"the tree of bandersnatch is {web}: name that directory")
    return replace(settings, mirror=replace(settings.mirror, output=output))


class _Report:
    """Prints the result for each page and file, as it comes."""

    def __init__(self, *, as_json: bool, every: bool) -> None:
        self.rows = ReportWriter("fates", as_json=as_json)
        self._json = as_json
        self._every = every or as_json

    def tell(self, result: AdoptResult) -> None:
        """Print one result."""
        if self._every or result.kind not in _QUIET:
            self.rows.write(result)

    def end(self, summary: AdoptSummary, *, dry_run: bool, quiet: bool) -> None:
        """Print the counts."""
        self.rows.end(counts_object(summary))
        if not self._json and not quiet:
            counts = summary.counts
            taken = "would be taken over" if dry_run else "taken over"
            click.echo(
                f"{counts[AdoptOutcome.KEPT]} projects {taken} as they are, "
                f"{counts[AdoptOutcome.REWRITTEN]} "
                f"written again; to be fetched: {counts[AdoptOutcome.FETCH]} that are not right, "
                f"{counts[AdoptOutcome.MISSING]} that are missing; {counts[AdoptOutcome.GONE]} "
                f"gone upstream, "
                f"{counts[AdoptOutcome.LEFT_OUT]} not selected, {counts[AdoptOutcome.FOREIGN]} not "
                f"ours"
            )
            _print_files(summary, dry_run=dry_run)
            if summary.lacks:
                click.echo(
                    f"upstream's pages also have {', '.join(summary.lacks)}, these have not; the "
                    "sweep brings that, or 'yanksync full-resync' at once"
                )
            if not dry_run:
                click.echo("next: yanksync sync")


def _print_files(summary: AdoptSummary, *, dry_run: bool) -> None:
    """Print the counts of package files, if there are any."""
    kept, missing, altered = (
        summary.counts[kind]
        for kind in (AdoptOutcome.COPY_KEPT, AdoptOutcome.COPY_MISSING, AdoptOutcome.ALTERED)
    )
    if kept or missing or altered:
        taken = "have the right size" if dry_run else "taken over, their hashes are right"
        click.echo(
            f"{kept} package files {taken}; the next sync downloads {missing} that are missing, "
            f"and {altered} that are not what their pages say"
        )


def counts_object(summary: AdoptSummary) -> dict[str, object]:
    """Return the counts of an adoption for JSON."""
    counts: dict[str, object] = {str(kind): summary.counts[kind] for kind in AdoptOutcome}
    return {**counts, "lacks": list(summary.lacks)}
