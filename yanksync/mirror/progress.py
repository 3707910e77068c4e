"""How a pass tells how far it is, and asks whether to stop."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Where long work is shown to a person."""

    def expect(self, what: str, total: int) -> None:
        """``total`` more steps of ``what`` are to come."""

    def advance(self, steps: int) -> None:
        """``steps`` were done."""

    def say(self, text: str) -> None:
        """Show one line."""


class NoProgress:
    """Shows nothing: cron, tests."""

    def expect(self, what: str, total: int) -> None:
        """Show nothing."""

    def advance(self, steps: int) -> None:
        """Show nothing."""

    def say(self, text: str) -> None:
        """Show nothing."""


def never() -> bool:
    """Return False: the run goes on."""
    return False
