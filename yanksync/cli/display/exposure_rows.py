"""Prints an exposure report, as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from yanksync.cli.display.columns import counted, table
from yanksync.cli.display.report_rows import rfc3339
from yanksync.reports.exposure.counts import Exposure, FileCounts
from yanksync.state.request_counts import RequestCount

_HEADER = ("FILE", "WITHDRAWN", "SINCE", "BEFORE", "AFTER", "UNCHANGED")


def lines(found: Exposure, *, clients: bool) -> Iterator[str]:
    """Yield the table, with a row for each client if ``clients``."""
    files = found.by_severity()
    yield from table(_HEADER, _rows(found, files, clients))
    fetched = len(files)
    after = sum(one.totals.after for one in files)
    yield (
        f"{counted(found.lines, 'line')} with {counted(found.requests, 'request')} for files: "
        f"{counted(fetched, 'withdrawn file')} fetched, {counted(after, 'time')} after the "
        "withdrawal"
    )


def _rows(found: Exposure, files: Sequence[FileCounts], clients: bool) -> Iterator[tuple[str, ...]]:
    for file in files:
        withdrawal, totals = file.withdrawal, file.totals
        yield (
            withdrawal.filename,
            withdrawal.action.value,
            rfc3339(withdrawal.since) or "-",
            _count(totals.before, totals.clients_before),
            _count(totals.after, totals.clients_after),
            str(totals.unchanged),
        )
        for address, one in found.clients(file) if clients else ():
            counts = (str(one.before), str(one.after), str(one.unchanged))
            yield (f"  {address}", "", rfc3339(one.last) or "", *counts)


def _count(requests: int, clients: int) -> str:
    return f"{requests} by {clients}" if requests else "0"


def json_lines(found: Exposure, since: float | None) -> Iterator[str]:
    """Yield the report as one object, a client a line."""
    head = {
        "since": rfc3339(since),
        "lines": found.lines,
        "requests": found.requests,
        "skipped": found.skipped,
    }
    yield json.dumps(head)[:-1] + ', "files": ['
    end = ""
    for file in found.by_severity():
        yield f'{end}{json.dumps(_object(file))[:-1]}, "clients": ['
        inner = ""
        for name, one in found.clients(file):
            yield f"{inner}{json.dumps(_client(name, one))}"
            inner = ","
        yield "]}"
        end = ","
    yield "]}"


def _object(file: FileCounts) -> dict[str, object]:
    withdrawal, totals = file.withdrawal, file.totals
    return {
        "project": withdrawal.project,
        "version": withdrawal.version,
        "filename": withdrawal.filename,
        "action": withdrawal.action.value,
        "since": rfc3339(withdrawal.since),
        "reason": withdrawal.reason,
        "before": {"requests": totals.before, "clients": totals.clients_before},
        "after": {"requests": totals.after, "clients": totals.clients_after},
        "unchanged": totals.unchanged,
        "partial": file.partial,
    }


def _client(name: str, one: RequestCount) -> dict[str, object]:
    return {
        "client": name,
        "before": one.before,
        "after": one.after,
        "unchanged": one.unchanged,
        "last": rfc3339(one.last),
    }
