"""Asks pip and uv for their caches."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence

from yanksync.reports.audit.installed import default_python
from yanksync.reports.rescue.findings import Place

_SECONDS = 60.0


def cache_places(environ: Mapping[str, str]) -> tuple[Place, ...]:
    """Return the caches of pip and uv."""
    pip, uv = (shutil.which(name, path=environ.get("PATH")) for name in ("pip", "uv"))
    ask_pip = [pip] if pip else [default_python(environ), "-m", "pip"]
    return (
        _asked("pip's cache", [*ask_pip, "cache", "dir"], environ),
        _asked("uv's cache", [uv or "uv", "cache", "dir"], environ),
    )


def _asked(title: str, command: Sequence[str], environ: Mapping[str, str]) -> Place:
    """Return the cache that ``command`` names."""
    try:
        done = subprocess.run(
            command,
            env={**environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        problem = getattr(error, "strerror", None) or f"no answer within {_SECONDS:g} s"
        return Place(title=title, problem=f"{command[0]} cannot be asked: {problem}")
    path = os.fsdecode(done.stdout).strip()
    if done.returncode or not path:
        said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        asked = " ".join(command)
        return Place(title=title, problem=f"'{asked}' names no directory: {said or 'no message'}")
    return Place(title=title, path=path)
