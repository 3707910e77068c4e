"""Writes the archive of all OSV records, now and then.

The archive has every record, so its size grows with the log. So it is written at most every five
minutes. With many events it waits longer: a second for each hundred. Records without a new event
are copied from the archive before, still compressed. That needs a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from yanksync.core.errors import PublishError
from yanksync.core.names import NormalizedName
from yanksync.core.withdrawals import paths
from yanksync.core.withdrawals.osv import record_project
from yanksync.mirror.context import Mirror
from yanksync.output.digests import new_digest
from yanksync.output.files import OutputFile
from yanksync.output.store import Store
from yanksync.state.facts import EventLogPosition
from yanksync.state.state import State
from yanksync.sync.withdrawals.files import records_of
from yanksync.system.zip_stream import ZipEntry, compressed, read_entries, zip_chunks


def archive_file(state: State, before: Store | None = None) -> OutputFile:
    """Return the archive of all records.

    ``before``: the output whose archive has the records up to the event ``archived``; None: all
    records are made again.
    """

    def chunks() -> Iterator[bytes]:
        if before is None:
            return zip_chunks(_made(state, state.event_log.projects()))
        return zip_chunks(_merged(state, _entries_before(before)))

    return OutputFile(paths.OSV_ARCHIVE, paths.headers(paths.OSV_ARCHIVE), chunks)


def write_archive(mirror: Mirror, newest: int) -> None:
    """Write the archive with the events up to ``newest``, and note it."""
    known, digest = mirror.state.facts.event_log, new_digest()
    found = None if known.archived is None else mirror.store.file_digest(paths.OSV_ARCHIVE)
    is_known = found is not None and found.hex() == known.archive_digest
    file = archive_file(mirror.state, mirror.store if is_known else None)

    def chunks() -> Iterator[bytes]:
        nonlocal digest
        digest = new_digest()
        for chunk in file.chunks():
            digest.update(chunk)
            yield chunk

    mirror.store.write_files([OutputFile(file.path, file.headers, chunks)])
    mirror.state.facts.change(
        EventLogPosition,
        archived=newest,
        archived_at=mirror.now(),
        archive_digest=digest.hexdigest(),
    )


def _made(state: State, names: Iterable[NormalizedName]) -> Iterator[ZipEntry]:
    """Yield the entries of projects."""
    for name in names:
        for record in records_of(state, name):
            yield compressed(f"{record.id}.json", record.body)


def _entries_before(store: Store) -> Iterator[ZipEntry]:
    """Yield the entries of the archive in the output."""
    try:
        yield from read_entries(store.file_chunks(paths.OSV_ARCHIVE) or ())
    except ValueError as error:
        raise PublishError(paths.OSV_ARCHIVE, f"another program changed it: {error}") from error


def _merged(state: State, before: Iterator[ZipEntry]) -> Iterator[ZipEntry]:
    """Yield all entries by project, new ones where there are new events."""
    changed = state.event_log.projects(state.facts.event_log.archived or 0)
    name = next(changed, None)
    for entry in before:
        project = record_project(entry.name.decode())
        while name is not None and name < project:
            yield from _made(state, (name,))
            name = next(changed, None)
        if name != project:
            yield entry
    if name is not None:
        yield from _made(state, chain((name,), changed))
