"""Reserves room on a disk, for the time when it is full."""

from __future__ import annotations

import os
from contextlib import suppress

_AMPLE = 16  # times the size: with less free no reserve is made


def make_reserve(place: str, size: int) -> None:
    """Make a file of ``size`` bytes, if there is ample room."""
    with suppress(OSError, AttributeError):  # not every system has statvfs
        found = os.statvfs(os.path.dirname(place) or ".")
        if found.f_bavail * found.f_frsize < _AMPLE * size:
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(place, flags, 0o644), "wb") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except (OSError, AttributeError):  # not every system or file system has it
                file.write(os.urandom(size))  # a file system could compress zeros
