"""Downloads package files, each as a stream of bytes."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

import urllib3
from msgspec import Struct

from yanksync.config.settings import Settings
from yanksync.core.errors import InvalidAnswer, UpstreamRefused, UpstreamUnreachable
from yanksync.system.request_log import LoggedRequest
from yanksync.upstream.client import user_agent
from yanksync.upstream.http.http_answers import RetryAfter, check_status, root_cause
from yanksync.upstream.http.http_session import FAILURES, Session, lower
from yanksync.upstream.http.redirects import RedirectRules, origin, url_for_messages
from yanksync.upstream.http.session_options import SessionOptions

_CHUNK = 1 << 18  # bytes
_SLOWEST = 1 << 10  # bytes per second, over the whole of an answer
_REDIRECTS = 5
_PART = 206
_BAD_RANGE = 416
_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/(?:([0-9]{1,18})|\*)\Z")


class _NoPause(RetryAfter):
    """Makes no pause; the caller does.

    Only one of many hosts asked for it.
    """

    def ask_for(self, seconds: float) -> None:
        """Do nothing."""


class Download(Struct, frozen=True):
    """The answer to one request."""

    start: int  # position of its first byte in the file
    size: int | None  # bytes of the whole file; None: the host does not say
    validator: str  # value of If-Range to continue it; "": it cannot be continued
    chunks: Iterator[bytes]


class FileDownloads:
    """Asks the hosts of package files. Safe for use by many threads."""

    def __init__(self, settings: Settings, simple_url: str) -> None:
        """Take ``simple_url``, whose credentials go only to its own host."""
        section = settings.upstream
        self._session = Session(
            SessionOptions(
                user_agent=user_agent(section.contact),
                timeout=section.timeout,
                workers=settings.files.downloads_per_host,
                allow_http=section.allow_http,
            )
        )
        self._redirects = RedirectRules(allow_http=section.allow_http, hosts=None)
        self._home = origin(simple_url)
        self._userinfo = urlsplit(simple_url).netloc.rpartition("@")[0]
        self._timeout = section.timeout

    def close(self) -> None:
        """Close every idle connection."""
        self._session.close()

    @contextmanager
    def open(self, url: str, start: int = 0, validator: str = "") -> Iterator[Download]:
        """Ask for a file from the byte ``start`` on.

        The answer begins at 0 if the host has other bytes than those of ``validator``. The caller
        must read all chunks. Raises :class:`yanksync.core.errors.UpstreamUnreachable`,
        :class:`yanksync.core.errors.RateLimited`, :class:`yanksync.core.errors.UpstreamRefused` and
        :class:`yanksync.core.errors.InvalidAnswer`.
        """
        headers = {"Accept-Encoding": "identity"}
        more = {"Range": f"bytes={start}-", "If-Range": validator} if start and validator else {}
        response, shown = self._answered(url, {**headers, **more})
        if more and not _continues(response, start):
            response.close()
            response, shown = self._answered(url, headers)
        try:
            yield _download(response, self._chunks(response, shown), shown)
        except BaseException:
            response.close()  # otherwise the rest would be read as the next answer
            raise
        response.release_conn()

    def _answered(
        self, url: str, headers: Mapping[str, str]
    ) -> tuple[urllib3.BaseHTTPResponse, str]:
        """Return the answer after all redirects, and its address for messages."""
        seen, own = self._with_credentials(url), True
        for _ in range(_REDIRECTS + 1):
            shown = url_for_messages(seen)
            with LoggedRequest(f"GET {shown}") as logged:
                try:
                    response = self._session.stream(seen, dict(headers), own=own)
                except FAILURES as error:
                    raise UpstreamUnreachable(shown, root_cause(error)) from error
                told = lower(response.headers)
                logged.answered(response.status, told)
            if response.status == _BAD_RANGE and "Range" in headers:
                return response, shown
            try:
                target = _redirect(response, shown, told)
            except BaseException:
                response.close()  # its body may be endless
                raise
            if target is None:
                return response, shown
            response.close()
            before, seen = seen, self._redirects.follow(seen, target, None)
            own = own and origin(seen) == origin(before)
        raise InvalidAnswer(url_for_messages(url), f"more than {_REDIRECTS} redirects")

    def _with_credentials(self, url: str) -> str:
        if not self._userinfo or origin(url) != self._home:
            return url
        return urlsplit(url)._replace(netloc=f"{self._userinfo}@{urlsplit(url).netloc}").geturl()

    def _chunks(self, response: urllib3.BaseHTTPResponse, shown: str) -> Iterator[bytes]:
        waited, seen = 0.0, 0
        while True:
            began = time.monotonic()
            try:
                chunk = response.read1(_CHUNK, decode_content=False)
            except FAILURES as error:
                raise UpstreamUnreachable(shown, root_cause(error)) from error
            waited += time.monotonic() - began
            if not chunk:
                return
            yield chunk
            seen += len(chunk)
            if waited > self._timeout + seen / _SLOWEST:
                raise UpstreamUnreachable(shown, "is sent too slowly")


def _redirect(
    response: urllib3.BaseHTTPResponse, shown: str, headers: Mapping[str, str]
) -> str | None:
    """Return where an answer leads; None: it is the file."""
    if response.status == _PART:
        return None
    if response.status in (304, 404):
        raise UpstreamRefused(shown, response.status, f"answered {response.reason or 'no'}")
    return check_status(shown, response.status, response.reason or "", headers, _NoPause())


def _continues(response: urllib3.BaseHTTPResponse, start: int) -> bool:
    """Return False if the answer's bytes do not follow."""
    if response.status == _PART:
        found = _RANGE.match(response.headers.get("Content-Range", ""))
        return found is not None and int(found[1]) == start
    return response.status != _BAD_RANGE


def _download(response: urllib3.BaseHTTPResponse, chunks: Iterator[bytes], shown: str) -> Download:
    found = _RANGE.match(response.headers.get("Content-Range", ""))
    start, size = 0, response.length_remaining
    if response.status == _PART:
        if found is None:
            raise InvalidAnswer(shown, "answered with a part that was not asked for")
        start = int(found[1])
        size = None if found[3] is None else int(found[3])
    return Download(start, size, _validator(response.headers), chunks)


def _validator(headers: Mapping[str, str]) -> str:
    """Return the value for If-Range.

    It is a strong ETag, or else the date of the last change.
    """
    etag = headers.get("ETag", "")
    if etag.startswith('"'):
        return etag
    return headers.get("Last-Modified", "")
