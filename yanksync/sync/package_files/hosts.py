"""Decides which file is downloaded next.

Each host gets few downloads at once, and a host that fails gets none.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from urllib.parse import urlsplit

from msgspec import Struct, field

from yanksync.core.package_files.copies import PackageFile
from yanksync.mirror.context import log

TRIES = 3
"""How often a pass asks for one file while its host gives no answer."""

_WAVES = 4  # failures in a row: then a host's files wait for the next pass
_LONGEST_PAUSE = 60.0  # seconds; if a host asks for more, this pass does not ask it again


class Job(Struct, eq=False):
    """A file to download."""

    copy: PackageFile
    host: str  # with its port
    began: float = 0.0  # monotonic seconds, of the last try
    tries: int = 0


class _Host(Struct):
    waiting: deque[Job] = field(default_factory=deque)
    active: int = 0  # downloads under way
    failures: int = 0  # waves of downloads that failed
    failed_at: float = 0.0  # monotonic seconds
    not_before: float = 0.0
    given_up: bool = False

    @property
    def is_idle(self) -> bool:
        return not (self.waiting or self.active or self.failures or self.given_up)


class HostQueue:
    """Hands out downloads. Safe for use by many threads."""

    def __init__(self, per_host: int, clock: Callable[[], float] = time.monotonic) -> None:
        """``per_host``: downloads at once from each host."""
        self._per_host, self._clock = per_host, clock
        self._hosts: dict[str, _Host] = {}
        self._changed = threading.Condition()
        self._closed = False
        self.waiting = 0  #: files that were not handed out yet
        self.postponed = 0  #: files that wait for a later pass

    def put(self, copy: PackageFile) -> bool:
        """Queue a file.

        Returns False if this pass does not ask its host again.
        """
        job = Job(copy, urlsplit(copy.file.url).netloc)
        with self._changed:
            host = self._hosts.setdefault(job.host, _Host())
            if host.given_up:
                return False
            host.waiting.append(job)
            self.waiting += 1
            self._changed.notify()
            return True

    def take(self) -> Job | None:
        """Wait for a file whose host may be asked.

        Returns None once the queue is closed.
        """
        with self._changed:
            while not self._closed:
                pause: float | None = None
                for name, host in self._hosts.items():
                    if not host.waiting or host.active >= self._per_host:
                        continue
                    left = host.not_before - self._clock()
                    if left <= 0:
                        self._hosts[name] = self._hosts.pop(name)  # the others come first next time
                        return self._handed_out(host)
                    pause = left if pause is None else min(pause, left)
                self._changed.wait(pause)
            return None

    def _handed_out(self, host: _Host) -> Job:
        host.active += 1
        self.waiting -= 1
        job = host.waiting.popleft()
        job.began = self._clock()
        job.tries += 1
        return job

    def done(self, job: Job) -> None:
        """Note that a download ended, and that its host works."""
        with self._changed:
            host = self._left(job)
            if not host.given_up:
                host.failures = 0
            if host.is_idle:  # a hostile page may name another host for each file
                del self._hosts[job.host]

    def failed(self, job: Job, problem: str) -> bool:
        """Note that the host gave no answer.

        Returns True if the file is queued once more.
        """
        with self._changed:
            host = self._left(job)
            if not host.given_up and job.began >= host.failed_at:  # otherwise others failed with it
                self._count_failure(host)
                host.not_before = host.failed_at + host.failures - 1
                if host.failures >= _WAVES:
                    self._give_up(host, job.host, problem)
            if host.given_up or job.tries >= TRIES:
                return False
            self._queue_again(host, job)
            return True

    def pause(self, job: Job, seconds: float) -> None:
        """Pause a host for the time that it asks for (R13).

        Its file is queued once more. If the time is long, or comes often, this pass does not ask
        the host again.
        """
        with self._changed:
            host = self._left(job)
            if job.began >= host.failed_at:  # otherwise others began at the same time
                self._count_failure(host)
            host.not_before = max(host.not_before, self._clock() + seconds)
            job.tries -= 1
            self._queue_again(host, job)
            if not host.given_up and (seconds > _LONGEST_PAUSE or host.failures >= _WAVES):
                self._give_up(host, job.host, f"asks to wait {seconds:.0f} s")

    def clear(self) -> None:
        """Drop the files that were not handed out; they are postponed."""
        with self._changed:
            for host in self._hosts.values():
                self._drop(host)

    def close(self) -> None:
        """Hand out no more files."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _left(self, job: Job) -> _Host:
        host = self._hosts[job.host]
        host.active -= 1
        self._changed.notify()
        return host

    def _count_failure(self, host: _Host) -> None:
        host.failures += 1
        host.failed_at = self._clock()

    def _queue_again(self, host: _Host, job: Job) -> None:
        if host.given_up:
            self.postponed += 1
            return
        host.waiting.appendleft(job)
        self.waiting += 1

    def _give_up(self, host: _Host, name: str, problem: str) -> None:
        host.given_up = True
        self._drop(host)
        log.warning("%s: %s; its other files wait for the next pass", name, problem)

    def _drop(self, host: _Host) -> None:
        self.postponed += len(host.waiting)
        self.waiting -= len(host.waiting)
        host.waiting.clear()
