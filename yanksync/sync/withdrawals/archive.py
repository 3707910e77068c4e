"""Writes the archive of all OSV records, now and then.

The archive has every record, so its size grows with the log. So it is written at most every five
minutes. With many events it waits longer: a second for each hundred. Records without a new event
are copied from the archive before, still compressed. That needs a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, starmap, zip_longest

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
from yanksync.system.zip_stream import ZipEntry, compressed, read_entries, unpacked, zip_chunks


def archive_file(state: State, before: Store | None = None) -> OutputFile:
    """Return the archive of all records.

    ``before``: the output whose archive has the records up to the event ``archived``; None: all
    records are made again.
    """

    def chunks() -> Iterator[bytes]:
        return zip_chunks(_all(state) if before is None else _merged(state, _entries(before)))

    return OutputFile(paths.OSV_ARCHIVE, paths.headers(paths.OSV_ARCHIVE), chunks)


def write_archive(mirror: Mirror, *, copies: bool = True) -> None:
    """Write the archive, and note which events it has.

    ``copies``: records may be copied from the archive before.
    """
    state, store, digest = mirror.state, mirror.store, new_digest()
    can_copy = copies and state.facts.event_log.archived is not None
    can_copy = can_copy and _is_ours(state, store.file_digest(paths.OSV_ARCHIVE))
    file = archive_file(state, store if can_copy else None)

    def chunks() -> Iterator[bytes]:
        nonlocal digest
        digest = new_digest()
        for chunk in file.chunks():
            digest.update(chunk)
            yield chunk

    store.write_files([OutputFile(file.path, file.headers, chunks)])
    state.facts.change(
        EventLogPosition,
        archived=state.event_log.newest(),
        archived_at=mirror.now(),
        archive_digest=digest.hexdigest(),
    )


def is_archive_right(state: State, store: Store, digest: bytes) -> bool:
    """Return whether the archive has what was written, and all records.

    ``digest``: of its bytes. The compressed bytes of its records may be those of another version of
    zlib.
    """
    pairs = zip_longest(_entries(store), _records(state, state.event_log.projects()))
    return _is_ours(state, digest) and all(
        entry is not None and wanted == (entry.name.decode(), unpacked(entry))
        for entry, wanted in pairs
    )


def _is_ours(state: State, digest: bytes | None) -> bool:
    """Return whether the archive has the bytes that were written last."""
    return digest is not None and digest.hex() == state.facts.event_log.archive_digest


def _entries(store: Store) -> Iterator[ZipEntry]:
    """Yield the entries of the archive in the output."""
    try:
        yield from read_entries(store.file_chunks(paths.OSV_ARCHIVE) or ())
    except ValueError as error:
        raise PublishError(paths.OSV_ARCHIVE, f"another program has changed it: {error}") from error


def _records(state: State, names: Iterable[NormalizedName]) -> Iterator[tuple[str, bytes]]:
    """Yield the file names and bodies of the records of projects."""
    for name in names:
        for record in records_of(state, name):
            yield f"{record.id}.json", record.body


def _all(state: State) -> Iterator[ZipEntry]:
    return starmap(compressed, _records(state, state.event_log.projects()))


def _merged(state: State, before: Iterator[ZipEntry]) -> Iterator[ZipEntry]:
    """Yield all entries by project, new ones where there are new events."""
    changed = state.event_log.projects(state.facts.event_log.archived or 0)
    name = next(changed, None)
    for entry in before:
        project = record_project(entry.name.decode())
        while name is not None and name < project:
            yield from starmap(compressed, _records(state, (name,)))
            name = next(changed, None)
        if name != project:
            yield entry
    if name is not None:
        yield from starmap(compressed, _records(state, chain((name,), changed)))
