"""What the system is asked for, by Python's own audit events; and refusals on its behalf."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
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

    def see(self, event: str, arguments: tuple[object, ...]) -> None:
        if event in CALLS:
            self._take(event, arguments)

    def _take(self, event: str, arguments: tuple[object, ...]) -> None:
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


# A hook stays for good. While nobody watches it is no Python: threads that begin to be traced are
# audited too, and if another one gets its turn there, it fails ("while another trace function …").
_nobody: Callable[..., object] = "".format
_hook: partial[object] = partial(_nobody)
sys.addaudithook(_hook)


@contextmanager
def audited(below: Path) -> Iterator[Audit]:
    """Watch what is done below a directory."""
    audit = Audit(below)
    _tell(audit.see)
    try:
        yield audit
    finally:
        _tell(_nobody)


def _tell(whom: Callable[..., object]) -> None:
    _hook.__setstate__((whom, (), {}, {}))  # type: ignore[attr-defined]
