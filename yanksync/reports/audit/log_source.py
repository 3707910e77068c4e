"""What the published log of a mirror says about projects."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from yanksync.config.settings import Settings
from yanksync.core import layout
from yanksync.core.errors import InvalidAnswer
from yanksync.core.model import HistoryAction
from yanksync.core.names import NormalizedName
from yanksync.core.urls import redacted
from yanksync.core.withdrawals.event import WithdrawalEvent, decode_event
from yanksync.reports.parallel import in_order
from yanksync.upstream.client import user_agent
from yanksync.upstream.http_answers import SizeLimit
from yanksync.upstream.http_session import Session

LOG = f"{layout.WITHDRAWALS}/log/"
"""Where a mirror has its log."""

_VERSION = 1
_AT_ONCE = 4  # pages under way: that many are in memory
_TRIES = 3  # of reading a log that changes meanwhile
_BESIDE = re.compile(r"\w[\w.-]*", re.ASCII)  # a file of the same directory
# In a JSON string a quotation mark has a backslash before it, so this is found as a key alone.
_PROJECT = re.compile(rb'"project"\s*:\s*"([^"\\]*)"')


_ACTION = re.compile(rb'"action"\s*:\s*"([a-z-]+)"')


class LogPage(Struct, frozen=True):
    """A page as the index names it."""

    name: str
    first: int
    last: int
    count: int
    sha256: str


class LogIndex(Struct, frozen=True):
    """The document ``log/index.json``."""

    version: int
    epoch: int
    newest: int
    pages: tuple[LogPage, ...]


class ReadLog(Struct, frozen=True):
    """The events of some projects."""

    where: str  # without credentials
    index: LogIndex
    events: Mapping[NormalizedName, tuple[WithdrawalEvent, ...]]  # oldest first


class _Changed(Exception):
    """A page is not the one that the index names: one of the two is newer."""

    def __init__(self, page: str) -> None:
        self.page = page
        super().__init__(page)


def log_url(url: str) -> str:
    """Return the directory of the log, from its address or that of its mirror."""
    path = urlsplit(url).path
    parts = [part for part in path.split("/") if part]
    for last in ("index.json", "log", layout.WITHDRAWALS, layout.ROOT):
        if parts and parts[-1] == last:
            parts.pop()
    return urlsplit(url)._replace(path="/".join(["", *parts, LOG])).geturl()


def read_log(settings: Settings, url: str, names: Collection[NormalizedName]) -> ReadLog:
    """Return what the log of a mirror has about the projects ``names``.

    Raises :class:`yanksync.core.errors.UpstreamError` when an answer does not come or is wrong.
    """
    section = settings.upstream
    with closing(
        Session(
            user_agent=user_agent(section.contact),
            timeout=section.timeout,
            workers=_AT_ONCE,
            allow_http=section.allow_http,
            redirect_hosts=section.redirect_hosts,
        )
    ) as session:
        limit = SizeLimit(section.max_page_size, "upstream.max_page_size")
        return _Reader(session, limit, log_url(url), frozenset(names)).read()


class _Reader:
    """Reads a log, page by page."""

    def __init__(
        self, session: Session, limit: SizeLimit, url: str, names: frozenset[NormalizedName]
    ) -> None:
        self._session = session
        self._limit = limit
        self._url = url
        self._names = {name.encode() for name in names}

    def read(self) -> ReadLog:
        for _ in range(_TRIES):
            index = self._index()
            try:
                found = self._events(index)
            except _Changed as problem:
                page = problem.page
            else:
                return ReadLog(redacted(self._url), index, found)
        raise InvalidAnswer(
            f"{redacted(self._url)}{page}",
            "is not the page that the index names: its SHA-256 differs. A cache may serve one of "
            "the two too long, or the file was changed. Run it again later",
        )

    def _get(self, name: str) -> bytes | None:
        answer = self._session.get(f"{self._url}{name}", "*/*", None, self._limit)
        return None if answer.status == 404 else answer.body

    def _index(self) -> LogIndex:
        body, name = self._get("index.json"), f"{redacted(self._url)}index.json"
        if body is None:
            raise InvalidAnswer(
                name,
                "there is no log of withdrawals: it answers 404. Name the address of the mirror; "
                "its operator has to publish the log (withdrawals.publish)",
            )
        try:
            index = msgspec.json.decode(body, type=LogIndex)
        except (msgspec.MsgspecError, ValueError) as error:
            raise InvalidAnswer(name, f"is no index of a log of withdrawals: {error}") from error
        if index.version != _VERSION:
            raise InvalidAnswer(
                name, f"has version {index.version} of its format, and yanksync reads version 1"
            )
        if not all(_BESIDE.fullmatch(page.name) for page in index.pages):
            raise InvalidAnswer(name, "names a page that is not beside it")
        return index

    def _events(self, index: LogIndex) -> dict[NormalizedName, tuple[WithdrawalEvent, ...]]:
        """Return the events of the projects. Raises :class:`_Changed`."""
        found: dict[NormalizedName, dict[int, WithdrawalEvent]] = {}
        places: dict[int, int] = {}  # by the cursor of an event, the cursor of the first like it
        with closing(in_order(lambda page: self._get(page.name), index.pages, _AT_ONCE)) as pages:
            for page, answer in pages:
                body = answer.result()
                if body is None:
                    raise _Changed(page.name)
                for event in self._of_page(page, body):
                    told = event.cursor if event.replaces is None else event.replaces
                    place = places[event.cursor] = places.get(told, told)
                    found.setdefault(event.project, {})[place] = event
        return {name: tuple(one for _, one in sorted(all_.items())) for name, all_ in found.items()}

    def _of_page(self, page: LogPage, body: bytes) -> Iterator[WithdrawalEvent]:
        """Yield the events of the projects that a page has."""
        lines = body.split(b"\n")[: page.count]  # the newest page may have grown since
        known = b"".join(line + b"\n" for line in lines)
        if hashlib.sha256(known).hexdigest() != page.sha256:
            raise _Changed(page.name)
        for line in lines:
            match = _PROJECT.search(line)
            if match is None or match[1] not in self._names:
                continue
            try:
                yield decode_event(line)
            except ValueError as error:  # msgspec's as well
                if not _is_newer(line):
                    raise InvalidAnswer(
                        f"{redacted(self._url)}{page.name}", f"has a line that is no event: {error}"
                    ) from error


def _is_newer(line: bytes) -> bool:
    """Return True if the action of an event is one that this version does not know."""
    action = _ACTION.search(line)
    return action is not None and action[1].decode() not in set(HistoryAction)
