"""The threads that download package files."""

from __future__ import annotations

import queue
import threading
from contextlib import suppress

from msgspec import Struct

from yanksync.core.errors import RateLimited, UpstreamError, UpstreamUnreachable
from yanksync.core.package_files.copies import PackageFile
from yanksync.sync.package_files.download import CopyUnreadable, Downloader, Received
from yanksync.sync.package_files.hosts import HostQueue, Job
from yanksync.sync.package_files.limits import LimitReached
from yanksync.sync.package_files.transfer import Stopped


class Finished(Struct, frozen=True):
    """The result of one file: received, or why not."""

    copy: PackageFile
    received: Received | None = None
    problem: str | None = None  # why it was not copied
    may_be_there: bool = False  # the problem: its copy cannot be read now
    limit: LimitReached | None = None
    fatal: Exception | None = None  # no file can be copied


class Workers:
    """Threads that take files from a queue.

    They are daemon threads, so that the program can end while a host does not answer.
    """

    def __init__(self, downloader: Downloader, hosts: HostQueue) -> None:
        self._downloader, self._hosts = downloader, hosts
        self._finished: queue.SimpleQueue[Finished] = queue.SimpleQueue()

    def start(self, count: int) -> None:
        """Start so many threads."""
        for _ in range(count):
            threading.Thread(target=self._work, name="download", daemon=True).start()

    def finished(self, seconds: float) -> list[Finished]:
        """Return the finished files; wait ``seconds`` for the first one."""
        found = []
        with suppress(queue.Empty):
            found.append(self._finished.get(timeout=seconds))
            while True:
                found.append(self._finished.get_nowait())
        return found

    def _work(self) -> None:
        while (job := self._hosts.take()) is not None:
            finished = self._finish(job)
            if finished is not None:
                self._finished.put(finished)

    def _finish(self, job: Job) -> Finished | None:
        """Download a file.

        None: it is queued once more, or waits for a later pass.
        """
        copy = job.copy
        try:
            finished = Finished(copy, self._downloader.fetch(copy))
        except Stopped:
            return None
        except RateLimited as error:
            self._hosts.pause(job, error.seconds)
            return None
        except UpstreamUnreachable as error:
            again = self._hosts.failed(job, error.problem)
            return None if again else Finished(copy, problem=str(error))
        except UpstreamError as error:
            finished = Finished(copy, problem=str(error))
        except CopyUnreadable as error:
            finished = Finished(copy, problem=str(error), may_be_there=True)
        except LimitReached as error:
            finished = Finished(copy, limit=error)
        except Exception as error:  # the output fails, or there is a bug: the pass ends with it
            finished = Finished(copy, fatal=error)
        self._hosts.done(job)
        return finished
