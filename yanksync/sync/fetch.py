"""Stage 3: fetches many pages at once; one failure stops no other.

This module reads answers and compresses them for the state. It does not decide what they mean
(:mod:`yanksync.core.rules.verdicts`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import Protocol, TypeVar

from msgspec import Struct

from yanksync.core.errors import RateLimited, UpstreamError, UpstreamUnreachable
from yanksync.core.formats.deflate import zlib_compress
from yanksync.core.formats.parse import PageRules, parse_page
from yanksync.core.names import NormalizedName
from yanksync.core.rules.fetch_plan import FetchTask
from yanksync.core.rules.verdicts import NotModified, PageFound, PageMissing
from yanksync.state.project_rows import StoredPage
from yanksync.upstream.client import RawPage, WantedPage

log = logging.getLogger("yanksync")

W = TypeVar("W", bound=WantedPage)


class PageSource(Protocol):
    """The part of an upstream that fetching pages needs."""

    rules: PageRules

    def pages(
        self, wanted_pages: Iterable[W], workers: int
    ) -> Generator[tuple[W, RawPage | int | UpstreamError], None, None]:
        """Yield the result for each of ``wanted_pages`` as it comes.

        It is a page, 304, 404 or an error.
        """

    @property
    def longest_pause(self) -> float:
        """The longest pause that a pass waits for upstream, in seconds."""


class PageRequest(Struct, frozen=True):
    """A page to fetch, and its ETag."""

    task: FetchTask
    etag: str | None
    fresh: bool = False  # the project has no recorded or published page

    @property
    def name(self) -> NormalizedName:
        """The project to ask about."""
        return self.task.name


class FetchFailure(Struct, frozen=True):
    """There was no usable answer; the reason is for people."""

    error: UpstreamError


class FetchResult(Struct, frozen=True, kw_only=True):
    """The result of fetching a page."""

    task: FetchTask
    answer: PageFound | NotModified | PageMissing | FetchFailure
    stored: StoredPage | None = None  # with Found
    size: int = 0  # bytes of the page, unpacked
    etag: str | None = None
    is_json: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def cause(self) -> str:
        """One word for the cause of a failure, for counting."""
        return self.answer.error.cause if isinstance(self.answer, FetchFailure) else "doubt"


def interpret_answer(
    task: FetchTask, came: RawPage | int | UpstreamError, rules: PageRules
) -> FetchResult:
    """Return the result of a request; every failure is a value."""
    if isinstance(came, UpstreamError):
        return FetchResult(task=task, answer=FetchFailure(came))
    if not isinstance(came, RawPage):
        return FetchResult(task=task, answer=NotModified() if came == 304 else PageMissing())
    try:
        parsed = parse_page(
            came.body, came.content_type, came.url, task.name, rules, came.header_serial
        )
    except UpstreamError as error:
        return FetchResult(task=task, answer=FetchFailure(error.without_traceback()))
    except OSError as error:  # the process has too many open files to load the reader
        problem = UpstreamUnreachable(task.name, f"its page cannot be read: {error.strerror}")
        return FetchResult(task=task, answer=FetchFailure(problem))
    except Exception as error:  # a bug, which must not stop the other projects
        log.debug("%s: the traceback", task.name, exc_info=error, extra={"project": task.name})
        problem = UpstreamUnreachable(task.name, f"internal error: {error!r}")
        return FetchResult(task=task, answer=FetchFailure(problem))
    stored = StoredPage(
        body=zlib_compress(came.body),
        content_type=came.content_type,
        url=came.url,
        header_serial=came.header_serial,
    )
    return FetchResult(
        task=task,
        answer=PageFound(page=parsed.page),
        stored=stored,
        size=len(came.body),
        etag=came.etag,
        is_json=parsed.is_json,
        warnings=parsed.warnings,
    )


def fetch(
    upstream: PageSource,
    requests: Iterable[PageRequest],
    workers: int,
    aside: Callable[[PageRequest, RawPage], bool] | None = None,
) -> Iterator[FetchResult]:
    """Yield the results of ``requests`` as they come, ``workers`` at once.

    Takes from ``requests``, in the caller's thread, only as fast as the caller takes answers. If
    upstream is gone, or asks for a pause that is too long for a pass, it takes no more requests. It
    still yields the answers to the requests that were sent, and then raises the error. ``aside``
    may take a page to read it elsewhere; such a page is not yielded.
    """
    breaker = CircuitBreaker(workers, upstream.longest_pause)

    def drawn() -> Iterator[PageRequest]:
        for request in requests:
            yield request
            if breaker.broken is not None:
                return

    with closing(upstream.pages(drawn(), workers)) as answers:
        for request, came in answers:
            if aside is not None and isinstance(came, RawPage) and aside(request, came):
                breaker.relax()
                continue
            result = interpret_answer(request.task, came, upstream.rules)
            del came  # before the next one is unpacked, because both may be large
            yield breaker.watch(result)
            del result
    if breaker.broken is not None:
        raise breaker.broken


class CircuitBreaker:
    """Ends the requests in an outage or a long pause (R13)."""

    def __init__(self, workers: int, longest_pause: float) -> None:
        self._most = max(2 * workers, 20)
        self._longest_pause = longest_pause
        self._failures = 0  # in a row
        self.broken: UpstreamError | None = None  #: why no more requests are sent

    def relax(self) -> None:
        """Note that an answer came."""
        self._failures = 0

    def watch(self, result: FetchResult) -> FetchResult:
        """Note an answer and return it."""
        answer = result.answer
        if not isinstance(answer, FetchFailure):
            self.relax()
            return result
        error = answer.error
        if isinstance(error, RateLimited) and error.seconds > self._longest_pause:
            self.broken = error
        elif isinstance(error, UpstreamUnreachable | RateLimited):
            self._failures += 1
            if self._failures >= self._most:
                self.broken = error
        return result
