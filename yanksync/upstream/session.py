"""The wire: one place that asks upstream, with requests' habits and the limits of R10 and R13.

Proxies, CA bundles, credentials and ``.netrc`` are resolved by requests, once for each address;
page requests then go through the pool beneath it, because requests' own work for each call costs
more than the call (RATIONALE.rst). Bodies are read as they come, limited in bytes and in time.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from msgspec import Struct
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy
from urllib3.exceptions import HTTPError, ProtocolError

from yanksync.errors import BadAnswer, Refused, Throttled, Unreachable
from yanksync.settings import is_loopback, redacted

_CHUNK = 1 << 18  # bytes asked of the socket at once
_REDIRECTS = 5
_REDIRECT = frozenset({301, 302, 303, 307, 308})
_SLOW = 20  # a body may take so many times the timeout between bytes
_LONGEST_PAUSE = 60.0  # seconds; asked to stay away for longer, a pass leaves the rest for later
_LONGEST_WISH = 1e6  # seconds; a Retry-After beyond it is no better meant than this
_DEFAULT_PAUSE = 5.0  # seconds, after a 429 or 503 that names none


class Answer(Struct, frozen=True):
    """An answer with status 200, 304 or 404, read to its end."""

    status: int
    url: str  # after redirects, without credentials
    body: bytes
    content_type: str
    etag: str | None
    serial: str | None  # X-PyPI-Last-Serial, as given


class _Route(Struct):
    """How requests of one scheme and host travel."""

    pool: urllib3.HTTPConnectionPool
    headers: dict[str, str]
    absolute: bool  # a plain proxy wants the whole URL in the request line


class Session:
    """Asks one upstream. Safe for use by many threads."""

    def __init__(
        self, *, user_agent: str, timeout: float, workers: int, allow_http: bool = False
    ) -> None:
        self.timeout = timeout
        self.allow_http = allow_http
        self.requests = requests.Session()  #: for single questions: the journal
        self.requests.headers["User-Agent"] = user_agent
        adapter = HTTPAdapter(pool_maxsize=workers, max_retries=0)
        self.requests.mount("https://", adapter)
        self.requests.mount("http://", adapter)
        self._routes: dict[str, _Route] = {}
        self._lock = threading.Lock()
        self._not_before = 0.0  # monotonic seconds

    def close(self) -> None:
        """Close every connection."""
        self.requests.close()

    def get(self, url: str, accept: str, etag: str | None, limit: int) -> Answer:
        """Ask for ``url`` and read at most ``limit`` bytes of body, decompressed.

        Follows redirects on the same host only, never down to plain http. Raises
        :class:`Unreachable` (no usable answer, or a 5xx), :class:`Throttled` (429 or 503 that asks
        for more patience than a pass has), :class:`Refused` (any other status but 200, 304 and
        404), :class:`BadAnswer` (too large, or a redirect that is not followed).
        """
        headers = {"Accept": accept, "Accept-Encoding": "gzip"}
        if etag is not None:
            headers["If-None-Match"] = etag
        seen = url
        for _ in range(_REDIRECTS + 1):
            answer = self._once(seen, headers, limit)
            if isinstance(answer, Answer):
                if answer.status == 404 and seen != url:
                    # It says that there is nothing elsewhere, and nothing of what was asked (R7).
                    raise BadAnswer(
                        redacted(url), f"a redirect to {answer.url}, which is not there"
                    )
                return answer
            seen = self._follow(seen, answer)
        raise BadAnswer(redacted(url), f"more than {_REDIRECTS} redirects")

    def _once(self, url: str, headers: dict[str, str], limit: int) -> Answer | str:
        """Return the answer, or where it redirects to."""
        shown = redacted(url)
        self._wait(shown)
        try:
            response = self._sent(url, headers)
            try:
                return self._read(response, shown, limit)
            except BaseException:
                response.close()  # what is left on the wire belongs to nobody
                raise
        except requests.RequestException as error:
            raise Unreachable(shown, plain(error)) from error
        except (HTTPError, OSError, zlib.error) as error:
            raise Unreachable(shown, plain(error)) from error

    def _sent(self, url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        try:
            return self._send(url, headers)
        except ProtocolError:
            # Servers close idle connections; one that is closed as we speak says nothing of it.
            return self._send(url, headers)

    def _send(self, url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        parts = urlsplit(url)
        route = self._route(url)
        target = parts.path or "/"
        if parts.query:
            target += "?" + parts.query
        if route.absolute:
            target = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{target}"
        return route.pool.urlopen(
            "GET",
            target,
            headers={**route.headers, **headers},
            redirect=False,
            retries=False,
            assert_same_host=False,  # a plain proxy's pool is asked for other hosts
            timeout=urllib3.Timeout(connect=self.timeout, read=self.timeout),
            preload_content=False,
        )

    def _route(self, url: str) -> _Route:
        parts = urlsplit(url)
        key = f"{parts.scheme}://{parts.netloc}"
        route = self._routes.get(key)
        if route is None:
            with self._lock:
                route = self._routes.setdefault(key, self._new_route(url))
        return route

    def _new_route(self, url: str) -> _Route:
        session = self.requests
        prepared = session.prepare_request(requests.Request("GET", url))
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
        return _Route(pool, headers, plain and not str(proxy).startswith("socks"))

    def _read(self, response: urllib3.BaseHTTPResponse, url: str, limit: int) -> Answer | str:
        status = response.status
        headers = response.headers
        if status in _REDIRECT:
            response.close()  # its body may be endless, and is not looked at
            return headers.get("Location") or ""
        if status in (429, 503):
            self._throttle(url, status, headers.get("Retry-After"))
        if status not in (200, 304, 404):
            error = Unreachable if status >= 500 else None
            if error is not None:
                raise error(url, f"answered {status} {response.reason or ''}".rstrip())
            raise Refused(url, status, f"answered {response.reason or 'no'}")
        body = self.read(response, url, limit)
        return Answer(
            status,
            url,
            body if status == 200 else b"",
            headers.get("Content-Type", ""),
            headers.get("ETag"),
            headers.get("X-PyPI-Last-Serial"),
        )

    def read(self, response: urllib3.BaseHTTPResponse, url: str, limit: int) -> bytes:
        """Return the body, plain or gzip, as it comes; limited in bytes, unpacked, and in time."""
        deadline = time.monotonic() + self.timeout * _SLOW
        coding = response.headers.get("Content-Encoding", "").strip().lower()
        unpack = _Gunzip() if coding == "gzip" and response.status == 200 else None
        if unpack is None and coding not in ("", "identity", "gzip"):
            raise BadAnswer(url, f"the answer is encoded as {coding!r}, which was not asked for")
        chunks: list[bytes] = []
        size = 0
        while chunk := response.read1(_CHUNK, decode_content=False):
            if unpack is not None:
                chunk = unpack.feed(chunk, limit - size + 1)
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                raise BadAnswer(url, f"the answer is larger than {limit} bytes")
            if time.monotonic() > deadline:
                raise Unreachable(url, f"the answer took longer than {self.timeout * _SLOW:.0f} s")
        response.release_conn()
        if unpack is not None and not unpack.complete:
            raise Unreachable(url, "the answer was cut off")
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _follow(self, url: str, location: str) -> str:
        shown = redacted(url)
        if not location:
            raise BadAnswer(shown, "a redirect that names no address")
        try:
            target = urljoin(url, location)
            old, new = urlsplit(url), urlsplit(target)
            same = old.hostname == new.hostname
            same_place = same and (old.scheme, old.port) == (new.scheme, new.port)
        except ValueError as error:
            raise BadAnswer(shown, "a redirect to no valid address") from error
        if new.scheme not in ("http", "https") or not new.hostname:
            raise BadAnswer(shown, f"a redirect to {redacted(target)!r}, no http address")
        if not same:
            raise BadAnswer(
                shown,
                f"a redirect to another host, {new.hostname!r}; if that is right, configure it as "
                "simple_url",
            )
        if new.scheme == "http" and (
            old.scheme == "https" or not self._plain_allowed(new.hostname)
        ):
            raise BadAnswer(shown, "a redirect to plain http")
        if "@" in new.netloc and new.netloc != old.netloc:
            raise BadAnswer(shown, "a redirect to an address with credentials")
        if same_place:
            target = new._replace(netloc=old.netloc).geturl()  # credentials stay
        return target

    def _plain_allowed(self, host: str) -> bool:
        return self.allow_http or is_loopback(host)

    def _wait(self, url: str) -> None:
        """Wait until upstream may be asked again (R13); all workers wait alike, or give up."""
        while (pause := self._not_before - time.monotonic()) > 0:
            if pause > _LONGEST_PAUSE:
                raise Throttled(url, pause)
            time.sleep(min(pause, 0.5))

    def _throttle(self, url: str, status: int, retry_after: str | None) -> None:
        """Take in that upstream wants to be left alone; always raises."""
        seconds = seconds_of(retry_after, time.time)
        if seconds is None and status == 503:
            raise Unreachable(url, "answered 503 Service Unavailable")
        pause = _DEFAULT_PAUSE if seconds is None else seconds
        with self._lock:
            self._not_before = max(self._not_before, time.monotonic() + pause)
        raise Throttled(url, pause)

    @property
    def longest_pause(self) -> float:
        """The longest pause, in seconds, that a pass waits for; beyond it, it leaves off."""
        return _LONGEST_PAUSE


class _Gunzip:
    """Unpacks gzip as it comes: never more than is asked for, and it knows whether it was all."""

    def __init__(self) -> None:
        self._engine = zlib.decompressobj(31)

    def feed(self, data: bytes, most: int) -> bytes:
        """Return what ``data`` unpacks to, its first ``most`` bytes at the least."""
        chunks: list[bytes] = []
        while data and most > 0:
            if self._engine.eof:  # another member follows
                self._engine = zlib.decompressobj(31)
            chunks.append(self._engine.decompress(data, most))
            most -= len(chunks[-1])
            data = self._engine.unconsumed_tail or self._engine.unused_data
        return b"".join(chunks)

    @property
    def complete(self) -> bool:
        """Whether the end of what was packed has come."""
        return self._engine.eof


def seconds_of(retry_after: str | None, now: Callable[[], float]) -> float | None:
    """Return a Retry-After header as seconds from now; None when there is none that can be read."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(float(text), _LONGEST_WISH)
    from email.utils import parsedate_to_datetime

    try:
        wait = parsedate_to_datetime(text).timestamp() - now()
        return min(max(wait, 0.0), _LONGEST_WISH)
    except (ValueError, TypeError, OverflowError):
        return None


def plain(error: Exception) -> str:
    """Return what went wrong without the library's wrapping, URLs and object addresses."""
    reason = getattr(error, "reason", None)
    if isinstance(reason, Exception):
        return plain(reason)
    if len(error.args) == 2 and isinstance(error.args[1], Exception):
        return plain(error.args[1])
    text = str(error) or type(error).__name__
    if "): " in text and "object at 0x" in text:
        text = text.split("): ", 1)[1]
    name = type(error).__name__
    known = {
        "ReadTimeoutError": "no answer in time",
        "ConnectTimeoutError": "no connection in time",
        "IncompleteRead": "the answer was cut off",
        "ProtocolError": "the connection broke",
    }
    return f"{known[name]} ({text})" if name in known and name != "ProtocolError" else text
