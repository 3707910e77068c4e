"""The interface of the stages to upstream: journal, list and pages."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from itertools import chain
from typing import TYPE_CHECKING, Protocol, TypeVar

from msgspec import Struct

from yanksync import __version__
from yanksync.config.settings import Settings
from yanksync.core.errors import InvalidAnswer, UpstreamError, UpstreamUnreachable
from yanksync.core.formats.reader_rules import InvalidDocument, PageRules
from yanksync.core.model import JournalEntry
from yanksync.core.names import NormalizedName
from yanksync.core.urls import redacted
from yanksync.upstream.http.http1_parser import HttpResponse
from yanksync.upstream.http.http_answers import (
    HttpAnswer,
    Outcome,
    RetryAfter,
    SizeLimit,
    root_cause,
    upstream_time,
)
from yanksync.upstream.http.session import UpstreamSession
from yanksync.upstream.http.session_options import SessionOptions
from yanksync.upstream.xmlrpc_journal import XmlRpcJournal

if TYPE_CHECKING:
    from yanksync.upstream.first_look import FirstLook

ACCEPT = (
    "application/vnd.pypi.simple.v1+json, "
    "application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
)
"""What is asked of an upstream that has not answered JSON yet."""

ACCEPT_JSON = "application/vnd.pypi.simple.v1+json"
"""What is asked of one that has: its HTML would be a fallback's (R15)."""


class WantedPage(Protocol):
    """A page to fetch, unless it still has ``etag``."""

    @property
    def name(self) -> NormalizedName:
        """Of the project."""

    @property
    def etag(self) -> str | None:
        """Of the page that is held."""


W = TypeVar("W", bound=WantedPage)


class RawPage(Struct, frozen=True):
    """A project page as it was answered."""

    body: bytes
    content_type: str
    url: str
    etag: str | None
    header_serial: str | None


class RawList(Struct, frozen=True):
    """The list of projects as it was answered."""

    body: bytes
    content_type: str
    etag: str | None
    header_serial: str | None


