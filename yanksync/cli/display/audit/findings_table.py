"""Writes the report as a table, for terminals or in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from yanksync.cli.display.audit.sentences import pin_text, place_text, reason_text
from yanksync.cli.display.columns import table
from yanksync.cli.display.report_rows import rfc3339
from yanksync.cli.error_handling import printable
from yanksync.reports.audit.findings import AuditReport, Finding, PinVerdict

_HEADER = ("WHERE", "PIN", "FINDING", "SINCE", "NEAREST", "REASON")
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&:@/$^])")


def render_table(report: AuditReport) -> Iterator[str]:
    """Yield the lines for a terminal; control characters are escaped."""
    yield from table(_HEADER, _rows(report))
    yield summary(report)


def render_markdown(report: AuditReport) -> Iterator[str]:
    """Yield the lines of a Markdown table; foreign text is escaped."""
    rows = list(_rows(report))
    if rows:
        yield _markdown([name.capitalize() for name in _HEADER])
        yield "|" + " --- |" * len(_HEADER)
        yield from (_markdown([_escaped(cell) for cell in row]) for row in rows)
        yield ""
    yield _escaped(summary(report))


def summary(report: AuditReport) -> str:
    """Return a summary of the report in one line."""
    found, pins = len(report.found), len(report.verdicts)
    what = f"{pins} pin{'s' * (pins != 1)} judged by {report.source}"
    ignored = sum(one.ignored for one in report.verdicts)
    parts = [f"{found} with findings" if found else "no findings"]
    if ignored:
        parts.append(f"{ignored} of them ignored")
    if report.skipped:
        parts.append(f"{report.skipped} without an exact version of an index, not judged")
    return f"{what}: {'; '.join(parts)}"


def _rows(report: AuditReport) -> Iterator[tuple[str, ...]]:
    for verdict in report.found:
        for finding in verdict.findings:
            yield _cells(verdict, finding)


def _cells(verdict: PinVerdict, finding: Finding) -> tuple[str, ...]:
    return (
        place_text(verdict.pin),
        pin_text(verdict.pin),
        f"{finding.kind} (ignored)" if verdict.ignored else finding.kind.value,
        (rfc3339(finding.since) or "-")[:10],
        verdict.nearest or "-",
        reason_text(finding),
    )


def _markdown(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\1", printable(text))
