"""The report as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator

from yanksync import __version__
from yanksync.cli.display.report_rows import rfc3339, rfc3339_end
from yanksync.reports.audit.findings import AuditReport, Finding, PinVerdict


def render_json(report: AuditReport) -> Iterator[str]:
    """Yield the lines of one object with a row for each pin."""
    head = {
        "version": __version__,
        "source": report.source,
        "failures": report.failures,
        "skipped": report.skipped,
    }
    rows = [json.dumps(_row(report, one)) for one in report.verdicts]
    yield json.dumps(head)[:-1] + ', "pins": ['
    yield ",\n".join(rows)
    yield "]}"


def _row(report: AuditReport, verdict: PinVerdict) -> dict[str, object]:
    pin = verdict.pin
    return {
        "project": pin.project,
        "version": pin.version,
        "operator": pin.operator.value,
        "path": pin.path or None,
        "line": pin.line,
        "marker": pin.marker,
        "findings": [_finding(one) for one in verdict.findings],
        "nearest": verdict.nearest,
        "ignored": verdict.ignored,
        "fails": report.counts(verdict),
    }


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "kind": finding.kind.value,
        "reason": finding.reason,
        "since": rfc3339(finding.since),
        "files": list(finding.files),
        "hashes": list(finding.hashes),
        "rule": finding.rule,
        "until": rfc3339_end(finding.until),
    }
