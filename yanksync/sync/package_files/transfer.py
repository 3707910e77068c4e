"""Receives the bytes of files.

Broken downloads continue, limits apply, and the bytes are checked.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from yanksync.core.errors import InvalidAnswer, PublishError, UpstreamUnreachable
from yanksync.core.urls import redacted
from yanksync.output.package_store import IncomingFile
from yanksync.sync.package_files.limits import Bandwidth, Claim, LimitReached, Room
from yanksync.upstream.file_download import Download, FileDownloads

if TYPE_CHECKING:
    from hashlib import _Hash

_WORTH_NOTING = 1 << 20  # bytes; if the run is killed, less than this is lost


class Stopped(Exception):
    """The pass must end."""


class Wanted(Struct, frozen=True):
    """A file to receive."""

    path: str  # below the output
    url: str
    algorithm: str
    digest: str
    size: int | None = None  # bytes; None: not known
    most: int | None = None  # bytes: the limit

    def new_hash(self) -> _Hash:
        """Return the hash of no bytes."""
        return hashlib.new(self.algorithm, usedforsecurity=False)

    def check_whole(self, size: int | None) -> None:
        """Raise :class:`InvalidAnswer` for a file of another size than the page says."""
        if size is not None and self.size not in (None, size):
            raise self.invalid(f"has {size} bytes, and the page says {self.size}")
        self.check_size(size or 0)

    def check_size(self, size: int) -> None:
        """Raise :class:`InvalidAnswer` for a file of more bytes than it may have."""
        if self.size is not None and size > self.size:
            raise self.invalid(f"has more than the {self.size} bytes that the page says")
        if self.most is not None and size > self.most:
            raise self.invalid(f"has more than {self.most} bytes")

    def invalid(self, problem: str) -> InvalidAnswer:
        """Return the error of a wrong file."""
        return InvalidAnswer(redacted(self.url), problem)


class Transfers:
    """Receives files. Safe for use by many threads."""

    def __init__(
        self,
        downloads: FileDownloads,
        room: Room,
        bandwidth: Bandwidth,
        stopped: threading.Event,
    ) -> None:
        """``stopped`` ends all transfers."""
        self._downloads, self._room, self._bandwidth = downloads, room, bandwidth
        self._stopped = stopped
        self._lock = threading.Lock()
        self._seen = 0

    def take_count(self) -> int:
        """Return how many bytes came since the last call."""
        with self._lock:
            seen, self._seen = self._seen, 0
        return seen

    def check_stop(self) -> None:
        """Raise :class:`Stopped` if the pass must end."""
        if self._stopped.is_set():
            raise Stopped

    def receive(self, incoming: IncomingFile, wanted: Wanted) -> None:
        """Bring ``incoming`` to the bytes that are wanted.

        A part stays after :class:`UpstreamUnreachable` and :class:`Stopped`. Raises also
        :class:`InvalidAnswer`, other upstream errors, :class:`LimitReached` and
        :class:`PublishError`.
        """
        try:
            found = self._part_hash(incoming, wanted)
            was_continued = incoming.size > 0
            if not was_continued or incoming.size != wanted.size:
                found, was_continued = self._download(incoming, wanted, found)
            if found.hexdigest() != wanted.digest and was_continued:
                incoming.restart()  # the part may belong to other bytes
                found, _ = self._download(incoming, wanted, wanted.new_hash())
            if found.hexdigest() != wanted.digest:
                raise wanted.invalid(f"its {wanted.algorithm} is not that of the page")
        except (InvalidAnswer, LimitReached, PublishError):
            incoming.discard()
            raise

    def _part_hash(self, incoming: IncomingFile, wanted: Wanted) -> _Hash:
        """Return the hash of the part that can be continued.

        Any other part is deleted.
        """
        found = wanted.new_hash()
        if not incoming.validator or incoming.size > (wanted.size or incoming.size):
            incoming.restart()

        def update(chunk: bytes) -> None:
            self.check_stop()
            found.update(chunk)

        if incoming.size:
            incoming.feed(update)
        return found

    def _download(self, incoming: IncomingFile, wanted: Wanted, found: _Hash) -> tuple[_Hash, bool]:
        """Receive the rest.

        Return the hash of the whole, and True if it was continued.
        """
        claim = Claim(self._room, wanted.size, incoming.size)
        try:
            with self._downloads.open(wanted.url, incoming.size, incoming.validator) as download:
                if download.start != incoming.size:  # the host begins again
                    incoming.restart()
                    found = wanted.new_hash()
                wanted.check_whole(download.size)
                was_continued = incoming.size > 0
                try:
                    for chunk in self._chunks(download):
                        wanted.check_size(incoming.size + len(chunk))
                        claim.grow(len(chunk))
                        incoming.write(chunk)
                        found.update(chunk)
                        if incoming.size >= _WORTH_NOTING:
                            incoming.note(download.validator)
                    if incoming.size < (wanted.size or 0):
                        raise UpstreamUnreachable(redacted(wanted.url), "the answer was cut off")
                except (UpstreamUnreachable, Stopped):
                    incoming.note(download.validator)
                    raise
        except BaseException:
            claim.release()
            raise
        return found, was_continued

    def _chunks(self, download: Download) -> Iterator[bytes]:
        """Yield received bytes within the bandwidth, until the pass must end."""
        for chunk in download.chunks:
            self.check_stop()
            with self._lock:
                self._seen += len(chunk)
            yield chunk
            self._bandwidth.take(len(chunk))
