"""Reads access logs and counts who fetched withdrawn files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import BinaryIO

from yanksync.core.errors import InputFileError
from yanksync.core.formats.access_logs import InvalidLine, LogReader, moment
from yanksync.reports.exposure.counts import Exposure
from yanksync.reports.exposure.log_files import lines
from yanksync.reports.exposure.withdrawal import Withdrawal

log = logging.getLogger("yanksync")

_CLIENTS = 1 << 16  # clients whose replacement names are remembered


def expose(
    paths: Iterable[str],
    stdin: BinaryIO,
    find: Callable[[str], Withdrawal | None],
    name: Callable[[str], str],
    since: float | None,
) -> tuple[Exposure, bool]:
    """Return the counts, and whether all logs could be read.

    ``find`` returns how a file is withdrawn, ``name`` the name to print for an address.
    """
    found, complete = Exposure(), True
    named = lru_cache(_CLIENTS)(name)
    for path in paths:
        try:
            _read(path, stdin, found, find, named, since)
        except InputFileError as error:
            log.error("%s; the report has what was read before", error)
            complete = False
    return found, complete


def _read(
    path: str,
    stdin: BinaryIO,
    found: Exposure,
    find: Callable[[str], Withdrawal | None],
    named: Callable[[str], str],
    since: float | None,
) -> None:
    """Count the requests of one log."""
    reader = LogReader()
    for number, line in enumerate(lines(path, stdin), 1):
        if line.isspace():
            continue
        found.lines += 1
        try:
            request = reader.read(line)
            if request is None:
                continue
            found.requests += 1
            withdrawal = find(request.filename)
            if withdrawal is None:
                continue
            at = moment(request.time)
            if since is None or at >= since:
                found.add(request, withdrawal, named(request.address), at)
        except InvalidLine:
            found.skip(f"{path}:{number}")
