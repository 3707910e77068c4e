"""Checks output and state.

It checks permissions, room, hard links, locks and runs.
"""

from __future__ import annotations

import errno
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from yanksync.config.durations import format_duration
from yanksync.config.settings import Bucket, Settings
from yanksync.core.errors import YanksyncError
from yanksync.core.layout import ROOT
from yanksync.doctor.checks import Check, failed, passed, warned
from yanksync.mirror.state_access import path_for_reading
from yanksync.output.disk.published_files import room_at
from yanksync.output.store import FreeSpace, room_for
from yanksync.state.sqlite.files import exists
from yanksync.state.views.status import FeedingBundle, Status, read_status
from yanksync.system.file_lock import lock, lock_path
from yanksync.system.ownership import command_as, owner_kept_out, ownership_hint, runner

OWNER = "run yanksync as the user that owns it, or change the owner"
_REMEDIES = {
    errno.ENOTDIR: "move it away, or change mirror.output",
    errno.EROFS: "mount it writable",
    errno.ENOSPC: "free some room",
    errno.EDQUOT: "free some room, or raise the quota",
}
_PROBE = ".yanksync-doctor-"
_FIRST_RUN = (
    "run 'yanksync sync' to build the mirror; where bundles bring it, 'yanksync bundle apply'"
)
_SCARCE = FreeSpace(256 << 20, 10_000)
_LATE = 3600.0  # seconds between runs that are fine with any schedule


def output_checks(settings: Settings, status: Status, projects: int | None) -> Iterator[Check]:
    """Yield the checks of the output for ``projects`` projects."""
    output = settings.mirror.output
    if not isinstance(output, Path):
        yield _bucket("output", settings, output)
        return
    if not os.path.exists(output) and not os.path.islink(output):
        yield _to_be_made("output", output)
    else:
        pages = output / ROOT
        yield from _written("output", pages if os.path.exists(pages) else output)
    yield _room(settings, output, projects, status.projects)


def state_checks(settings: Settings) -> Iterator[Check]:
    """Yield the checks of the state; :func:`run_checks` reads its content."""
    place = settings.mirror.state
    if not isinstance(place, Path):
        parent, _, _ = place.prefix.rpartition("/")
        yield _bucket("state", settings, replace(place, prefix=parent))
        return
    if not os.path.exists(place.parent):
        yield _to_be_made("state", place)
        return
    if exists(place):
        if not os.access(place, os.R_OK | os.W_OK):
            text = f"{place} cannot be written{ownership_hint(place)}"
            yield failed("state", text, OWNER)
            return
        yield _owned("state", place, f"{place} can be written by {runner()}")
    else:
        yield _owned("state", place, f"{place} is made by the first run")
    yield _locks(place)


def run_checks(settings: Settings, status: Status, now: float) -> Iterator[Check]:
    """Yield the checks of the last run and the present one."""
    if status.run is None:
        yield passed("run at work", "none")
    else:
        since = (
            "" if status.run.since is None else f" for {format_duration(now - status.run.since)}"
        )
        yield passed("run at work", f"{status.run.command or 'yes'}{since} ({status.run.who})")
    if status.bundle is not None:
        yield _last_bundle(status, status.bundle, now)
    elif status.last_run is None:
        yield warned("last run", "none yet", _FIRST_RUN)
    elif status.last_error is not None:
        yield failed("last run", status.last_error, "run 'yanksync -v sync' to see more")
    else:
        ago = now - status.last_run
        text = f"ended {format_duration(max(ago, 0))} ago"
        if status.run is None and ago > max(_LATE, 3 * (settings.schedule.every or _LATE)):
            yield warned("last run", text, "see below whether a schedule starts it")
        else:
            yield passed("last run", text)
    if status.held:
        yield warned("held", f"{status.held} changes wait for a decision", "see 'yanksync holds'")
    if status.undelivered:
        hooks = ", ".join(f"{hook} {count}" for hook, count in status.undelivered_hooks.items())
        problems = "; ".join(status.hook_problems) or "the next pass delivers them"
        yield warned("hooks", f"{status.undelivered} changes wait ({hooks})", problems)


def _last_bundle(status: Status, bundle: FeedingBundle, now: float) -> Check:
    """Return how the newest bundle was applied."""
    again = "apply the same bundle again"
    if bundle.unfinished and status.run is None:
        return warned("last bundle", "'yanksync bundle apply' did not end", again)
    if status.last_error is not None:
        return failed("last bundle", status.last_error, again)
    ago = "" if bundle.applied is None else f", {format_duration(now - bundle.applied)} ago"
    return passed("last bundle", f"bundle {bundle.cursor} was applied{ago}")


