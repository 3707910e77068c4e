"""Where the state is: a file under the lock, or an object in storage under the lease."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from yanksync.errors import LockHeld
from yanksync.lock import held_since, lock
from yanksync.settings import Settings
from yanksync.state import State

if TYPE_CHECKING:  # start-up: only a state in object storage needs it
    from yanksync.remote import Leased


@contextmanager
def exclusive(settings: Settings, *, rehearse: bool) -> Iterator[tuple[State, Leased | None]]:
    """Open the state for one run alone (R11), with its lease where it lives in object storage.

    With ``rehearse`` nothing is made that is not there. Raises
    :class:`yanksync.errors.LockHeld`, :class:`yanksync.errors.StateError`.
    """
    path = settings.mirror.state
    if not isinstance(path, Path):
        from yanksync.remote import leased

        with (
            leased(settings, rehearse=rehearse) as held,
            State(held.path) as state,
            held.working(state),
        ):
            yield state, held
        return
    away = rehearse and not path.exists()
    with nullcontext() if away else lock(path), State(Path(":memory:") if away else path) as state:
        yield state, None


@contextmanager
def opened_state(settings: Settings) -> Iterator[State | None]:
    """Open the state alone, to change it beside the runs; None when there is none yet.

    Raises :class:`yanksync.errors.LockHeld`, :class:`yanksync.errors.StateError`.
    """
    path = settings.mirror.state
    if not isinstance(path, Path):
        with exclusive(settings, rehearse=False) as (state, held):
            yield None if held is None or held.new else state
    elif not path.exists():  # no lock file is made, either
        yield None
    else:
        with lock(path), State(path, create=False) as state:
            yield state


@contextmanager
def looked_at(settings: Settings) -> Iterator[Path]:
    """Yield the path of the state, to be read beside a run; perhaps there is none.

    Raises :class:`yanksync.errors.StateError`.
    """
    path = settings.mirror.state
    if isinstance(path, Path):
        yield path
    else:
        from yanksync import remote

        with remote.looked_at(settings) as fetched:
            yield fetched


def busy_since(settings: Settings, held: LockHeld) -> float | None:
    """Return since when another run has kept this one out; None when unknown."""
    path = settings.mirror.state
    return held_since(path) if isinstance(path, Path) else held.since
