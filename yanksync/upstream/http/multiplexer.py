"""Sends many requests in one thread, over connections opened elsewhere.

A blocking thread for each request spends more time on waking up than on the work
(docs/design/decisions/upstream.rst#decision-multiplexer). So the worker threads do only two things.
They open the connections (proxy, TLS, credentials). They also repeat unusual requests: a redirect,
an answer of an odd form, a connection that was closed in between. This module sends all other
requests.
"""

from __future__ import annotations

import selectors
import time
import zlib
from collections import deque
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, TypeVar

from yanksync.core.errors import UpstreamError, UpstreamUnreachable
from yanksync.core.urls import redacted
from yanksync.system.request_log import log_answer, log_failure
from yanksync.upstream.http.answer_budget import AnswerBudget
from yanksync.upstream.http.http1_parser import (
    BodyTooLarge,
    HttpResponse,
    ResponseParser,
    UnsupportedResponse,
)
from yanksync.upstream.http.http_answers import (
    SLOW_FACTOR,
    BodyDecoder,
    Outcome,
    SizeLimit,
    answer_of,
    check_status,
    root_cause,
    too_slow,
)
from yanksync.upstream.http.worker_threads import Asked, HttpRequest, WorkerThreads

if TYPE_CHECKING:
    from urllib3.connection import HTTPConnection

    from yanksync.upstream.http.direct_connections import DirectConnection
    from yanksync.upstream.http.session import UpstreamSession

K = TypeVar("K")

# A part of a TLS record, which is unpacked only as a whole. Recognised by name, because an http
# upstream does not need OpenSSL.
_PARTIAL = ("SSLWantReadError", "SSLWantWriteError")
_AHEAD = 2  # requests without an answer, for each worker
_ROOM = 32 << 20  # bytes
_CHUNK = 1 << 16  # bytes read from a socket at once; more costs more CPU time
_LOOK = 0.25  # part of the timeout between checks for silence
_ODD = 8  # unusual answers in a row: then the threads send all requests, so that none goes twice


class _Connection:
    """A connection, and its request under way."""

    __slots__ = ("connection", "last_heard", "reader", "request", "socket", "started", "url")

    def __init__(self, url: str, connection: HTTPConnection | DirectConnection) -> None:
        assert connection.sock is not None
        self.url = url  # that it was made for; all requests go to the same place
        self.connection = connection
        self.socket = connection.sock
        self.request: Asked | None = None
        self.reader = ResponseParser(0)
        self.started = self.last_heard = 0.0  # monotonic seconds


