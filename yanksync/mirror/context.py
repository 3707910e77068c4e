"""Holds everything that a pass works with.

These are the settings, the state, upstream, the output and the clock.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct, field

from yanksync.config.settings import Settings
from yanksync.core.rules.lost_file import Observation
from yanksync.mirror.offers import NOTHING_HIDDEN, Offers
from yanksync.mirror.progress import NoProgress, Progress, never
from yanksync.mirror.run_totals import RunTotals
from yanksync.output.package_store import PackageStore
from yanksync.output.store import Store
from yanksync.state.state import State
from yanksync.upstream.client import UpstreamClient

if TYPE_CHECKING:
    from yanksync.core.package_files.selection import FileChoice

log = logging.getLogger("yanksync")


class Mirror(Struct, frozen=True, eq=False):
    """One mirror, opened for one run."""

    settings: Settings
    state: State
    upstream: UpstreamClient
    store: Store
    package_store: PackageStore | None = None  # None: package files are not copied
    run: int = 0  # the number of this run
    now: Callable[[], float] = time.time  # UTC seconds
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    stopping: Callable[[], bool] = never  # True: end at the next safe point
    progress: Progress = field(default_factory=NoProgress)
    forgotten: frozenset[tuple[str, str]] = frozenset()  # hashes of files that no page may have
    offers: Offers = NOTHING_HIDDEN  # the operator's rules for pages
    choice: FileChoice | None = None  # the rules of [files]; None: every file is chosen
    totals: RunTotals = field(default_factory=RunTotals)

    @property
    def packages(self) -> PackageStore:
        """The store of package files; only if files are copied."""
        assert self.package_store is not None
        return self.package_store

    def copies_files_of(self, name: str) -> bool:
        """Return whether files of a *normalised* project are copied."""
        return self.settings.copies_files and (self.choice is None or self.choice.copies(name))

    def observation(self, now: float) -> Observation:
        """Return this moment and run, for losses that a later pass confirms."""
        return Observation(now, self.run, self.settings.guard.confirm_after)

    def say(self, text: str) -> None:
        """Log ``text``; a terminal shows it at any log level."""
        say(self.progress, text)


def say(progress: Progress, text: str) -> None:
    """Log ``text``; a terminal shows it at any log level."""
    if log.isEnabledFor(logging.INFO):
        log.info("%s", text)
    else:
        progress.say(text)