class UpstreamClient:
    """One package index. Safe for many threads, except for the journal."""

    def __init__(self, settings: Settings, *, json_only: bool = False) -> None:
        """``json_only``: this upstream is known to answer JSON."""
        section = settings.upstream
        self.simple_url, journal_url = section.urls
        self._page_limit = SizeLimit(section.max_page_size, "upstream.max_page_size")
        self._list_limit = SizeLimit(section.max_list_size, "upstream.max_list_size")
        self.rules = PageRules(
            allow_http=section.allow_http,
            max_size=section.max_page_size,
            max_html_list=section.max_list_size // 2,
        )
        self.json_only = json_only
        self._session = UpstreamSession(
            SessionOptions(
                user_agent=user_agent(section.contact),
                timeout=section.timeout,
                workers=section.workers,
                allow_http=section.allow_http,
                redirect_hosts=section.redirect_hosts,
            )
        )
        self._last: int | None = None
        self._asked = False
        self._clock: tuple[str | None, str | None, float] | None = None  # Date, Age, when
        self._journal = XmlRpcJournal(
            self._post, journal_url, section.journal_interval, self._list_limit
        )

    def close(self) -> None:
        """Close every connection."""
        self._session.close()

    def _post(
        self, url: str, body: bytes, headers: Mapping[str, str], limit: SizeLimit
    ) -> HttpResponse:
        reply = self._session.post(url, body, headers, limit)
        self._note_time(reply.headers.get("date"), reply.headers.get("age"))
        return reply

    def _note_time(self, date: str | None, age: str | None) -> None:
        self._clock = (date, age, time.monotonic())

    def time(self) -> float | None:
        """Return upstream's time, from the newest answer of journal, list or root."""
        if self._clock is None:
            return None
        date, age, seen = self._clock
        found = upstream_time(date, age)
        return None if found is None else found + time.monotonic() - seen

    def ask_time(self) -> float | None:
        """Return upstream's time; the root is asked if no answer gave it."""
        if self._clock is None:
            with suppress(UpstreamError):
                self.root_is_missing()
        return self.time()

    @property
    def longest_pause(self) -> float:
        """The longest pause of upstream that a pass waits for, in seconds."""
        return RetryAfter.longest

    def last_serial(self) -> int | None:
        """Return the journal's newest serial, fetched once. Raises as :meth:`entries`.

        For the beginning of following, an older answer is as good, because later entries are read
        again.
        """
        if not self._asked:
            self._last, self._asked = self._journal.last_serial(), True
        return self._last

    def entries(self, since: int) -> Iterator[tuple[JournalEntry, ...]]:
        """Yield journal entries; see :meth:`XmlRpcJournal.since`."""
        return self._journal.since(since)

    def page(self, name: NormalizedName, etag: str | None) -> RawPage | int:
        """Return a project's page, or 304 or 404. Raises :class:`UpstreamError`."""
        answer = self._get(f"{self.simple_url}{name}/", f"project {name}", etag, self._page_limit)
        return _raw(answer)

    def pages(
        self, wanted_pages: Iterable[W], workers: int
    ) -> Generator[tuple[W, RawPage | int | UpstreamError], None, None]:
        """Yield the result of each of ``wanted_pages`` when it comes.

        It is the result or the error of :meth:`page`.

        ``workers`` pages are fetched at once. Takes from ``wanted_pages`` only as fast as the
        caller takes answers, in the caller's thread.
        """
        drawn = iter(wanted_pages)
        first = next(drawn, None)
        if first is None:
            return
        from yanksync.upstream.http.multiplexer import Multiplexer
        from yanksync.upstream.http.worker_threads import HttpRequest

        def requests() -> Iterator[HttpRequest[W]]:
            for wanted in chain((first,), drawn):
                url = f"{self.simple_url}{wanted.name}/"
                yield HttpRequest(wanted, url, self._accept, wanted.etag, self._page_limit)

        try:
            lines = Multiplexer(self._session, workers, self._page_limit.size)
        except OSError as error:
            raise UpstreamUnreachable(redacted(self.simple_url), root_cause(error)) from error
        with closing(lines.ask(requests())) as answers:
            for wanted, outcome in answers:
                came = self._came(wanted, outcome)
                del outcome
                yield wanted, came
                del came  # before the next one is unpacked, because both may be large

    def _came(self, wanted: WantedPage, outcome: Outcome) -> RawPage | int | UpstreamError:
        if isinstance(outcome, UpstreamError):
            return outcome.without_traceback()
        try:
            return _raw(self._checked(outcome, f"project {wanted.name}", wanted.etag))
        except InvalidAnswer as problem:
            return problem.without_traceback()

    def list(self, etag: str | None) -> RawList | None:
        """Return the list of projects, None for 304.

        Raises :class:`yanksync.core.errors.UpstreamError`; a 404 is an :class:`InvalidAnswer`.
        """
        answer = self._get(self.simple_url, "the list of projects", etag, self._list_limit)
        self._note_time(answer.date, answer.age)
        if answer.status == 404:
            raise InvalidAnswer("the list of projects", f"{answer.url} answered 404")
        if answer.status == 304:
            return None
        return RawList(answer.body, answer.content_type, answer.etag, answer.serial)

    def root_is_missing(self) -> bool:
        """Return True if the root of the index answers 404.

        It is asked with HEAD, so the list is not fetched.

        Raises :class:`yanksync.core.errors.UpstreamError`.
        """
        status, headers = self._session.head(self.simple_url, self._accept)
        self._note_time(headers.get("date"), headers.get("age"))
        return status == 404

    def first_look(self, url: str) -> FirstLook:
        """Return the beginning of the answer at ``url``.

        Raises :class:`yanksync.core.errors.UpstreamError`.
        """
        from yanksync.upstream.first_look import first_look

        return first_look(self._session.by_requests, url, self._accept)

    @property
    def _accept(self) -> str:
        return ACCEPT_JSON if self.json_only else ACCEPT

    def _get(self, url: str, what: str, etag: str | None, limit: SizeLimit) -> HttpAnswer:
        return self._checked(self._session.get(url, self._accept, etag, limit), what, etag)

    def _checked(self, answer: HttpAnswer, what: str, etag: str | None) -> HttpAnswer:
        """Return the answer if it fits the request. Raises :class:`InvalidAnswer`."""
        if answer.status == 304 and etag is None:
            raise InvalidAnswer(what, "304, though nothing was asked for by ETag")
        if answer.status == 200 and self.json_only:
            from yanksync.core.formats.parse import is_json

            try:
                json = is_json(answer.content_type)
            except InvalidDocument as problem:
                raise InvalidAnswer(what, str(problem)) from problem
            if not json:
                raise InvalidAnswer(
                    what, "HTML, though this upstream has JSON: nothing is taken from it"
                )
        return answer


def _raw(answer: HttpAnswer) -> RawPage | int:
    """Return the page from its answer."""
    if answer.status != 200:
        return answer.status
    return RawPage(answer.body, answer.content_type, answer.url, answer.etag, answer.serial)


def user_agent(contact: str) -> str:
    """Return the User-Agent (R13)."""
    return f"yanksync/{__version__}" + (f" ({contact})" if contact else "")
