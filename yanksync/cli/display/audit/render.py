"""The formats by their names."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator

from yanksync.reports.audit.findings import AuditReport

FORMATS = {  # each is imported only when it is used
    "table": "findings_table:render_table",
    "json": "json_report:render_json",
    "sarif": "sarif:render_sarif",
    "junit": "junit:render_junit",
    "github": "annotations:render_annotations",
    "markdown": "findings_table:render_markdown",
}


def rendered(report: AuditReport, name: str) -> str:
    """Return the report in the named format, ending in a line break."""
    module, _, function = FORMATS[name].partition(":")
    found = importlib.import_module(f"yanksync.cli.display.audit.{module}")
    lines: Callable[[AuditReport], Iterator[str]] = getattr(found, function)
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines(report))
