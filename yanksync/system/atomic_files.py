"""Replaces files that other programs read.

Each is replaced in one step, so that readers see the whole new file or the old one.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from yanksync.system import fsync

log = logging.getLogger("yanksync")


def write_atomically(path: Path, temporary: str, chunks: Iterable[str], *, lasting: bool) -> None:
    """Write ``chunks`` to ``path`` in one step, and make its directory.

    The mode is 0644 under the umask.

    ``temporary`` is its name until then. It is the same in every run, so that no file is left over.
    With ``lasting`` it is on stable storage at the end. Raises :class:`OSError`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(temporary)
    unsynced = None
    descriptor = create_new(str(half))
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(chunks)
        if lasting:
            unsynced = fsync.sync_files([str(half)], str(path.parent))
        os.replace(half, path)
    except BaseException:
        with suppress(OSError):
            half.unlink()
        raise
    if lasting:
        unsynced = fsync.sync_directories([str(path.parent)], str(path.parent)) or unsynced
    if unsynced is not None:
        log.warning("%s: %s", path, fsync.unsynced(unsynced))


FILE_MODE = 0o644  # under the umask


_NEW = (
    os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
)


def create_new(path: str) -> int:
    """Create a file for writing; return its descriptor.

    It replaces a file that a dead run left.

    It is a new file: a link of that name is never followed.
    """
    try:
        return os.open(path, _NEW, FILE_MODE)
    except FileExistsError:
        os.unlink(path)
        return os.open(path, _NEW, FILE_MODE)
