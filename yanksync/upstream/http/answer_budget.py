"""Bounds the memory that simultaneous answers take.

Every answer may grow to a share of the room. One answer at a time may grow beyond its share, up to
its own limit. The others wait until that one was read and taken. It does not wait for them, so
there is always an answer that goes on.
"""

from __future__ import annotations

import threading

_LEAST = 1 << 16  # bytes of a share: most pages are smaller


class BudgetClosed(Exception):
    """The run takes no more answers."""


class AnswerBudget:
    """Lets one answer at a time exceed its share.

    Safe for use by many threads.
    """

    def __init__(self, size: int, answers: int) -> None:
        """``size``: bytes that ``answers`` answers share."""
        self.share = max(size // answers, _LEAST)  #: bytes
        self._holder: object | None = None
        self._changed = threading.Condition()
        self._closed = False

    def try_grow(self, who: object) -> bool:
        """Return whether ``who`` may be larger than its share from now on."""
        with self._changed:
            if self._holder is None:
                self._holder = who
            return self._holder is who

    def wait_to_grow(self, who: object) -> None:
        """Wait until ``who`` may be larger than its share. Raises :class:`BudgetClosed`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._holder is None)
            if self._closed:
                raise BudgetClosed
            self._holder = who

    def release(self, who: object) -> None:
        """Let another answer grow, if ``who`` was the one that could."""
        if self._holder is who:
            with self._changed:
                self._holder = None
                self._changed.notify_all()

    def close(self) -> None:
        """End every wait."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
