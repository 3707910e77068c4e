"""Allows only one run at a time on a mirror (rule R11).

The system frees the lock when the process dies.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import Struct

from yanksync.core.errors import LockHeld, StateError
from yanksync.system.ownership import ownership_hint

if os.name == "nt":
    import msvcrt

    _HELD: type[OSError] = PermissionError

    def _try(descriptor: int) -> None:
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)  # beyond the text, which others must read
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]

    _try_shared = _try

else:
    import fcntl

    _HELD = BlockingIOError

    def _try(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _try_shared(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)


_TRIES = 5  # ``holder`` takes the lock for a moment to check it
_PAUSE = 0.02  # seconds between tries

# Otherwise a user who can write in the directory could make this overwrite another user's file.
_SAFE = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_FLAGS = os.O_RDWR | os.O_CREAT | _SAFE


def lock_path(state: Path) -> Path:
    """Return the lock file of the state database at ``state``."""
    return state.with_name(state.name + ".lock")


class Holder(Struct, frozen=True, kw_only=True):
    """The run that has a lock, by its own text."""

    who: str  # "process 4711 on host"
    since: float | None = None  # UTC seconds
    command: str = ""
    phase: str = ""  # what it counts: "pages"; "": nothing yet
    done: int = 0
    total: int = 0


@contextmanager
def lock(state: Path, command: str = "") -> Iterator[None]:
    """Hold the lock of the mirror with ``state`` for ``command``.

    The file stays when the lock is released: after a deletion two runs could have two locks of one
    name. Raises :class:`LockHeld` at once if another run has it. Raises :class:`StateError` if the
    file cannot be made or its file system lacks locks.
    """
    path = lock_path(state)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, _FLAGS, 0o644)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK) and os.path.islink(path):
            why = "is a symbolic link, and no lock is opened through one; remove it"
            raise StateError(str(path), why) from error
        why = f"cannot make the lock file: {error.strerror}{ownership_hint(path)}"
        raise StateError(str(path), why) from error
    try:
        try:
            _take(descriptor)
        except _HELD as error:
            raise LockHeld(str(path), _holder(descriptor)) from error
        except OSError as error:  # NFS without a lock service, some FUSE and SMB file systems
            raise StateError(str(path), _unlockable(error)) from error
        with suppress(OSError):  # a full disk: this run has the lock, but without a text
            os.ftruncate(descriptor, 0)
            itself = f"{os.getpid()} {int(time.time())} {socket.gethostname()}"
            os.pwrite(descriptor, f"{itself}\n{command}".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> None:
    for left in reversed(range(_TRIES)):
        try:
            _try(descriptor)
            return
        except _HELD:
            if not left:
                raise
            time.sleep(_PAUSE)


def note_progress(state: Path, phase: str, done: int, total: int) -> None:
    """Write the progress of this run into the lock file.

    :func:`holder` reads it.

    If writing fails, the run goes on without it.
    """
    with suppress(OSError):
        descriptor = os.open(lock_path(state), os.O_RDWR | _SAFE)
        try:
            lines = os.pread(descriptor, 1000, 0).split(b"\n")[:2]
            text = b"\n".join([*lines, f"{done} {total} {phase}".encode()])
            os.pwrite(descriptor, text.ljust(200), 0)  # replaces the earlier text in one step
        finally:
            os.close(descriptor)


def holder(state: Path) -> Holder | None:
    """Return the run that holds the lock; None: no run, or unknown."""
    try:
        descriptor = os.open(lock_path(state), os.O_RDONLY | _SAFE)
    except OSError:
        return None
    try:
        try:
            _try_shared(descriptor)
        except _HELD:
            return _parsed(os.pread(descriptor, 1000, 0))
        except OSError:
            pass
        return None
    finally:
        os.close(descriptor)


def _parsed(content: bytes) -> Holder:
    """Return the text of a holder, as a value.

    "PID SECONDS HOST", its command, "DONE TOTAL PHASE".
    """
    lines = [*content.decode("utf-8", "replace").split("\n"), "", "", ""]
    words, count = lines[0].split(" ", 2), lines[2].rstrip().split(" ", 2)
    if len(words) != 3 or not words[1].isdecimal():
        return Holder(who="unknown")
    is_known = len(count) == 3 and count[0].isdecimal() and count[1].isdecimal()
    return Holder(
        who=f"process {words[0]} on {words[2]}",
        since=float(words[1]),
        command=lines[1].strip(),
        phase=count[2] if is_known else "",
        done=int(count[0]) if is_known else 0,
        total=int(count[1]) if is_known else 0,
    )


def _unlockable(error: OSError) -> str:
    return (
        f"cannot be locked: {error.strerror or error}. Nothing was done, for without a lock two "
        "runs could work at once. Put mirror.state on a local disk, or on a file system with locks"
    )


def _holder(descriptor: int) -> str:
    """Return the holder's text about itself, for a person."""
    found = _parsed(os.pread(descriptor, 1000, 0))
    return found.who if found.since is None else f"{found.who}, since {_moment(found.since)}"


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def held_since(state: Path) -> float | None:
    """Return when another run took the lock; None: unknown."""
    try:
        return _parsed(lock_path(state).read_bytes()[:1000]).since
    except OSError:
        return None
