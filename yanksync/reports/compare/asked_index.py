"""Fetches pages from another index, slowly enough for it (R13)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing, suppress
from typing import Protocol

from msgspec import Struct

from yanksync.core.errors import InvalidAnswer, RateLimited, UpstreamError
from yanksync.core.formats.parse import PageRules, parse_page
from yanksync.core.formats.reader_rules import InvalidDocument, check_serial
from yanksync.core.model import Page
from yanksync.core.names import NormalizedName
from yanksync.core.urls import redacted
from yanksync.reports.audit.index_source import check_root
from yanksync.reports.parallel import in_order
from yanksync.upstream.client import RawPage, UpstreamClient

RULES = PageRules(allow_http=True)
"""No file is fetched, so the address of none can do harm."""

_AT_ONCE = 8  # requests under way; the rate decides how many are sent
_TRIES = 3  # of one page, when the server asks for a pause
_SILENT = 20  # answers of 404 or errors at the beginning; then the index is checked
_SERIAL = re.compile(rb'"_last-serial"\s*:\s*"?(\d+)|<!--SERIAL (\d+)-->')


class ReadPage(Struct, frozen=True):
    """The page of an index."""

    page: Page
    html: bool  # the page was read from HTML


Answer = ReadPage | UpstreamError | None
"""A page, why there is none, or None: the index does not have the project."""

Answers = Generator[tuple[NormalizedName, Answer], None, None]


class OtherIndex(Protocol):
    """An index to compare with."""

    @property
    def where(self) -> str:
        """The name of the index, without credentials."""

    def serial(self) -> int | None:
        """Return the index's serial; None: unknown. Raises :class:`UpstreamError`."""

    def pages(self, names: Iterable[NormalizedName]) -> Answers:
        """Yield the answer for each of ``names``. Raises :class:`UpstreamError` to give up."""


class Pace:
    """Limits something to ``rate`` times a second."""

    def __init__(
        self,
        rate: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._gap = 1.0 / rate
        self._clock = clock
        self._sleep = sleep
        self._next = clock()

    def wait(self) -> None:
        """Wait for the next turn."""
        left = self._next - self._clock()
        if left > 0:
            self._sleep(left)
        self._next = self._clock() + self._gap


class AskedIndex:
    """An index that is asked over HTTP."""

    def __init__(self, client: UpstreamClient, pace: Pace) -> None:
        self._client = client
        self._pace = pace
        self.where = redacted(client.simple_url)

    def serial(self) -> int | None:
        """Return the serial that the root gives.

        It is in the header, or at the beginning of the list.
        """
        looked = self._client.first_look(self._client.simple_url)
        header = looked.headers.get("x-pypi-last-serial")
        return serial_in(looked.head if looked.status == 200 else b"", header)

    def pages(self, names: Iterable[NormalizedName]) -> Answers:
        """Yield the answers in the order of ``names``.

        Raises :class:`UpstreamError` if the index has none of the first projects, or asks for a
        long pause.
        """
        answers = self._answers(iter(names))
        try:
            first: list[tuple[NormalizedName, Answer]] = []
            for one in answers:
                first.append(one)
                if isinstance(one[1], ReadPage) or len(first) == _SILENT:
                    break
            self._check(first)
            yield from first
            yield from answers
        finally:
            answers.close()

    def _check(self, first: list[tuple[NormalizedName, Answer]]) -> None:
        """Refuse an index that has answered no page so far (R7)."""
        found = [answer for _, answer in first]
        if any(isinstance(one, ReadPage) for one in found):
            return
        errors = [one for one in found if isinstance(one, UpstreamError)]
        if errors:
            raise errors[0]
        check_root(self._client, "the URL")

    def _answers(self, names: Iterator[NormalizedName]) -> Answers:
        with closing(in_order(self._ask, self._paced(names), _AT_ONCE)) as answers:
            for name, answer in answers:
                yield _came(name, answer)

    def _paced(self, names: Iterable[NormalizedName]) -> Iterator[NormalizedName]:
        for name in names:
            self._pace.wait()
            yield name

    def _ask(self, name: NormalizedName) -> RawPage | int:
        for _ in range(_TRIES - 1):
            with suppress(RateLimited):  # the next request waits as long as the server asks
                return self._client.page(name, None)
        return self._client.page(name, None)


def _came(name: NormalizedName, future: Future[RawPage | int]) -> tuple[NormalizedName, Answer]:
    """Return the answer.

    Raises :class:`RateLimited`, because the server asks for fewer requests.
    """
    try:
        answer = future.result()
        return name, None if isinstance(answer, int) else _read(name, answer)
    except RateLimited:
        raise
    except UpstreamError as error:
        return name, error.without_traceback()


def _read(name: NormalizedName, raw: RawPage) -> ReadPage:
    parsed = parse_page(raw.body, raw.content_type, raw.url, name, RULES, raw.header_serial)
    return ReadPage(parsed.page, html=not parsed.is_json)


def serial_in(head: bytes, header: str | None = None) -> int | None:
    """Return the serial of a list that begins with ``head``.

    Raises :class:`InvalidAnswer`.
    """
    match = _SERIAL.search(head)
    text = (header or "").strip() or (match and (match[1] or match[2]).decode()) or None
    try:
        return check_serial(text)
    except InvalidDocument as problem:
        raise InvalidAnswer("the list of projects", str(problem)) from problem
