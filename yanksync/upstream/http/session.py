"""Asks upstream directly, or through requests if needed (R10, R13).

Without a proxy and credentials a request goes over a connection of :mod:`.direct_connections`.
After an unusual answer, such as a redirect or an old form of HTTP, :class:`.http_session.Session`
sends the request again, and all later requests.
"""

from __future__ import annotations

import os
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from yanksync.core.errors import UpstreamUnreachable
from yanksync.core.urls import redacted
from yanksync.system.request_log import LoggedRequest
from yanksync.upstream.http.direct_connections import (
    DirectConnection,
    DirectConnections,
    is_plain,
    needs_requests,
)
from yanksync.upstream.http.http1_parser import (
    BodyTooLarge,
    HttpResponse,
    ResponseParser,
    UnsupportedResponse,
    request_bytes,
)
from yanksync.upstream.http.http_answers import (
    SLOW_FACTOR,
    WITH_BODY,
    BodyDecoder,
    Headers,
    HttpAnswer,
    RetryAfter,
    SizeLimit,
    answer_of,
    check_status,
    root_cause,
    too_slow,
    wishes,
)
from yanksync.upstream.http.redirects import PORTS

if TYPE_CHECKING:
    from urllib3.connection import HTTPConnection

    from yanksync.upstream.http.http_session import Session
    from yanksync.upstream.http.session_options import SessionOptions

_CHUNK = 1 << 18  # bytes asked of the socket at once


class _Unusual(Exception):
    """The request must be made through requests.

    There is no connection, or the answer has an odd form.
    """


class _Ended(Exception):
    """The connection ended before an answer began."""


class _Request(Struct, frozen=True):
    """A request, and how much of its answer is kept (see :class:`BodyDecoder`)."""

    url: str
    wire: bytes
    limit: SizeLimit
    share: int | None = None
    wait: Callable[[], None] | None = None


