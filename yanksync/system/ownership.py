"""Who owns what this process may not touch: half of all refusals are a run as another user."""

from __future__ import annotations

import os
from pathlib import Path


def ownership_hint(path: Path) -> str:
    """Return who owns ``path``, or the nearest directory above it that is there, and who runs this.

    Words to put behind an error; "" where nobody else owns it, or where there are no owners.
    """
    if os.name == "nt":
        return ""
    while True:
        try:
            found = path.stat().st_uid
            break
        except OSError:
            if path.parent == path:
                return ""
            path = path.parent
    own = os.geteuid()
    return (
        "" if found == own else f"; {path} belongs to {_name(found)}, and this runs as {_name(own)}"
    )


def runner() -> str:
    """Return the name of the user that runs this."""
    return "this user" if os.name == "nt" else _name(os.geteuid())


def _name(user: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
