"""Writes files beside those that they will replace later."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from yanksync.core import layout
from yanksync.output.inventory import OURS
from yanksync.system import fsync
from yanksync.system.atomic_files import create_new

DIRECTORY_MODE = 0o755
_CHUNK = 1 << 20  # bytes
_SECOND = 1_000_000_000  # nanoseconds
_REFUSALS = fsync.NO_SUCH_CALL | {errno.EPERM, errno.EACCES}  # a time may not be set
_PATIENCE = 2 * _SECOND  # how long a file waits for a time that it cannot be given


class StagedFiles:
    """Files that are written for one project, but not yet in place."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.renames: list[tuple[str, str]] = []  # (temporary path, final path), in order
        self.deletes: list[str] = []  # before any rename: compressed copies to delete
        self.made: list[str] = []  # temporary paths
        self.keep: set[str] | None = None  # tidying: the only file names that may stay
        self.fresh = False  # the directory is new: nothing else is in it
        self.undated: OSError | None = None  # why a file's time could not be set
        self.early: dict[str, int] = {}  # temporary paths that are too old by so many ns


def make_directory(path: str) -> bool:
    """Make a directory; return whether it is new."""
    try:
        os.mkdir(path, DIRECTORY_MODE)
    except FileExistsError:
        refuse_link(path)
        return False
    return True


def refuse_link(path: str) -> None:
    """Refuse a path that is no directory.

    A link could lead to any other place.

    Only ``simple/`` may be a link, because operators may put it on another disk.
    """
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        raise OSError(errno.ENOTDIR, "is there and no directory of ours", path)


def discard(one: StagedFiles) -> None:
    """Delete written files that are not in place."""
    for path in one.made:
        with suppress(OSError):
            os.unlink(path)


def unstage(one: StagedFiles, path: str) -> None:
    """Delete the temporary file of ``one``, which is not needed."""
    os.unlink(path)
    one.made.remove(path)
    one.renames = [pair for pair in one.renames if pair[0] != path]


def stage_file(
    base: str, filename: str, body: bytes, one: StagedFiles, moment: int | None = None
) -> int:
    """Stage ``body`` for ``filename`` in the directory ``base``; see :func:`stage_chunks`."""
    return stage_chunks(base, filename, (body,), one, moment)


def stage_chunks(
    base: str, filename: str, chunks: Iterable[bytes], one: StagedFiles, moment: int | None
) -> int:
    """Stage a file and return its mtime in ns.

    The mtime is ``moment``, or else one that R12 allows.
    """
    temporary, final = f"{base}/{layout.temporary_name(filename)}", f"{base}/{filename}"
    one.made.append(temporary)
    one.renames.append((temporary, final))
    descriptor = create_new(temporary)
    try:
        for chunk in chunks:
            view = memoryview(chunk)
            while view:
                view = view[os.write(descriptor, view) :]
        # All files get the same time: nginx uses a compressed copy for its page without comparing
        # times, but it makes the ETag from the time.
        if moment is None and one.fresh:
            moment = os.fstat(descriptor).st_mtime_ns  # as it is
        else:
            moment = _moment(descriptor, final) if moment is None else moment
            try:
                where = descriptor if os.utime in os.supports_fd else temporary
                os.utime(where, ns=(moment, moment))
            except OSError as error:
                _undated(one, error, descriptor, temporary, final)
    finally:
        os.close(descriptor)
    return moment


def _undated(one: StagedFiles, error: OSError, descriptor: int, temporary: str, final: str) -> None:
    """Note that a file keeps its time, and if this suffices (R12).

    On a share that is mounted for one user, a new file may belong to another user. Only that user
    may set its time.
    """
    if error.errno not in _REFUSALS:
        raise error
    one.undated = error
    lacks = _moment(descriptor, final) - os.fstat(descriptor).st_mtime_ns
    if lacks > 0:
        one.early[temporary] = lacks


def refresh_times(staged: Sequence[StagedFiles]) -> None:
    """Write files again whose mtime is too old to replace others (R12).

    This is for files whose time cannot be set: they have the time of the write. If a file would
    have to wait for long, it replaces a file from the future; it keeps its time.
    """
    lacking = {path: lacks for one in staged for path, lacks in one.early.items()}
    waiting = [path for path, lacks in lacking.items() if lacks <= _PATIENCE]
    if not waiting:
        return
    time.sleep((max(lacking[path] for path in waiting) + _SECOND // 20) / _SECOND)
    for path in waiting:
        with open(path, "rb+") as file:
            first = file.read(1)
            file.seek(0)
            file.write(first)


def read_chunks(path: str) -> Iterator[bytes]:
    """Yield a file's bytes."""
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _moment(descriptor: int, final: str) -> int:
    """Return the mtime for a new file.

    It is now, or a second after the file that it replaces (R12).
    """
    now = os.fstat(descriptor).st_mtime_ns
    try:
        return max(now, os.lstat(final).st_mtime_ns + _SECOND)
    except FileNotFoundError:
        return now


def stage_link(
    base: str, source: str, filename: str, body: bytes | None, one: StagedFiles, moment: int | None
) -> None:
    """Stage ``filename`` as a hard link to ``source``, or as a copy."""
    origin = f"{base}/{layout.temporary_name(source)}"
    temporary, final = f"{base}/{layout.temporary_name(filename)}", f"{base}/{filename}"
    if not one.fresh:
        unlink(temporary)
    try:
        os.link(origin, temporary)
    except OSError:
        if body is None:
            body = Path(origin).read_bytes()
        stage_file(base, filename, body, one, moment)
        return
    one.made.append(temporary)
    one.renames.append((temporary, final))


def order_page_last(one: StagedFiles, base: str, filename: str) -> None:
    """Rename a page after its compressed copies (R12)."""
    last = [pair for pair in one.renames if pair[1] == f"{base}/{filename}"]
    one.renames = [pair for pair in one.renames if pair[1] != f"{base}/{filename}"] + last


def remove_leftovers(base: str, keep: set[str]) -> None:
    """Delete yanksync's files in a directory, except ``keep``.

    ``keep`` are the final names of the staged files. A dead run may have left the others.
    """
    staged = {layout.temporary_name(name) for name in keep}
    for filename in OURS:
        for name in (filename, layout.temporary_name(filename)):
            if name not in keep and name not in staged:
                unlink(f"{base}/{name}")


def published_in(base: str) -> list[str]:
    """Return the paths of our files in the directory ``base``."""
    with os.scandir(base) as entries:
        return [
            entry.path
            for entry in entries
            if entry.name in OURS and entry.is_file(follow_symlinks=False)
        ]


def unlink(path: str) -> None:
    """Delete a file, if it is there."""
    with suppress(FileNotFoundError):
        os.unlink(path)
