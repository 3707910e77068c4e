"""Copies package files from a queue that later passes continue.

A copy becomes visible only when its size and its strongest hash are right. Then pages name it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event

from yanksync.core.package_files.copies import CopyStatus, PackageFile
from yanksync.mirror.context import Mirror, log
from yanksync.sync.package_files.download import Downloader
from yanksync.sync.package_files.hosts import HostQueue
from yanksync.sync.package_files.limits import Bandwidth, Room
from yanksync.sync.package_files.publish_copies import PagesToWrite, publish_copies
from yanksync.sync.package_files.transfer import Transfers
from yanksync.sync.package_files.withdraw import delete_expired, report_unchosen, take_out
from yanksync.sync.package_files.workers import Finished, Workers
from yanksync.upstream.file_download import FileDownloads

SLICE = 300.0  # seconds of downloads before the journal is read again
_AHEAD = 200  # files that wait for a free thread
_BATCH = 500  # copies that become visible together
_PATIENCE = 10.0  # seconds that a copy waits for others
_TICK = 0.25  # seconds
_MOST_UNFIT = 100  # files that do not fit: then the pass stops looking for smaller ones

_ADVICE = {
    "files.budget": "raise files.budget, or let fewer files be copied",
    "files.free_space": "free some room on the disk of mirror.output, or lower files.free_space",
}


def copy_files(mirror: Mirror, follow: Callable[[], Mirror], *, at_once: bool = False) -> None:
    """Copy files until the queue is empty or a limit is reached.

    ``follow`` brings the pages up to date while downloads go on, so that no withdrawal waits for a
    file. ``at_once``: try files that failed without waiting for their next time. Raises
    :class:`yanksync.core.errors.PublishError` and :class:`yanksync.core.errors.StateError`.
    """
    take_out(mirror)
    delete_expired(mirror)
    _drop_parts(mirror)
    until = float("inf") if at_once else mirror.now()
    table = mirror.state.package_files
    if table.wanted(until, 1) or table.lacking_metadata(until, 1):
        with _transfers(mirror) as transfers:
            _Copying(mirror, transfers, until).run(mirror, follow)
        if not mirror.stopping():  # otherwise a thread may still write its part
            _drop_parts(mirror)
    report_unchosen(mirror)
    mirror.totals.files_waiting = table.outstanding().outstanding


def _drop_parts(mirror: Mirror) -> None:
    """Delete received parts that no download will continue."""
    parts = mirror.packages.incoming()
    mirror.packages.keep_incoming(mirror.state.package_files.are_wanted(parts) if parts else ())


@contextmanager
def _transfers(mirror: Mirror) -> Iterator[Transfers]:
    files = mirror.settings.files
    taken = mirror.state.package_files.counts().taken if files.budget else 0
    downloads, stopped = FileDownloads(mirror.settings, mirror.upstream.simple_url), Event()
    room = Room(files, taken, mirror.packages.free_space)
    try:
        yield Transfers(downloads, room, Bandwidth(files.bandwidth, stopped.wait), stopped)
    finally:
        stopped.set()
        downloads.close()


class _Copying:
    """The downloads of one pass."""

    def __init__(self, mirror: Mirror, transfers: Transfers, until: float) -> None:
        self._transfers, self._until = transfers, until
        self._hosts = HostQueue(mirror.settings.files.downloads_per_host)
        most_metadata = mirror.settings.upstream.max_page_size
        downloader = Downloader(mirror.packages, transfers, most_metadata)
        self._workers = Workers(downloader, self._hosts)
        self._progress = mirror.progress
        self._after = {CopyStatus.WANTED: 0, CopyStatus.SERVED: 0}  # the last row read
        self._under_way: set[int] = set()  # rows
        self._ended = 0  # queued files that are finished
        self._queued = 0
        self._done: list[Finished] = []  # finished, not published yet
        self._oldest = 0.0  # monotonic seconds, of the oldest in ``_done``
        self._pages = PagesToWrite()
        self._unfit: Counter[str] = Counter()  # files that do not fit, by key

    def run(self, mirror: Mirror, follow: Callable[[], Mirror]) -> None:
        """Download until nothing is left, and publish at the same time."""
        self._begin_phase(mirror)
        self._workers.start(mirror.settings.files.downloads)
        began = mirror.monotonic()
        try:
            while not mirror.stopping() and (self._refill(mirror) or self._is_at_work):
                self._take(mirror, self._workers.finished(_TICK if self._is_at_work else 0.0))
                waited = mirror.monotonic() - self._oldest
                if self._done and (len(self._done) >= _BATCH or waited > _PATIENCE):
                    self._publish(mirror)
                if mirror.monotonic() - began > SLICE:
                    self._publish(mirror, everything=True)
                    mirror, began = follow(), mirror.monotonic()
                    self._after = dict.fromkeys(self._after, 0)  # a page may want an older row
                    self._begin_phase(mirror)
        finally:
            self._hosts.close()
        self._publish(mirror, everything=not mirror.stopping())
        mirror.totals.limits.update(self._unfit)
        self._log_limits()

    def _begin_phase(self, mirror: Mirror) -> None:
        left = mirror.state.package_files.outstanding()
        self._progress.expect("copying files", left.outstanding, size=left.wanted_bytes)

    @property
    def _is_at_work(self) -> bool:
        return self._queued > self._ended + self._hosts.postponed

    def _refill(self, mirror: Mirror) -> bool:
        """Queue more files; return False if there are none."""
        if self._hosts.waiting >= _AHEAD:
            return True
        if self._unfit.total() >= _MOST_UNFIT:
            self._hosts.clear()
            return False
        table, rows = mirror.state.package_files, list[PackageFile]()
        for status, read in (
            (CopyStatus.WANTED, table.wanted),
            (CopyStatus.SERVED, table.lacking_metadata),
        ):
            rows = read(self._until, _AHEAD, self._after[status])
            if rows:
                self._after[status] = rows[-1].id
                break
        for one in rows:
            if one.id not in self._under_way and self._hosts.put(one):
                self._under_way.add(one.id)
                self._queued += 1
        return bool(rows)

    def _take(self, mirror: Mirror, finished: Sequence[Finished]) -> None:
        """Take what the threads have finished."""
        if finished and not self._done:
            self._oldest = mirror.monotonic()
        failed = 0
        for one in finished:
            if one.fatal is not None:
                raise one.fatal
            if one.limit is not None:
                self._unfit[one.limit.key] += 1
                self._under_way.discard(one.copy.id)
            else:
                self._done.append(one)
            failed += one.received is None
        self._ended += len(finished)
        self._progress.advance(len(finished), failed, size=self._transfers.take_count())

    def _publish(self, mirror: Mirror, *, everything: bool = False) -> None:
        done, self._done = self._done, []
        if done:
            self._pages.add(publish_copies(mirror, done), mirror.monotonic())
            for one in done:
                self._under_way.discard(one.copy.id)
        self._pages.publish(mirror, self._until, everything=everything)

    def _log_limits(self) -> None:
        for key, count in self._unfit.items():
            log.warning(
                "%s is reached: %d files or more wait. Later passes try again; %s",
                key,
                count,
                _ADVICE[key],
            )
