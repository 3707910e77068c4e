"""Pure: one answer of HTTP/1.1 (RFC 9112), from bytes as they come.

For the common answer only, and strictly so. Whatever is out of the ordinary is :class:`Odd`: the
caller then asks again by way of urllib3, which knows all of HTTP, so that this reader never has to
guess. Costs a few microseconds, where http.client's takes a hundred (RATIONALE.rst).
"""

from __future__ import annotations

import re

from msgspec import Struct

from yanksync.upstream.http_answers import WITH_BODY, Headers

MOST_INTERIM = 16
"""More interim responses (1xx) than this before an answer are an error."""

HEAD_LIMIT = 1 << 16  # bytes, as in http.client
_LINES_LIMIT = 99  # headers, as in http.client
_LINE_LIMIT = 1 << 10  # bytes of the line before a chunk
_STATUS = re.compile(r"HTTP/1\.1 ([1-5][0-9]{2})(?: (.*))?")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_LENGTH = re.compile(r"[0-9]{1,18}")
_BARE = re.compile(rb"(?<!\r)\n")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?")
# Headers that rule how the rest is read: of two of them, neither can be trusted.
_ONCE = frozenset(
    {"content-length", "transfer-encoding", "content-encoding", "content-type", "etag", "location"}
)


class Odd(Exception):
    """Not an answer that this reader takes."""


class Beyond(Exception):
    """The body is larger than it may be."""


class Reply(Struct, frozen=True):
    """An answer read to its end; one whose body does not count, to the end of its head."""

    status: int
    reason: str
    headers: Headers
    body: bytes  # as it came: packed, if it is
    keep: bool  # whether the connection may be used again


class Reader:
    """Reads one answer."""

    def __init__(self, limit: int) -> None:
        """``limit``: the most bytes of body that are taken, as they come."""
        self._limit = limit
        self._data = bytearray()  # what came and is not understood yet; with a length, the body
        self._body: bytearray | None = None  # of chunks
        self._length = 0
        self._head: tuple[int, str, dict[str, str]] | None = None
        self._interim = 0  # how many responses of status 1xx came
        self.begun = False  #: whether anything has come

    @property
    def size(self) -> int:
        """How many bytes are held."""
        return len(self._data) + (0 if self._body is None else len(self._body))

    def feed(self, data: bytes) -> Reply | None:
        """Take more bytes; return the answer once it is complete.

        Raises:
            Odd: it has to be asked for in another way.
            Beyond: its body is beyond the limit.
        """
        self.begun = True
        self._data += data
        while self._head is None:
            end = self._data.find(b"\r\n\r\n")
            if end < 0 and len(self._data) <= HEAD_LIMIT:
                if _BARE.search(self._data):
                    raise Odd  # other readers would end the head here: do not wait for what follows
                return None
            if not 0 <= end <= HEAD_LIMIT:
                raise Odd
            head = _head(self._data[:end].decode("latin-1"))
            del self._data[: end + 4]
            if head[0] >= 200:
                self._head = head
                self._frame(*head)
            else:
                self._skip(head[0])
        return self._chunked() if self._body is not None else self._counted()

    def _skip(self, status: int) -> None:
        """Count an interim response, which ends with its head and says nothing (RFC 9110, 15.2)."""
        self._interim += 1
        if status == 101 or self._interim > MOST_INTERIM:  # 101: another protocol follows
            raise Odd

    def _frame(self, status: int, reason: str, headers: dict[str, str]) -> None:
        """Find out where the body ends."""
        coding, length = headers.get("transfer-encoding"), headers.get("content-length")
        if status == 304 or status not in WITH_BODY:
            self._length = 0
        elif coding is not None:
            if coding.lower() != "chunked" or length is not None:
                raise Odd
            self._body = bytearray()
        elif length is None or not _LENGTH.fullmatch(length):
            raise Odd
        else:
            self._length = int(length)
            if self._length > self._limit:
                raise Beyond

    def _counted(self) -> Reply | None:
        if len(self._data) < self._length:
            return None
        assert self._head is not None
        if len(self._data) > self._length:
            if self._head[0] in WITH_BODY:
                raise Odd  # nobody asked for more
            self._data.clear()
        return self._reply(bytes(self._data))

    def _chunked(self) -> Reply | None:
        data, body = self._data, self._body
        assert body is not None
        while True:
            end = data.find(b"\r\n", 0, _LINE_LIMIT)
            if end < 0:
                if len(data) >= _LINE_LIMIT or b"\n" in data:
                    raise Odd
                return None
            match = _CHUNK.fullmatch(data, 0, end)
            if match is None:
                raise Odd
            size = int(match[1], 16)
            if len(body) + size > self._limit:
                raise Beyond
            start = end + 2
            after = bytes(data[start + size : start + size + 2])
            if after != b"\r\n":
                if after not in (b"", b"\r"):
                    raise Odd  # a trailer, or nonsense
                return None
            if size == 0:
                if len(data) > start + 2:
                    raise Odd
                return self._reply(bytes(body))
            body += data[start : start + size]
            del data[: start + size + 2]

    def _reply(self, body: bytes) -> Reply:
        assert self._head is not None
        status, reason, headers = self._head
        close = "close" in headers.get("connection", "").lower()
        if status == 304 and "transfer-encoding" in headers:
            close = True  # there is no body, but who says that there is one may send it
        return Reply(status, reason, headers, body, not close and status in WITH_BODY)


def _head(text: str) -> tuple[int, str, dict[str, str]]:
    """Return status, reason and headers. Raises :class:`Odd`."""
    first, *lines = text.split("\r\n")
    match = _STATUS.fullmatch(first)
    if match is None or _CONTROL.search(first) or len(lines) > _LINES_LIMIT:
        raise Odd
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name) or _CONTROL.search(value):
            raise Odd
        name, value = name.lower(), value.lstrip(" \t")  # what follows stays, as in http.client
        if name in headers:
            if name in _ONCE:
                raise Odd
            value = f"{headers[name]}, {value}"
        headers[name] = value
    return int(match[1]), match[2] or "", headers
