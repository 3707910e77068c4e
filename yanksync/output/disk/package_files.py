"""Copies of package files in a directory: received, published, and moved out of service."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from yanksync.core.layout import PACKAGES
from yanksync.core.package_files.paths import metadata_path
from yanksync.output.disk.file_system_limits import FileSystemRefusals
from yanksync.output.disk.published_files import publish_errors
from yanksync.output.disk.staging import DIRECTORY_MODE, make_directory, unlink
from yanksync.output.package_store import PackageEntry
from yanksync.system import fsync
from yanksync.system.atomic_files import FILE_MODE

INCOMING = ".incoming"
"""The directory of received files below ``packages/``; the web server cannot read it."""

_PRIVATE = 0o700
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


class DiskPackages:
    """The copies below an output directory."""

    def __init__(self, output: Path, withheld: Path) -> None:
        """``withheld`` is the directory of copies that are out of service."""
        self._output, self._withheld = str(output), str(withheld)
        self._root = f"{self._output}/{PACKAGES}"
        self._incoming = f"{self._root}/{INCOMING}"
        self._refusals = FileSystemRefusals(self._root)

    def receive(self, path: str) -> ReceivedFile:
        """Open the file that is to stand at ``path``."""
        place = self._received(path)
        with publish_errors(place):
            try:
                return ReceivedFile(place)
            except FileNotFoundError:
                os.makedirs(self._root, DIRECTORY_MODE, exist_ok=True)
                os.makedirs(self._incoming, _PRIVATE, exist_ok=True)
                return ReceivedFile(place)

    def drop_incoming(self, paths: Iterable[str]) -> None:
        """Delete what was received of these files."""
        with publish_errors(self._incoming):
            for path in paths:
                unlink(self._received(path))

    def incoming(self) -> Iterator[str]:
        """Yield the names of received files; see :meth:`incoming_name`."""
        with publish_errors(self._incoming), suppress(FileNotFoundError):
            yield from sorted(os.listdir(self._incoming))

    def publish_packages(self, paths: Sequence[str]) -> None:
        """Put received files in their places, durably, each in one step."""
        with publish_errors(self._root):
            received = [self._received(path) for path in paths]
            for place in received:
                os.chmod(place, FILE_MODE)
            self._refusals.unsynced(fsync.sync_files(received, self._root), "files")
            self._move(received, [f"{self._output}/{path}" for path in paths], self._output)

    def withhold(self, paths: Sequence[str]) -> None:
        """Move copies out of the output, durably."""
        with publish_errors(self._withheld):
            os.makedirs(self._withheld, _PRIVATE, exist_ok=True)
            both = _with_metadata(paths)
            places = [f"{self._output}/{path}" for path in both]
            self._move(places, [self._kept(path) for path in both], self._withheld)
            self._remove_empty(paths)

    def put_back(self, paths: Sequence[str]) -> None:
        """Move withheld copies to their places, durably."""
        with publish_errors(self._root):
            both = _with_metadata(paths)
            places = [f"{self._output}/{path}" for path in both]
            self._move([self._kept(path) for path in both], places, self._output)

    def delete_withheld(self, paths: Sequence[str]) -> None:
        """Delete withheld copies."""
        with publish_errors(self._withheld):
            for path in _with_metadata(paths):
                unlink(self._kept(path))

    def package_sizes(self, paths: Sequence[str]) -> Mapping[str, int]:
        """Return the sizes of copies in bytes; missing ones are left out."""
        found = {}
        with publish_errors(self._root):
            for path in paths:
                with suppress(FileNotFoundError):
                    found[path] = os.lstat(f"{self._output}/{path}").st_size
        return found

    def package_chunks(self, path: str) -> Iterator[bytes]:
        """Yield what a copy holds. Raises :class:`FileNotFoundError` when it is not there."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(f"{self._output}/{path}", flags), "rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    def packages(self) -> Iterator[PackageEntry]:
        """Yield all files below ``packages/``, received ones aside."""

        def stop(error: OSError) -> None:
            if not isinstance(error, FileNotFoundError):
                raise error

        with publish_errors(self._root):
            for base, below, names in os.walk(self._root, onerror=stop):
                below[:] = sorted(one for one in below if one != INCOMING)
                place = os.path.relpath(base, self._output)
                for name in sorted(names):
                    size = os.lstat(f"{base}/{name}").st_size
                    yield PackageEntry(f"{place}/{name}", size)

    def _received(self, path: str) -> str:
        return f"{self._incoming}/{incoming_name(path)}"

    def _kept(self, path: str) -> str:
        return f"{self._withheld}/{path.removeprefix(PACKAGES + '/')}"

    def _move(self, places: Sequence[str], targets: Sequence[str], root: str) -> None:
        touched: dict[str, None] = {}
        for place, target in zip(places, targets, strict=True):
            base = os.path.dirname(target)
            try:
                self._rename(place, target, touched)
            except FileNotFoundError:
                if not os.path.lexists(place):
                    continue  # a run that died has moved it already
                self._make_above(base, touched)
                self._rename(place, target, touched)
            touched[base] = touched[os.path.dirname(place)] = None
        present = [one for one in touched if os.path.isdir(one)]
        self._refusals.unsynced(fsync.sync_directories(present, root), "directories")

    def _rename(self, place: str, target: str, touched: dict[str, None]) -> None:
        try:
            os.rename(place, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            between = f"{os.path.dirname(target)}/.{incoming_name(target)}"
            shutil.copyfile(place, between)
            self._refusals.unsynced(fsync.sync_files([between], os.path.dirname(target)), "files")
            os.rename(between, target)
            os.unlink(place)

    def _make_above(self, base: str, touched: dict[str, None]) -> None:
        missing = []
        while not os.path.isdir(base):
            missing.append(base)
            base = os.path.dirname(base)
        touched[base] = None
        for one in reversed(missing):
            make_directory(one)
            touched[one] = None

    def _remove_empty(self, paths: Sequence[str]) -> None:
        for path in paths:
            base = os.path.dirname(f"{self._output}/{path}")
            while base != self._root:
                try:
                    os.rmdir(base)
                except OSError:  # it is not empty, or gone
                    break
                base = os.path.dirname(base)


def _with_metadata(paths: Sequence[str]) -> list[str]:
    return [one for path in paths for one in (path, metadata_path(path))]


def incoming_name(path: str) -> str:
    """Return the name of a file while it is received."""
    return hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()
