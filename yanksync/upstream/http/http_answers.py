"""Judges an answer by status and headers (R7, R10, R13)."""

from __future__ import annotations

import io
import logging
import threading
import time
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime

from msgspec import Struct

from yanksync.core.errors import (
    AnswerTooLarge,
    InvalidAnswer,
    RateLimited,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnreachable,
)

log = logging.getLogger("yanksync")

Headers = Mapping[str, str]
"""By name in lower case; values of a repeated header are joined by ``", "``."""

WITH_BODY = frozenset({200, 304, 404})
"""The statuses that are answers; of all others the body is not read."""

SLOW_FACTOR = 20
"""A body may take so many times the timeout between bytes."""

_KNOWN = {
    "ReadTimeoutError": "no answer in time",
    "ConnectTimeoutError": "no connection in time",
    "IncompleteRead": "the answer was cut off",
}
_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"})
"""What OpenSSL says of an answer in plain text."""

_REDIRECT = frozenset({301, 302, 303, 307, 308})
_GZIP = frozenset({"gzip", "x-gzip"})  # two names of one coding (RFC 9110, 8.4.1.3)
_LONGEST_WISH = 1e6  # seconds; a longer Retry-After means the same as this
_PIECE = 1 << 14  # bytes of packed input given to zlib at once
_UNPACKED = 1 << 20  # bytes that zlib unpacks at once: it needs twice the room for a moment
_MOST_MEMBERS = 10_000  # of gzip; real answers have one, block formats one for 64 kB
_DEFAULT_PAUSE = 5.0  # seconds, after a 429 or 503 that names none


class SizeLimit(Struct, frozen=True):
    """The most bytes that an answer may have, packed or unpacked."""

    size: int
    setting: str  # of the configuration

    def exceeded(self, url: str) -> AnswerTooLarge:
        """Return the error of an answer that has more."""
        return AnswerTooLarge(url, self.size, self.setting)


class HttpAnswer(Struct, frozen=True):
    """An answer with status 200, 304 or 404, read to its end."""

    status: int
    url: str  # after redirects, without credentials
    body: bytes
    content_type: str
    etag: str | None
    serial: str | None  # X-PyPI-Last-Serial, as given
    date: str | None = None  # upstream's time of the answer, as given
    age: str | None = None  # how long caches have had it, as given


Outcome = HttpAnswer | UpstreamError
"""What came of a question."""


def answer_of(url: str, status: int, headers: Headers, body: bytes) -> HttpAnswer:
    """Return the answer; only a 200 keeps its body."""
    return HttpAnswer(
        status,
        url,
        body if status == 200 else b"",
        headers.get("content-type", ""),
        headers.get("etag"),
        headers.get("x-pypi-last-serial"),
        headers.get("date"),
        headers.get("age"),
    )


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def upstream_time(date: str | None, age: str | None) -> float | None:
    """Return upstream's time from Date and Age, or None."""
    if date is None:
        return None
    try:
        return _http_date(date).timestamp() + max(int(age or "0"), 0)
    except (TypeError, ValueError, OverflowError):
        return None


def _http_date(text: str) -> datetime:
    """Read a Date header: ``Sun, 06 Nov 1994 08:49:37 GMT`` (RFC 9110)."""
    if len(text) == 29 and text.endswith(" GMT") and text[8:11] in _MONTHS:
        month = _MONTHS.index(text[8:11]) + 1
        return datetime.fromisoformat(f"{text[12:16]}-{month:02}-{text[5:7]}T{text[17:25]}+00:00")
    from email.utils import parsedate_to_datetime  # start-up: only obsolete forms need it

    return parsedate_to_datetime(text)


def wishes(accept: str, etag: str | None) -> dict[str, str]:
    """Return the headers of a request for a page or a list."""
    headers = {"Accept": accept, "Accept-Encoding": "gzip"}
    if etag is not None:
        headers["If-None-Match"] = etag
    return headers


class RetryAfter:
    """The pause that upstream asked for (R13).

    Safe for use by many threads.
    """

    longest = 60.0  #: seconds; if the pause is longer, a pass leaves the rest for later

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._not_before = 0.0  # monotonic seconds

    @property
    def left(self) -> float:
        """The seconds to wait; 0 or less: none."""
        return self._not_before - time.monotonic()

    def wait(self, url: str) -> None:
        """Wait until upstream may be asked again. Raises :class:`RateLimited`."""
        while (pause := self.left) > 0:
            if pause > self.longest:
                raise RateLimited(url, pause)
            time.sleep(min(pause, 0.5))

    def ask_for(self, seconds: float) -> None:
        """Note that upstream asks for a pause of this length."""
        with self._lock:
            if seconds > self.left + 1:
                log.info("upstream asks to wait %.0f s; every request waits", seconds)
            self._not_before = max(self._not_before, time.monotonic() + seconds)


def check_status(
    url: str, status: int, reason: str, headers: Headers, retry_after: RetryAfter
) -> str | None:
    """Return the target of a redirect; None: read the body.

    Raises :class:`RateLimited` (429, or 503 with a Retry-After), :class:`UpstreamUnreachable` (any
    other 5xx), :class:`UpstreamRefused` (any other status but those of :data:`WITH_BODY`).
    """
    if status in WITH_BODY:
        return None
    if status in _REDIRECT:
        return headers.get("location", "")
    if status in (429, 503):
        pause = parse_retry_after(headers.get("retry-after"), time.time)
        if pause is None and status == 503:
            raise UpstreamUnreachable(url, "answered 503 Service Unavailable")
        pause = _DEFAULT_PAUSE if pause is None else pause
        retry_after.ask_for(pause)
        raise RateLimited(url, pause)
    if status >= 500:
        raise UpstreamUnreachable(url, f"answered {status} {reason}".rstrip())
    raise UpstreamRefused(url, status, f"answered {reason or 'no'}")


