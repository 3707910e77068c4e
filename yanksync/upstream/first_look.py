"""Reads the beginning of an answer.

That is enough to know what is at an address, and to know the server.
"""

from __future__ import annotations

import time
import zlib
from contextlib import suppress
from typing import Any
from urllib.parse import urljoin

import requests
from msgspec import Struct
from requests.utils import get_environ_proxies, select_proxy

from yanksync.core.formats.document_kind import DocumentKind, kind_of
from yanksync.core.urls import redacted
from yanksync.system.request_log import LoggedRequest
from yanksync.upstream.http.http_answers import Headers
from yanksync.upstream.http.http_session import Session, lower

_MOST = 1 << 16  # bytes of a body
_PIECE = 1 << 14


class FirstLook(Struct, frozen=True):
    """The answer to one request; no redirect was followed."""

    status: int
    headers: Headers
    head: bytes  # the beginning of the body, unpacked
    location: str | None = None  # where it redirects to
    expires: float | None = None  # UTC seconds: the end of the server's certificate

    @property
    def content_type(self) -> str:
        """The Content-Type header, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def kind(self) -> DocumentKind:
        """Which document of an index it is."""
        if self.status != 200:
            return DocumentKind.OTHER
        return kind_of(self.head, self.headers.get("content-type", ""))


def first_look(session: Session, url: str, accept: str | None) -> FirstLook:
    """Ask for ``url`` with this Accept header, None: with none.

    Raises :class:`yanksync.core.errors.UpstreamUnreachable` and
    :class:`yanksync.core.errors.RateLimited`.
    """
    shown = redacted(url)
    session.retry_after.wait(shown)
    with LoggedRequest(f"GET {shown}") as logged:
        found = _asked(session, url, accept)
        logged.answered(found.status, found.headers)
    return found


def _asked(session: Session, url: str, accept: str | None) -> FirstLook:
    wishes = {"Accept": accept, "Accept-Encoding": "identity"}
    with session.single("GET", url, wishes) as response:
        headers = lower(response.headers)
        location = headers.get("location") if response.is_redirect else None
        expires = _expires(response.raw)  # before its connection is returned
        return FirstLook(
            response.status_code,
            headers,
            _head(response, session.timeout),
            None if location is None else urljoin(url, location),
            expires,
        )


def proxy_of(url: str) -> str | None:
    """Return the proxy that the environment names for ``url``, without credentials."""
    proxy = select_proxy(url, get_environ_proxies(url))
    return None if proxy is None else redacted(proxy)


def _head(response: requests.Response, timeout: float) -> bytes:
    until, head = time.monotonic() + timeout, b""
    while len(head) < _MOST and time.monotonic() < until:
        piece = response.raw.read1(_PIECE, decode_content=False)
        if not piece:
            break
        head += piece
    if response.headers.get("Content-Encoding", "identity") == "identity":
        return head
    with suppress(zlib.error):  # upstream compressed it unasked, and it may not be gzip
        return zlib.decompressobj(47).decompress(head, _MOST)
    return b""


def _expires(raw: Any) -> float | None:
    """Return when the certificate of a connection ends; None without TLS."""
    ask = getattr(getattr(raw.connection, "sock", None), "getpeercert", None)
    certificate = None if ask is None else ask()
    if not certificate:
        return None
    import ssl

    return ssl.cert_time_to_seconds(certificate["notAfter"])
