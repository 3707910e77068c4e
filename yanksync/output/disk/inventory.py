"""Reads the content of a directory of the output, and changes nothing."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from yanksync.output.inventory import OURS, DirectoryContent, FileEntry, file_entry
from yanksync.output.published_serials import serial_of

_CHUNK = 1 << 16  # bytes; unpacked, they may be a thousand times as many
NO_TARGET = "is a symbolic link that leads to nothing"
_PERMISSIONS = 0o777  # the bits above them (set-group-ID) are the operator's


def read_directory(
    path: str, file_mode: int, directory_mode: int, *, below: bool
) -> DirectoryContent:
    """Return the content of the directory ``path``.

    With ``below`` it is ``simple/``: directories in it do not count. It may be a symbolic link,
    because operators put it on another disk; the directory of a project must not be one. Modes are
    compared with those of a new file or directory under the umask.
    """
    forbidden = umask()
    try:
        found = os.stat(path) if below else os.lstat(path)
        if not stat.S_ISDIR(found.st_mode):
            return DirectoryContent(problem="is there and no directory")
        with os.scandir(path) as entries:
            seen = tuple(
                _seen(path, entry.name, file_mode & ~forbidden)
                for entry in entries
                if not (below and entry.is_dir(follow_symlinks=False))
            )
    except FileNotFoundError:
        return (
            DirectoryContent(problem=NO_TARGET)
            if os.path.islink(path)
            else DirectoryContent(exists=False)
        )
    except OSError as error:
        return DirectoryContent(problem=error.strerror or str(error))
    return DirectoryContent(
        entries=seen, wrong_mode=wrong_mode(found.st_mode, directory_mode & ~forbidden)
    )


def umask() -> int:
    """Return the umask of this process."""
    found = os.umask(0o077)  # the only way to read it is to set it
    os.umask(found)
    return found


def wrong_mode(mode: int, fresh: int) -> str | None:
    """Return how a mode differs from a new file's, or None."""
    mode &= _PERMISSIONS
    return None if mode == fresh or os.name == "nt" else f"{mode:04o}, not {fresh:04o}"


def _seen(base: str, name: str, fresh: int) -> FileEntry:
    if name not in OURS:
        return FileEntry(name=name)
    path = f"{base}/{name}"
    try:
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode):  # a link may lead anywhere, a pipe may never answer
            return FileEntry(name=name, problem="is there and no file")
        wrong = wrong_mode(found.st_mode, fresh)
    except OSError as error:
        return FileEntry(name=name, problem=error.strerror or str(error))
    try:
        return file_entry(name, _chunks(path), wrong, found.st_size)
    except OSError as error:
        return FileEntry(name=name, problem=error.strerror or str(error), wrong_mode=wrong)


def _chunks(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        yield from chunks_in(file)


def chunks_in(file: BinaryIO) -> Iterator[bytes]:
    """Yield the rest of an open file."""
    while chunk := file.read(_CHUNK):
        yield chunk


def open_published(path: str) -> BinaryIO | None:
    """Open a published file; None: there is no regular file.

    Reading a pipe of that name might never end.
    """
    try:
        return open(path, "rb") if stat.S_ISREG(os.stat(path).st_mode) else None
    except (FileNotFoundError, NotADirectoryError):
        return None


def serials_in(path: str, files: Iterable[str]) -> Iterator[int | None]:
    """Yield the serials in these files of the directory ``path``. Raises OSError."""
    seen = set()
    for filename in files:
        file = open_published(f"{path}/{filename}")
        if file is None:
            continue
        with file:
            inode = os.fstat(file.fileno()).st_ino
            if inode not in seen:  # otherwise it is a second name of the same file
                seen.add(inode)
                yield _serial(f"{path}/{filename}", file)


def _serial(path: str, file: BinaryIO) -> int | None:
    try:
        return serial_of(path, chunks_in(file))
    except OSError as error:  # an error of a codec names no file
        raise OSError(error.errno, error.strerror, path) from error
