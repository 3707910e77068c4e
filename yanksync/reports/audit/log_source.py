"""Reads the published log of a mirror for some projects."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import closing
from urllib.parse import urlsplit

from msgspec import Struct

from yanksync.config.settings import Settings
from yanksync.core import layout
from yanksync.core.errors import InvalidAnswer
from yanksync.core.names import NormalizedName
from yanksync.core.urls import redacted
from yanksync.core.withdrawals import paths
from yanksync.core.withdrawals.event import WithdrawalEvent, decode_event
from yanksync.reports.audit.log_documents import (
    LogIndex,
    LogPage,
    ProjectEvents,
    decode_index,
    decode_project,
    events_in,
    in_place,
    page_lines,
)
from yanksync.reports.parallel import in_order
from yanksync.upstream.client import user_agent
from yanksync.upstream.http.http_answers import SizeLimit
from yanksync.upstream.http.http_session import Session
from yanksync.upstream.http.session_options import SessionOptions

_INDEX = paths.LOG_INDEX.removeprefix(f"{layout.WITHDRAWALS}/")
_AT_ONCE = 4  # documents under way: that many are in memory
_TRIES = 3  # to read a log that changes at the same time
_WRONG = (ValueError, RecursionError)  # raised for bytes that are no document

Events = dict[NormalizedName, tuple[WithdrawalEvent, ...]]


class ReadLog(Struct, frozen=True):
    """The events of some projects."""

    where: str  # without credentials
    epoch: int
    newest: int  # the cursor of the newest event of the log
    events: Mapping[NormalizedName, tuple[WithdrawalEvent, ...]]  # oldest first


class _Changed(Exception):
    """A page does not belong to the index.

    One of the two is newer than the other.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)


def withdrawals_url(url: str) -> str:
    """Return the log's address, from that or from the mirror's."""
    parts = urlsplit(url)
    path = [part for part in parts.path.split("/") if part]
    for last in ("index.json", "log", layout.WITHDRAWALS, layout.ROOT):
        if path and path[-1] == last:
            path.pop()
    return parts._replace(path="/".join(["", *path, layout.WITHDRAWALS, ""])).geturl()


def read_log(settings: Settings, url: str, names: Collection[NormalizedName]) -> ReadLog:
    """Return the events of the projects ``names`` from the log at ``url``.

    Raises :class:`yanksync.core.errors.UpstreamError` if an answer is missing or wrong.
    """
    section = settings.upstream
    with closing(
        Session(
            SessionOptions(
                user_agent=user_agent(section.contact),
                timeout=section.timeout,
                workers=_AT_ONCE,
                allow_http=section.allow_http,
                redirect_hosts=section.redirect_hosts,
            )
        )
    ) as session:
        limit = SizeLimit(section.max_page_size, "upstream.max_page_size")
        return _Reader(session, limit, url, names).read()


class _Reader:
    """Reads a log: page by page, or the documents of few projects."""

    def __init__(
        self, session: Session, limit: SizeLimit, url: str, names: Collection[NormalizedName]
    ) -> None:
        self._session = session
        self._limit = limit
        self._url = url
        self._names = names

    def read(self) -> ReadLog:
        """Return the events. Raises :class:`yanksync.core.errors.UpstreamError`."""
        for _ in range(_TRIES):
            index = self._index()
            try:
                found = self._events(index)
            except _Changed as problem:
                name = problem.name
            else:
                return ReadLog(redacted(self._url), index.epoch, index.newest, found)
        raise self._problem(
            name,
            "is not the page that the index of the log names: its SHA-256 differs. A cache may "
            "serve one of the two too long, or the file was changed. Run it again later",
        )

    def _problem(self, name: str, problem: str) -> InvalidAnswer:
        return InvalidAnswer(f"{redacted(self._url)}{name}", problem)

    def _get(self, name: str) -> bytes | None:
        answer = self._session.get(f"{self._url}{name}", "*/*", None, self._limit)
        return None if answer.status == 404 else answer.body

    def _index(self) -> LogIndex:
        body = self._get(_INDEX)
        if body is None:
            raise self._problem(
                _INDEX,
                "there is no log of withdrawals: it answers 404. Name the address of the mirror; "
                "its operator has to publish the log (withdrawals.publish)",
            )
        try:
            return decode_index(body)
        except _WRONG as error:
            raise self._problem(
                _INDEX, f"is no index of a log that can be read: {error}"
            ) from error

    def _events(self, index: LogIndex) -> Events:
        """Return the events of the projects. Raises :class:`_Changed`."""
        few = len(self._names) + 2 < len(index.pages)
        if few and self._has_documents(index):
            documents = self._of_documents(index)
            if documents is not None:
                return documents
        names = {name.encode() for name in self._names}
        found: dict[NormalizedName, list[WithdrawalEvent]] = {}
        with closing(in_order(self._page, index.pages, _AT_ONCE)) as pages:
            for page, answer in pages:
                try:
                    for event in events_in(answer.result(), names):
                        found.setdefault(event.project, []).append(event)
                except _WRONG as error:
                    raise self._problem(
                        f"log/{page.name}", f"has a line that is no event: {error}"
                    ) from error
        return {name: in_place(events) for name, events in found.items()}

    def _page(self, page: LogPage) -> list[bytes]:
        """Return the lines of a page. Raises :class:`_Changed`."""
        body = self._get(f"log/{page.name}")
        lines = None if body is None else page_lines(page, body)
        if lines is None:
            raise _Changed(f"log/{page.name}")
        return lines

    def _has_documents(self, index: LogIndex) -> bool:
        """Return whether project documents are as new as the log."""
        try:
            newest = decode_event(self._page(index.pages[-1])[-1])
        except _WRONG:
            return False  # perhaps a newer action
        document = self._document(newest.project)
        if document is None or document.epoch != index.epoch:
            return False
        return any(event.cursor >= newest.cursor for event in document.events)

    def _of_documents(self, index: LogIndex) -> Events | None:
        """Return the events; None: a document is of another epoch."""
        found: Events = {}
        with closing(in_order(self._document, self._names, _AT_ONCE)) as documents:
            for name, answer in documents:
                document = answer.result()
                if document is None:  # no event names the project
                    continue
                if document.epoch != index.epoch:
                    return None
                found[name] = in_place(document.events)
        return found

    def _document(self, name: NormalizedName) -> ProjectEvents | None:
        body = self._get(_document_name(name))
        try:
            return None if body is None else decode_project(body, name)
        except _WRONG as error:
            problem = f"is no document of a project's events: {error}"
            raise self._problem(_document_name(name), problem) from error


def _document_name(name: NormalizedName) -> str:
    return paths.project_events(name).removeprefix(f"{layout.WITHDRAWALS}/")
