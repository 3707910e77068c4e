"""Writes the report as workflow commands of GitHub Actions."""

from __future__ import annotations

from collections.abc import Iterator

from yanksync.cli.display.audit.sentences import sentence
from yanksync.cli.error_handling import printable
from yanksync.reports.audit.findings import AuditReport, Finding, PinVerdict


def render_annotations(report: AuditReport) -> Iterator[str]:
    """Yield ``::error``, or ``::notice`` if the command does not fail."""
    for verdict in report.found:
        for finding in verdict.findings:
            yield _line(report, verdict, finding)


def _line(report: AuditReport, verdict: PinVerdict, finding: Finding) -> str:
    pin = verdict.pin
    counts = finding.kind in report.fail_on and not verdict.ignored
    about = {
        "file": pin.path,
        "line": "" if pin.line is None else str(pin.line),
        "title": f"{pin.project} {pin.version}: {finding.kind}",
    }
    properties = ",".join(f"{name}={_property(text)}" for name, text in about.items() if text)
    word = "error" if counts else "notice"
    return f"::{word} {properties}::{_data(sentence(verdict, finding))}"


def _data(text: str) -> str:
    """Escape characters that would end the line or begin a command."""
    return printable(text).replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
