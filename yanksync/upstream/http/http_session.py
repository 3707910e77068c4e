"""Asks upstream with requests, within the limits of R10 and R13.

requests resolves proxies, CA bundles, credentials and ``.netrc``, once for each address. Page
requests then use urllib3's pool, because requests' own work costs more than the call
(docs/design/decisions/upstream.rst#decision-requests). :mod:`.multiplexer` uses the connections.
Bodies are read as they come, limited in bytes and in time.
"""

from __future__ import annotations

import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlsplit

import requests
import urllib3
from msgspec import Struct
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError, ProtocolError

from yanksync.core.errors import InvalidAnswer, UpstreamUnreachable
from yanksync.core.urls import credentials, redacted
from yanksync.system.http_post import NoRedirectSession, no_auth
from yanksync.system.request_log import LoggedRequest, log
from yanksync.upstream.http.http1_parser import HttpResponse, request_bytes
from yanksync.upstream.http.http_answers import (
    SLOW_FACTOR,
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
from yanksync.upstream.http.interim_responses import FinalAdapter, ResponseLimitExceeded
from yanksync.upstream.http.redirects import PORTS, RedirectRules, origin, url_for_messages
from yanksync.upstream.http.session_options import SessionOptions

_CHUNK = 1 << 18  # bytes asked of the socket at once
_NO_HEAD = (405, 501)  # the server has no HEAD
_REDIRECTS = 5
FAILURES = (requests.RequestException, HTTPError, OSError, zlib.error)
"""What the libraries raise when a request fails."""
_MOST_ROUTES = 200  # a hostile page may name a host for each file


class _Route(Struct):
    """The way of requests to one scheme and host."""

    pool: urllib3.HTTPConnectionPool
    headers: dict[str, str]
    host: str  # as in the Host header
    absolute: bool  # a plain proxy wants the whole URL in the request line


class _BodyOptions(Struct, frozen=True):
    """How much of an answer is kept (see :class:`BodyDecoder`)."""

    limit: SizeLimit
    share: int | None = None
    wait: Callable[[], None] | None = None


class Session:
    """Asks one upstream. Safe for use by many threads."""

    def __init__(self, options: SessionOptions, retry_after: RetryAfter | None = None) -> None:
        """``retry_after`` belongs to another session with the same upstream."""
        self.timeout = options.timeout
        self._redirects = RedirectRules(allow_http=options.allow_http, hosts=options.redirect_hosts)
        self.requests = NoRedirectSession()  #: for single questions: the journal
        self.requests.headers["User-Agent"] = options.user_agent
        # A cookie jar ignores ports, so a cookie of the journal would go to other places.
        self.requests.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        adapter = FinalAdapter(pool_maxsize=options.workers, max_retries=0)
        self.requests.mount("https://", adapter)
        self.requests.mount("http://", adapter)
        self.retry_after = retry_after or RetryAfter()  #: what upstream asked for (R13)
        self._routes: dict[tuple[str, str, bool], _Route] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close every connection, once nothing is under way on it."""
        self.requests.close()
        for route in list(self._routes.values()):
            route.pool.close()  # requests does not close it

    def get(
        self,
        url: str,
        accept: str,
        etag: str | None,
        limit: SizeLimit,
        *,
        share: int | None = None,
        wait: Callable[[], None] | None = None,
        redirect: str | None = None,
    ) -> HttpAnswer:
        """Ask for ``url`` and read a body within ``limit``.

        Follows redirects on the same host and to ``redirect_hosts``, but never down to plain http.
        Sends credentials only as long as scheme, host and port are those of ``url``. Raises
        :class:`UpstreamUnreachable` (no usable answer, or a 5xx) or :class:`RateLimited` (429 or
        503 that asks for more patience than a pass has). Raises :class:`UpstreamRefused` (any other
        status but 200, 304 and 404) or :class:`InvalidAnswer` (too large, or a redirect that is not
        followed). Calls ``wait`` before more than ``share`` bytes are kept, and raises what it
        raises.

        ``redirect``: where ``url`` leads to, if it was asked for already.
        """
        headers = wishes(accept, etag)
        reading = _BodyOptions(limit, share, wait)
        seen, own = url, True
        for _ in range(_REDIRECTS + 1):
            answer: HttpAnswer | str | None = redirect
            if answer is None:
                answer = self._once(seen, headers, reading, own=own)
            redirect = None
            if isinstance(answer, HttpAnswer):
                if answer.status == 404 and seen != url:
                    # It is about another address, and says nothing about this one (R7).
                    raise InvalidAnswer(
                        redacted(url), f"a redirect to {answer.url}, which is not there"
                    )
                return answer
            seen = self._redirects.follow(seen, answer, urlsplit(url).hostname)
            own = own and origin(seen) == origin(url)
        raise InvalidAnswer(redacted(url), f"more than {_REDIRECTS} redirects")

    def head(self, url: str, accept: str) -> tuple[int, Headers]:
        """Return status and headers of ``url``, without body and redirects.

        Raises :class:`UpstreamUnreachable` and :class:`RateLimited`.
        """
        shown = redacted(url)
        self.retry_after.wait(shown)
        for method in ("HEAD", "GET"):
            with LoggedRequest(f"{method} {shown}") as logged:
                status, headers = self._status(method, url, accept)
                logged.answered(status, headers)
            if status not in _NO_HEAD:
                break
        return status, headers

    def _status(self, method: str, url: str, accept: str) -> tuple[int, Headers]:
        with self.single(method, url, {"Accept": accept}) as response:
            return response.status_code, lower(response.headers)

    @contextmanager
    def single(
        self, method: str, url: str, headers: Mapping[str, str | None], body: bytes | None = None
    ) -> Iterator[requests.Response]:
        """Send a request by requests, and yield its answer.

        Only the head of the answer is read.

        Follows no redirect. Raises :class:`UpstreamUnreachable`, also for what goes wrong inside.
        """
        try:
            with self.requests.request(
                method,
                url,
                data=body,
                headers=headers,
                auth=credentials(url),  # otherwise requests would prefer those of .netrc
                timeout=self.timeout,
                stream=True,
                allow_redirects=False,
            ) as response:
                yield response
        except (*FAILURES, ValueError) as error:  # also for a header that is no address or number
            raise UpstreamUnreachable(redacted(url), root_cause(error)) from error

    def post(
        self, url: str, body: bytes, headers: Mapping[str, str], limit: SizeLimit
    ) -> HttpResponse:
        """Send ``body`` to ``url`` and return the answer, its body within ``limit``.

        Follows no redirect, and reads the body only of a 200. Raises
        :class:`UpstreamUnreachable` and :class:`InvalidAnswer`.
        """
        with self.single("POST", url, headers, body) as response:
            status, told, read = response.status_code, lower(response.headers), b""
            if status == 200:
                read = self._body(response.raw, redacted(url), told, _BodyOptions(limit))
            return HttpResponse(status, response.reason or "", told, read, keep=False)

    def _once(
        self, url: str, headers: dict[str, str], reading: _BodyOptions, *, own: bool
    ) -> HttpAnswer | str:
        """Return the answer, or where it redirects to."""
        shown = url_for_messages(url)
        self.retry_after.wait(shown)
        with LoggedRequest(f"GET {shown}") as logged:
            try:
                response = self.stream(url, headers, own=own)
                told = lower(response.headers)
                logged.answered(response.status, told)
                try:
                    answer = self._read(response, shown, told, reading)
                    if isinstance(answer, HttpAnswer):
                        logged.answered(response.status, told, response.tell())
                    return answer
                except BaseException:
                    response.close()  # the rest of the body would be read as the next answer
                    raise
            except FAILURES as error:
                raise UpstreamUnreachable(shown, root_cause(error)) from error

    def stream(self, url: str, headers: dict[str, str], *, own: bool) -> urllib3.BaseHTTPResponse:
        """Send a GET, and return the answer with its body unread.

        Follows no redirect. Raises :data:`FAILURES`. ``own``: the address may get credentials.
        """
        route = self._route(url, own=own)
        try:
            return self._send(route, url, headers)
        except ProtocolError as error:
            if any(isinstance(cause, ResponseLimitExceeded) for cause in error.args):
                raise
            # Servers close idle connections. A connection that is closed just now does not announce
            # it.
            log.debug("GET %s: once more, as the connection was closed", url_for_messages(url))
            return self._send(route, url, headers)

    def _send(self, route: _Route, url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        return route.pool.urlopen(
            "GET",
            _target(url, route),
            headers={**route.headers, **headers},
            redirect=False,
            retries=False,
            assert_same_host=False,  # a plain proxy's pool is asked for other hosts
            timeout=urllib3.Timeout(connect=self.timeout, read=self.timeout),
            preload_content=False,
        )

    def request(self, url: str, accept: str, etag: str | None) -> bytes:
        """Return the bytes of the request that :meth:`get` sends.

        Raises ``ValueError`` for an odd one, and ``OSError`` for proxies and certificates.
        """
        with _as_os_error():
            route = self._route(url)
        headers = {"Host": route.host, **route.headers, **wishes(accept, etag)}
        return request_bytes(_target(url, route), headers)

    def idle(self, url: str) -> HTTPConnection | None:
        """Take an idle open connection for ``url``; None: there is none.

        The caller then owns it, until :meth:`give_back`. Raises ``OSError``.
        """
        with _as_os_error():
            pool = self._route(url).pool
            connection = pool._get_conn()
        # One cannot wait for TLS within TLS, to a proxy, as for a socket, because it buffers
        # unpacked data.
        if isinstance(connection, HTTPConnection) and isinstance(connection.sock, socket.socket):
            return connection
        pool._put_conn(connection)
        return None

    def give_back(self, url: str, connection: HTTPConnection) -> None:
        """Give back a connection of ``url`` on which nothing is under way."""
        self._route(url).pool._put_conn(connection)

    def _route(self, url: str, *, own: bool = True) -> _Route:
        """Return where a request goes; ``own`` requests get credentials."""
        parts = urlsplit(url)
        key = (parts.scheme, parts.netloc, own)
        route = self._routes.get(key)
        if route is None:
            with self._lock:
                if len(self._routes) >= _MOST_ROUTES:
                    self._routes.clear()
                route = self._routes.setdefault(key, self._new_route(url, own=own))
        return route

    def _new_route(self, url: str, *, own: bool) -> _Route:
        session = self.requests
        # Without an ``auth``, requests would read .netrc, and prefer it to the address.
        auth = credentials(url) if own else no_auth
        prepared = session.prepare_request(requests.Request("GET", url, auth=auth))
        settings = session.merge_environment_settings(prepared.url, {}, True, None, None)
        adapter = session.get_adapter(prepared.url or url)
        assert isinstance(adapter, HTTPAdapter)
        pool = adapter.get_connection_with_tls_context(
            prepared, settings["verify"], proxies=settings["proxies"], cert=settings["cert"]
        )
        adapter.cert_verify(  # type: ignore[no-untyped-call]
            pool, prepared.url, settings["verify"], settings["cert"]
        )
        assert isinstance(pool, urllib3.HTTPConnectionPool)
        proxy = select_proxy(prepared.url or url, settings["proxies"])
        plain = proxy is not None and urlsplit(url).scheme == "http"
        headers = {str(key): str(value) for key, value in prepared.headers.items()}
        if plain and proxy is not None:
            headers.update(adapter.proxy_headers(proxy))
        parts = urlsplit(prepared.url or url)
        host = parts.netloc.rpartition("@")[2]
        absolute = plain and not str(proxy).startswith("socks")
        if not absolute:
            host = host.removesuffix(f":{PORTS[parts.scheme]}")
        return _Route(pool, headers, host, absolute)

    def _read(
        self, response: urllib3.BaseHTTPResponse, url: str, headers: Headers, reading: _BodyOptions
    ) -> HttpAnswer | str:
        target = check_status(
            url, response.status, response.reason or "", headers, self.retry_after
        )
        if target is not None:
            response.close()  # its body may be endless, and is not read
            return target
        if response.status == 304 and "transfer-encoding" in headers:
            response.close()  # http.client would wait for a body, but there is none (RFC 9112, 6.3)
            return answer_of(url, 304, headers, b"")
        body = self._body(response, url, headers, reading)
        return answer_of(url, response.status, headers, body)

    def _body(
        self, response: urllib3.BaseHTTPResponse, url: str, headers: Headers, reading: _BodyOptions
    ) -> bytes:
        deadline = time.monotonic() + self.timeout * SLOW_FACTOR
        unpacker = BodyDecoder(
            url, response.status, headers, reading.limit, share=reading.share, wait=reading.wait
        )
        while chunk := response.read1(_CHUNK, decode_content=False):
            unpacker.feed(chunk)
            if time.monotonic() > deadline:
                raise UpstreamUnreachable(url, too_slow(self.timeout))
        response.release_conn()
        return unpacker.body()


@contextmanager
def _as_os_error() -> Iterator[None]:
    """Raise errors of urllib3 as ``OSError``, as requests does."""
    try:
        yield
    except HTTPError as error:
        raise OSError(str(error)) from error


def lower(headers: Mapping[str, str]) -> dict[str, str]:
    """Return ``headers`` by their names in lower case."""
    return {name.lower(): value for name, value in headers.items()}


def _target(url: str, route: _Route) -> str:
    """Return the target of the request line."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if route.absolute else ""
    return place + target
