"""Threads that open connections and send some requests."""

from __future__ import annotations

import logging
import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from msgspec import Struct

from yanksync.core.errors import UpstreamError, UpstreamUnreachable
from yanksync.core.urls import redacted
from yanksync.upstream.http.answer_budget import AnswerBudget, BudgetClosed
from yanksync.upstream.http.http_answers import Outcome, SizeLimit

if TYPE_CHECKING:
    from yanksync.upstream.http.session import UpstreamSession

K = TypeVar("K")

log = logging.getLogger("yanksync")


class HttpRequest(Struct, Generic[K], frozen=True):
    """A request (see :meth:`.session.UpstreamSession.get`), and the key of its caller."""

    key: K
    url: str
    accept: str
    etag: str | None
    limit: SizeLimit


Asked = HttpRequest[Any]


class WorkerThreads:
    """The threads that ask in the usual way, at most ``workers``.

    They are daemon threads, so that the program does not wait for useless answers (after a signal,
    or on a full disk).
    """

    def __init__(self, session: UpstreamSession, workers: int, budget: AnswerBudget) -> None:
        self._session = session
        self._budget = budget
        self._workers = workers
        self._threads: list[threading.Thread] = []
        self._requests: queue.SimpleQueue[Asked | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[Asked, Outcome]] = queue.SimpleQueue()
        self._stopped = False
        self._lock = threading.Lock()  # so no thread writes to the socket after it is closed
        self.bell, self._button = socket.socketpair()  #: readable when a thread has an answer
        self._button.setblocking(False)
        self.waiting = 0  #: requests whose answer was not taken yet

    def ask(self, request: Asked) -> None:
        """Give a request to a thread."""
        self._requests.put(request)
        self.waiting += 1
        if self.waiting > len(self._threads) < self._workers:
            thread = threading.Thread(target=self._work, name="fetch", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # there are too many threads
                if not self._threads:
                    raise UpstreamUnreachable(redacted(request.url), str(error)) from error
            else:
                self._threads.append(thread)

    def answers(self) -> Iterator[tuple[Asked, Outcome]]:
        """Yield the answers that are there."""
        self.bell.recv(1 << 10)
        while not self._answers.empty():
            self.waiting -= 1
            yield self._answers.get()

    def shutdown(self) -> None:
        """Stop the threads after their current request."""
        with self._lock:
            self._stopped = True
            self._budget.close()
            self.bell.close()
            self._button.close()
        for _ in self._threads:
            self._requests.put(None)

    def _work(self) -> None:
        while (request := self._requests.get()) is not None and not self._stopped:
            self._answers.put((request, self._outcome(request)))
            with self._lock:
                if not self._stopped:
                    with suppress(BlockingIOError):  # it rings already
                        self._button.send(b"!")

    def _outcome(self, request: Asked) -> Outcome:
        try:
            return self._session.get(
                request.url,
                request.accept,
                request.etag,
                request.limit,
                share=self._budget.share,
                wait=lambda: self._budget.wait_to_grow(request),
            )
        except UpstreamError as error:
            return error
        except BudgetClosed:
            return UpstreamUnreachable(redacted(request.url), "the run does not wait for it")
        except OSError as error:  # an error of this machine: too many open files
            problem = error.strerror or type(error).__name__
            return UpstreamUnreachable(redacted(request.url), problem)
        except Exception as error:  # a bug: without an answer the pass would wait for ever
            log.debug("%s: the traceback", redacted(request.url), exc_info=error)
            return UpstreamUnreachable(redacted(request.url), f"internal error: {error!r}")