class BodyDecoder:
    """Collects a body, plain or gzip, up to its limit.

    Every byte is copied only a few times, however the gzip data is divided.
    """

    def __init__(
        self,
        url: str,
        status: int,
        headers: Headers,
        limit: SizeLimit,
        *,
        share: int | None = None,
        wait: Callable[[], None] | None = None,
    ) -> None:
        """Raises :class:`InvalidAnswer` for an encoding that was not asked for.

        ``wait`` is called once, before more than ``share`` bytes are kept.
        """
        self._share = limit.size if share is None or wait is None else share
        self._wait = wait
        self._url = url
        self._limit = limit
        self._packed = self._members = 0
        self._whole = io.BytesIO()  # gives its bytes away without a copy
        coding = headers.get("content-encoding", "").strip().lower()
        packed = coding in _GZIP
        if not packed and coding not in ("", "identity"):
            raise InvalidAnswer(
                url, f"the answer is encoded as {coding!r}, which was not asked for"
            )
        self._engine = zlib.decompressobj(31) if packed and status == 200 else None

    @property
    def size(self) -> int:
        """How many bytes are held."""
        return self._whole.tell()

    def feed(self, data: bytes) -> None:
        """Take more of the body. Raises :class:`InvalidAnswer` (too large) and ``zlib.error``."""
        self._packed += len(data)
        if self._packed > self._limit.size:
            raise self._limit.exceeded(self._url)
        if self._engine is None:
            self._keep(data)
            return
        # zlib copies the unused rest of its input, so the pieces are short.
        for start in range(0, len(data), _PIECE):
            self._unpack(data[start : start + _PIECE])

    def _unpack(self, data: bytes) -> None:
        assert self._engine is not None
        while data:
            if self._engine.eof:
                self._members += 1
                if self._members >= _MOST_MEMBERS:
                    problem = f"the answer consists of more than {_MOST_MEMBERS} gzip members"
                    raise InvalidAnswer(self._url, problem)
                self._engine = zlib.decompressobj(31)
            limit = min(self._limit.size - self.size + 1, _UNPACKED)
            self._keep(self._engine.decompress(data, limit))
            if self.size > self._limit.size:
                raise self._limit.exceeded(self._url)
            data = self._engine.unconsumed_tail or self._engine.unused_data

    def _keep(self, data: bytes) -> None:
        if self.size + len(data) > self._share and self._wait is not None:
            self._wait()
            self._wait = None
        self._whole.write(data)

    def body(self) -> bytes:
        """Return the whole body. Raises :class:`UpstreamUnreachable` if it is cut."""
        if self._engine is not None and not self._engine.eof:
            raise UpstreamUnreachable(self._url, "the answer was cut off")
        return self._whole.getvalue()


def too_slow(timeout: float) -> str:
    """Return the message about an answer that took too long."""
    return f"the answer took longer than {timeout * SLOW_FACTOR:.0f} s"


def parse_retry_after(retry_after: str | None, now: Callable[[], float]) -> float | None:
    """Return the seconds of a Retry-After header; None: not valid."""
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


def root_cause(error: Exception) -> str:
    """Return the cause of an error, without wrapping, URLs and object addresses."""
    chain = list(_causes(error))
    names = {type(one).__name__ for one in chain}
    proxy = "the proxy: " if "ProxyError" in names else ""
    for one in reversed(chain):
        words = _known_cause(one, names)
        if words is not None:
            return proxy + words
    text = str(chain[-1]) or type(chain[-1]).__name__
    if "): " in text and "object at 0x" in text:
        text = text.split("): ", 1)[1]
    return proxy + text


def _known_cause(error: Exception, names: Collection[str]) -> str | None:
    """Return a readable text for ``error``; None: its own is the best.

    ``names`` are the classes of all errors of the chain. Errors are recognised by name. So a pass
    that only asks for the journal does not load TLS and urllib3.
    """
    name = type(error).__name__
    if name in _KNOWN:
        return f"{_KNOWN[name]} ({error})"
    if name == "SSLCertVerificationError":
        why = getattr(error, "verify_message", None) or error
        return (
            f"its certificate is not trusted: {why}; REQUESTS_CA_BUNDLE may name a file of other "
            "authorities"
        )
    reason = getattr(error, "reason", None)
    if "SSL" in name and isinstance(reason, str):
        if reason in _NO_TLS:
            return "the server has no TLS at this port; if plain http is meant, write http://"
        return f"TLS failed: {reason.replace('_', ' ').lower()}"
    if not isinstance(error, OSError) or not error.strerror or "SSL" in name:
        return None
    if name == "gaierror":
        return f"the name of the host is not known: {error.strerror}"
    if "NewConnectionError" in names or isinstance(error, ConnectionRefusedError):
        return f"no connection: {error.strerror}"
    broke = isinstance(error, ConnectionError)
    return f"the connection broke: {error.strerror}" if broke else error.strerror


def _causes(error: BaseException | None) -> Iterator[Exception]:
    """Yield ``error`` and what caused it, to the root."""
    while isinstance(error, Exception):
        yield error
        reason = getattr(error, "reason", None)
        inner = (one for one in (reason, *error.args) if isinstance(one, Exception))
        error = next(inner, error.__cause__)
