"""Prints an exposure report, as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator

from yanksync.cli.display.columns import table
from yanksync.cli.display.report_rows import rfc3339
from yanksync.reports.exposure.counts import ClientCounts, Exposure, FileCounts

_HEADER = ("FILE", "WITHDRAWN", "SINCE", "BEFORE", "AFTER", "UNCHANGED")


def lines(found: Exposure, *, clients: bool) -> Iterator[str]:
    """Yield the table, with a row for each client if ``clients``."""
    yield from table(_HEADER, _rows(found, clients))
    fetched = len(found.files)
    after = sum(one.after for one in found.files.values())
    yield (
        f"{found.lines} lines with {found.requests} requests for files: {fetched} withdrawn "
        f"file{'s' * (fetched != 1)} fetched, {after} times after the withdrawal"
    )


def _rows(found: Exposure, clients: bool) -> Iterator[tuple[str, ...]]:
    for file in found.by_severity:
        withdrawal = file.withdrawal
        yield (
            withdrawal.filename,
            withdrawal.action.value,
            rfc3339(withdrawal.since) or "-",
            _count(file.before, file.clients_before),
            _count(file.after, file.clients_after),
            str(file.unchanged),
        )
        for address, one in _clients(file) if clients else ():
            counts = (str(one.before), str(one.after), str(one.unchanged))
            yield (f"  {address}", "", rfc3339(one.last) or "", *counts)


def _count(requests: int, clients: int) -> str:
    return f"{requests} by {clients}" if requests else "0"


def _clients(file: FileCounts) -> list[tuple[str, ClientCounts]]:
    """Return a file's clients, most requests after the withdrawal first."""
    found = file.clients.items()
    return sorted(found, key=lambda one: (-one[1].after, -one[1].before, one[0]))


def json_lines(found: Exposure, since: float | None) -> Iterator[str]:
    """Yield the report as one object."""
    head = {
        "since": rfc3339(since),
        "lines": found.lines,
        "requests": found.requests,
        "skipped": found.skipped,
    }
    yield json.dumps(head)[:-1] + ', "files": ['
    yield ",\n".join(json.dumps(_object(one)) for one in found.by_severity)
    yield "]}"


def _object(file: FileCounts) -> dict[str, object]:
    withdrawal = file.withdrawal
    return {
        "project": withdrawal.project,
        "version": withdrawal.version,
        "filename": withdrawal.filename,
        "action": withdrawal.action.value,
        "since": rfc3339(withdrawal.since),
        "reason": withdrawal.reason,
        "before": {"requests": file.before, "clients": file.clients_before},
        "after": {"requests": file.after, "clients": file.clients_after},
        "unchanged": file.unchanged,
        "partial": file.partial,
        "clients": [
            {
                "client": name,
                "before": one.before,
                "after": one.after,
                "unchanged": one.unchanged,
                "last": rfc3339(one.last),
            }
            for name, one in _clients(file)
        ],
    }
