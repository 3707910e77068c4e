"""Writes requests and reads answers of HTTP/1.1 (RFC 9112, pure).

httptools does the reading; this module adds the checks that it lacks. It accepts only the common
answer, and is strict. Every unusual answer is :class:`UnsupportedResponse`. The caller then sends
the request again through urllib3, which knows all of HTTP. So nothing is guessed here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from httptools import HttpParserError, HttpResponseParser
from msgspec import Struct

from yanksync.upstream.http.http_answers import WITH_BODY, Headers

MOST_INTERIM = 16
"""More interim responses (1xx) than this before an answer are an error."""

HEAD_LIMIT = 1 << 16  # bytes, as in http.client
_LINES_LIMIT = 99  # headers, as in http.client
_FIRST = re.compile(rb"HTTP/1\.1 [1-5][0-9]{2}(?: [^\t\r\n]*)?\r\n")
# A line that does not end with CRLF, a folded one, a control character: readers differ.
_AMBIGUOUS = re.compile(rb"(?<!\r)\n|\r(?!\n)|\n[ \t]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BARE = re.compile(rb"(?<!\r)\n")
# Headers that decide how the rest is read: if one comes twice, neither can be trusted.
_ONCE = frozenset(
    {"content-length", "transfer-encoding", "content-encoding", "content-type", "etag", "location"}
)


# Characters that urllib3 sends unchanged; it encodes all others.
_REQUEST_LINE = re.compile(
    r"(?:GET|POST) (?:http://[A-Za-z0-9.:\[\]-]+)?/"
    r"(?:[A-Za-z0-9._~:/?&=@!$'()*+,;-]|%[0-9A-F]{2})* HTTP/1\.1"
)


class UnsupportedResponse(Exception):
    """Not an answer that this reader takes."""


class BodyTooLarge(Exception):
    """The body is larger than it may be."""


class HttpResponse(Struct, frozen=True):
    """A complete answer.

    If the body of an answer does not count, only the head is read.
    """

    status: int
    reason: str
    headers: Headers
    body: bytes  # as it came, maybe compressed
    keep: bool  # whether the connection may be used again


class _Message:
    """The callbacks of httptools for one message.

    It must not refer to the reader, because cycles stay in memory.
    """

    def __init__(self) -> None:
        self.reason = ""
        self.headers: dict[str, str] = {}
        self.body: list[bytes] = []
        self.size = self._lines = 0
        self._has_head = self.done = False

    def on_message_begin(self) -> None:
        if self.done:
            raise UnsupportedResponse  # more bytes than one answer

    def on_status(self, text: bytes) -> None:
        self.reason += text.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self._lines += 1
        if self._has_head or self._lines > _LINES_LIMIT or (key in self.headers and key in _ONCE):
            raise UnsupportedResponse  # the first: a trailer
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_headers_complete(self) -> None:
        self._has_head = True

    def on_body(self, data: bytes) -> None:
        self.body.append(data)
        self.size += len(data)

    def on_message_complete(self) -> None:
        self.done = True


class ResponseParser:
    """Reads one answer."""

    def __init__(self, limit: int) -> None:
        """``limit``: the most bytes of body that are taken, as they come."""
        self._limit = limit
        self._begin()
        self._head = bytearray()  # of which the end has not come
        self.status = 0  #: of a head that has come; before that 0, or that of an interim response
        self._wire = 0  # bytes that came after the head
        self._length: int | None = 0  # of the body; None: it comes in chunks
        self._interim = 0  # how many responses of status 1xx came
        self.begun = False  #: whether anything has come

    def _begin(self) -> None:
        self._message = _Message()
        self._parser = HttpResponseParser(self._message)

    @property
    def size(self) -> int:
        """How many bytes came, of which :meth:`take` may have given some away."""
        return len(self._head) + self._message.size

    @property
    def headers(self) -> Headers:
        """Of a head that has come."""
        return self._message.headers

    def take(self) -> bytes:
        """Give away the body as far as it has come."""
        body = b"".join(self._message.body)
        self._message.body.clear()
        return body

    def feed(self, data: bytes) -> HttpResponse | None:
        """Take more bytes; return the answer once it is complete.

        Raises:
            UnsupportedResponse: it has to be asked for in another way.
            BodyTooLarge: its body is beyond the limit.
        """
        self.begun = True
        while self.status < 200:
            self._head += data
            end = self._head.find(b"\r\n\r\n") + 4
            if end < 4 and len(self._head) <= HEAD_LIMIT and not _BARE.search(self._head):
                return None
            if not 4 <= end <= HEAD_LIMIT + 4:
                raise UnsupportedResponse  # a bare LF: other readers would end the head there
            head, data = bytes(self._head[:end]), bytes(self._head[end:])
            self._head.clear()
            self._take_head(head)
        if self.status not in WITH_BODY:
            return self._reply()
        if data:
            self._take_body(data)
        return self._reply() if self._message.done else None

    def _take_head(self, head: bytes) -> None:
        if not _FIRST.match(head) or _AMBIGUOUS.search(head):
            raise UnsupportedResponse
        self._parse(head)
        self.status = self._parser.get_status_code()
        if self.status < 200:  # it ends with its head and says nothing (RFC 9110, 15.2)
            self._interim += 1
            if self.status == 101 or self._interim > MOST_INTERIM:  # 101: another protocol follows
                raise UnsupportedResponse
            self._begin()
        elif self.status in WITH_BODY and self.status != 304:
            headers = self._message.headers
            coding, length = headers.get("transfer-encoding"), headers.get("content-length")
            if (coding or "chunked").lower() != "chunked" or coding is length is None:
                raise UnsupportedResponse
            self._length = None if length is None else int(length)
            if self._length is not None and self._length > self._limit:
                raise BodyTooLarge

    def _take_body(self, data: bytes) -> None:
        self._wire += len(data)
        if self._length is not None and self._wire > self._length:
            raise UnsupportedResponse  # more than one answer; httptools would skip empty lines
        self._parse(data)
        if self._message.size > self._limit:
            raise BodyTooLarge
        if self._wire > 2 * self._limit + HEAD_LIMIT:
            raise UnsupportedResponse  # chunks that say more than they hold

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:  # also raised if a callback raised
            raised = error.__context__
            if raised is not None and not isinstance(raised, Exception):
                raise raised from None  # a signal came in a callback
            raise UnsupportedResponse from None

    def _reply(self) -> HttpResponse:
        message = self._message
        close = "close" in message.headers.get("connection", "").lower()
        if self.status == 304 and "transfer-encoding" in message.headers:
            close = True  # there is no body, but a server that announces one may send it
        keep = not close and self.status in WITH_BODY
        body = b"".join(message.body)
        return HttpResponse(self.status, message.reason, message.headers, body, keep)


def request_bytes(
    target: str, headers: Mapping[str, str], method: str = "GET", body: bytes = b""
) -> bytes:
    """Return the bytes of a request by GET or POST.

    Raises ``ValueError`` for an unusual one.
    """
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a request of several lines")
    if not _REQUEST_LINE.fullmatch(lines[0]):
        raise ValueError("an address that is to be encoded")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body
