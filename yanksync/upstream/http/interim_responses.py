"""Skips interim responses (1xx) for urllib3 (RFC 9110, section 15.2).

http.client skips only 100, without a limit, and treats a 103 as the answer. The real answer would
then stay on the connection, for the next request. It also has no deadline for a head or a body that
comes byte by byte. A response of this module may take :data:`.http_answers.SLOW_FACTOR` timeouts at
most.
"""

from __future__ import annotations

import io
import time
from functools import lru_cache
from http.client import HTTPException, HTTPResponse, parse_headers
from socket import socket
from typing import Any

from requests.adapters import HTTPAdapter

from yanksync.upstream.http.http1_parser import HEAD_LIMIT, MOST_INTERIM
from yanksync.upstream.http.http_answers import SLOW_FACTOR, too_slow


class ResponseLimitExceeded(HTTPException):
    """A response takes too long, or its head is too large.

    A second request would give the same.
    """


class FinalResponse(HTTPResponse):
    """The first final response, read within a deadline."""

    def __init__(self, sock: socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self._timed: _Timed | None = None
        timeout = sock.gettimeout()
        if timeout is not None:
            raw: Any = self.fp.detach()
            self._timed = _Timed(raw, timeout)
            self.fp = io.BufferedReader(self._timed)

    def begin(self) -> None:
        """Read the head. Raises :class:`ResponseLimitExceeded`."""
        super().begin()
        if self._timed is not None:
            self._timed.left = None

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(MOST_INTERIM + 1):
            line: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
            if not 100 <= line[1] < 200 or line[1] == 101:  # 101: another protocol follows
                return line
            parse_headers(self.fp)
        raise HTTPException(f"more than {MOST_INTERIM} interim responses")


class _Timed(io.RawIOBase):
    """Reads from a socket, within the time of a response."""

    def __init__(self, raw: io.RawIOBase, timeout: float) -> None:
        self._raw = raw
        self._timeout = timeout
        self.left: int | None = HEAD_LIMIT + io.DEFAULT_BUFFER_SIZE  #: bytes that may come
        self._deadline = time.monotonic() + timeout * SLOW_FACTOR

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what has come. Raises :class:`ResponseLimitExceeded`."""
        if time.monotonic() > self._deadline:
            raise ResponseLimitExceeded(too_slow(self._timeout))
        read: int | None = self._raw.readinto(buffer)
        if read and self.left is not None:
            self.left -= read
            if self.left < 0:
                raise ResponseLimitExceeded(
                    f"the head of the answer has more than {HEAD_LIMIT} bytes"
                )
        return read

    def close(self) -> None:
        """Release the socket."""
        self._raw.close()
        super().close()


class FinalAdapter(HTTPAdapter):
    """Makes connections that skip interim responses."""

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        """Return the pool for a request, as requests finds it."""
        pool: Any = super().get_connection_with_tls_context(*args, **options)
        pool.ConnectionCls = _skipping(pool.ConnectionCls)
        return pool


@lru_cache
def _skipping(kind: type) -> type:
    """Return ``kind``, a class of connections, with responses that skip interim ones."""
    if getattr(kind, "response_class", None) is FinalResponse:
        return kind
    return type(kind.__name__, (kind,), {"response_class": FinalResponse})
