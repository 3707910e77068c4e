"""Skips interim responses (1xx) for the connections of urllib3 (RFC 9110, section 15.2).

http.client skips 100 only, without end, and takes a 103 for the answer: the real one would then
stay on the connection, for the next request.
"""

from __future__ import annotations

from functools import lru_cache
from http.client import HTTPException, HTTPResponse, parse_headers
from typing import Any

from requests.adapters import HTTPAdapter

from yanksync.upstream.exchange import MOST_INTERIM


class FinalResponse(HTTPResponse):
    """The first response that is not an interim one."""

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(MOST_INTERIM + 1):
            line: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
            if not 100 <= line[1] < 200 or line[1] == 101:  # 101: another protocol follows
                return line
            parse_headers(self.fp)
        raise HTTPException(f"more than {MOST_INTERIM} interim responses")


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
