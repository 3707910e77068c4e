"""Writes the archive of all OSV records, now and then.

The archive has every record, so its size grows with the log. So it is written at most every five
minutes. With many events it waits longer: a second for each hundred. Records without a new event
are copied from the archive before, still compressed, if that has the bytes that were written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
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


def archive_file(state: State) -> OutputFile:
    """Return the archive of all records, each made from its events."""
    return _file(lambda: zip_chunks(_made(state, state.event_log.projects())))


def write_archive(mirror: Mirror, *, copies: bool = True) -> None:
    """Write the archive, and note which events it has.

    ``copies``: records may be copied from the archive before. If it cannot be read, or another
    program has changed it, all records are made again.
    """
    state, store = mirror.state, mirror.store
    if copies and state.facts.event_log.archived is not None:
        with suppress(PublishError):
            if is_archive_ours(state, store.file_digest(paths.OSV_ARCHIVE)):
                _write(mirror, lambda: _merged(state, store))
                return
    _write(mirror, lambda: _made(state, state.event_log.projects()))


def is_archive_ours(state: State, digest: bytes | None) -> bool:
    """Return whether ``digest`` is that of the archive that was written last."""
    return digest is not None and digest.hex() == state.facts.event_log.archive_digest


def has_all_records(state: State, store: Store) -> bool:
    """Return whether the published archive has the records of all events.

    Its compressed bytes may be those of another version of zlib.
    """
    pairs = zip_longest(_entries(state, store), _records(state, state.event_log.projects()))
    return all(
        entry is not None and record == (entry.name.decode(), unpacked(entry))
        for entry, record in pairs
    )


def _write(mirror: Mirror, entries: Callable[[], Iterator[ZipEntry]]) -> None:
    digests: list[str] = []

    def chunks() -> Iterator[bytes]:
        digest = new_digest()
        for chunk in zip_chunks(entries()):
            digest.update(chunk)
            yield chunk
        digests.append(digest.hexdigest())

    mirror.store.write_files([_file(chunks)])
    mirror.state.facts.change(
        EventLogPosition,
        archived=mirror.state.event_log.newest(),
        archived_at=mirror.now(),
        archive_digest=digests[-1],
    )


def _file(chunks: Callable[[], Iterator[bytes]]) -> OutputFile:
    return OutputFile(paths.OSV_ARCHIVE, paths.headers(paths.OSV_ARCHIVE), chunks)


def _made(state: State, names: Iterable[NormalizedName]) -> Iterator[ZipEntry]:
    return starmap(compressed, _records(state, names))


def _records(state: State, names: Iterable[NormalizedName]) -> Iterator[tuple[str, bytes]]:
    """Yield the file names and bodies of the records of projects."""
    for name in names:
        for record in records_of(state, name):
            yield f"{record.id}.json", record.body


def _merged(state: State, store: Store) -> Iterator[ZipEntry]:
    """Yield all entries by project, new ones where there are new events."""
    changed = state.event_log.projects(state.facts.event_log.archived or 0)
    name = next(changed, None)
    for entry in _entries(state, store):
        project = record_project(entry.name.decode())
        while name is not None and name < project:
            yield from _made(state, (name,))
            name = next(changed, None)
        if name != project:
            yield entry
    if name is not None:
        yield from _made(state, chain((name,), changed))


def _entries(state: State, store: Store) -> Iterator[ZipEntry]:
    """Yield the entries of the archive in the output.

    Raises :class:`PublishError` at the end if these were not the bytes that were written last.
    """
    digest = new_digest()

    def chunks() -> Iterator[bytes]:
        for chunk in store.file_chunks(paths.OSV_ARCHIVE) or ():
            digest.update(chunk)
            yield chunk

    read = chunks()
    with suppress(ValueError):  # it ends early
        yield from read_entries(read)
    for _ in read:  # the list of its entries
        continue
    if not is_archive_ours(state, digest.digest()):
        raise PublishError(paths.OSV_ARCHIVE, "another program has changed it")
