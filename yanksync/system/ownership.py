"""Finds the owner of files that this process may not write.

Often they belong to another user.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


def ownership_hint(path: Path) -> str:
    """Return the owner of ``path`` and the user of this process.

    If there is no ``path``, the nearest directory above counts.

    The text is added to an error. It is "" if this user owns the path, or if there are no owners.
    """
    found = _owner(path)
    if found is None or found[1] == os.geteuid():
        return ""
    place, owner = found
    return f"; {place} belongs to {_name(owner)}, and this runs as {_name(os.geteuid())}"


def owner_kept_out(path: Path) -> str | None:
    """Return the user who could not replace what root writes at ``path``.

    None if root owns the path or its nearest existing directory, or if this runs as another user.
    """
    if os.name == "nt" or os.geteuid() != 0:
        return None
    found = _owner(path)
    return None if found is None or found[1] == 0 else _name(found[1])


def command_as(user: str, arguments: Sequence[str]) -> str:
    """Return the command with which root starts yanksync for ``user``."""
    import shlex  # start-up: only refusals need it

    ours = sorted(name for name in os.environ if name.startswith("YANKSYNC_"))
    keep = [f"--preserve-env={','.join(ours)}"] if ours else []
    name = user.replace("user ", "#")
    return shlex.join(["sudo", "-u", name, *keep, "yanksync", *arguments])


def runner() -> str:
    """Return the name of the user that runs this."""
    return "this user" if os.name == "nt" else _name(os.geteuid())


def _owner(path: Path) -> tuple[Path, int] | None:
    """Return the nearest existing path and its owner.

    None where there are no owners.
    """
    if os.name == "nt":
        return None
    for place in (path, *path.parents):
        try:
            return place, place.stat().st_uid
        except OSError:
            continue
    return None


def _name(user: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
