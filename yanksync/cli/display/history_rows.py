"""Rows of the history as JSON."""

from __future__ import annotations

from yanksync.cli.display.report_rows import rfc3339
from yanksync.state.views.history_rows import HistoryRow


def history_object(row: HistoryRow) -> dict[str, object]:
    """Return a row with its documented keys."""
    found: dict[str, object] = {
        "serial": row.serial,
        "timestamp": rfc3339(row.timestamp),
        "project": row.project,
        "version": row.version,
        "action": row.action.value,
        "file": row.file,
        "reason": row.reason,
        "source": row.source,
    }
    if row.files:
        found["files"] = list(row.files)
    return found
