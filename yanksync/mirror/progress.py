"""The interface for reporting the progress of a pass, and for stopping."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

log = logging.getLogger("yanksync")

_EVERY = 1.0  # seconds between notes


class Progress(Protocol):
    """Shows long work to a person."""

    def expect(self, what: str, total: int, done: int = 0, *, size: int = 0) -> None:
        """Begin a phase of ``total`` steps (0: unknown), ``done`` before.

        ``size``: the bytes of all steps together, if known.
        """

    def advance(self, steps: int, failed: int = 0, *, size: int = 0) -> None:
        """``steps`` were done, and ``failed`` of them failed; ``size`` more bytes came."""

    def say(self, text: str) -> None:
        """Show one line."""


class NoProgress:
    """Shows nothing: cron, tests."""

    def expect(self, what: str, total: int, done: int = 0, *, size: int = 0) -> None:
        """Show nothing."""

    def advance(self, steps: int, failed: int = 0, *, size: int = 0) -> None:
        """Show nothing."""

    def say(self, text: str) -> None:
        """Show nothing."""


class LoggedProgress:
    """Shows progress with another object, and logs each new phase."""

    def __init__(self, shown: Progress) -> None:
        self._shown = shown
        self._began = time.monotonic()

    def expect(self, what: str, total: int, done: int = 0, *, size: int = 0) -> None:
        """Begin a phase."""
        seconds = time.monotonic() - self._began
        log.debug("%s (%d steps), %.3f s after the start", what, total - done, seconds)
        self._shown.expect(what, total, done, size=size)

    def advance(self, steps: int, failed: int = 0, *, size: int = 0) -> None:
        """Count steps."""
        self._shown.advance(steps, failed, size=size)

    def say(self, text: str) -> None:
        """Show one line."""
        self._shown.say(text)


class NotedProgress:
    """Shows progress, and records it for ``status`` in another shell.

    Only a phase with steps is noted, so an empty pass writes nothing.
    """

    def __init__(self, shown: Progress, note: Callable[[str, int, int], None]) -> None:
        """``note`` gets the phase, the finished steps and the total."""
        self._shown = shown
        self._write = note
        self._phase = ""
        self._done = self._total = 0
        self._due = 0.0

    def expect(self, what: str, total: int, done: int = 0, *, size: int = 0) -> None:
        """Begin a phase."""
        self._shown.expect(what, total, done, size=size)
        self._phase, self._done, self._total = what, done, total
        if total > 0:
            self._note()

    def advance(self, steps: int, failed: int = 0, *, size: int = 0) -> None:
        """Count steps, and note them once a second."""
        self._shown.advance(steps, failed, size=size)
        self._done += steps
        if self._total > 0 and time.monotonic() >= self._due:
            self._note()

    def say(self, text: str) -> None:
        """Show one line."""
        self._shown.say(text)

    def _note(self) -> None:
        self._write(self._phase, self._done, self._total)
        self._due = time.monotonic() + _EVERY


def never() -> bool:
    """Return False: the run goes on."""
    return False
