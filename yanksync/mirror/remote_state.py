"""Opens a state in object storage.

A run takes the lease (:mod:`yanksync.mirror.lease`) and fetches the state into a temporary
directory. It writes the output with conditions
(:mod:`yanksync.output.object_storage.conditional_writes`). At its end it puts the state back, on
the condition that the object still has the fetched ETag, and releases the lease. If a run dies in
between, its lease must run out first, and the state is older than the output. So two kinds of run
first compare the output with the state (:mod:`yanksync.mirror.etag_comparison`): one that takes
over the lease, and one that finds neither lease nor state.

An empty pass puts no state. The lease has the time of that pass, so that the next pass knows the
lag.
"""

from __future__ import annotations

import mmap
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import msgspec

from yanksync.config.settings import Bucket, Settings
from yanksync.core.errors import LeaseLost, ObjectStorageError, PreconditionFailed, StateError
from yanksync.core.exit_codes import ExitCode
from yanksync.mirror.context import log
from yanksync.mirror.etag_comparison import compare_etags
from yanksync.mirror.lease import Clock, Lease, LeaseRecord, read_with_expiry, request_timeouts
from yanksync.output.object_storage.bucket import MUST_NOT_EXIST, BucketClient, ObjectHeaders
from yanksync.output.object_storage.client import RequestTimeouts
from yanksync.output.object_storage.conditional_writes import ConditionalWrites
from yanksync.state.facts import UNCHECKED, Recovery
from yanksync.state.runs import RunRecord
from yanksync.state.state import State
from yanksync.system.file_lock import Holder

LARGEST = 200_000_000  # bytes: the largest state, because each run copies it
_CONTENT = ObjectHeaders(type="application/vnd.sqlite3", cache="no-store")
_NAME = "yanksync.db"


def _bucket_and_key(settings: Settings) -> tuple[Bucket, str]:
    """Return the bucket of the state, and its key."""
    location = settings.mirror.state
    assert isinstance(location, Bucket)
    return Bucket(scheme=location.scheme, bucket=location.bucket), location.prefix


@contextmanager
def _storage() -> Iterator[None]:
    """Raise errors of object storage inside as :class:`StateError`."""
    try:
        yield
    except PreconditionFailed:
        raise
    except ObjectStorageError as error:
        raise StateError(error.where, error.problem) from error


def _source(settings: Settings) -> str:
    return str(settings.source or "the configuration")


def _home() -> Path:
    """Make a directory for the working copy."""
    try:
        return Path(tempfile.mkdtemp(prefix="yanksync-"))
    except OSError as error:
        raise StateError("TMPDIR", f"cannot make a directory there: {error.strerror}") from error


def _fetch(bucket: BucketClient, key: str, target: Path) -> str | None:
    """Fetch the state into ``target``.

    Return its ETag; None: there is no state.
    """
    found = bucket.get(key)
    if found is None:
        return None
    url = f"{bucket.location.root}/{key}"
    if found.size > LARGEST:
        raise StateError(url, _too_large(found.size, "Nothing was done"))
    try:
        with open(target, "wb") as file:
            for chunk in found.chunks:
                file.write(chunk)
    except OSError as error:
        raise StateError(str(target.parent), f"no room for a copy: {error.strerror}") from error
    return found.etag


def _too_large(size: int, done: str) -> str:
    return (
        f"is {size / 1e6:.0f} MB, and each run would copy it from the bucket and back; the limit "
        f"is {LARGEST // 1_000_000} MB. {done}. Copy it to a machine that makes all "
        "runs, and name the file in mirror.state"
    )


