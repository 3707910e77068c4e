"""Downloads package files, each as a stream of bytes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct

from yanksync.config.settings import Settings
from yanksync.core.errors import InvalidAnswer, UpstreamUnreachable
from yanksync.core.urls import redacted
from yanksync.upstream.client import user_agent
from yanksync.upstream.http.http_answers import root_cause
from yanksync.upstream.http.http_session import _FAILURES, Session

_CHUNK = 1 << 18  # bytes
_SLOWEST = 1 << 10  # bytes per second, over the whole of a file


class Download(Struct, frozen=True):
    """The answer to one request."""

    start: int  # the place of its first byte in the file
    chunks: Iterator[bytes]


class FileDownloads:
    """Asks the hosts of package files. Safe for use by many threads."""

    def __init__(self, settings: Settings) -> None:
        section = settings.upstream
        self._session = Session(
            user_agent=user_agent(section.contact),
            timeout=section.timeout,
            workers=settings.files.downloads_per_host,
            allow_http=section.allow_http,
        )
        self._timeout = section.timeout

    def close(self) -> None:
        """Close every connection."""
        self._session.close()

    @contextmanager
    def open(self, url: str) -> Iterator[Download]:
        """Ask for a file.

        Raises :class:`yanksync.core.errors.UpstreamUnreachable` and
        :class:`yanksync.core.errors.InvalidAnswer`.
        """
        with self._session.single("GET", url, {"Accept-Encoding": "identity"}) as response:
            if response.status_code != 200:
                raise InvalidAnswer(redacted(url), f"HTTP {response.status_code}")
            yield Download(0, self._chunks(response.raw, redacted(url)))

    def _chunks(self, raw: object, shown: str) -> Iterator[bytes]:
        began, seen = time.monotonic(), 0
        try:
            while chunk := raw.read1(_CHUNK, decode_content=False):  # type: ignore[attr-defined]
                yield chunk
                seen += len(chunk)
                if time.monotonic() - began > self._timeout + seen / _SLOWEST:
                    raise UpstreamUnreachable(shown, "is sent too slowly")
        except _FAILURES as error:
            raise UpstreamUnreachable(shown, root_cause(error)) from error
