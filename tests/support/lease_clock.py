"""A clock that a run counts the time of its lease with, and that a test sets."""

from __future__ import annotations

import threading


class LeaseClock:
    """A clock that goes on when the test says so."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.waits = 0  # how often a thread began to wait

    def now(self) -> float:
        return self.time

    def wait(self, event: threading.Event, seconds: float) -> bool:
        end = self.time + seconds
        self.waits += 1
        while self.time < end:
            if event.wait(0.01):
                return True
        return event.is_set()