@contextmanager
def copy_for_reading(settings: Settings) -> Iterator[Path]:
    """Yield the path of a copy of the state, without a lease.

    The file may be missing.

    Raises :class:`StateError`, :class:`yanksync.core.errors.ConfigError`.
    """
    location, key = _bucket_and_key(settings)
    bucket = BucketClient(location, settings.storage, _source(settings))
    home = _home()
    try:
        with _storage():
            lease = read_with_expiry(bucket, f"{key}.lease")
            fetched = _fetch(bucket, key, home / _NAME)
        if fetched is not None and lease is not None:
            note, is_over = lease
            with State(home / _NAME) as state:
                _take_over(state, note)
                if note.held and not is_over:  # only for status; the copy is not put back
                    text = msgspec.json.encode(_holder(note)).decode()
                    state.facts.put(at_work=text)
        yield home / _NAME
    except StateError as error:
        raise _named(error, settings, home) from error
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _holder(note: LeaseRecord) -> Holder:
    return Holder(
        who=note.holder,
        since=note.since,
        command=note.command,
        phase=note.phase,
        done=note.done,
        total=note.total,
    )


def _named(error: StateError, settings: Settings, home: Path) -> StateError:
    """Return ``error`` with the state's address instead of the copy's."""
    here = Path(error.where).parent == home
    return StateError(str(settings.mirror.state), error.problem) if here else error


def _take_over(state: State, note: LeaseRecord) -> None:
    """Copy the times of empty passes from the lease into the state.

    A released lease is newer than the state, whatever the clocks of machines say. A lease that was
    not released has the times from before its run, and that run may have put the state.
    """
    known, last = state.facts.moment("complete_read"), state.runs.last_success()
    if note.complete is not None and (not note.held or known is None or known < note.complete):
        state.facts.put(complete_read=note.complete)
    if note.success in (None, last):
        return
    if not note.held or last is None or last < note.success:
        run = state.runs.begin("empty", note.success)
        state.runs.end(
            run, note.success, RunRecord(exit_code=ExitCode.DONE, cursor=state.facts.cursor)
        )


