"""The lease of a mirror whose state is in object storage.

The lease says which run may work on the mirror, and until when. It is one small object beside the
state. Every change of it is a put on the condition that the object still has its earlier ETag. So
only one of several runs gets it, and a run that lost it cannot write it again.

*The run that has the lease* counts its time on a monotonic clock. It begins to count before it
sends the put that takes or renews the lease. It renews the lease at half its time, and calls
:meth:`Lease.check` before each request. It begins a request only if the lease lasts longer than the
longest time of that request, retries included.

*A run that wants the lease* cannot know that clock. It compares two times of the storage itself:
when the lease was last written, and when a probe object was written just now. It takes the lease
over only if the lease was not renewed for longer than its whole time. The clocks of two machines
are never compared.

The clocks only decide which run waits, and save useless work. The ETags make sure that nothing is
overwritten (:mod:`yanksync.output.object_storage.conditional_writes`).
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Protocol

import msgspec

from yanksync.core.errors import (
    LeaseLost,
    LockHeld,
    ObjectStorageError,
    PreconditionFailed,
    StateError,
)
from yanksync.output.object_storage.bucket import MUST_NOT_EXIST, BucketClient, ObjectHeaders
from yanksync.output.object_storage.client import RequestTimeouts

LONGEST = 86400.0
"""Seconds that a lease may last at the most."""
SLACK = 2.0
"""Seconds that a lease is left alone after its end: storage tells times in whole ones."""
_CLOCKS = 60.0  # seconds by which this machine's clock and the storage's may differ
_NOTED = 30.0  # seconds between two notes of how far a run is
_PAUSE = 0.05  # part of the lease's time before a failed renewal is repeated
_JSON = ObjectHeaders(type="application/json", cache="no-store")


class Clock(Protocol):
    """The clock with which a run counts the time of its lease."""

    def now(self) -> float:
        """Return seconds since some moment."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait for ``event`` up to so many seconds; return if it came."""


class BootClock:
    """A clock that goes on in sleep and is never set."""

    def now(self) -> float:
        boot = getattr(time, "CLOCK_BOOTTIME", None)
        return time.monotonic() if boot is None else time.clock_gettime(boot)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        return event.wait(seconds)


def request_timeouts(seconds: float) -> RequestTimeouts:
    """Return how long a request may take with such a lease.

    It is far less than half of the lease.
    """
    return RequestTimeouts(min(30.0, seconds / 8), min(60.0, seconds / 8), min(15.0, seconds / 16))


_Moment = Annotated[float, msgspec.Meta(ge=0, le=253402300799)]  # UTC seconds, to the year 9999


class LeaseRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The content of the lease's object."""

    token: str  # another one in each run
    holder: str  # for a person
    since: _Moment  # by the holder's clock, for a person
    seconds: Annotated[
        float, msgspec.Meta(gt=0, le=LONGEST)
    ]  # how long it lasts after it was last written
    count: int  # changes with each write, so that the ETag changes, too
    held: bool
    unclean: bool  # state and output may differ: they must be compared
    command: str = ""
    phase: str = ""  # what the run counted at the last write
    done: int = 0
    total: int = 0
    complete: _Moment | None = None  # start of the newest read published in full
    success: _Moment | None = None  # end of the last run with exit 0


