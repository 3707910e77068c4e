"""Many questions at once, in one thread: each connection that stands is a line to ask over.

A blocking thread for each request spends more on waking up than on the work (RATIONALE.rst). So the
crew, threads that ask through urllib3, do what needs patience: the first question of each
connection, with its proxy, its TLS and its credentials, and whatever turns out to be out of the
ordinary (a redirect, an odd answer, a connection that was closed as we spoke). The connections that
they leave are asked over from here, with nothing that blocks.
"""

from __future__ import annotations

import selectors
import ssl
import time
import zlib
from collections import deque
from collections.abc import Generator, Iterator
from typing import TypeVar

from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError

from yanksync.core.errors import Unreachable, UpstreamError
from yanksync.core.urls import redacted
from yanksync.upstream.answer_budget import Room
from yanksync.upstream.http1_parser import Beyond, Odd, Reader, Reply
from yanksync.upstream.http_answers import (
    SLOW,
    Limit,
    Outcome,
    Unpacker,
    answer_of,
    judge,
    plain,
    too_slow,
)
from yanksync.upstream.http_session import Session
from yanksync.upstream.worker_threads import Asked, Crew, Request

K = TypeVar("K")

_AHEAD = 2  # requests drawn and not answered yet, for each worker
_ROOM = 32 << 20  # bytes
_CHUNK = 1 << 16  # bytes asked of a socket at once; more costs more (RATIONALE.rst)
_LOOK = 0.25  # of the timeout: how often silence is looked for
_ODD = 8  # answers out of the ordinary in a row: the crew alone asks on, instead of each twice


class _Line:
    """A connection of our own, and the request that is under way on it."""

    __slots__ = ("begun", "connection", "heard", "reader", "request", "socket", "url")

    def __init__(self, url: str, connection: HTTPConnection) -> None:
        assert connection.sock is not None
        self.url = url  # that it was made for; all requests go to the same place
        self.connection = connection
        self.socket = connection.sock
        self.request: Asked | None = None
        self.reader = Reader(0)
        self.begun = self.heard = 0.0  # monotonic seconds


