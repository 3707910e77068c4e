"""Progress bars: on standard error, and only on a terminal."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

import click

from yanksync.cli.error_handling import tell


class Bars:
    """One bar at a time; a context manager that leaves the terminal in order."""

    def __init__(self, *, shown: bool | None = None) -> None:
        self._shown = sys.stderr.isatty() if shown is None else shown
        self._bar: Any = None

    def __enter__(self) -> Bars:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def expect(self, what: str, total: int) -> None:
        """Begin a bar of ``total`` steps; a handful needs none."""
        self._end()
        if self._shown and total > 10:
            bar = click.progressbar(length=total, label=what, file=sys.stderr, show_pos=True)
            self._bar = bar.__enter__()

    def advance(self, steps: int) -> None:
        """Move the bar on."""
        if self._bar is not None:
            self._bar.update(steps)

    def say(self, text: str) -> None:
        """Print one line where the bars are."""
        if self._shown:
            self._end()
            tell(text, "info")

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None
