"""Reads access logs and counts who fetched withdrawn files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import BinaryIO

from yanksync.core.errors import InputFileError
from yanksync.core.formats.access_logs import InvalidLine, LogReader, moment
from yanksync.reports.exposure.counts import Exposure
from yanksync.reports.exposure.log_files import lines
from yanksync.reports.exposure.withdrawal import Withdrawal

log = logging.getLogger("yanksync")


def expose(
    found: Exposure,
    paths: Iterable[str],
    stdin: BinaryIO,
    find: Callable[[str], Withdrawal | None],
    name: Callable[[str], str],
    since: float | None,
) -> bool:
    """Count what the logs say, and return whether all could be read.

    ``find`` returns how a file is withdrawn, ``name`` what is printed for an address. Raises
    :class:`yanksync.core.errors.StateError`.
    """
    complete = True
    for path in paths:
        try:
            _read(found, path, stdin, find, name, since)
        except InputFileError as error:
            log.error("%s; the report has what was read before", error)
            complete = False
    return complete


def _read(
    found: Exposure,
    path: str,
    stdin: BinaryIO,
    find: Callable[[str], Withdrawal | None],
    name: Callable[[str], str],
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
                found.add(request, withdrawal, name(request.address), at)
        except InvalidLine:
            found.skip(f"{path}:{number}")
