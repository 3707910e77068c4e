"""Makes the metrics of a pass for Prometheus.

The format is that of the textfile collector of its node exporter. The conventions are those of
Prometheus: base units, ``_total`` for values that only grow, and no timestamps on the lines. A time
is written as it is, and the reader computes its age, because the file stays unchanged without
passes. The state keeps the counters, so that they grow over all passes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from yanksync import __version__
from yanksync.config.settings import HOOK_NAMES
from yanksync.core.exit_codes import ExitCode
from yanksync.mirror.run_totals import RunTotals
from yanksync.state.counters import Labelled
from yanksync.state.state import State
from yanksync.state.views.status import status_of
from yanksync.system import atomic_files

BUCKETS = (60, 300, 600, 900, 1800, 3600, 7200, 21600, 86400)
"""Upper bounds, in seconds, of what a withdrawal took: a pass, a CDN's half an hour, its day."""

CAUSES = {
    "bad-answer": "Upstream's answer is not valid.",
    "doubt": "Something vanished without an explanation; a later pass must see the same.",
    "journal-refused": "Upstream has no journal any more.",
    "journal-replaced": "Upstream was put back, or is another index.",
    "nothing-found": "A first build found none of its projects.",
    "output": "The output cannot be written.",
    "refused": "Upstream answered with a status of 400 to 499.",
    "stale": "A page is older than its journal entry.",
    "state": "The state cannot be read or written.",
    "throttled": "Upstream asked for a pause.",
    "undelivered": "A hook failed.",
    "unreachable": "Upstream does not answer.",
}
"""What failures are counted by. All are in the file: a rate needs to see a counter at zero."""

_EXITS = (ExitCode.DONE, ExitCode.FAILED, ExitCode.PARTIAL, ExitCode.HELD)
_LATENCY = "withdrawal_latency_seconds"

HELP = {
    "build_info": "The version of yanksync.",
    "last_run_exit_code": "The exit code of the last pass; 0: done.",
    "last_run_start_timestamp_seconds": "When the last pass began.",
    "last_run_end_timestamp_seconds": "When the last pass ended.",
    "last_run_duration_seconds": "How long the last pass took.",
    "last_success_timestamp_seconds": "When a pass last ended with exit code 0.",
    "complete_timestamp_seconds": "The start of the newest journal read that is published in full.",
    "lag_seconds": "How old that read was when the last pass ended.",
    "lag_serials": "How many serials upstream's newest is above that read.",
    "journal_serial": "The serial up to which the journal is recorded.",
    "upstream_serial": "The newest serial that upstream has shown.",
    "projects": "Projects published.",
    "yanked_releases": "Versions with at least one yanked file.",
    "pending_projects": "Projects that wait to be fetched.",
    "unpublished_projects": "Projects that are recorded and not published yet.",
    "held": "Held changes that wait for a person.",
    "behind_projects": "Projects whose page stayed older than its journal entry for 26 hours.",
    "cooldown_waiting_files": "Files that wait to become old enough.",
    "package_files_wanted": "Package files that are still to be copied.",
    "package_files_failing": "Package files that could not be copied, and are tried again.",
    "undelivered": "Changes that wait for a hook, by hook.",
    "runs_total": "Passes, by exit code.",
    "failures_total": "Pages and passes that failed, by cause.",
    "page_requests_total": "Page requests.",
    "pages_recorded_total": "Pages with changes.",
    "projects_published_total": "Projects whose files were written.",
    "projects_removed_total": "Projects whose files were removed.",
    "package_files_copied_total": "Package files copied.",
    "package_bytes_copied_total": "Bytes of package files copied.",
    "package_files_failed_total": "Failed copies of package files.",
    "averted_files_total": "Files that upstream withdrew while cooldown hid them.",
    _LATENCY: "Time from a yank, removal or quarantine in the journal to its published page.",
}
"""What each metric means; their names begin with ``yanksync_``."""


class PassTiming(Struct, frozen=True, kw_only=True):
    """The times and the end of a pass. Times are UTC seconds."""

    exit_code: int
    started: float
    ended: float


class Metric(Struct, frozen=True):
    """One metric and its samples: text after the name, and value."""

    name: str  # without the prefix
    kind: str
    samples: tuple[tuple[str, float | None], ...]  # None: unknown, and left out


def format_metrics(families: Iterable[Metric]) -> str:
    """Return the whole file. Metrics that lack a value are left out."""
    return "".join(line + "\n" for family in families for line in _lines(family))


def _lines(family: Metric) -> Iterator[str]:
    known = [(suffix, value) for suffix, value in family.samples if value is not None]
    if known:
        yield f"# HELP yanksync_{family.name} {HELP[family.name]}"
        yield f"# TYPE yanksync_{family.name} {family.kind}"
    for suffix, value in known:
        number = str(int(value)) if value == int(value) else f"{value:.3f}"
        yield f"yanksync_{family.name}{suffix} {number}"


def _gauges(**values: float | None) -> Iterator[Metric]:
    return (Metric(name, "gauge", (("", value),)) for name, value in values.items())


