"""Asks a Python interpreter what is installed there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from yanksync.core.errors import InputFileError
from yanksync.core.names import normalize
from yanksync.core.pins import Pin, PinSet

_SECONDS = 60.0
# This runs in the other Python, which may be an old one.
_SCRIPT = """
import importlib.metadata, json, sys
sys.path = [place for place in sys.path if place]  # not the directory of this process
rows = [
    [d.metadata["Name"], d.version, d.read_text("direct_url.json") is not None]
    for d in importlib.metadata.distributions()
]
print(json.dumps({"python": "%d.%d.%d" % sys.version_info[:3], "rows": rows}))
"""


class _Answer(Struct):
    python: str
    rows: list[tuple[Any, Any, bool]]


def default_python(environ: Mapping[str, str]) -> str:
    """Return the active environment's Python, or another likely one."""
    active = environ.get("VIRTUAL_ENV")
    if active:
        folder = "Scripts" if os.name == "nt" else "bin"
        return os.path.join(active, folder, "python")
    return shutil.which("python3") or shutil.which("python") or sys.executable


def read_installed(python: str) -> PinSet:
    """Return what is installed in the environment of ``python``, as pins.

    Packages that were installed from a path, a URL or a repository are skipped. Raises
    :class:`InputFileError`.
    """
    answer = _ask(python)
    pins: dict[str, Pin] = {}
    skipped = 0
    for name, version, direct in answer.rows:
        project = normalize(name) if isinstance(name, str) else None
        if direct or project is None or not isinstance(version, str):
            skipped += 1
        else:
            pin = Pin(project=project, version=version, python=answer.python)
            pins.setdefault(project, pin)  # Python imports the first one on the path
    return PinSet(tuple(pins[project] for project in sorted(pins)), skipped)


def _ask(python: str) -> _Answer:
    try:
        done = subprocess.run(
            [python, "-c", _SCRIPT],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InputFileError(python, f"did not answer within {_SECONDS:g} s") from error
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise InputFileError(
            python, f"cannot be started: {problem}. Name a Python with --installed=PYTHON"
        ) from error
    try:
        return msgspec.json.decode(done.stdout, type=_Answer)
    except msgspec.MsgspecError as error:
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise InputFileError(
            python, f"did not say what is installed: {last or 'it is no Python'}"
        ) from error