class RemoteState:
    """A state that was fetched under a lease."""

    def __init__(
        self,
        settings: Settings,
        home: Path,
        lease: Lease,
        before: LeaseRecord | None,
        *,
        dry_run: bool,
    ) -> None:
        self._settings = settings
        self._lease = lease
        self._before = before
        self._dry_run = dry_run
        self._location, self._key = _bucket_and_key(settings)
        self._bucket = self._client(
            self._location, RequestTimeouts(settings.mirror.lease / 3, 0.0, 0.0)
        )
        self.path = home / _NAME
        self.writes = ConditionalWrites(lease.abandon)
        with _storage():
            self._etag = _fetch(self._bucket, self._key, self.path)

    def _client(self, location: Bucket, timeouts: RequestTimeouts) -> BucketClient:
        check = partial(self._lease.check, timeouts.longest)
        return BucketClient(
            location, self._settings.storage, _source(self._settings), timeouts, check
        )

    @property
    def new(self) -> bool:
        """Whether there was no state to fetch."""
        return self._etag is None

    def note_progress(self, phase: str, done: int, total: int) -> None:
        """Let ``status`` on another machine see how far this run is."""
        self._lease.note_progress(phase, done, total)

    def client(self, place: Bucket) -> BucketClient:
        """Return a client that works while the lease is held."""
        return self._client(place, request_timeouts(self._settings.mirror.lease))

    @contextmanager
    def use(self, state: State) -> Iterator[None]:
        """Compare ETags; put the state and release the lease at the end.

        After an error, the state is not put.
        """
        unclean = self._before is None or self._before.held or self._before.unclean
        try:
            location = state.facts.config.output or ""
            unclean = unclean or self.new or location != self._settings.mirror.output_identity
            if self._before is not None:
                _take_over(state, self._before)
            if unclean:
                self._compare(state)
            last = state.runs.last_exit()
            state.changes.watch()
            yield
        except LeaseLost:
            self._lease.stop()
            raise
        except BaseException:  # the state may lack changes of the output
            with suppress(ObjectStorageError, StateError, LeaseLost):
                if self.writes.has_written or not self._dry_run:
                    self._put(state)
                    unclean = True
                self._release(state, unclean=unclean)
            self._lease.stop()
            raise
        changed = state.changes.has_changed() or state.runs.last_exit() != last
        if self._dry_run:
            changed = self.writes.has_written or (changed and not unclean)
        else:
            changed = changed or (unclean and not self.new)
        try:
            if changed:
                self._put(state)
        except StateError:
            with suppress(StateError, LeaseLost):
                self._release(state, unclean=True)
            raise
        self._release(state, unclean=unclean and not changed)

    def _compare(self, state: State) -> None:
        """Compare listed objects with the state, and mark differences."""
        output = self._settings.mirror.output
        assert isinstance(output, Bucket)
        with _storage():
            differs = compare_etags(state, self.client(output))
        state.facts.change(Recovery, copies=UNCHECKED)
        if differs and not self.new:
            log.warning(
                "the last run did not end as it should: %d objects' ETags are not those that the "
                "state knows; what differs is published again",
                differs,
            )

    def _put(self, state: State) -> None:
        """Put the state back, if the object is unchanged."""
        copy = self.path.with_name("put.db")
        url = f"{self._location.root}/{self._key}"
        copy.unlink(missing_ok=True)
        state.backup(copy)
        size = copy.stat().st_size
        if size > LARGEST:
            done = "The object is as it was before this run"
            raise StateError(url, f"{_too_large(size, done)}. {self._kept(copy, url)}")
        try:
            with _storage():
                self._lease.renew()
                with open(copy, "rb") as file:
                    body = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                    self._etag = self._bucket.put(
                        self._key, body, _CONTENT, self._etag or MUST_NOT_EXIST
                    )
        except PreconditionFailed:
            raise self._lease.abandon(f"{url} is not what this run fetched") from None

    def _kept(self, copy: Path, url: str) -> str:
        """Keep the working copy, which is the only one; return its path.

        A later one replaces it.
        """
        from hashlib import blake2b  # start-up: it loads OpenSSL, 4 MiB

        home = self.path.parent
        location = home.with_name(f"yanksync-{blake2b(url.encode(), digest_size=8).hexdigest()}.db")
        try:
            os.replace(copy, location)
        except OSError as error:
            return f"Of this run it could not be kept in {location}: {error.strerror}"
        return f"Of this run it is in {location}"

    def _release(self, state: State, *, unclean: bool) -> None:
        try:
            self._lease.release(
                unclean=unclean,
                complete=state.facts.moment("complete_read"),
                success=state.runs.last_success(),
            )
        except ObjectStorageError as error:  # the lease runs out by itself
            log.warning("the lease could not be released: %s", error)


@contextmanager
def open_remote_state(
    settings: Settings, command: str = "", *, dry_run: bool = False, clock: Clock | None = None
) -> Iterator[RemoteState]:
    """Hold the lease and a fetched state in a temporary directory.

    With ``dry_run`` the state is put back only if it has changed. ``clock`` counts the time of the
    lease; None: the clock of the machine. Raises :class:`yanksync.core.errors.LockHeld`,
    :class:`StateError`, :class:`yanksync.core.errors.ConfigError`.
    """
    location, key = _bucket_and_key(settings)
    seconds = settings.mirror.lease
    bucket = BucketClient(location, settings.storage, _source(settings), request_timeouts(seconds))
    lease = Lease(bucket, f"{key}.lease", seconds, command=command, clock=clock)
    home = _home()
    held = None
    try:
        with _storage():
            before = lease.take()
        held = RemoteState(settings, home, lease, before, dry_run=dry_run)
        yield held
    except BaseException as error:  # nothing was begun, or the lease is released already
        with suppress(ObjectStorageError, StateError, LeaseLost):
            lease.release_unused()
        if isinstance(error, StateError):
            raise _named(error, settings, home) from error
        raise
    finally:
        lease.stop()
        shutil.rmtree(home, ignore_errors=True)