class Multiplexer:
    """Sends requests to one host over one connection a worker.

    One thread uses it.
    """

    def __init__(self, session: UpstreamSession, workers: int, room: int = _ROOM) -> None:
        """Take the ``room`` for answers in memory, in bytes.

        A single large answer may exceed it. Raises :class:`OSError` if the process has no free file
        for waiting.
        """
        self._session = session
        self._workers = workers
        self._queue: deque[Asked] = deque()
        self._lines: set[_Connection] = set()
        self._idle: list[_Connection] = []
        self._replies: list[tuple[Asked, str, HttpResponse]] = []  # to be unpacked
        self._answers: list[tuple[Asked, Outcome]] = []
        self._odd = 0  # unusual answers in a row
        self._budget = AnswerBudget(room, workers)
        # these wait for room for their answers
        self._halted: deque[_Connection] = deque()
        self._threads = WorkerThreads(session, workers, self._budget)
        try:
            self._selector = selectors.DefaultSelector()
            self._selector.register(self._threads.bell, selectors.EVENT_READ)
        except OSError:
            self._threads.shutdown()
            raise
        self._looked = 0.0  # when silence was last checked

    def ask(self, requests: Iterator[HttpRequest[K]]) -> Generator[tuple[K, Outcome], None, None]:
        """Yield the key of each request with its answer or error.

        Takes from ``requests`` only as fast as the caller takes answers, in the caller's thread.
        """
        try:
            drawing = True
            while drawing or self._waiting:
                while drawing and self._waiting < self._workers * _AHEAD:
                    request = next(requests, None)
                    drawing = request is not None
                    if request is not None:
                        self._queue.append(request)
                        self._begin()
                if self._waiting:
                    for request, outcome in self._wait_once():
                        yield request.key, outcome
                        self._budget.release(request)
                        del outcome  # before the next one is unpacked
        finally:
            self._close()

    @property
    def _under_way(self) -> int:
        return len(self._lines) - len(self._idle) + self._threads.waiting

    @property
    def _waiting(self) -> int:
        return len(self._queue) + self._under_way

    def _begin(self) -> None:
        """Send the requests that can be sent now."""
        while self._queue and self._under_way < self._workers:
            request = self._queue.popleft()
            if self._session.retry_after.left > 0 or self._odd >= _ODD:
                self._give_back()  # the threads use the pool's connections
            elif self._sent(request):
                continue
            self._ask_in_thread(request)

    def _ask_in_thread(self, request: Asked) -> None:
        """Give a request to the worker threads."""
        self._budget.release(request)
        self._threads.ask(request)

    def _sent(self, request: Asked) -> bool:
        """Send a request over an idle connection.

        False: there is none, or the request does not fit.
        """
        try:
            wire = self._session.request(request.url, request.accept, request.etag)
            connection = self._idle.pop() if self._idle else self._adopted(request.url)
        except (OSError, ValueError):
            return False  # the thread that sends it reports the error
        if connection is None:
            return False
        try:
            whole = connection.socket.send(wire) == len(wire)
        except OSError:
            whole = False
        if not whole:
            self._drop(connection)
            return False
        connection.request, connection.reader = request, ResponseParser(request.limit.size)
        connection.started = connection.last_heard = time.monotonic()
        return True

    def _adopted(self, url: str) -> _Connection | None:
        """Take over an idle open connection."""
        connection = self._session.idle(url)
        if connection is None:
            return None
        adopted = _Connection(url, connection)
        try:
            adopted.socket.settimeout(0.0)
            self._selector.register(adopted.socket, selectors.EVENT_READ, adopted)
        except OSError:
            connection.close()
            raise
        self._lines.add(adopted)
        return adopted

    def _wait_once(self) -> Iterator[tuple[Asked, Outcome]]:
        """Wait until something happens; yield what was answered."""
        tick = self._session.timeout * _LOOK
        self._resume()
        for key, _ in self._selector.select(tick):
            if key.data is None:
                self._answers += self._threads.answers()
            else:
                self._read(key.data)
        now = time.monotonic()
        if now - self._looked >= tick:
            self._looked = now
            self._drop_silent(now)
        # Send only now, after all connections were read. A connection that has ended, or has sent
        # nonsense, gets no more requests. After a 429 none is sent. Send before unpacking, so that
        # the network works at the same time.
        self._begin()
        answers, self._answers = self._answers[::-1], []
        replies, self._replies = self._replies[::-1], []
        while answers:
            yield answers.pop()
        while replies:  # one at a time, because unpacked they may be large
            request, url, reply = replies.pop()
            yield request, _unpacked(url, reply, request.limit)

    def _read(self, connection: _Connection) -> None:
        """Read the data that has come over a connection."""
        request = connection.request
        try:
            data = connection.socket.recv(_CHUNK)
            if request is not None and not data:
                raise EOFError
            reply = None if request is None else connection.reader.feed(data)
        except BlockingIOError:
            connection.last_heard = time.monotonic()
            return
        except (OSError, EOFError, UnsupportedResponse, BodyTooLarge) as problem:
            if type(problem).__name__ in _PARTIAL:
                connection.last_heard = time.monotonic()
                return
            self._drop(connection)
            if request is not None:
                self._failed(request, problem, connection)
            return
        if request is None:  # the end of an idle connection, or nonsense
            self._drop(connection)
        elif reply is None:
            connection.last_heard = time.monotonic()
            if connection.reader.size > self._budget.share and not self._budget.try_grow(request):
                self._selector.unregister(connection.socket)
                self._halted.append(connection)
        else:
            connection.request = None
            if reply.keep:
                self._idle.append(connection)
            else:
                self._drop(connection)
            self._answered(request, reply, connection.started)

    def _resume(self) -> None:
        """Go on reading an answer for which there is room now."""
        if self._halted and self._budget.try_grow(self._halted[0].request):
            connection = self._halted.popleft()
            connection.last_heard = time.monotonic()
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)

    def _failed(self, request: Asked, problem: Exception, connection: _Connection) -> None:
        url = redacted(request.url)
        log_failure(f"GET {url}", _why(problem), time.monotonic() - connection.started)
        if isinstance(problem, UnsupportedResponse):
            self._odd += 1
            self._ask_in_thread(request)
        elif not connection.reader.begun:
            # Servers close idle connections; one that is closed as we speak says nothing of it.
            self._ask_in_thread(request)
        elif isinstance(problem, BodyTooLarge):
            self._answers.append((request, request.limit.exceeded(url)))
        else:
            self._answers.append((request, UpstreamUnreachable(url, _why(problem))))

    def _answered(self, request: Asked, reply: HttpResponse, started: float) -> None:
        """Decide what to do with an answer."""
        url = redacted(request.url)
        seconds = time.monotonic() - started
        log_answer(f"GET {url}", reply.status, reply.headers, seconds, len(reply.body))
        try:
            place = check_status(
                url, reply.status, reply.reason, reply.headers, self._session.retry_after
            )
        except UpstreamError as error:
            self._answers.append((request, error))
        else:
            if place is None:
                self._odd = 0
                self._replies.append((request, url, reply))
            else:
                self._odd += 1
                self._ask_in_thread(request)  # the session knows which redirects are allowed

    def _drop_silent(self, now: float) -> None:
        """Drop connections that are silent or too slow."""
        timeout = self._session.timeout
        for connection in list(self._lines):
            request = connection.request
            if request is None:
                continue
            if now - connection.last_heard > timeout and connection not in self._halted:
                why = f"no answer in time (nothing for {timeout:g} s)"
            elif now - connection.started > timeout * SLOW_FACTOR:
                why = too_slow(timeout)
            else:
                continue
            self._drop(connection)
            url = redacted(request.url)
            log_failure(f"GET {url}", why, now - connection.started)
            self._answers.append((request, UpstreamUnreachable(url, why)))

    def _drop(self, connection: _Connection) -> None:
        """Close a connection."""
        self._lines.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if connection in self._halted:
            self._halted.remove(connection)
        else:
            self._selector.unregister(connection.socket)
        connection.connection.close()

    def _give_back(self) -> None:
        """Return idle connections to the pool."""
        for connection in self._idle:
            self._selector.unregister(connection.socket)
            connection.socket.settimeout(self._session.timeout)
            self._session.give_back(connection.url, connection.connection)
        self._lines.difference_update(self._idle)
        self._idle.clear()

    def _close(self) -> None:
        """Give back idle connections, close the others, and stop the threads."""
        self._give_back()
        for connection in list(self._lines):
            self._drop(connection)
        self._selector.close()
        self._threads.shutdown()


def _why(problem: Exception) -> str:
    """Return why no answer came over a connection."""
    return "the answer was cut off" if isinstance(problem, EOFError) else root_cause(problem)


def _unpacked(url: str, reply: HttpResponse, limit: SizeLimit) -> Outcome:
    try:
        unpacker = BodyDecoder(url, reply.status, reply.headers, limit)
        unpacker.feed(reply.body)
        return answer_of(url, reply.status, reply.headers, unpacker.body())
    except UpstreamError as error:
        return error
    except zlib.error as error:
        return UpstreamUnreachable(url, root_cause(error))
