"""What the system is asked for, by Python's own audit events; and refusals on its behalf."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CALLS = ("os.rename", "os.remove", "os.link", "open")


class Audit:
    """The calls of one test: (event, the name of the file that it makes or unmakes)."""

    def __init__(self, below: Path) -> None:
        self.calls: list[tuple[str, str]] = []
        self._below = str(below)
        self._refused: dict[tuple[str, str], int] = {}

    def refuse(self, event: str, filename: str, number: int) -> None:
        """Let ``event`` on a file of that name fail with ``number``, for as long as we watch."""
        self._refused[event, filename] = number

    def take(self, event: str, arguments: tuple[object, ...]) -> None:
        path = arguments[1] if event in ("os.rename", "os.link") else arguments[0]
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


_watching: list[Audit] = []


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _watching and event in CALLS:
        _watching[-1].take(event, arguments)


sys.addaudithook(_hook)  # stays for good, and costs next to nothing while nobody watches


@contextmanager
def audited(below: Path) -> Iterator[Audit]:
    """Watch what is done below a directory."""
    audit = Audit(below)
    _watching.append(audit)
    try:
        yield audit
    finally:
        _watching.remove(audit)
