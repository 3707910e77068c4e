"""What the system is asked for, by the names of Python's audit events; and refusals on its behalf.

An audit hook would stay in the process for good, and with one a thread whose start coverage traces
can fail: "Cannot install a trace function while another trace function is being installed".
"""

from __future__ import annotations

import builtins
import functools
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

WATCHED = (
    *((os, name, "os.rename") for name in ("rename", "replace")),
    *((os, name, "os.remove") for name in ("remove", "unlink")),
    (os, "link", "os.link"),
    *((module, "open", "open") for module in (os, io, builtins)),
)
"""Functions, and the audit event of each."""


class Audit:
    """The calls of one test: (event, the name of the file that it makes or unmakes)."""

    def __init__(self, below: Path) -> None:
        self.calls: list[tuple[str, str]] = []
        self._below = str(below)
        self._refused: dict[tuple[str, str], int] = {}

    def refuse(self, event: str, filename: str, number: int) -> None:
        """Let ``event`` on a file of that name fail with ``number``, for as long as we watch."""
        self._refused[event, filename] = number

    def see(self, event: str, path: object) -> None:
        """Note a call; raise what it shall fail with."""
        if isinstance(path, os.PathLike):
            path = os.fspath(path)
        if not isinstance(path, str) or not path.startswith(self._below):
            return
        name = path.rpartition("/")[2]
        self.calls.append((event, name))
        number = self._refused.get((event, name))
        if number is not None:
            raise OSError(number, os.strerror(number), path)

    def names(self, event: str) -> list[str]:
        """Return the names that ``event`` was about, in order."""
        return [name for found, name in self.calls if found == event]


@contextmanager
def audited(below: Path) -> Iterator[Audit]:
    """Watch what is done below a directory."""
    audit = Audit(below)
    with pytest.MonkeyPatch.context() as patch:
        for module, name, event in WATCHED:
            patch.setattr(module, name, _watched(audit, event, getattr(module, name)))
        yield audit


def _watched(audit: Audit, event: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function, with a look at the file that it makes or unmakes."""
    which = 1 if event in ("os.rename", "os.link") else 0

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        if len(arguments) > which:
            audit.see(event, arguments[which])
        return function(*arguments, **options)

    return call
