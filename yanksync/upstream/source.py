"""What the stages ask of upstream: its journal, its list, its pages."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from yanksync import __version__
from yanksync.errors import BadAnswer
from yanksync.model import JournalEntry
from yanksync.names import NormalizedName
from yanksync.settings import Settings
from yanksync.upstream.parsing import PageRules
from yanksync.upstream.rules import Broken
from yanksync.upstream.session import Answer, Session
from yanksync.upstream.xmlrpc import XmlRpcJournal

ACCEPT = (
    "application/vnd.pypi.simple.v1+json, "
    "application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
)
"""What is asked of an upstream that has not answered JSON yet (spec-checklist B1)."""

ACCEPT_JSON = "application/vnd.pypi.simple.v1+json"
"""What is asked of one that has: its HTML would be a fallback's (design.md, R15)."""

PAGE_LIMIT = 128 << 20  # bytes of a project page; the largest known is a few million
LIST_LIMIT = 1 << 30  # bytes of the list of projects; 750,000 projects are 45 million


class RawPage(Struct, frozen=True):
    """A project page as it was answered."""

    body: bytes
    media: str
    url: str
    etag: str | None
    header_serial: str | None


class RawList(Struct, frozen=True):
    """The list of projects as it was answered."""

    body: bytes
    media: str
    etag: str | None
    header_serial: str | None


class Upstream:
    """One package index. Safe for use by many threads, the journal aside."""

    def __init__(self, settings: Settings, *, json_only: bool = False) -> None:
        """``json_only``: this upstream is known to answer JSON."""
        section = settings.upstream
        self.simple_url, journal_url = section.urls
        self.rules = PageRules(allow_http=section.allow_http)
        self.json_only = json_only
        self._session = Session(
            user_agent=user_agent(section.contact),
            timeout=section.timeout,
            workers=section.workers,
            allow_http=section.allow_http,
        )
        self._last: int | None = None
        self._asked = False
        self._journal = XmlRpcJournal(self._session, journal_url, section.journal_interval)

    def close(self) -> None:
        """Close every connection."""
        self._session.close()

    @property
    def longest_pause(self) -> float:
        """The longest pause, in seconds, that upstream is waited for in a pass."""
        return self._session.longest_pause

    def last_serial(self) -> int | None:
        """Return the journal's newest serial, asked for once. Raises what :meth:`entries` raises.

        To begin to follow from, an older answer is as good: what came since is read again.
        """
        if not self._asked:
            self._last, self._asked = self._journal.last_serial(), True
        return self._last

    def entries(self, since: int) -> Iterator[tuple[JournalEntry, ...]]:
        """Yield journal entries; see :meth:`XmlRpcJournal.since`."""
        return self._journal.since(since)

    def page(self, name: NormalizedName, etag: str | None) -> RawPage | int:
        """Return a project's page, or 304 or 404. Raises :class:`yanksync.errors.UpstreamError`."""
        answer = self._get(f"{self.simple_url}{name}/", f"project {name}", etag, PAGE_LIMIT)
        if answer.status != 200:
            return answer.status
        return RawPage(answer.body, answer.content_type, answer.url, answer.etag, answer.serial)

    def list(self, etag: str | None) -> RawList | None:
        """Return the list of projects, None for 304.

        Raises :class:`yanksync.errors.UpstreamError`; a 404 is a :class:`BadAnswer`.
        """
        answer = self._get(self.simple_url, "the list of projects", etag, LIST_LIMIT)
        if answer.status == 404:
            raise BadAnswer("the list of projects", f"{answer.url} answered 404")
        if answer.status == 304:
            return None
        return RawList(answer.body, answer.content_type, answer.etag, answer.serial)

    def _get(self, url: str, what: str, etag: str | None, limit: int) -> Answer:
        from yanksync.upstream.parsing import is_json

        answer = self._session.get(url, ACCEPT_JSON if self.json_only else ACCEPT, etag, limit)
        if answer.status == 304 and etag is None:
            raise BadAnswer(what, "304, though nothing was asked for by ETag")
        if answer.status == 200 and self.json_only:
            try:
                json = is_json(answer.content_type)
            except Broken as problem:
                raise BadAnswer(what, str(problem)) from problem
            if not json:
                raise BadAnswer(what, "HTML from an upstream that has answered JSON (R15)")
        return answer


def user_agent(contact: str) -> str:
    """Return who is asking (R13)."""
    return f"yanksync/{__version__}" + (f" ({contact})" if contact else "")
