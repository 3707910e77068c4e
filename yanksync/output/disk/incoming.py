"""Keeps files that are being received, hidden from web servers."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Collection
from contextlib import suppress
from types import TracebackType

from yanksync.output.disk.published_files import publish_errors
from yanksync.output.disk.staging import DIRECTORY_MODE, unlink

PRIVATE = 0o700
"""The mode of a directory whose files no other user may read."""

_CHUNK = 1 << 20  # bytes
_NOTE = ".part"  # end of the name of a note that says how to continue a part
_OURS = re.compile(r"[0-9a-f]{64}(\.part)?")


class ReceivedFile:
    """A file that is being received."""

    def __init__(self, place: str, path: str) -> None:
        self._place, self._path = place, path
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.fdopen(os.open(place, flags, 0o600), "rb+", buffering=0)
        self.size = os.fstat(self._file.fileno()).st_size
        self.validator = _read_note(place)[1] if self.size else ""

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
            view = memoryview(chunk)
            while view:
                view = view[self._file.write(view) :]
        self.size += len(chunk)

    def restart(self) -> None:
        """Drop all bytes that are there."""
        if not self.size:
            return
        with publish_errors(self._place):
            unlink(self._place + _NOTE)
            self._file.seek(0)
            self._file.truncate()
        self.size, self.validator = 0, ""

    def note(self, validator: str) -> None:
        """Let a later pass continue this file.

        ``validator`` is the host's ETag or time of the bytes (for If-Range); "": there is none.
        """
        if validator and validator != self.validator:
            with publish_errors(self._place), open(self._place + _NOTE, "w") as file:
                json.dump([self._path, validator], file)
            self.validator = validator

    def discard(self) -> None:
        """Delete the file."""
        with publish_errors(self._place):
            unlink(self._place)
            unlink(self._place + _NOTE)


def _read_note(place: str) -> tuple[str, str]:
    """Return path and validator of a part.

    Both are empty if it cannot be continued.
    """
    try:
        with open(place + _NOTE) as file:
            path, validator = json.load(file)
    except (FileNotFoundError, ValueError, TypeError):  # a power failure may leave half of it
        return "", ""
    return str(path), str(validator)


class IncomingDirectory:
    """The directory of the files that are being received."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def place(self, path: str) -> str:
        """Return where the file for ``path`` is received."""
        return f"{self._directory}/{incoming_name(path)}"

    def receive(self, path: str) -> ReceivedFile:
        """Open the file for ``path``."""
        place = self.place(path)
        with publish_errors(place):
            try:
                return ReceivedFile(place, path)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(self._directory), DIRECTORY_MODE, exist_ok=True)
                os.makedirs(self._directory, PRIVATE, exist_ok=True)
                return ReceivedFile(place, path)

    def parts(self) -> list[str]:
        """Return the paths of files that can be continued."""
        with publish_errors(self._directory):
            notes = [name for name in self._names() if name.endswith(_NOTE)]
            places = [f"{self._directory}/{name.removesuffix(_NOTE)}" for name in notes]
            return [path for place in places if (path := _read_note(place)[0])]

    def keep(self, paths: Collection[str]) -> None:
        """Delete received files, except the parts of ``paths``."""
        kept = {name for path in paths for name in (incoming_name(path), _note_name(path))}
        with publish_errors(self._directory):
            for name in self._names():
                if name not in kept:
                    unlink(f"{self._directory}/{name}")
            if not kept:
                with suppress(OSError):
                    os.rmdir(self._directory)

    def drop(self, path: str) -> None:
        """Delete a received file."""
        with publish_errors(self._directory):
            unlink(self.place(path))
            self.forget_note(path)

    def free_space(self) -> int:
        """Return the free bytes of the file system."""
        above = os.path.dirname(self._directory)
        with publish_errors(above):
            return shutil.disk_usage(above).free

    def forget_note(self, path: str) -> None:
        """Delete the note about a part: the file is complete."""
        unlink(f"{self._directory}/{_note_name(path)}")

    def _names(self) -> list[str]:
        """Return the names of received files; other files are left out."""
        try:
            return [name for name in os.listdir(self._directory) if _OURS.fullmatch(name)]
        except FileNotFoundError:
            return []
        except NotADirectoryError as error:
            why = "is there and no directory of ours; move it away, the next run goes on from here"
            raise OSError(errno.ENOTDIR, why, self._directory) from error


def _note_name(path: str) -> str:
    return incoming_name(path) + _NOTE


def incoming_name(path: str) -> str:
    """Return the name of a file while it is received."""
    return hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()
