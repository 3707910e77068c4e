"""Valid documents of upstream, damaged: no reader may raise anything but its own error.

``YANKSYNC_FUZZ`` is the number of documents for each reader.
"""

from __future__ import annotations

import json
import os
import xmlrpc.client
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.builders.upstream_pages import (
    DEMO,
    HTML,
    JSON,
    URL,
    anchor,
    html_body,
    json_body,
    json_file,
)
from tests.support.fake_index.index import FakeUpstream
from yanksync.core.errors import InvalidAnswer, YanksyncError
from yanksync.core.formats import json_page_writer as render_json
from yanksync.core.formats.html import page_writer as render_html
from yanksync.core.formats.parse import PageRules, parse_list, parse_page
from yanksync.upstream.xmlrpc_journal import decode_value

FUZZ = settings(
    max_examples=int(os.environ.get("YANKSYNC_FUZZ", "50")),
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def _whole_page() -> bytes:
    """A page of the fake upstream with everything that a page may have."""
    upstream = FakeUpstream()
    for version in ("1.0", "2.0rc1", "1!3.0+local.1"):
        upstream.upload("demo", version, requires_python=">=3.8,<4", core_metadata=True)
    upstream.yank("demo", "1.0", 'broken <b>"x"</b> & co\r\n\u2028')
    upstream.yank("demo", "2.0rc1")
    upstream.archive("demo")
    return json.dumps(upstream.truth("demo"), ensure_ascii=False).encode()


PAGE_JSON = _whole_page()
SMALL_JSON = json_body(json_file(yanked="why", size=5, requires_python=">=3"), name="demo")
PAGE_HTML = html_body(
    anchor('data-yanked="why &amp; &quot;how&quot;" data-requires-python="&gt;=3.8"'),
    anchor('data-yanked data-core-metadata="sha256=ab"', "demo-2.0-py3-none-any.whl"),
    head='<meta name="pypi:project-status" content="archived"><base href="https://x.example/">',
    tail="<!--SERIAL 9-->",
)
LIST_JSON = json.dumps(
    {
        "meta": {"api-version": "1.4", "_last-serial": 9},
        "projects": [{"name": "Foo.Bar", "_last-serial": 9}, {"name": "demo"}],
    }
).encode()
LIST_HTML = b'<!DOCTYPE html><a href="/simple/foo-bar/">Foo.Bar</a><a href="demo/">demo</a>'
ROWS = [["demo", "1.0", 1_700_000_000, "yank release", 5], ["x", None, 1, "create", 6]]

# What a damaged document is made of: pieces with a meaning, and bytes with none.
PIECES = [
    *(b'"', b"{", b"}", b"[", b"]", b",", b":", b"null", b"true", b"false", b"0", b"-1", b"1e999"),
    *(b"\\ud800", b"\\u0000", b"\xff\xfe", b"\xed\xa0\x80", b"NaN", b"9" * 400, b'"": ""'),
    *(b"<", b">", b"</a>", b"<a href=", b"<base href='http://['>", b"<!--", b"-->", b"&#0;"),
    *(b"&#1114112;", b"<meta name=x content=", b"</html>", b"<script>", b"<plaintext>", b"\0"),
    *(b"javascript:x", b"https://u:p@h/", b"//[::1", b"../../", b"%2e%2e%2f", b"%00"),
    *(b"<SERIAL 99999999999999999999>", b'"yanked": ""', b'"files"', b'"versions"', b'"name"'),
]


@st.composite
def damaged(draw: st.DrawFn, *wholes: bytes) -> bytes:
    """A document with pieces cut out, doubled, exchanged and put in."""
    body = draw(st.sampled_from(wholes))
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.integers(start, min(start + 60, len(body))))
        put = draw(
            st.one_of(
                st.just(b""),
                st.sampled_from(PIECES),
                st.binary(max_size=6),
                st.just(body[start:end] * 2),
                st.text(max_size=4).map(lambda text: json.dumps(text).encode()),
            )
        )
        body = body[:start] + put + body[end:]
    return body


def _check_told(problem: YanksyncError, what: str) -> None:
    told = str(problem)
    assert told.startswith(what) and told.isprintable() and len(told) < 1000


def _read_page(body: bytes, content_type: str) -> None:
    """What can be read can be rendered, in both forms, and read again."""
    try:
        page = parse_page(body, content_type, URL, DEMO, PageRules()).page
    except InvalidAnswer as problem:
        _check_told(problem, "project demo: ")
        return
    assert page.name == "demo"
    again = parse_page(render_json.render_page(page), JSON, URL, DEMO, PageRules()).page
    assert {file.filename: file.yanked for file in again.files} == {
        file.filename: file.yanked for file in page.files
    }
    assert render_html.render_page(page).count(b"<a ") == len(page.files)


@FUZZ
@given(damaged(PAGE_JSON, SMALL_JSON))
def test_damaged_json_pages(body: bytes) -> None:
    _read_page(body, JSON)


@FUZZ
@given(damaged(PAGE_HTML), st.sampled_from([HTML, "text/html;charset=latin-1", "text/html"]))
def test_damaged_html_pages(body: bytes, content_type: str) -> None:
    _read_page(body, content_type)


@FUZZ
@given(damaged(LIST_JSON), st.sampled_from([None, "5", "x"]))
def test_damaged_json_lists(body: bytes, header: str | None) -> None:
    _read_list(body, JSON, header)


@FUZZ
@given(damaged(LIST_HTML), st.sampled_from([None, "5"]))
def test_damaged_html_lists(body: bytes, header: str | None) -> None:
    _read_list(body, HTML, header)


def _read_list(body: bytes, content_type: str, header: str | None) -> None:
    try:
        found = parse_list(body, content_type, PageRules(), header)
    except InvalidAnswer as problem:
        _check_told(problem, "the list of projects: ")
        return
    assert all(row.name.isascii() and "/" not in row.name for row in found.projects)


def _journal() -> bytes:
    return xmlrpc.client.dumps((ROWS,), methodresponse=True, allow_none=True).encode()


XML_PIECES = [
    *(b"<value>", b"</value>", b"<int>", b"<nil/>", b"<fault>", b"<struct>", b"<member>", b"<i8>"),
    *(b"<!DOCTYPE x>", b"<?xml version='1.1'?>", b"&lt;", b"&x;", b"<![CDATA[", b"]]>", b"\x01"),
    *(b"<array>", b"<data>", b"<double>nan</double>", b"<base64>!</base64>", b"<dateTime.iso8601>"),
]


@FUZZ
@given(damaged(_journal()), st.lists(st.tuples(st.integers(0, 900), st.sampled_from(XML_PIECES))))
def test_damaged_journals(body: bytes, more: list[tuple[int, bytes]]) -> None:
    for at, piece in more[:3]:
        body = body[:at] + piece + body[at:]
    try:
        decode_value(body, URL)
    except YanksyncError as problem:
        _check_told(problem, "")


@pytest.mark.parametrize(
    "whole",
    [
        lambda: parse_page(PAGE_JSON, JSON, URL, DEMO, PageRules()).page.files,
        lambda: parse_page(SMALL_JSON, JSON, URL, DEMO, PageRules()).page.files,
        lambda: parse_page(PAGE_HTML, HTML, URL, DEMO, PageRules()).page.files,
        lambda: parse_list(LIST_JSON, JSON, PageRules()).projects,
        lambda: parse_list(LIST_HTML, HTML, PageRules()).projects,
        lambda: decode_value(_journal(), URL),
    ],
)
def test_undamaged_they_are_read(whole: Callable[[], object]) -> None:
    assert whole()
