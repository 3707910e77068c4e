"""Stage 3: looks → pages, many at once; one failure stops nobody else.

Asking, reading and packing for the state happen in worker threads. What an answer means is not
decided here (:mod:`yanksync.weigh`).
"""

from __future__ import annotations

import logging
import queue
import threading
import zlib
from collections.abc import Iterable, Iterator
from typing import Protocol

from msgspec import Struct

from yanksync.errors import Throttled, Unreachable, UpstreamError
from yanksync.names import NormalizedName
from yanksync.plan import Look
from yanksync.state.projects import StoredPage
from yanksync.upstream.parsing import PageRules, parse_page
from yanksync.upstream.source import RawPage
from yanksync.weigh import Found, Missing, NotModified

log = logging.getLogger("yanksync")

_AHEAD = 4  # questions in flight or waiting, for each worker
_LEVEL = 1  # of zlib: a page is packed once and seldom read (components.md, section 4)


class Pages(Protocol):
    """What is needed of an upstream to ask it for pages."""

    rules: PageRules

    def page(self, name: NormalizedName, etag: str | None) -> RawPage | int:
        """Return a page, or 304 or 404."""

    @property
    def longest_pause(self) -> float:
        """The longest pause that upstream is waited for, in seconds."""


class Question(Struct, frozen=True):
    """A look, and the ETag to ask with."""

    look: Look
    etag: str | None


class Failed(Struct, frozen=True):
    """No answer that means anything; the reason is for people."""

    error: UpstreamError


class Fetched(Struct, frozen=True, kw_only=True):
    """What came of a look."""

    look: Look
    answer: Found | NotModified | Missing | Failed
    stored: StoredPage | None = None  # with Found
    etag: str | None = None
    json: bool = False
    notes: tuple[str, ...] = ()


def ask(upstream: Pages, question: Question) -> Fetched:
    """Ask for one page; whatever happens to it in the world comes back as a value."""
    look = question.look
    try:
        raw = upstream.page(look.name, question.etag)
        if raw == 304:
            return Fetched(look=look, answer=NotModified())
        if not isinstance(raw, RawPage):
            return Fetched(look=look, answer=Missing())
        parsed = parse_page(
            raw.body, raw.media, raw.url, look.name, upstream.rules, raw.header_serial
        )
    except UpstreamError as error:
        return Fetched(look=look, answer=Failed(error))
    stored = StoredPage(
        body=zlib.compress(raw.body, _LEVEL),
        media=raw.media,
        url=raw.url,
        header_serial=raw.header_serial,
    )
    return Fetched(
        look=look,
        answer=Found(page=parsed.page),
        stored=stored,
        etag=raw.etag,
        json=parsed.json,
        notes=parsed.notes,
    )


def fetch(upstream: Pages, questions: Iterable[Question], workers: int) -> Iterator[Fetched]:
    """Yield the answers to ``questions`` as they come, ``workers`` asked for at once.

    ``questions`` is drawn from, in the caller's thread, only as fast as answers are taken. When
    upstream is gone, or asks for more patience than a pass has, no more are drawn and what is
    under way is still yielded; the error is then raised.
    """
    breaker = Breaker(workers, upstream.longest_pause)
    crew = _Crew(upstream, workers)
    try:
        for question in questions:
            crew.ask(question)
            while crew.waiting and (crew.waiting >= workers * _AHEAD or crew.has_answers()):
                yield breaker.watch(crew.answer())
            if breaker.broken is not None:
                break
        while crew.waiting:
            yield breaker.watch(crew.answer())
    finally:
        crew.dismiss()
    if breaker.broken is not None:
        raise breaker.broken


class _Crew:
    """The threads that ask. As many as there is work for, and no more than ``workers``.

    Two queues and no futures: one would be made and locked several times for each page. The threads
    are daemons, so that nobody waits for answers that nobody takes any more (a signal came, the
    disk is full).
    """

    def __init__(self, upstream: Pages, workers: int) -> None:
        self._upstream = upstream
        self._workers = workers
        self._threads: list[threading.Thread] = []
        self._questions: queue.SimpleQueue[Question | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Fetched] = queue.SimpleQueue()
        self._dismissed = False
        self.waiting = 0  #: questions whose answer was not taken yet

    def ask(self, question: Question) -> None:
        """Let somebody ask ``question``."""
        self._questions.put(question)
        self.waiting += 1
        if self.waiting > len(self._threads) < self._workers:
            thread = threading.Thread(target=self._work, name="fetch", daemon=True)
            self._threads.append(thread)
            thread.start()

    def has_answers(self) -> bool:
        """Whether :meth:`answer` would return at once."""
        return not self._answers.empty()

    def answer(self) -> Fetched:
        """Return the next answer."""
        self.waiting -= 1
        return self._answers.get()

    def dismiss(self) -> None:
        """Let everybody go, once they have the answer that they wait for."""
        self._dismissed = True
        for _ in self._threads:
            self._questions.put(None)

    def _work(self) -> None:
        while (question := self._questions.get()) is not None and not self._dismissed:
            try:
                self._answers.put(ask(self._upstream, question))
            except Exception as error:  # a bug: without an answer the pass would wait for ever
                log.debug("%s: the traceback", question.look.name, exc_info=error)
                problem = Unreachable(question.look.name, f"internal error: {error!r}")
                self._answers.put(Fetched(look=question.look, answer=Failed(problem)))


class Breaker:
    """Notices that asking on makes no sense: an outage, or a long Retry-After (R13)."""

    def __init__(self, workers: int, longest_pause: float) -> None:
        self._most = max(2 * workers, 20)
        self._longest_pause = longest_pause
        self._failures = 0  # in an unbroken row
        self.broken: UpstreamError | None = None  #: why no more are asked for

    def watch(self, fetched: Fetched) -> Fetched:
        """Take note of an answer and return it."""
        answer = fetched.answer
        if not isinstance(answer, Failed):
            self._failures = 0
            return fetched
        error = answer.error
        if isinstance(error, Throttled) and error.seconds > self._longest_pause:
            self.broken = error
        elif isinstance(error, Unreachable | Throttled):
            self._failures += 1
            if self._failures >= self._most:
                self.broken = error
        return fetched
