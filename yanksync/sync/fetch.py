"""Stage 3: looks → pages, many at once; one failure stops nobody else.

What came is read and packed for the state here. What it means is not decided here
(:mod:`yanksync.core.rules.verdicts`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import Protocol, TypeVar

from msgspec import Struct

from yanksync.core.errors import Throttled, Unreachable, UpstreamError
from yanksync.core.formats.deflate import packed
from yanksync.core.formats.parse import PageRules, parse_page
from yanksync.core.names import NormalizedName
from yanksync.core.rules.fetch_plan import Look
from yanksync.core.rules.verdicts import Found, Missing, NotModified
from yanksync.state.project_rows import StoredPage
from yanksync.upstream.client import RawPage, Wish

log = logging.getLogger("yanksync")

W = TypeVar("W", bound=Wish)


class Pages(Protocol):
    """What is needed of an upstream to ask it for pages."""

    rules: PageRules

    def pages(
        self, wishes: Iterable[W], workers: int
    ) -> Generator[tuple[W, RawPage | int | UpstreamError], None, None]:
        """Yield a page, 304, 404 or what went wrong, for each of ``wishes``, as they come."""

    @property
    def longest_pause(self) -> float:
        """The longest pause that upstream is waited for, in seconds."""


class Question(Struct, frozen=True):
    """A look, and the ETag to ask with."""

    look: Look
    etag: str | None
    fresh: bool = False  # nothing is recorded or published of the project

    @property
    def name(self) -> NormalizedName:
        """The project to ask about."""
        return self.look.name


class Failed(Struct, frozen=True):
    """No answer that means anything; the reason is for people."""

    error: UpstreamError


class Fetched(Struct, frozen=True, kw_only=True):
    """What came of a look."""

    look: Look
    answer: Found | NotModified | Missing | Failed
    stored: StoredPage | None = None  # with Found
    size: int = 0  # bytes of the page, unpacked
    etag: str | None = None
    json: bool = False
    notes: tuple[str, ...] = ()

    @property
    def cause(self) -> str:
        """One word for why it brought nothing, by which failures are counted."""
        return self.answer.error.cause if isinstance(self.answer, Failed) else "doubt"


def read(look: Look, came: RawPage | int | UpstreamError, rules: PageRules) -> Fetched:
    """Return what came of a look; whatever happens in the world comes back as a value."""
    if isinstance(came, UpstreamError):
        return Fetched(look=look, answer=Failed(came))
    if not isinstance(came, RawPage):
        return Fetched(look=look, answer=NotModified() if came == 304 else Missing())
    try:
        parsed = parse_page(came.body, came.media, came.url, look.name, rules, came.header_serial)
    except UpstreamError as error:
        return Fetched(look=look, answer=Failed(error.alone()))
    except OSError as error:  # the reader is a file, and so are too many others
        problem = Unreachable(look.name, f"its page cannot be read: {error.strerror}")
        return Fetched(look=look, answer=Failed(problem))
    except Exception as error:  # a bug, which must not keep the other projects from their pages
        log.debug("%s: the traceback", look.name, exc_info=error, extra={"project": look.name})
        problem = Unreachable(look.name, f"internal error: {error!r}")
        return Fetched(look=look, answer=Failed(problem))
    stored = StoredPage(
        body=packed(came.body),
        media=came.media,
        url=came.url,
        header_serial=came.header_serial,
    )
    return Fetched(
        look=look,
        answer=Found(page=parsed.page),
        stored=stored,
        size=len(came.body),
        etag=came.etag,
        json=parsed.json,
        notes=parsed.notes,
    )


def fetch(
    upstream: Pages,
    questions: Iterable[Question],
    workers: int,
    aside: Callable[[Question, RawPage], bool] | None = None,
) -> Iterator[Fetched]:
    """Yield the answers to ``questions`` as they come, ``workers`` asked for at once.

    ``questions`` is drawn from, in the caller's thread, only as fast as answers are taken. When
    upstream is gone, or asks for more patience than a pass has, no more are drawn and what is
    under way is still yielded; the error is then raised. ``aside`` may take a page to be read
    elsewhere; then it is not yielded.
    """
    breaker = Breaker(workers, upstream.longest_pause)

    def drawn() -> Iterator[Question]:
        for question in questions:
            yield question
            if breaker.broken is not None:
                return

    with closing(upstream.pages(drawn(), workers)) as answers:
        for question, came in answers:
            if aside is not None and isinstance(came, RawPage) and aside(question, came):
                breaker.relax()
                continue
            fetched = read(question.look, came, upstream.rules)
            del came  # before the next one is unpacked: both may be large
            yield breaker.watch(fetched)
            del fetched
    if breaker.broken is not None:
        raise breaker.broken


class Breaker:
    """Notices that asking on makes no sense: an outage, or a long Retry-After (R13)."""

    def __init__(self, workers: int, longest_pause: float) -> None:
        self._most = max(2 * workers, 20)
        self._longest_pause = longest_pause
        self._failures = 0  # in an unbroken row
        self.broken: UpstreamError | None = None  #: why no more are asked for

    def relax(self) -> None:
        """Take note of an answer that came."""
        self._failures = 0

    def watch(self, fetched: Fetched) -> Fetched:
        """Take note of an answer and return it."""
        answer = fetched.answer
        if not isinstance(answer, Failed):
            self.relax()
            return fetched
        error = answer.error
        if isinstance(error, Throttled) and error.seconds > self._longest_pause:
            self.broken = error
        elif isinstance(error, Unreachable | Throttled):
            self._failures += 1
            if self._failures >= self._most:
                self.broken = error
        return fetched