class Lease:
    """A lease that a run has from :meth:`take` to :meth:`release`."""

    def __init__(
        self,
        bucket: BucketClient,
        key: str,
        seconds: float,
        *,
        command: str = "",
        clock: Clock | None = None,
        slack: float = SLACK,
    ) -> None:
        self._bucket = bucket  # without a check before its requests
        self._key = key
        self._seconds = seconds
        self._clock = clock or BootClock()
        self._slack = slack
        self._longest = request_timeouts(seconds).longest
        self._lock = threading.Lock()
        self._etag: str | None = None
        self._until = 0.0  # on this run's clock
        self._lost: str | None = None
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        host = socket.gethostname()
        self.record = LeaseRecord(
            token=secrets.token_hex(16),
            holder=f"process {os.getpid()} on {host}",
            since=time.time(),
            seconds=seconds,
            count=0,
            held=True,
            unclean=True,
            command=command,
        )
        self._progress = ("", 0, 0)  # phase, done, total

    @property
    def url(self) -> str:
        """Its address, for a person."""
        return f"{self._bucket.location.root}/{self._key}"

    def take(self) -> LeaseRecord | None:
        """Take the lease; return its earlier content, or None.

        Raises :class:`LockHeld` when another run holds it, :class:`ObjectStorageError` or
        :class:`StateError` when that cannot be found out.
        """
        found = self._bucket.get(self._key)
        before, etag = None, MUST_NOT_EXIST
        if found is not None:
            before, etag = _read(found.body(), self.url), found.etag or ""
            if before.held:
                age = (self._probe() - found.modified).total_seconds()
                if age <= before.seconds + self._slack:
                    end = found.modified + timedelta(seconds=before.seconds + self._slack)
                    raise LockHeld(self.url, _described(before), before.since, _rfc3339(end))
        if before is not None:
            self.record = msgspec.structs.replace(
                self.record, complete=before.complete, success=before.success
            )
        with self._lock:
            if not self._write(self.record, etag):
                raise LockHeld(self.url, "it was faster", None)
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._thread.start()
        return before

    def _probe(self) -> datetime:
        """Return the present time of the storage."""
        key = f"{self._key}.now"
        self._bucket.put(key, secrets.token_bytes(8), _JSON)
        found = self._bucket.get(key)
        if found is None:
            raise ObjectStorageError(
                f"{self._bucket.location.root}/{key}", "is gone as soon as written"
            )
        return found.modified

    def check(self, longest: float | None = None) -> None:
        """Check that the lease outlasts a request of so many seconds.

        Raises :class:`LeaseLost`.
        """
        left = self._until - self._clock.now()
        if self._lost is None and left <= (self._longest if longest is None else longest):
            self._lost = "it could not be renewed in time"
        if self._lost is not None:
            raise LeaseLost(self.url, self._lost)

    def abandon(self, why: str) -> LeaseLost:
        """Give up the lease, and return the error to raise."""
        self._lost = self._lost or why
        self._done.set()
        return LeaseLost(self.url, self._lost)

    def renew(self) -> None:
        """Renew the lease for its whole time. Raises :class:`LeaseLost`."""
        with self._lock:
            self.check()
            phase, done, total = self._progress
            note = msgspec.structs.replace(
                self.record, count=self.record.count + 1, phase=phase, done=done, total=total
            )
            if not self._write(note, self._etag or ""):
                self._lost = "another run has taken it over"
        self.check()

    def note_progress(self, phase: str, done: int, total: int) -> None:
        """Write the progress of this run with the next renewal."""
        self._progress = (phase, done, total)

    def release(self, *, unclean: bool, complete: float | None, success: float | None) -> None:
        """Release the lease. Raises :class:`ObjectStorageError` or :class:`LeaseLost`."""
        self.stop()
        with self._lock:
            self.check()
            note = msgspec.structs.replace(
                self.record,
                count=self.record.count + 1,
                held=False,
                unclean=unclean,
                complete=complete,
                success=success,
            )
            if not self._write(note, self._etag or ""):
                raise LeaseLost(self.url, "another run has taken it over")

    def release_unused(self) -> None:
        """Restore the lease as it was found. Raises as :meth:`release`."""
        if self._etag is not None and self.record.held:
            note = self.record
            self.release(unclean=True, complete=note.complete, success=note.success)

    def stop(self) -> None:
        """Stop renewing."""
        self._done.set()
        if self._thread is not None:
            self._thread.join()

    def _write(self, note: LeaseRecord, match: str) -> bool:
        """Write the lease; return success. Raises :class:`ObjectStorageError`."""
        begun = self._clock.now()
        try:
            etag = self._bucket.put(self._key, msgspec.json.encode(note), _JSON, match)
        except PreconditionFailed:
            return False
        self.record, self._etag, self._until = note, etag, begun + note.seconds
        return True

    def _keep(self) -> None:
        """Renew at half the time, or sooner for new progress."""
        while not self._clock.wait(self._done, min(self._until_half(), _NOTED)):
            if self._until_half() > 0 and self._is_noted():
                continue
            try:
                self.renew()
            except LeaseLost:
                return
            except (ObjectStorageError, StateError):
                self._clock.wait(self._done, self._seconds * _PAUSE)

    def _is_noted(self) -> bool:
        note = self.record
        return self._progress in (("", 0, 0), (note.phase, note.done, note.total))

    def _until_half(self) -> float:
        """Return the seconds until half of the lease's time is over."""
        return max(self._until - self._seconds / 2 - self._clock.now(), 0.0)


def _described(record: LeaseRecord) -> str:
    since = datetime.fromtimestamp(record.since, UTC)
    return f"{record.holder}, since {_rfc3339(since)}"


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read(body: bytes, url: str) -> LeaseRecord:
    try:
        return msgspec.json.decode(body, type=LeaseRecord)
    except msgspec.MsgspecError:
        raise StateError(url, "is no lease of yanksync; look what it is, or delete it") from None


def read_record(bucket: BucketClient, key: str) -> LeaseRecord | None:
    """Read the lease, but do not take it; None: it is missing."""
    found = read_with_expiry(bucket, key)
    return None if found is None else found[0]


def read_with_expiry(bucket: BucketClient, key: str) -> tuple[LeaseRecord, bool] | None:
    """Read the lease, and whether it has run out by this clock."""
    found = bucket.get(key)
    if found is None:
        return None
    note = _read(found.body(), f"{bucket.location.root}/{key}")
    return note, time.time() - found.modified.timestamp() > note.seconds + _CLOCKS
