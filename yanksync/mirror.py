"""What a pass works with: the settings, the edges and the clock, in one value."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct, field

from yanksync.publish.store import Store
from yanksync.settings import Settings
from yanksync.state import State
from yanksync.upstream.source import Upstream

if TYPE_CHECKING:  # start-up: only a state in object storage has one
    from yanksync.fence import Fence

log = logging.getLogger("yanksync")


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
    """Return that nobody wants the run to end."""
    return False


class Tally(Struct):
    """What a pass has come to so far."""

    asked: int = 0  # page requests
    recorded: int = 0  # pages that are news
    published: int = 0  # projects whose files changed
    removed: int = 0  # projects that left the output
    failed: int = 0  # looks that brought nothing, after the second try
    explained: int = 0  # removals published in this pass, for the guards (R8)
    unexplained: int = 0
    problem: str | None = None  # the first failure of the pass as a whole
    undelivered: int = 0  # changes that a hook is still to be told of
    held: dict[str, str] = field(default_factory=dict)  # what to log at its end, by kind
    told: set[str] = field(default_factory=set)  # what the log has been told and need not again
    causes: Counter[str] = field(default_factory=Counter)  # what failed, by errors' causes
    latencies: list[float] = field(default_factory=list)  # seconds from a withdrawal to its page

    def tells(self, what: str) -> bool:
        """Return whether ``what`` is to be logged: once in a pass, however often it is met."""
        new = what not in self.told
        self.told.add(what)
        return new


class Mirror(Struct, frozen=True, eq=False):
    """One mirror, opened for one run."""

    settings: Settings
    state: State
    upstream: Upstream
    store: Store
    run: int = 0  # the number of this run
    now: Callable[[], float] = time.time  # UTC seconds
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    stopping: Callable[[], bool] = never  # whether to end at the next safe point
    progress: Progress = field(default_factory=NoProgress)
    fence: Fence | None = None  # several machines may work on this mirror
    tally: Tally = field(default_factory=Tally)

    def say(self, text: str) -> None:
        """Log ``text`` as information; a person at a terminal sees it at any log level."""
        if log.isEnabledFor(logging.INFO):
            log.info("%s", text)
        else:
            self.progress.say(text)