def pass_metrics(run: PassTiming) -> tuple[Metric, ...]:
    """Return the metrics of a pass without a state."""
    return (
        Metric("build_info", "gauge", ((_label("version", __version__), 1),)),
        *_gauges(
            last_run_exit_code=run.exit_code,
            last_run_start_timestamp_seconds=run.started,
            last_run_end_timestamp_seconds=run.ended,
            last_run_duration_seconds=max(run.ended - run.started, 0),
        ),
    )


def state_metrics(state: State, ended: float) -> tuple[Metric, ...]:
    """Return the metrics of the state at the end of a pass.

    ``ended`` is that moment.

    Raises :class:`yanksync.core.errors.StateError`.
    """
    hooks = (*HOOK_NAMES, *(f"notify {name}" for name in state.notify_queue.names()))
    found, counted = status_of(state, ended, hooks, count=False), state.counters.all()
    undelivered = tuple(
        (_label("hook", hook), found.undelivered_hooks.get(hook, 0)) for hook in hooks
    )
    return (
        *_gauges(
            last_success_timestamp_seconds=found.last_success,
            complete_timestamp_seconds=state.facts.moment("complete_read"),
            lag_seconds=found.lag_seconds,
            lag_serials=found.lag_serials,
            journal_serial=found.journal_serial,
            upstream_serial=found.upstream_serial,
            projects=counted.get(("projects", "")),
            yanked_releases=counted.get(("yanked_releases", "")),
            pending_projects=found.pending,
            unpublished_projects=found.unpublished,
            held=found.held,
            behind_projects=found.behind,
            cooldown_waiting_files=found.cooldown_waiting,
            package_files_wanted=found.package_files.wanted,
            package_files_failing=found.package_files.failing,
        ),
        Metric("undelivered", "gauge", undelivered),
        *_counters(counted),
    )


def _counters(counted: Mapping[Labelled, float]) -> Iterator[Metric]:
    for name, key, values in (("runs_total", "exit", _EXITS), ("failures_total", "cause", CAUSES)):
        yield Metric(name, "counter", _labelled(counted, name, key, values))
    for name in (
        *("page_requests", "pages_recorded", "projects_published", "projects_removed"),
        *("package_files_copied", "package_bytes_copied", "package_files_failed"),
        "averted_files",
    ):
        yield Metric(f"{name}_total", "counter", (("", counted.get((f"{name}_total", ""), 0)),))
    buckets = _labelled(counted, _LATENCY, "le", (*BUCKETS, "+Inf"))
    samples = [(f"_bucket{label}", value) for label, value in buckets]
    samples.append(("_sum", counted.get((_LATENCY, "sum"), 0)))
    samples.append(("_count", counted.get((_LATENCY, "+Inf"), 0)))
    yield Metric(_LATENCY, "histogram", tuple(samples))


def _labelled(
    counted: Mapping[Labelled, float], name: str, key: str, values: Iterable[object]
) -> tuple[tuple[str, float], ...]:
    return tuple((_label(key, value), counted.get((name, str(value)), 0)) for value in values)


def _label(name: str, value: object) -> str:
    return f'{{{name}="{value}"}}'  # only words of yanksync: nothing to escape


def update_counters(state: State, totals: RunTotals, code: ExitCode) -> None:
    """Add the results of a pass. Raises :class:`yanksync.core.errors.StateError`."""
    amounts: dict[Labelled, float] = {
        ("runs_total", str(code)): 1,
        ("page_requests_total", ""): totals.asked,
        ("pages_recorded_total", ""): totals.recorded,
        ("projects_published_total", ""): totals.published,
        ("projects_removed_total", ""): totals.removed,
        ("package_files_copied_total", ""): totals.files_copied,
        ("package_bytes_copied_total", ""): totals.bytes_copied,
        ("package_files_failed_total", ""): totals.files_failed,
        ("averted_files_total", ""): totals.averted,
        (_LATENCY, "sum"): sum(totals.latencies),
        (_LATENCY, "+Inf"): len(totals.latencies),
    }
    for cause, times in totals.causes.items():
        amounts["failures_total", cause] = times
    for bound in BUCKETS:
        amounts[_LATENCY, str(bound)] = sum(latency <= bound for latency in totals.latencies)
    with state.transaction():
        state.counters.add({key: amount for key, amount in amounts.items() if amount})
        if totals.recorded or totals.published or totals.removed or totals.problem is not None:
            # Each of these reads every project, so an empty pass does not count them again.
            state.counters.set("projects", state.projects.published())
            state.counters.set("yanked_releases", state.projects.yanked_versions())


def write_metrics_file(path: Path, content: str) -> None:
    """Replace the file at ``path`` in one step, readable for all users.

    This does not wait for the disk, because after a power cut the next pass writes the file again.
    Raises :class:`OSError`.
    """
    # The temporary name has another ending than .prom, because the exporter must not read it.
    atomic_files.write_atomically(path, f".{path.name}.tmp", [content], lasting=False)
