"""The limits of copying.

They are bytes per second, bytes of all copies, and bytes that stay free.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from yanksync.config.files_settings import FilesSettings
from yanksync.core.errors import YanksyncError

_BURST = 1.0  # seconds whose bytes may come at once


class LimitReached(YanksyncError):
    """A file does not fit."""

    def __init__(self, key: str, problem: str) -> None:
        self.key = key  #: of the configuration
        self.problem = problem
        super().__init__(key, problem)

    def __str__(self) -> str:
        return f"{self.problem} ({self.key})"


class Bandwidth:
    """Keeps all downloads together below a rate.

    Safe for use by many threads.
    """

    def __init__(self, rate: int, wait: Callable[[float], object]) -> None:
        """Take the ``rate`` in bytes per second; 0: no limit.

        ``wait`` is a function that waits for some seconds.
        """
        self._rate, self._wait = rate, wait
        self._lock = threading.Lock()
        self._due = time.monotonic()  # from then on, all bytes so far are within the rate

    def take(self, size: int) -> None:
        """Wait until ``size`` more bytes are within the rate."""
        if not self._rate:
            return
        with self._lock:
            now = time.monotonic()
            self._due = max(self._due, now - _BURST) + size / self._rate
            pause = self._due - now
        if pause > 0:
            self._wait(pause)


class Room:
    """The bytes that copies may still take.

    Safe for use by many threads.
    """

    def __init__(
        self, settings: FilesSettings, taken: int, free_space: Callable[[], int | None]
    ) -> None:
        """``taken``: bytes of all copies, withheld ones included."""
        self._budget, self._floor = settings.budget, settings.free_space
        self._taken, self._free_space = taken, free_space
        self._unwritten = 0  # bytes that were taken and are not on the disk yet
        self._lock = threading.Lock()

    def take(self, size: int, unwritten: int) -> None:
        """Take room; ``unwritten`` bytes of it are still to be written.

        Raises :class:`LimitReached`.
        """
        with self._lock:
            if size and self._budget and self._taken + size > self._budget:
                raise LimitReached("files.budget", "all copies together would exceed the budget")
            free = self._free_space() if self._floor else None
            if free is not None and free - self._unwritten - unwritten < self._floor:
                raise LimitReached("files.free_space", "too little of the disk would stay free")
            self._taken += size
            self._unwritten += unwritten

    def give_back(self, size: int, unwritten: int) -> None:
        """Give back what was taken."""
        with self._lock:
            self._taken -= size
            self._unwritten -= unwritten


class Claim:
    """The room of one file."""

    def __init__(self, room: Room, size: int | None, there: int) -> None:
        """Reserve room for a file of this ``size``; None: not known.

        ``there``: bytes of it that are on the disk already. Raises :class:`LimitReached`.
        """
        self._room, self._is_known = room, size is not None
        self._size = there if size is None else size
        self._unwritten = self._size - there
        room.take(self._size, self._unwritten)

    def grow(self, size: int) -> None:
        """Note bytes that are about to be written. Raises :class:`LimitReached`."""
        if self._is_known:
            written = min(size, self._unwritten)
            self._room.take(0, -written)
            self._unwritten -= written
        else:
            self._room.take(size, 0)
            self._size += size

    def release(self) -> None:
        """Give the room back: the file is not kept."""
        self._room.give_back(self._size, self._unwritten)