def found_status(settings: Settings, now: float) -> Status:
    """Return the status from the state. Raises :class:`YanksyncError`."""
    with path_for_reading(settings) as path:
        return read_status(path, now, settings.receivers)


def _to_be_made(name: str, place: Path) -> Check:
    """Check whether a run may make a missing directory."""
    above = place.parent
    while not os.path.exists(above) and above != above.parent:
        above = above.parent
    if os.path.isdir(above) and os.access(above, os.W_OK | os.X_OK):
        return _owned(name, above, f"{place} is made by the first run, as {runner()}")
    text = f"{place} cannot be made in {above}{ownership_hint(above)}"
    return failed(name, text, f"make its directory as root, with 'install -d -o {runner()}'")


def _written(name: str, output: Path) -> Iterator[Check]:
    """Write a file into the output, link it, and delete both."""
    try:
        descriptor, probe = tempfile.mkstemp(prefix=_PROBE, suffix=".tmp", dir=output)
    except OSError as error:
        text = f"{output} cannot be written: {error.strerror}{ownership_hint(output)}"
        yield failed(name, text, _REMEDIES.get(error.errno or 0, OWNER))
        return
    os.close(descriptor)
    twin = f"{probe}.tmp"
    try:
        yield _owned(name, output, f"{output} can be written by {runner()}")
        os.link(probe, twin)
        yield passed("hard links", "the file system has them")
    except OSError as error:
        text = f"the file system has none ({error.strerror}): pages in HTML are written twice"
        yield warned("hard links", text, "nothing is lost; they take more room")
    finally:
        for path in (probe, twin):
            with suppress(OSError):
                os.unlink(path)


def _owned(name: str, place: Path, text: str) -> Check:
    """Warn of another user's files: runs of root do not write there."""
    owner = owner_kept_out(place)
    if owner is None:
        return passed(name, text)
    text = f"{place} belongs to {owner}, so root may look at this mirror, and not write to it"
    return warned(name, text, f"run yanksync as {owner}: {command_as(owner, ['sync'])}")


def _locks(state: Path) -> Check:
    """Lock a separate file beside the state."""
    file = lock_path(state)
    if os.path.exists(file) and not os.access(file, os.R_OK | os.W_OK):
        return failed("locks", f"{file} cannot be opened{ownership_hint(file)}", OWNER)
    probe = state.with_name(f"{_PROBE}{os.getpid()}")
    try:
        with lock(probe):
            return passed("locks", "the file system has them")
    except YanksyncError as error:
        return failed("locks", str(error), "put mirror.state where this user may write")
    finally:
        with suppress(OSError):
            lock_path(probe).unlink()


def _room(settings: Settings, output: Path, projects: int | None, published: int) -> Check:
    free = room_at(str(output))
    if free is None:
        return passed("room", "the file system does not tell")
    text = f"{free.bytes >> 20:,} MiB" + (
        "" if free.files is None else f" and {free.files:,} inodes"
    )
    need = _SCARCE
    if projects is not None and projects > published:
        section = settings.mirror
        need = room_for(
            projects - published, len(section.compress), legacy_json=section.legacy_json
        )
        text += f" free, about {need.bytes >> 20:,} MiB and {need.files:,} inodes needed"
        if need.exceeds(free):
            return failed("room", text, "give the output a larger disk, or mirror fewer projects")
        return passed("room", text)
    if need.exceeds(free):
        return warned("room", f"{text} free", "make room before the disk is full")
    return passed("room", f"{text} free")


def _bucket(name: str, settings: Settings, location: Bucket) -> Check:
    """Write an object and delete it."""
    from yanksync.output.object_storage.bucket import BucketClient, ObjectHeaders

    key = f"{_PROBE}{os.getpid()}-{time.time_ns()}"
    try:
        bucket = BucketClient(
            location, settings.storage, str(settings.source or "the configuration")
        )
        bucket.put(key, b"", ObjectHeaders(type="text/plain"))
        bucket.delete([key])
    except YanksyncError as error:
        text = str(error)
        return failed(name, text, "check the address, [storage] and what the credentials allow")
    return passed(name, f"{location} can be written")
