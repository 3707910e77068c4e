"""Writes files to stable storage, one by one or in batches."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

_PDEATHSIG = 1  # prctl(2): PR_SET_PDEATHSIG
_MANY = 32
"""From so many files on, one call for the whole file system is cheaper."""


NO_SUCH_CALL = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
"""What a file system answers that lacks a call: some of FUSE, SMB and NFS. Nothing was lost."""


def sync_files(paths: Sequence[str], root: str) -> OSError | None:
    """Bring the contents of ``paths``, all below ``root``, to stable storage.

    Returns the error of a file system that has no such call.
    """
    if len(paths) >= _MANY and _whole(root):
        return None
    return _sync_all(paths, os.O_RDWR if os.name == "nt" else os.O_RDONLY)


def sync_directories(paths: Sequence[str], root: str) -> OSError | None:
    """Bring the entries of the directories ``paths`` to stable storage; see :func:`sync_files`."""
    if os.name == "nt":  # directories cannot be opened there, and NTFS keeps a journal of them
        return None
    if len(paths) >= _MANY and _whole(root):
        return None
    return _sync_all(paths, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))


def prepare_fork() -> None:
    """Load what a large batch needs, and release free memory.

    Otherwise each child process would have both.
    """
    trim = getattr(_libc(), "malloc_trim", None)
    if trim is not None:  # glibc
        trim(0)


def die_with_parent() -> None:
    """Let this process be killed when its parent ends in any way."""
    libc = _libc()
    if libc is not None:
        libc.prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _sync_all(paths: Sequence[str], flags: int) -> OSError | None:
    refused = None
    for path in dict.fromkeys(paths):
        descriptor = os.open(path, flags)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in NO_SUCH_CALL:
                raise
            refused = error
        finally:
            os.close(descriptor)
    return refused


def unsynced(error: OSError) -> str:
    """Return the warning about a file system that cannot sync."""
    return (
        f"the file system cannot bring this to the disk at once ({error.strerror or error}); it "
        "was written all the same. After a power failure, see whether it is still whole"
    )


def _whole(root: str) -> bool:
    """Sync the file system of ``root``.

    Returns False if the system cannot do it.
    """
    call = _syncfs()
    if call is None:
        return False
    descriptor = os.open(root, os.O_RDONLY)
    try:
        return call(descriptor) == 0
    finally:
        os.close(descriptor)


@cache
def _syncfs() -> Callable[[int], int] | None:
    call = getattr(_libc(), "syncfs", None)
    return None if call is None else lambda descriptor: int(call(descriptor))


@cache
def _libc() -> Any:
    """Return Linux's C library.

    None if no such library can be called.
    """
    if not sys.platform.startswith("linux"):
        return None
    try:
        import ctypes  # start-up: only a large batch needs it

        return ctypes.CDLL(None, use_errno=True)
    except (ImportError, OSError):  # too many open files end an import, too
        return None
