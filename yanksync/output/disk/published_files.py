"""Reads published files of a directory, and explains errors."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from yanksync.core import layout
from yanksync.core.errors import PublishError
from yanksync.output.disk.inventory import (
    chunks_in,
    open_published,
    read_directory,
    serials_in,
)
from yanksync.output.disk.staging import DIRECTORY_MODE
from yanksync.output.inventory import DirectoryContent
from yanksync.output.published_serials import LARGEST, highest_serial, serial_of
from yanksync.output.store import FreeSpace, PublishedList
from yanksync.system.atomic_files import FILE_MODE
from yanksync.system.ownership import ownership_hint

UNREADABLE = "%s cannot be read, so it is left alone: %s"
"""What is logged of a directory below the output."""


class PublishedFiles:
    """Reads the files below an output directory."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self._root = str(output / layout.ROOT)

    def read(self, name: str | None, filename: str) -> bytes | None:
        """Return a published file; None if it is missing."""
        path = f"{self.output}/{layout.directory(name)}/{filename}"
        with publish_errors(path):
            file = open_published(path)
            if file is None:
                return None
            with file:
                body = file.read(LARGEST + 1)
        if len(body) > LARGEST:
            raise PublishError(path, "is larger than any page")
        return body

    def serial(self, name: str, files: Sequence[str] = layout.filenames()) -> int | None:
        """Return the highest serial in the published files of a project."""
        base = f"{self._root}/{name}"
        with publish_errors(base):
            return highest_serial(serials_in(base, files))

    def serials(
        self, names: Sequence[str], *, quick: bool = False
    ) -> Iterator[int | PublishError | None]:
        """Yield the serial of each project, or why it cannot be read."""
        files = (layout.V1_JSON.filename,) if quick else layout.filenames()
        for name in names:
            try:
                yield self.serial(name, files)
            except PublishError as error:
                yield error

    def published_list(self) -> PublishedList:
        """Return time and size of the published list, to recognise it.

        The time is in whole seconds, because every program that copies a tree with its times keeps
        them. A list that replaces another one is at least a second newer.
        """
        path = f"{self._root}/{layout.V1_JSON.filename}"
        with publish_errors(path):
            file = open_published(path)
            if file is None:
                return PublishedList(None, "")
            with file:
                found = serial_of(path, chunks_in(file))
                at = os.fstat(file.fileno())
                return PublishedList(found, f"{int(at.st_mtime)} {at.st_size}")

    def names(self) -> Iterator[str]:
        """Yield the names of the directories below ``simple/``."""
        with publish_errors(self._root), os.scandir(self._root) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield entry.name

    def directory_content(self, name: str | None) -> DirectoryContent:
        """Return the content of a project's directory; None: of ``simple/``."""
        path = str(self.output / layout.directory(name))
        return read_directory(path, FILE_MODE, DIRECTORY_MODE, below=name is None)

    def directory_contents(self, names: Sequence[str]) -> Iterator[DirectoryContent]:
        """Yield the contents of these directories."""
        return map(self.directory_content, names)

    def free_space(self) -> FreeSpace | None:
        """Return what is free on the file system of the output."""
        return room_at(self._root)


def room_at(path: str) -> FreeSpace | None:
    """Return the free space at ``path``, which may be missing.

    None: unknown.
    """
    try:
        free = os.statvfs(path)
    except FileNotFoundError:
        above = os.path.dirname(path)
        return None if above in ("", path) else room_at(above)
    except (OSError, AttributeError):  # not every system has it
        return None
    return FreeSpace(free.f_bavail * free.f_frsize, free.f_favail if free.f_files else None)


_FIXED = "; see with lsattr whether it or its directory is immutable"
_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def publish_errors(path: str, key: str = "mirror.output") -> Iterator[None]:
    """Raise errors inside as :class:`PublishError`; ``path`` is the default.

    ``key`` is the configuration key of the place.
    """
    try:
        yield
    except OSError as error:
        where = str(error.filename2 or error.filename or path)
        concerned = key if where.startswith(path) or path.startswith(where) else "mirror.output"
        why = f"{error.strerror or error}{advice(error, where, concerned)}"
        raise PublishError(where, why, is_full=error.errno in _FULL) from error


def advice(error: OSError, where: str | None, key: str = "mirror.output") -> str:
    """Return advice about an error of the place ``where``.

    ``key`` is the configuration key of the place.
    """
    if error.errno in _FULL:
        return f"; free some room for {key}, the next run goes on from here"
    if error.errno == errno.EROFS:
        return f"; mount {key} writable, the next run goes on from here"
    if where is not None and error.strerror == os.strerror(errno.ENOTDIR):
        return _in_the_way(Path(where), key)
    if where is None or error.errno not in (errno.EACCES, errno.EPERM):
        return "" if key == "mirror.output" else f"; correct {key}, or make that directory"
    return ownership_hint(Path(where)) or (_FIXED if error.errno == errno.EPERM else "")


def _in_the_way(path: Path, key: str) -> str:
    for one in (path, *path.parents):
        if os.path.exists(one) and not os.path.isdir(one):
            return f"; {one} is in the way: move it away, or change {key}"
    return ""