class Lines:
    """Asks one host over as many connections as there are workers. For one thread."""

    def __init__(self, session: Session, workers: int, room: int = _ROOM) -> None:
        """``room``: bytes of answers that may be in memory, besides a single large one.

        Raises :class:`OSError` when there is nothing left to wait with.
        """
        self._session = session
        self._workers = workers
        self._queue: deque[Asked] = deque()
        self._lines: set[_Line] = set()
        self._idle: list[_Line] = []
        self._replies: list[tuple[Asked, str, Reply]] = []  # to be unpacked
        self._answers: list[tuple[Asked, Outcome]] = []
        self._odd = 0  # answers out of the ordinary, in an unbroken row
        self._room = Room(room, workers)
        self._halted: deque[_Line] = deque()  # not read on until there is room for their answers
        self._crew = Crew(session, workers, self._room)
        try:
            self._selector = selectors.DefaultSelector()
            self._selector.register(self._crew.bell, selectors.EVENT_READ)
        except OSError:
            self._crew.dismiss()
            raise
        self._looked = 0.0  # when silence was looked for last

    def ask(self, requests: Iterator[Request[K]]) -> Generator[tuple[K, Outcome], None, None]:
        """Yield the key of each request with its answer, or with the error, as they come.

        ``requests`` is drawn from only as fast as answers are taken, in the caller's thread.
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
                    for request, outcome in self._turn():
                        yield request.key, outcome
                        self._room.leave(request)
                        del outcome  # before the next one is unpacked
        finally:
            self._close()

    @property
    def _under_way(self) -> int:
        return len(self._lines) - len(self._idle) + self._crew.waiting

    @property
    def _waiting(self) -> int:
        return len(self._queue) + self._under_way

    def _begin(self) -> None:
        """Ask what can be asked now."""
        while self._queue and self._under_way < self._workers:
            request = self._queue.popleft()
            if self._session.patience.left > 0 or self._odd >= _ODD:
                self._give_back()  # the crew asks over what is in the pool
            elif self._sent(request):
                continue
            self._patiently(request)

    def _patiently(self, request: Asked) -> None:
        """Let the crew ask."""
        self._room.leave(request)
        self._crew.ask(request)

    def _sent(self, request: Asked) -> bool:
        """Send a request over a line that is idle; False: there is none, or this is not for it."""
        try:
            wire = self._session.request(request.url, request.accept, request.etag)
            line = self._idle.pop() if self._idle else self._adopted(request.url)
        except (OSError, ValueError, HTTPError):
            return False  # the crew finds out what is wrong
        if line is None:
            return False
        try:
            whole = line.socket.send(wire) == len(wire)
        except OSError:
            whole = False
        if not whole:
            self._drop(line)
            return False
        line.request, line.reader = request, Reader(request.limit.size)
        line.begun = line.heard = time.monotonic()
        return True

    def _adopted(self, url: str) -> _Line | None:
        """Make a line of a connection that stands and that nobody uses."""
        connection = self._session.idle(url)
        if connection is None:
            return None
        line = _Line(url, connection)
        try:
            line.socket.settimeout(0.0)
            self._selector.register(line.socket, selectors.EVENT_READ, line)
        except OSError:
            connection.close()
            raise
        self._lines.add(line)
        return line

    def _turn(self) -> Iterator[tuple[Asked, Outcome]]:
        """Wait until something happens; yield what was answered."""
        tick = self._session.timeout * _LOOK
        self._resume()
        for key, _ in self._selector.select(tick):
            if key.data is None:
                self._answers += self._crew.answers()
            else:
                self._hear(key.data)
        now = time.monotonic()
        if now - self._looked >= tick:
            self._looked = now
            self._drop_silent(now)
        # Only now, when all was heard: over a line whose end or nonsense lies there, nothing more
        # is asked, nor after a 429. And before the rest: the wire has something to do meanwhile.
        self._begin()
        answers, self._answers = self._answers[::-1], []
        replies, self._replies = self._replies[::-1], []
        while answers:
            yield answers.pop()
        while replies:  # one at a time: unpacked, they may be large
            request, url, reply = replies.pop()
            yield request, _unpacked(url, reply, request.limit)

    def _hear(self, line: _Line) -> None:
        """Take what has come over a line."""
        request = line.request
        try:
            data = line.socket.recv(_CHUNK)
            if request is not None and not data:
                raise EOFError
            reply = None if request is None else line.reader.feed(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            line.heard = time.monotonic()  # a part of what TLS unpacks only as a whole
            return
        except (OSError, EOFError, Odd, Beyond) as problem:
            self._drop(line)
            if request is not None:
                self._failed(request, problem, begun=line.reader.begun)
            return
        if request is None:  # the end of an idle connection, or nonsense
            self._drop(line)
        elif reply is None:
            line.heard = time.monotonic()
            if line.reader.size > self._room.share and not self._room.take(request):
                self._selector.unregister(line.socket)
                self._halted.append(line)
        else:
            line.request = None
            if reply.keep:
                self._idle.append(line)
            else:
                self._drop(line)
            self._answered(request, reply)

    def _resume(self) -> None:
        """Read on the answer that there is room for now."""
        if self._halted and self._room.take(self._halted[0].request):
            line = self._halted.popleft()
            line.heard = time.monotonic()
            self._selector.register(line.socket, selectors.EVENT_READ, line)

    def _failed(self, request: Asked, problem: Exception, *, begun: bool) -> None:
        url = redacted(request.url)
        if isinstance(problem, Odd):
            self._odd += 1
            self._patiently(request)
        elif not begun:
            # Servers close idle connections; one that is closed as we speak says nothing of it.
            self._patiently(request)
        elif isinstance(problem, Beyond):
            self._answers.append((request, request.limit.passed(url)))
        else:
            why = "the answer was cut off" if isinstance(problem, EOFError) else plain(problem)
            self._answers.append((request, Unreachable(url, why)))

    def _answered(self, request: Asked, reply: Reply) -> None:
        """Sort an answer by what is to be done about it."""
        url = redacted(request.url)
        try:
            place = judge(url, reply.status, reply.reason, reply.headers, self._session.patience)
        except UpstreamError as error:
            self._answers.append((request, error))
        else:
            if place is None:
                self._odd = 0
                self._replies.append((request, url, reply))
            else:
                self._odd += 1
                self._patiently(request)  # it knows where redirects may lead

    def _drop_silent(self, now: float) -> None:
        """Give up what was silent for longer than the timeout, or drips for ever."""
        timeout = self._session.timeout
        for line in list(self._lines):
            request = line.request
            if request is None:
                continue
            if now - line.heard > timeout and line not in self._halted:
                why = f"no answer in time (nothing for {timeout:g} s)"
            elif now - line.begun > timeout * SLOW:
                why = too_slow(timeout)
            else:
                continue
            self._drop(line)
            self._answers.append((request, Unreachable(redacted(request.url), why)))

    def _drop(self, line: _Line) -> None:
        """Close a connection."""
        self._lines.discard(line)
        if line in self._idle:
            self._idle.remove(line)
        if line in self._halted:
            self._halted.remove(line)
        else:
            self._selector.unregister(line.socket)
        line.connection.close()

    def _give_back(self) -> None:
        """Give back what is idle, for others to ask over."""
        for line in self._idle:
            self._selector.unregister(line.socket)
            line.socket.settimeout(self._session.timeout)
            self._session.give_back(line.url, line.connection)
        self._lines.difference_update(self._idle)
        self._idle.clear()

    def _close(self) -> None:
        """Give back what is idle, close what is not, and let the crew go."""
        self._give_back()
        for line in list(self._lines):
            self._drop(line)
        self._selector.close()
        self._crew.dismiss()


def _unpacked(url: str, reply: Reply, limit: Limit) -> Outcome:
    try:
        unpacker = Unpacker(url, reply.status, reply.headers, limit)
        unpacker.feed(reply.body)
        return answer_of(url, reply.status, reply.headers, unpacker.body())
    except UpstreamError as error:
        return error
    except zlib.error as error:
        return Unreachable(url, plain(error))
