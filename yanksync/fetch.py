"""Stage 3: looks → pages, many at once; one failure stops nobody else.

Asking, reading and packing for the state happen in worker threads. What an answer means is not
decided here (:mod:`yanksync.weigh`).
"""

from __future__ import annotations

import queue
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from msgspec import Struct

from yanksync.errors import Throttled, Unreachable, UpstreamError
from yanksync.names import NormalizedName
from yanksync.plan import Look
from yanksync.state.projects import StoredPage
from yanksync.upstream.parsing import PageRules, parse_page
from yanksync.upstream.source import RawPage
from yanksync.weigh import Found, Missing, NotModified

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
    answers: queue.SimpleQueue[Fetched] = queue.SimpleQueue()
    breaker = Breaker(workers, upstream.longest_pause)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="fetch")
    waiting = 0
    try:
        for question in questions:
            pool.submit(_work, upstream, question, answers)
            waiting += 1
            while waiting and (waiting >= workers * _AHEAD or not answers.empty()):
                yield breaker.watch(answers.get())
                waiting -= 1
            if breaker.broken is not None:
                break
        while waiting:
            yield breaker.watch(answers.get())
            waiting -= 1
    finally:
        # Answers that nobody takes any more (a signal came, the disk is full) are not waited for.
        pool.shutdown(wait=waiting == 0, cancel_futures=True)
    if breaker.broken is not None:
        raise breaker.broken


def _work(upstream: Pages, question: Question, answers: queue.SimpleQueue[Fetched]) -> None:
    try:
        answers.put(ask(upstream, question))
    except BaseException as error:  # a bug: without an answer the pass would wait for ever
        problem = Unreachable(question.look.name, f"internal error: {error!r}")
        answers.put(Fetched(look=question.look, answer=Failed(problem)))
        raise


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
