"""Opens the state and the output for commands about bundles.

These commands use no upstream.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from msgspec import Struct, field

from yanksync.config.settings import Settings
from yanksync.mirror.open_mirror import any_package_store, open_store
from yanksync.mirror.progress import NoProgress, Progress
from yanksync.mirror.state_access import open_exclusively
from yanksync.output.package_store import PackageStore
from yanksync.output.store import Store
from yanksync.state.state import State


class Places(Struct, frozen=True, eq=False):
    """A state and an output, opened for one command."""

    settings: Settings
    state: State
    store: Store
    packages: PackageStore
    progress: Progress = field(default_factory=NoProgress)
    now: Callable[[], float] = time.time  # UTC seconds


@contextmanager
def open_places(
    settings: Settings, command: str, progress: Progress, *, dry_run: bool = False
) -> Iterator[Places]:
    """Open state and output, with the lock (R11).

    Raises :class:`yanksync.core.errors.LockHeld`, :class:`yanksync.core.errors.StateError`,
    :class:`yanksync.core.errors.ConfigError`.
    """
    with open_exclusively(settings, command, dry_run=dry_run) as (state, held):
        store = open_store(settings, held)
        try:
            yield Places(settings, state, store, any_package_store(settings), progress)
        finally:
            store.close()
