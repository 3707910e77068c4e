"""Opens the state, for a run or for reading.

It is a file with the lock, or an object in storage with the lease.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from yanksync.config.settings import Settings
from yanksync.core.errors import LockHeld, YanksyncError
from yanksync.mirror.other_owner import refuse_other_owner
from yanksync.mirror.output_probe import has_pages
from yanksync.state.sqlite.files import exists
from yanksync.state.state import State
from yanksync.system.file_lock import held_since, lock, lock_path

if TYPE_CHECKING:  # start-up: only a state in object storage needs it
    from yanksync.mirror.lease import Clock
    from yanksync.mirror.remote_state import RemoteState

log = logging.getLogger("yanksync")

_BUILT_AGAIN = (
    "yanksync begins with an empty state: it fetches every project again and replaces no page by "
    "an older one; the history is lost. If you have a copy made with 'yanksync backup', put it "
    "there and run 'yanksync sync' again; if another program made the pages, see 'yanksync adopt'; "
    "if bundles brought them, apply one that was made without --since"
)
_RESERVE = 4 << 20  # bytes: more than the state grows in an ordinary pass
_USED = (
    "%s: the disk is almost full, so the reserve of %d MiB beside the state was deleted: "
    "withdrawals can still be recorded. Free some room; a later run makes the reserve again"
)
_ADOPTED = (
    "they are taken over as those of another program. If yanksync made them and you have a copy "
    "made with 'yanksync backup', put it there instead, and run 'yanksync sync'"
)
_REPLACED = (
    "only a bundle that was made without --since can be applied, and it removes what it does not "
    "have"
)


@contextmanager
def open_exclusively(
    settings: Settings, command: str, *, dry_run: bool, clock: Clock | None = None
) -> Iterator[tuple[State, RemoteState | None]]:
    """Open the state exclusively (R11), with lock or lease.

    With ``dry_run`` nothing new is made. ``clock`` counts the time of a lease. Raises
    :class:`yanksync.core.errors.LockHeld`, :class:`yanksync.core.errors.StateError`,
    :class:`yanksync.core.errors.WrongUser`.
    """
    path = settings.mirror.state
    if not dry_run or _lock_is_made(path):
        refuse_other_owner(settings)
    then = {"adopt": _ADOPTED, "bundle apply": _REPLACED}.get(command, _BUILT_AGAIN)
    if not isinstance(path, Path):
        from yanksync.mirror.remote_state import open_remote_state

        with (
            open_remote_state(settings, command, dry_run=dry_run, clock=clock) as held,
            State(held.path) as state,
            held.use(state),
        ):
            if held.new:
                _report_missing(settings, then)
            yield state, held
        return
    missing = not exists(path)
    away = dry_run and missing
    with (
        nullcontext() if away else lock(path, command),
        nullcontext() if dry_run else _reserve(path),
        State(Path(":memory:") if away else path) as state,
    ):
        if missing:
            _report_missing(settings, then)
        yield state, None


@contextmanager
def _reserve(state: Path) -> Iterator[None]:
    """Keep a reserve of room beside the state.

    If the disk is almost full, the run gets its room (R9).
    """
    place = f"{state}.reserve"
    with suppress(OSError, AttributeError):  # not every system has statvfs
        found = os.statvfs(state.parent)
        if found.f_bavail * found.f_frsize < _RESERVE:
            os.unlink(place)
            log.warning(_USED, state.parent, _RESERVE >> 20)
    yield
    if not os.path.lexists(place):
        from yanksync.system.reserve import make_reserve  # start-up: mostly it is there

        make_reserve(place, _RESERVE)


@contextmanager
def open_state(settings: Settings, command: str) -> Iterator[State | None]:
    """Open the state to change it; None: there is none yet.

    Raises :class:`yanksync.core.errors.LockHeld`, :class:`yanksync.core.errors.StateError`,
    :class:`yanksync.core.errors.WrongUser`.
    """
    path = settings.mirror.state
    if not isinstance(path, Path):
        with open_exclusively(settings, command, dry_run=False) as (state, held):
            yield None if held is None or held.new else state
    elif not exists(path):  # then make no lock file either
        _report_missing(settings, ask=False)
        yield None
    else:
        refuse_other_owner(settings)
        with lock(path, command), _reserve(path), State(path, create=False) as state:
            yield state


def _lock_is_made(state: object) -> bool:
    """Return whether a run without changes makes the lock file."""
    return isinstance(state, Path) and exists(state) and not os.path.exists(lock_path(state))


@contextmanager
def path_for_reading(settings: Settings) -> Iterator[Path]:
    """Yield the path of the state for reading; it can be missing.

    Raises :class:`yanksync.core.errors.StateError`.
    """
    path = settings.mirror.state
    if isinstance(path, Path):
        if not exists(path):
            _report_missing(settings, ask=False)
        yield path
    else:
        from yanksync.mirror import remote_state

        with remote_state.copy_for_reading(settings) as fetched:
            if not exists(fetched):
                _report_missing(settings)
            yield fetched


def no_mirror(settings: Settings, path: Path) -> str | None:
    """Return why there is no mirror; None: there is one.

    There is a mirror if there is a state at ``path``, or a page.
    """
    state, output = settings.mirror.state, settings.mirror.output
    ask = not isinstance(state, Path)
    if exists(path) or _has_pages(settings, ask=ask):
        return None
    looked = ask or isinstance(output, Path)
    pages = f"no page in {output}" if looked else f"{output} was not asked for pages"
    return (
        f"no mirror here yet: there is no state {state}, and {pages}. Run 'yanksync sync' to build "
        "it, after 'yanksync init' if there is no configuration; where bundles bring it, run "
        "'yanksync bundle apply'. If the mirror is elsewhere, name its configuration with --config"
    )


def _report_missing(settings: Settings, then: str = _BUILT_AGAIN, *, ask: bool = True) -> None:
    """Warn of a missing state if its output is there.

    It asks object storage only with ``ask``. So a command can do without the network.
    """
    if _has_pages(settings, ask=ask):
        mirror = settings.mirror
        log.warning("%s is missing, though %s has pages; %s", mirror.state, mirror.output, then)


def _has_pages(settings: Settings, *, ask: bool) -> bool:
    """Return whether the output has pages of projects.

    False if that cannot be found out.
    """
    if not ask and not isinstance(settings.mirror.output, Path):
        return False
    with suppress(OSError, YanksyncError):  # a command that needs the output reports the error
        return has_pages(settings)
    return False


def locked_since(settings: Settings, held: LockHeld) -> float | None:
    """Return when the other run began; None: unknown."""
    path = settings.mirror.state
    return held_since(path) if isinstance(path, Path) else held.since
