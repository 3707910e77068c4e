"""Files that are being received, in a directory that no web server can read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from types import TracebackType

from yanksync.output.disk.published_files import publish_errors
from yanksync.output.disk.staging import DIRECTORY_MODE, unlink

PRIVATE = 0o700
"""The mode of a directory whose files no other user may read."""

_CHUNK = 1 << 20  # bytes


class ReceivedFile:
    """A file that is being received."""

    def __init__(self, place: str) -> None:
        self._place = place
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.fdopen(os.open(place, flags, 0o600), "rb+")
        self.size = os.fstat(self._file.fileno()).st_size

    def __enter__(self) -> ReceivedFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with publish_errors(self._place):
            self._file.close()

    def feed(self, update: Callable[[bytes], None]) -> None:
        """Pass all bytes that are there to ``update``."""
        with publish_errors(self._place):
            self._file.seek(0)
            while chunk := self._file.read(_CHUNK):
                update(chunk)

    def write(self, chunk: bytes) -> None:
        """Add bytes at the end."""
        with publish_errors(self._place):
            self._file.write(chunk)
        self.size += len(chunk)

    def restart(self) -> None:
        """Drop all bytes that are there."""
        with publish_errors(self._place):
            self._file.seek(0)
            self._file.truncate()
        self.size = 0

    def discard(self) -> None:
        """Delete the file: its bytes are wrong."""
        with publish_errors(self._place):
            unlink(self._place)


class IncomingDirectory:
    """The directory of the files that are being received."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def place(self, path: str) -> str:
        """Return where the file is received that is to stand at ``path``."""
        return f"{self._directory}/{incoming_name(path)}"

    def receive(self, path: str) -> ReceivedFile:
        """Open the file that is to stand at ``path``."""
        place = self.place(path)
        with publish_errors(place):
            try:
                return ReceivedFile(place)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(self._directory), DIRECTORY_MODE, exist_ok=True)
                os.makedirs(self._directory, PRIVATE, exist_ok=True)
                return ReceivedFile(place)

    def drop(self, paths: Iterable[str]) -> None:
        """Delete what was received of these files."""
        with publish_errors(self._directory):
            for path in paths:
                unlink(self.place(path))

    def names(self) -> Iterator[str]:
        """Yield the names of received files; see :func:`incoming_name`."""
        with publish_errors(self._directory), suppress(FileNotFoundError):
            yield from sorted(os.listdir(self._directory))


def incoming_name(path: str) -> str:
    """Return the name of a file while it is received."""
    return hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()
