"""Simulates a file system that refuses some calls.

In a process, the standard library fails as it would there. Mounts that behave so (NFS without
locks, SMB, drvfs, some of FUSE) need a kernel, a server and root. What yanksync sees of them is the
error of a call, so that is what is made here.
"""

from __future__ import annotations

import errno
from pathlib import Path

_REFUSE = """
import errno, fcntl, os, stat

def refusing(real, number, only):
    def call(*args, **named):
        if only(args):
            raise OSError(number, os.strerror(number))
        return real(*args, **named)
    return call

def directory(args):
    return stat.S_ISDIR(os.fstat(args[0]).st_mode)

def anything(args):
    return True
"""
_CALLS = {
    "flock": "fcntl.flock = refusing(fcntl.flock, {0}, anything)",
    "fsync": "os.fsync = refusing(os.fsync, {0}, anything)",
    "fsync of directories": "os.fsync = refusing(os.fsync, {0}, directory)",
    "utime": "os.utime = refusing(os.utime, {0}, anything); os.supports_fd.add(os.utime)",
    "link": "os.link = refusing(os.link, {0}, anything)",
    "chmod": "os.chmod = refusing(os.chmod, {0}, anything)",
}


def refusing(home: Path, *calls: str, by: int = errno.EINVAL) -> dict[str, str]:
    """Return the environment of a process in which ``calls`` fail with the error ``by``."""
    lines = [_CALLS[call].format(by) for call in calls]
    return _changed(home, _REFUSE + "\n".join(lines))


def without(home: Path, library: str) -> dict[str, str]:
    """Return the environment of a process that does not have ``library`` installed."""
    return _changed(home, f"import sys\nsys.modules[{library!r}] = None\n")


def _changed(home: Path, code: str) -> dict[str, str]:
    place = home / "changed"
    place.mkdir(exist_ok=True)
    (place / "sitecustomize.py").write_text(code)
    return {"PYTHONPATH": f"{place}:{Path(__file__).parents[3]}", "PYTHONDONTWRITEBYTECODE": "1"}
