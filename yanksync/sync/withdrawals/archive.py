"""Writes the archive of all OSV records, now and then.

The archive has every record, so the time to write it grows with the log. So it is written at most
every five minutes. With many events it waits longer: a second for each hundred.
"""

from __future__ import annotations

from collections.abc import Iterator

from yanksync.core.withdrawals import paths
from yanksync.output.files import OutputFile
from yanksync.state.state import State
from yanksync.sync.withdrawals.files import records_of
from yanksync.system.zip_stream import zip_chunks


def archive_file(state: State) -> OutputFile:
    """Return the archive of all records."""
    return OutputFile(
        paths.OSV_ARCHIVE, paths.headers(paths.OSV_ARCHIVE), lambda: zip_chunks(_entries(state))
    )


def _entries(state: State) -> Iterator[tuple[str, bytes]]:
    for name in state.event_log.projects():
        for record in records_of(state, name):
            yield f"{record.id}.json", record.body
