"""One run on a mirror at a time (rule R11): a lock that the system frees when the process dies."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from yanksync.core.errors import LockHeld, StateError
from yanksync.system.ownership import owner

if os.name == "nt":
    import msvcrt

    _HELD: type[OSError] = PermissionError

    def _try(descriptor: int) -> None:
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)  # beyond the text, which others must read
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]

else:
    import fcntl

    _HELD = BlockingIOError

    def _try(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


# Whoever may write in the directory could lead us to a file of others, which would be overwritten.
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


def lock_path(state: Path) -> Path:
    """Return the lock file of the state database at ``state``."""
    return state.with_name(state.name + ".lock")


@contextmanager
def lock(state: Path) -> Iterator[None]:
    """Hold the lock of the mirror whose state database is ``state``.

    The file stays when the lock is let go: deleting it would let two runs hold two locks of one
    name. Raises :class:`LockHeld` at once when another run has it, and :class:`StateError` when
    the file cannot be made, or its file system has no locks.
    """
    path = lock_path(state)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, _FLAGS, 0o644)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK) and path.is_symlink():
            why = "is a symbolic link, and no lock is opened through one; remove it"
            raise StateError(str(path), why) from error
        why = f"cannot make the lock file: {error.strerror}{owner(path)}"
        raise StateError(str(path), why) from error
    try:
        try:
            _try(descriptor)
        except _HELD as error:
            raise LockHeld(str(path), _holder(descriptor)) from error
        except OSError as error:  # NFS without a lock service, some FUSE and SMB file systems
            raise StateError(str(path), _unlockable(error)) from error
        with suppress(OSError):  # a full disk: nobody can be told who holds it, but it is held
            os.ftruncate(descriptor, 0)
            os.pwrite(
                descriptor, f"{os.getpid()} {int(time.time())} {socket.gethostname()}".encode(), 0
            )
        yield
    finally:
        os.close(descriptor)


def _unlockable(error: OSError) -> str:
    return (
        f"cannot be locked: {error.strerror or error}. Nothing was done, for without a lock two "
        "runs could work at once. Put mirror.state on a local disk, or on a file system with locks"
    )


def _holder(descriptor: int) -> str:
    """Return what the holder wrote of itself, for a person."""
    words = os.pread(descriptor, 200, 0).decode("utf-8", "replace").split(" ", 2)
    if len(words) != 3 or not words[1].isdecimal():
        return "unknown"
    return f"process {words[0]} on {words[2]}, since {_moment(int(words[1]))}"


def _moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def held_since(state: Path) -> float | None:
    """Return since when another run has held the lock, as it wrote itself; None when unknown."""
    try:
        words = lock_path(state).read_text(encoding="utf-8", errors="replace").split(" ", 2)
    except OSError:
        return None
    return float(words[1]) if len(words) == 3 and words[1].isdecimal() else None