class UpstreamSession:
    """Asks one upstream. Safe for use by many threads."""

    def __init__(self, options: SessionOptions) -> None:
        self.timeout = options.timeout
        self.retry_after = RetryAfter()  #: what upstream asked for (R13)
        self._options = options
        self._direct = None if needs_requests(os.environ) else DirectConnections(options.timeout)
        self._made: Session | None = None
        self._lock = threading.Lock()

    @property
    def by_requests(self) -> Session:
        """The session that knows proxies, credentials and redirects."""
        with self._lock:
            if self._made is None:
                # start-up: most passes do not need it
                from yanksync.upstream.http.http_session import Session

                self._made = Session(self._options, self.retry_after)
            return self._made

    def close(self) -> None:
        """Close every connection, once nothing is under way on it."""
        if self._direct is not None:
            self._direct.close()
        if self._made is not None:
            self._made.close()

    def get(
        self,
        url: str,
        accept: str,
        etag: str | None,
        limit: SizeLimit,
        *,
        share: int | None = None,
        wait: Callable[[], None] | None = None,
    ) -> HttpAnswer:
        """Ask for ``url``, as :meth:`.http_session.Session.get` does."""
        direct, shown, redirect = self._direct_for(url), redacted(url), None
        wire = None if direct is None else self._wire("GET", url, wishes(accept, etag))
        if direct is not None and wire is not None:
            self.retry_after.wait(shown)
            try:
                reply = self._ask(direct, "GET", _Request(url, wire, limit, share, wait))
            except _Unusual:
                pass
            else:
                redirect = check_status(
                    shown, reply.status, reply.reason, reply.headers, self.retry_after
                )
                if redirect is None:
                    return answer_of(shown, reply.status, reply.headers, reply.body)
            self._leave(direct)
        return self._requests_for(shown).get(
            url, accept, etag, limit, share=share, wait=wait, redirect=redirect
        )

    def post(
        self, url: str, body: bytes, headers: Mapping[str, str], limit: SizeLimit
    ) -> HttpResponse:
        """Send ``body`` to ``url``, as :meth:`.http_session.Session.post` does."""
        direct = self._direct_for(url)
        wire = None if direct is None else self._wire("POST", url, headers, body)
        if direct is not None and wire is not None:
            try:
                return self._ask(direct, "POST", _Request(url, wire, limit))
            except _Unusual:
                self._leave(direct)
        return self._requests_for(redacted(url)).post(url, body, headers, limit)

    def head(self, url: str, accept: str) -> tuple[int, Headers]:
        """Return status and headers of ``url``, without body and redirects."""
        return self._requests_for(redacted(url)).head(url, accept)

    def request(self, url: str, accept: str, etag: str | None) -> bytes:
        """Return the bytes of the request that :meth:`get` sends.

        Raises ``ValueError`` for an odd one, and ``OSError`` for proxies and certificates.
        """
        if self._direct_for(url) is None:
            return self.by_requests.request(url, accept, etag)
        return self._bytes("GET", url, wishes(accept, etag))

    def idle(self, url: str) -> DirectConnection | HTTPConnection | None:
        """Take an idle open connection for ``url``; None: there is none.

        The caller then owns it, until :meth:`give_back`. Raises ``OSError``.
        """
        direct = self._direct_for(url)
        return self.by_requests.idle(url) if direct is None else direct.take_idle(url)

    def give_back(self, url: str, connection: DirectConnection | HTTPConnection) -> None:
        """Give back a connection of ``url`` on which nothing is under way."""
        if not isinstance(connection, DirectConnection):
            self.by_requests.give_back(url, connection)
        elif self._direct is None:
            connection.close()
        else:
            self._direct.give_back(url, connection)

    def _requests_for(self, shown: str) -> Session:
        try:
            return self.by_requests
        except OSError as error:  # its modules cannot be read, because too many files are open
            raise UpstreamUnreachable(shown, root_cause(error)) from error

    def _direct_for(self, url: str) -> DirectConnections | None:
        return self._direct if is_plain(url) else None

    def _leave(self, direct: DirectConnections) -> None:
        """Send everything through requests from now on."""
        self._direct = None
        direct.close()

    def _wire(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> bytes | None:
        """Return the bytes of a request; None: requests has to encode it."""
        try:
            return self._bytes(method, url, headers, body)
        except ValueError:
            return None

    def _bytes(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host = parts.netloc.removesuffix(f":{PORTS[parts.scheme]}")
        named = {"Host": host, "User-Agent": self._options.user_agent, **headers}
        return request_bytes(target, named, method, body)

    def _ask(self, direct: DirectConnections, method: str, request: _Request) -> HttpResponse:
        """Return the answer, its body unpacked. Raises :class:`_Unusual` and UpstreamError."""
        shown = redacted(request.url)
        with LoggedRequest(f"{method} {shown}") as logged:
            connection = direct.take_idle(request.url) or _opened(direct, request.url)
            try:
                reply, size = self._over(connection, request, shown)
            except _Ended:  # servers close idle connections without notice
                connection = _opened(direct, request.url)
                try:
                    reply, size = self._over(connection, request, shown)
                except _Ended as error:
                    raise UpstreamUnreachable(shown, str(error)) from error
            logged.answered(reply.status, reply.headers, size)
        if reply.keep:
            direct.give_back(request.url, connection)
        else:
            connection.close()
        return reply

    def _over(
        self, connection: DirectConnection, request: _Request, shown: str
    ) -> tuple[HttpResponse, int]:
        """Send a request over a connection.

        Return the answer, and its size as it came.
        """
        reader = ResponseParser(request.limit.size)
        try:
            connection.sock.sendall(request.wire)
            return self._read(connection, reader, request, shown), reader.size
        except BaseException as error:
            connection.close()
            if isinstance(error, UnsupportedResponse):
                raise _Unusual("an unusual answer") from error
            if isinstance(error, BodyTooLarge):
                raise request.limit.exceeded(shown) from error
            if isinstance(error, TimeoutError):
                raise UpstreamUnreachable(shown, "no answer in time") from error
            if not isinstance(error, OSError | EOFError | zlib.error):
                raise
            why = "the answer was cut off" if isinstance(error, EOFError) else root_cause(error)
            if reader.begun:
                raise UpstreamUnreachable(shown, why) from error
            raise _Ended(why) from error

    def _read(
        self, connection: DirectConnection, reader: ResponseParser, request: _Request, shown: str
    ) -> HttpResponse:
        deadline = time.monotonic() + self.timeout * SLOW_FACTOR
        unpacker = None
        while data := connection.sock.recv(_CHUNK):
            reply = reader.feed(data)
            if reader.status in WITH_BODY and unpacker is None:
                unpacker = BodyDecoder(
                    shown,
                    reader.status,
                    reader.headers,
                    request.limit,
                    share=request.share,
                    wait=request.wait,
                )
            if unpacker is not None:
                unpacker.feed(reader.take() if reply is None else reply.body)
            if reply is not None:
                return reply if unpacker is None else replace(reply, body=unpacker.body())
            if time.monotonic() > deadline:
                raise UpstreamUnreachable(shown, too_slow(self.timeout))
        raise EOFError


def _opened(direct: DirectConnections, url: str) -> DirectConnection:
    try:
        return direct.open(url)
    except (OSError, ValueError) as error:  # requests may succeed, and has better error messages
        raise _Unusual("no connection of our own") from error
