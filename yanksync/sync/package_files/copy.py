"""Downloads package files, checks them, and lets the pages name them.

A copy is visible only once its size and its strongest hash are right. Pages name it afterwards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from msgspec import Struct

from yanksync.core.errors import InvalidAnswer, UpstreamError
from yanksync.core.model import Hashes
from yanksync.core.package_files.copies import PackageFile
from yanksync.core.package_files.paths import metadata_path, strongest
from yanksync.mirror.context import Mirror, log
from yanksync.state.package_files.table import CopyDone
from yanksync.sync.package_files.withdraw import delete_expired, take_out
from yanksync.sync.removals import publish_backlog
from yanksync.upstream.file_download import FileDownloads

_BATCH = 64  # copies that become visible together
SLICE = 300.0  # seconds of downloads before the journal is read again
_FIRST_RETRY, _LAST_RETRY = 60.0, 3600.0  # seconds


class _Outcome(Struct, frozen=True):
    copy: PackageFile
    size: int = 0  # bytes
    has_metadata: bool = False
    problem: str | None = None  # why it was not copied


def copy_files(mirror: Mirror) -> bool:
    """Copy files; return True if more are waiting.

    It ends after :data:`SLICE` seconds.     Raises :class:`yanksync.core.errors.PublishError` and
    :class:`yanksync.core.errors.StateError`.
    """
    take_out(mirror)
    delete_expired(mirror)
    table = mirror.state.package_files
    began, after, until = mirror.monotonic(), 0, mirror.now()
    counts = table.counts()
    if not counts.wanted:
        return False
    mirror.progress.expect("copying files", counts.wanted)
    downloads = FileDownloads(mirror.settings)
    try:
        with ThreadPoolExecutor(mirror.settings.files.downloads) as pool:
            while batch := table.wanted(until, _BATCH, after):
                if mirror.stopping():
                    return False
                if mirror.monotonic() - began > SLICE:
                    return True
                after = batch[-1].id
                outcomes = list(pool.map(lambda one: _copy(mirror, downloads, one), batch))
                _publish(mirror, outcomes)
                mirror.progress.advance(len(batch))
    finally:
        downloads.close()
    return False


def _copy(mirror: Mirror, downloads: FileDownloads, copy: PackageFile) -> _Outcome:
    file = copy.file
    best = strongest(file.hashes)
    assert best is not None  # others are not wanted
    try:
        size = _receive(mirror, downloads, copy.path, file.url, best, file.size)
        metadata = _metadata_hashes(file.core_metadata)
        if metadata is not None:
            url = f"{file.url}.metadata"
            _receive(mirror, downloads, metadata_path(copy.path), url, metadata, None)
    except UpstreamError as error:
        return _Outcome(copy, problem=str(error))
    return _Outcome(copy, size, metadata is not None)


def _metadata_hashes(given: bool | Hashes | None) -> tuple[str, str] | None:
    return strongest(given) if isinstance(given, tuple) else None


def _receive(
    mirror: Mirror,
    downloads: FileDownloads,
    path: str,
    url: str,
    wanted: tuple[str, str],
    size: int | None,
) -> int:
    algorithm, digest = wanted
    with mirror.packages.receive(path) as incoming:
        incoming.restart()
        found = hashlib.new(algorithm, usedforsecurity=False)
        with downloads.open(url) as download:
            for chunk in download.chunks:
                incoming.write(chunk)
                found.update(chunk)
        if size is not None and incoming.size != size:
            incoming.discard()
            raise InvalidAnswer(url, f"has {incoming.size} bytes, and the page says {size}")
        if found.hexdigest() != digest:
            incoming.discard()
            raise InvalidAnswer(url, f"its {algorithm} is not that of the page")
        return incoming.size


def _publish(mirror: Mirror, outcomes: Sequence[_Outcome]) -> None:
    """Make the copies visible, note them, and let the pages name them."""
    done = [one for one in outcomes if one.problem is None]
    if done:
        mirror.packages.publish_packages(list(_paths(done)))
    now = mirror.now()
    with mirror.state.transaction():
        table = mirror.state.package_files
        table.mark_served((CopyDone(one.copy.id, one.size, one.has_metadata) for one in done), now)
        for one in outcomes:
            if one.problem is not None:
                mirror.totals.files_failed += 1
                table.mark_failed(one.copy.id, one.problem, now + _FIRST_RETRY)
                log.warning(
                    "%s: %s: not copied: %s; a later pass tries again",
                    one.copy.project,
                    one.copy.file.filename,
                    one.problem,
                    extra={"project": one.copy.project},
                )
        for row in mirror.state.projects.get({one.copy.project for one in done}).values():
            mirror.state.publish_queue.add_page(row.id, now)
        mirror.totals.files_copied += len(done)
    publish_backlog(mirror)


def _paths(done: Sequence[_Outcome]) -> Iterator[str]:
    """Yield the paths of metadata before those of their files."""
    for one in done:
        if one.has_metadata:
            yield metadata_path(one.copy.path)
        yield one.copy.path
