"""The reader of common answers: it reads as http.client does, or leaves the answer to it."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from http.client import HTTPException

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yanksync.upstream.http.http1_parser import (
    BodyTooLarge,
    HttpResponse,
    ResponseParser,
    UnsupportedResponse,
)
from yanksync.upstream.http.http_answers import WITH_BODY
from yanksync.upstream.http.interim_responses import FinalResponse

LIMIT = 1000
FUZZ = settings(
    max_examples=int(os.environ.get("YANKSYNC_FUZZ", "50")),
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def fed(pieces: Iterable[bytes], limit: int = LIMIT) -> tuple[HttpResponse | None, bytes]:
    """Return the answer, and what was not asked for any more when it was complete."""
    reader = ResponseParser(limit)
    left = iter(pieces)
    for piece in left:
        reply = reader.feed(piece)
        if reply is not None:
            return reply, b"".join(left)
    return None, b""


def ok(headers: bytes, body: bytes = b"", status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 " + status + b"\r\n" + headers + b"\r\n" + body


def chunks(*bodies: bytes, size: bytes = b"%x") -> bytes:
    return b"".join(size % len(body) + b"\r\n" + body + b"\r\n" for body in (*bodies, b""))


CONTINUE = ok(b"", status=b"100 Continue")
HINT = ok(b"Link: </x>\r\nContent-Length: 3\r\n", status=b"103 Early Hints")
TAKEN = {
    "a length": (ok(b"Content-Length: 5\r\n", b"hello"), b"hello"),
    "a length with zeros": (ok(b"Content-Length: 0005\r\n", b"hello"), b"hello"),
    "a length between blanks": (ok(b"content-length:\t 5\r\n", b"hello"), b"hello"),
    "nothing": (ok(b"Content-Length: 0\r\n"), b""),
    "no reason": (ok(b"Content-Length: 1\r\n", b"x", b"200 "), b"x"),
    "no reason and no space": (ok(b"Content-Length: 1\r\n", b"x", b"200"), b"x"),
    "a reason in no known tongue": (ok(b"Content-Length: 1\r\n", b"x", b"200 \xe9\xff"), b"x"),
    "chunks": (ok(CHUNKED, chunks(b"hello ", b"world")), b"hello world"),
    "no chunk": (ok(CHUNKED, chunks()), b""),
    "chunks, loud": (ok(CHUNKED.upper(), chunks(b"x" * 10, size=b"%X")), b"x" * 10),
    "chunks with zeros": (ok(CHUNKED, chunks(b"hello", size=b"%04x")), b"hello"),
    "chunks that say more": (ok(CHUNKED, chunks(b"hello", size=b'%x;a="b";c')), b"hello"),
    "chunks with many zeros": (ok(CHUNKED, chunks(b"hello", size=b"%012x")), b"hello"),
    "a length with many zeros": (ok(b"Content-Length: %020d\r\n" % 5, b"hello"), b"hello"),
    "a length and a blank": (ok(b"Content-Length: 5 \r\n", b"hello"), b"hello"),
    "a chunk that looks like the end": (ok(CHUNKED, chunks(b"\r\n0\r\n\r\n")), b"\r\n0\r\n\r\n"),
    "the most there may be": (ok(b"Content-Length: 1000\r\n", b"x" * 1000), b"x" * 1000),
    "the most, in chunks": (ok(CHUNKED, chunks(b"x" * 999, b"x")), b"x" * 1000),
    "a 404": (ok(b"Content-Length: 4\r\n", b"gone", b"404 Not Found"), b"gone"),
    "a 304": (ok(b"", b"", b"304 Not Modified"), b""),
    "a 304 with the length it would have": (ok(b"Content-Length: 7\r\n", status=b"304 N"), b""),
    "a 304 with a length beyond all": (ok(b"Content-Length: 9999\r\n", status=b"304 N"), b""),
    "headers twice": (ok(b"Vary: a\r\nContent-Length: 1\r\nvary: b\r\n", b"x"), b"x"),
    "many headers": (ok(b"a: b\r\n" * 98 + b"Content-Length: 1\r\n", b"x"), b"x"),
    "a promise": (CONTINUE + ok(b"Content-Length: 1\r\n", b"x"), b"x"),
    "hints": (HINT + CONTINUE + HINT + ok(CHUNKED, chunks(b"x")), b"x"),
    "hints, and a 304": (HINT + ok(b"", b"", b"304 Not Modified"), b""),
    "a long head": (ok(b"a: " + b"b" * 60_000 + b"\r\nContent-Length: 1\r\n", b"x"), b"x"),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "body"), TAKEN.values(), ids=TAKEN)
def test_what_is_read(sent: bytes, body: bytes) -> None:
    reply, left = fed([sent])
    assert reply is not None
    assert (reply.body, reply.keep, left) == (body, True, b"")
    head_end = sent.index(b"\r\n\r\n") + 4
    for size in (1, 7):
        tail = [sent[start : start + size] for start in range(head_end, len(sent), size)]
        assert fed([sent[: head_end - 2], sent[head_end - 2 : head_end], *tail]) == (reply, b"")
    assert fed([sent[:-1]]) == (None, b"")


ODD = {
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2": b"HTTP/2 200\r\nContent-Length: 0\r\n\r\n",
    "hints without end": ok(b"Link: </x>\r\n", status=b"103 Early Hints") * 17,
    "another protocol": ok(b"Upgrade: x\r\n", status=b"101 Switching Protocols"),
    "a status of two digits": ok(b"Content-Length: 0\r\n", status=b"20 OK"),
    "a status of four digits": ok(b"Content-Length: 0\r\n", status=b"2000 OK"),
    "a status above all": ok(b"Content-Length: 0\r\n", status=b"600 OK"),
    "a status in other digits": ok(b"Content-Length: 0\r\n", status=b"2\xb2\xb2 OK"),
    "a blank that is none": ok(b"Content-Length: 0\r\n", status=b"200\xa0OK"),
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "an empty line first": b"\r\n" + ok(b"Content-Length: 0\r\n"),
    "an empty head": b"\r\n\r\n",
    "no http": b"SSH-2.0-x\r\n\r\n",
    "no framing": ok(b"", b"hello"),
    "no framing of a 404": ok(b"", b"hello", b"404 N"),
    "a length of nothing": ok(b"Content-Length:\r\n"),
    "a length with a sign": ok(b"Content-Length: +5\r\n", b"hello"),
    "a length below nothing": ok(b"Content-Length: -5\r\n", b"hello"),
    "a length with a line below": ok(b"Content-Length: 0_5\r\n", b"hello"),
    "a length of base sixteen": ok(b"Content-Length: 0x5\r\n", b"hello"),
    "a length with a point": ok(b"Content-Length: 5.0\r\n", b"hello"),
    "a length in other digits": ok("Content-Length: ²\r\n".encode("latin-1"), b"he"),
    "a list of lengths": ok(b"Content-Length: 5, 5\r\n", b"hello"),
    "a length of many digits": ok(b"Content-Length: " + b"9" * 5000 + b"\r\n", b"hello"),
    "two lengths": ok(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello"),
    "a length and chunks": ok(b"Content-Length: 5\r\n" + CHUNKED, chunks(b"hello")),
    "chunks and a length": ok(CHUNKED + b"Content-Length: 5\r\n", chunks(b"hello")),
    "twice chunked": ok(CHUNKED * 2, chunks(b"hello")),
    "packed for the way": ok(b"Transfer-Encoding: gzip, chunked\r\n", chunks(b"hello")),
    "as it is": ok(b"Transfer-Encoding: identity\r\n", b"hello"),
    "chunked and a blank": ok(b"Transfer-Encoding: chunked \r\n", chunks(b"hello")),
    "two media": ok(b"Content-Type: a/b\r\nContent-Type: a/c\r\nContent-Length: 0\r\n"),
    "two etags": ok(b'ETag: "a"\r\nETag: "b"\r\nContent-Length: 0\r\n'),
    "two codings": ok(b"Content-Encoding: gzip\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n"),
    "two places": ok(b"Location: /a\r\nLocation: /b\r\n", status=b"301 Moved"),
    "a folded line": ok(b"A: b\r\n c\r\nContent-Length: 0\r\n"),
    "a folded line first": ok(b" A: b\r\nContent-Length: 0\r\n"),
    "a name and a blank": ok(b"Content-Length : 0\r\n"),
    "a name of blanks": ok(b" : 0\r\nContent-Length: 0\r\n"),
    "no name": ok(b": x\r\nContent-Length: 0\r\n"),
    "no colon": ok(b"hello\r\nContent-Length: 0\r\n"),
    "a name of no letters": ok(b"\xe9: x\r\nContent-Length: 0\r\n"),
    "NUL in a value": ok(b"A: b\0c\r\nContent-Length: 0\r\n"),
    "NUL in a name": ok(b"A\0: b\r\nContent-Length: 0\r\n"),
    "NUL in the first line": ok(b"Content-Length: 0\r\n", status=b"200 \0"),
    "CR in a value": ok(b"A: b\rc\r\nContent-Length: 0\r\n"),
    "CR in the first line": ok(b"Content-Length: 0\r\n", status=b"200 O\rK"),
    "LF in a value": ok(b"A: b\nc: d\r\nContent-Length: 0\r\n"),
    "lines with LF": ok(b"Content-Length: 5\r\n", b"hello").replace(b"\r\n", b"\n"),
    "an end with LF": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n",
    "a line with LF": b"HTTP/1.1 200 OK\nContent-Le",
    "too many headers": ok(b"a: b\r\n" * 99 + b"Content-Length: 0\r\n"),
    "a head without end": b"HTTP/1.1 200 OK\r\na: " + b"b" * 65536,
    "too long a head": ok(b"a: " + b"b" * 65536 + b"\r\nContent-Length: 0\r\n"),
    "more than there is": ok(b"Content-Length: 5\r\n", b"hello!"),
    "an empty line after a length": ok(b"Content-Length: 5\r\n", b"hello\r\n"),
    "an empty line after a 304": ok(b"", b"\r\n", b"304 N"),
    "two answers": ok(b"Content-Length: 0\r\n") * 2,
    "a 304 with a body": ok(b"Content-Length: 5\r\n", b"hello", b"304 N"),
    "more than the chunks": ok(CHUNKED, chunks(b"hello") + b"!"),
    "a trailer": ok(CHUNKED, b"5\r\nhello\r\n0\r\nA: b\r\n\r\n"),
    "chunks that end with LF": ok(CHUNKED, b"5\r\nhello\r\n0\r\n\n"),
    "chunks with LF": ok(CHUNKED, b"5\nhello\n0\n\n"),
    "a chunk longer than it says": ok(CHUNKED, b"5\r\nhello!\r\n0\r\n\r\n"),
    "a chunk shorter than it says": ok(CHUNKED, b"5\r\nhell\r\n0\r\n\r\n"),
    "a chunk of no size": ok(CHUNKED, b"\r\nhello\r\n0\r\n\r\n"),
    "a chunk that says only more": ok(CHUNKED, b";a=b\r\nhello\r\n0\r\n\r\n"),
    "a chunk of a size with a sign": ok(CHUNKED, b"+5\r\nhello\r\n0\r\n\r\n"),
    "a chunk below nothing": ok(CHUNKED, b"-5\r\nhello\r\n0\r\n\r\n"),
    "a chunk of base sixteen, said": ok(CHUNKED, b"0x5\r\nhello\r\n0\r\n\r\n"),
    "a chunk with a line below": ok(CHUNKED, b"0_5\r\nhello\r\n0\r\n\r\n"),
    "a chunk with a blank first": ok(CHUNKED, b" 5\r\nhello\r\n0\r\n\r\n"),
    "a chunk of many digits": ok(CHUNKED, b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    "a chunk and blanks": ok(CHUNKED, chunks(b"hello", size=b"%x \t")),
    "a chunk and a blank that say more": ok(CHUNKED, chunks(b"hello", size=b"%x ;a=b")),
    "CR in the line of a chunk": ok(CHUNKED, b"5;\r\r\nhello\r\n0\r\n\r\n"),
    "a chunk that says too much": ok(CHUNKED, b"5;" + b"a" * 70_000),
}  # fmt: skip


@pytest.mark.parametrize("sent", ODD.values(), ids=ODD)
def test_what_is_left_to_others(sent: bytes) -> None:
    with pytest.raises(UnsupportedResponse):
        fed([sent])


@pytest.mark.parametrize(
    "sent",
    [
        ok(b"Content-Length: 1001\r\n"),
        ok(b"Content-Length: 999999999999999999\r\n"),
        ok(b"Content-Length: 1001\r\n", status=b"404 Not Found"),
        ok(CHUNKED, b"3e9\r\n" + b"x" * 1001),
        ok(CHUNKED, b"ffffffff\r\n" + b"x" * 1001),
        ok(CHUNKED, chunks(b"x" * 999, b"xx")),
    ],
)
def test_what_is_too_large_is_left_as_soon_as_it_is_known(sent: bytes) -> None:
    with pytest.raises(BodyTooLarge):
        fed([sent])


@pytest.mark.parametrize("status", [b"301 Moved", b"403 No", b"429 Slow", b"500 Oops", b"204 None"])
@pytest.mark.parametrize(
    "framing", [b"", b"Content-Length: 99999\r\n", CHUNKED, CHUNKED[:-2] + b"x\r\n"]
)
def test_of_what_is_no_answer_only_the_head_is_read(status: bytes, framing: bytes) -> None:
    reply, _ = fed([ok(b"Retry-After: 9\r\n" + framing, b"zz\r\n", status)])
    assert reply is not None
    assert (reply.status, reply.reason) == (int(status[:3]), status[4:].decode())
    assert (reply.headers["retry-after"], reply.body, reply.keep) == ("9", b"", False)


@pytest.mark.parametrize(
    ("headers", "keep"),
    [
        (b"Connection: close\r\n", False),
        (b"connection: Keep-Alive, CLOSE\r\n", False),
        (b"Connection: keep-alive\r\nConnection: close\r\n", False),
        (b"Connection: keep-alive\r\n", True),
        (b"", True),
    ],
)
def test_whether_more_may_be_asked_over_the_connection(headers: bytes, keep: bool) -> None:
    for sent in (ok(headers + b"Content-Length: 1\r\n", b"x"), ok(headers, status=b"304 N")):
        reply, _ = fed([sent])
        assert reply is not None and reply.keep is keep


def test_nothing_more_is_asked_after_a_304_that_speaks_of_a_body() -> None:
    reply, _ = fed([ok(CHUNKED, status=b"304 Not Modified")])
    assert reply is not None and (reply.body, reply.keep) == (b"", False)


def test_headers_are_given_as_they_came() -> None:
    sent = ok(
        b'ETag:  W/"\xe9 "\t\r\nX-A:\r\nVary: a\r\nx-a: b\r\nVARY: c\r\nContent-Length: 0\r\n'
    )
    reply, _ = fed([sent])
    assert reply is not None
    wanted = {"etag": 'W/"é "\t', "x-a": ", b", "vary": "a, c", "content-length": "0"}
    assert dict(reply.headers) == wanted == ByHttpClient(sent).headers


def test_a_reader_knows_whether_anything_has_come() -> None:
    reader = ResponseParser(LIMIT)
    assert not reader.begun
    assert reader.feed(b"H") is None
    assert reader.begun


class ByHttpClient:
    """What http.client makes of the same bytes, interim responses skipped."""

    def __init__(self, data: bytes) -> None:
        stream = _Stream(data)
        response = FinalResponse(_Socket(stream), method="GET")  # type: ignore[arg-type]
        response.begin()
        self.status, self.reason = response.status, response.reason
        self.headers = {
            name.lower(): ", ".join(response.headers.get_all(name, [])) for name in response.headers
        }
        # Other bodies do not count. A 304 lacks one, but http.client reads it in chunks.
        self.body = response.read() if self.status in (200, 404) else b""
        self.starved = stream.starved
        self.left = stream.getvalue()[stream.tell() :]


class _Socket:
    def __init__(self, stream: io.BytesIO) -> None:
        self._stream = stream

    def gettimeout(self) -> None:
        return None

    def makefile(self, mode: str) -> io.BytesIO:
        return self._stream


class _Stream(io.BytesIO):
    """Stays open to be looked at, and knows whether more was wanted than there was."""

    starved = False

    def close(self) -> None:
        """Stay."""

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.starved |= size is None or size < 0 or len(data) < size
        return data

    def readline(self, size: int | None = -1, /) -> bytes:
        data = super().readline(size)
        self.starved |= not data.endswith(b"\n")
        return data


BODIES = st.binary(max_size=60) | st.sampled_from([b"", b"\r\n", b"0\r\n\r\n", b"5\r\nhello\r\n"])
VALUES = st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=9)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["X-A", "x-a", "Vary", "Server", "Connection", "Retry-After"]), VALUES
    ),
    max_size=4,
)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """Return the bytes of an answer that is as it ought to be."""
    interim = draw(st.sampled_from([b"", b"", b"", CONTINUE, HINT, HINT + CONTINUE]))
    status = draw(st.sampled_from([200, 200, 200, 304, 404, 301, 429, 500]))
    reason = draw(st.sampled_from(["", " ", " OK", " Not Found", " \xe9 x"]))
    lines = [
        f"{name}:{draw(st.sampled_from(['', ' ', '  ']))}{value}" for name, value in draw(HEADERS)
    ]
    etag = draw(st.none() | VALUES)
    if etag is not None:
        lines.append(f"ETag: {etag}")
    bodies = draw(st.lists(BODIES, max_size=4)) if status != 304 else []
    if draw(st.booleans()):
        lines.append(f"Content-Length: {sum(map(len, bodies))}")
        body = b"".join(bodies)
    elif status == 304:
        body = b""
    else:
        lines.append(f"Transfer-Encoding: {draw(st.sampled_from(['chunked', 'Chunked']))}")
        size = draw(st.sampled_from([b"%x", b"%X", b"%03x", b"%x;a=b", b"%x;a;b=c"]))
        body = chunks(*filter(None, bodies), size=size)
    lines = draw(st.permutations(lines))
    head = "\r\n".join([f"HTTP/1.1 {status}{reason}", *lines, "", ""])
    return interim + head.encode("latin-1") + body


def split(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} - {0, len(data)})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


CUTS = st.lists(st.integers(0, 10_000), max_size=12)


@FUZZ
@given(answers(), CUTS)
def test_common_answers_are_read_as_http_client_reads_them(sent: bytes, cuts: list[int]) -> None:
    wanted = ByHttpClient(sent)
    reply, left = fed(split(sent, cuts))
    assert reply is not None
    assert (reply.status, reply.reason.strip()) == (wanted.status, wanted.reason)
    assert reply.headers == wanted.headers
    if reply.status in WITH_BODY:
        assert (reply.body, left) == (wanted.body, b"")
        assert fed([sent[:-1]])[0] is None


PIECES = st.sampled_from([
    b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\n\n", b" ", b"\t", b":", b",", b";", b"\0", b"0", b"1",
    b"a", b"-", b"+", b"_", b"0x", b"\x85", b"\xa0", b"\x1c", b"\x0b", b"\r\n ", b"chunked",
    b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: x\r\n",
    b"HTTP/1.1 200 OK\r\n", b"Connection: close\r\n", b"0\r\n\r\n", b"\n0\n\n", b"5\r\nhello\r\n",
])  # fmt: skip
DAMAGE = st.lists(
    st.tuples(
        st.integers(0, 10_000),
        st.sampled_from([0, 0, 1, 2, 9]),
        PIECES | st.binary(max_size=3) | st.just(b""),
    ),
    min_size=1,
    max_size=4,
)


@FUZZ
@given(answers() | st.binary(max_size=80), DAMAGE, CUTS)
def test_what_is_damaged_is_read_as_http_client_reads_it_or_left_to_it(
    sent: bytes, damage: list[tuple[int, int, bytes]], cuts: list[int]
) -> None:
    for place, gone, come in damage:
        at = place % (len(sent) + 1)
        sent = sent[:at] + come + sent[at + gone :]
    try:
        reply, left = fed(split(sent, cuts))
    except (UnsupportedResponse, BodyTooLarge):
        return
    if reply is None:  # http.client must wait for more as well, or find nothing good in it
        assert waits(sent)
        return
    wanted = ByHttpClient(sent)
    assert (reply.status, reply.headers) == (wanted.status, wanted.headers)
    if reply.status in WITH_BODY:
        # Empty lines after the last chunk are skipped: they cannot be another answer.
        skipped = wanted.left.removesuffix(left).strip(b"\r\n")
        assert (reply.body, skipped) == (wanted.body, b"")
        assert not wanted.starved


def waits(sent: bytes) -> bool:
    try:
        return ByHttpClient(sent).starved
    except HTTPException:
        return True
