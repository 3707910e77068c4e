"""Journal rows read from bytes: never other rows than the standard library reads."""

from __future__ import annotations

import sys
import xmlrpc.client
from collections.abc import Callable
from typing import Any
from xml.parsers.expat import ExpatError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders.upstream_pages import CALM
from yanksync.core.errors import YanksyncError
from yanksync.core.model import JournalEntry
from yanksync.upstream.xmlrpc_journal import PAGE, decode_entries
from yanksync.upstream.xmlrpc_rows import JournalRow, parse_rows

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.none()
INTS = st.integers(-(2**31), 2**31 - 1)
ROWS = st.lists(st.tuples(TEXTS, TEXTS, INTS, TEXTS, INTS).map(list), max_size=6)
NOT_USUAL = {*map(chr, range(32)), "\ufffe", "\uffff"} - {"\t", "\n"}


def written(value: object) -> bytes:
    return xmlrpc.client.dumps((value,), methodresponse=True, allow_none=True).encode()  # type: ignore[arg-type]


def reference(body: bytes) -> list[JournalRow] | None:
    """Return the rows that the standard library reads in ``body``, None if there are none."""
    try:
        value: Any = xmlrpc.client.loads(body)[0][0]
        return [taken(*row) for row in value]
    except (ExpatError, LookupError, TypeError, ValueError, xmlrpc.client.Error):
        return None


def taken(name: Any, version: Any, timestamp: Any, action: Any, serial: Any) -> JournalRow:
    if not all(isinstance(text, str | None) for text in (name, version, action)):
        raise TypeError
    if type(timestamp) is not int or type(serial) is not int:
        raise TypeError
    return name, version, timestamp, action, serial


@CALM
@given(ROWS)
def test_what_the_standard_library_writes(rows: list[list[Any]]) -> None:
    body = written(rows)
    read = parse_rows(body, PAGE)
    texts = "".join(text for row in rows for text in row if isinstance(text, str))
    if NOT_USUAL.isdisjoint(texts):
        assert read == reference(body) == [taken(*row) for row in rows]
    else:
        assert read is None


BODY = written(
    [
        ["demo", None, 1, "create", 2],
        [None, "1.0", 1_700_000_000, "add source file <a & b>\t\n.tar.gz", 3],
        ["Démo", "1!2.0", -5, "yank release", 90],
        ["demo", "3.0", 4, None, 2**31 - 1],
    ]
)
PIECES = [
    *(
        b"<value>",
        b"</value>",
        b"<int>",
        b"</int>",
        b"<nil/>",
        b"<string/>",
        b"<i8>5</i8>",
    ),
    *(
        b"<string>",
        b"</string>",
        b"<array><data>\n",
        b"</data></array>",
        b"<fault>",
        b"<param>",
    ),
    *(
        b"&lt;",
        b"&amp;lt;",
        b"&#60;",
        b"&quot;",
        b"&x;",
        b"&",
        b"<",
        b">",
        b"]]>",
        b"<!-- x -->",
    ),
    *(
        b"<![CDATA[x]]>",
        b"<?x y?>",
        b"<!DOCTYPE x>",
        b"\r\n",
        b"\n",
        b"\x0b",
        b"\x7f",
        b"\xc2\x80",
    ),
    *(
        b"\xff",
        b"\xed\xa0\x80",
        b"\xef\xbf\xbe",
        b"\xef\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\xc0\x80",
    ),
    *(b"9", b"-", b"+1", b" 1", b"1_0", b"2147483648", b"x"),
    written([[None, None, 1, None, 7]])[77:-61],
]
# Where a change leaves the form as it was, or almost: in texts and numbers, and between tags.
PLACES = [at for at in range(len(BODY)) if b">" in BODY[at - 1 : at] or b"<" in BODY[at : at + 1]]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    body = BODY
    for _ in range(draw(st.integers(1, 3))):
        at = min(draw(st.sampled_from(PLACES) | st.integers(0, len(BODY))), len(body))
        gone = draw(st.sampled_from([0, 0, 0, 1, 2, 40]))
        put = draw(st.sampled_from(PIECES) | st.binary(max_size=3) | st.just(b""))
        body = body[:at] + put + body[at + gone :]
    return body


@CALM
@given(damaged())
def test_what_is_read_of_damaged_bytes_is_what_they_say(body: bytes) -> None:
    read = parse_rows(body, PAGE)
    assert read is None or read == reference(body)


@CALM
@given(damaged())
def test_damaged_answers_are_refused_or_read_as_the_standard_library_does(
    body: bytes,
) -> None:
    try:
        told, rows = decode_entries(body, "https://upstream.example/pypi", -(2**31))
    except YanksyncError:
        return
    said = reference(body)
    assert said is not None and told == len(said)
    values = [
        JournalEntry(name or "", version, max(timestamp, 0), action or "", serial)
        for name, version, timestamp, action, serial in said
    ]
    assert rows == tuple(dict.fromkeys(values))


@pytest.mark.parametrize("piece", PIECES, ids=repr)
def test_every_piece_in_every_place(piece: bytes) -> None:
    read = 0
    for at in PLACES:
        body = BODY[:at] + piece + BODY[at:]
        rows = parse_rows(body, PAGE)
        if rows is not None:
            assert rows == reference(body)
            read += 1
    assert read < len(PLACES)


def test_no_more_rows_are_read_than_may_come() -> None:
    rows = parse_rows(written([["demo", None, 1, "create", 2]] * 9) + b"and so on", 3)
    assert rows is not None and len(rows) == 4


def test_an_answer_larger_than_any_journal_is_left_to_the_bounds_of_xml() -> None:
    rows = [["demo", None, 1, "x" * (4 << 20), serial] for serial in range(9)]
    assert parse_rows(written(rows[:7]), PAGE) is not None
    assert parse_rows(written(rows), PAGE) is None


def calls(work: Callable[[], object]) -> int:
    """Return how many calls of functions ``work`` makes."""
    count = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("number", [b"int", b"i8"], ids=["usual", "other"])
def test_twice_as_many_rows_cost_twice_as_much(number: bytes) -> None:
    def cost(rows: int) -> int:
        body = written([[f"demo{n}", "1.0", 5, f"add file {n}", n] for n in range(1, rows + 1)])
        body = body.replace(b"int>", number + b">")
        return calls(lambda: decode_entries(body, "https://upstream.example/pypi", 0))

    assert cost(2000) <= 2 * cost(1000)
