"""Reading the list of projects."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders.upstream_pages import CALM, HTML, JSON
from yanksync.core.errors import InvalidAnswer
from yanksync.core.formats.parse import PageRules, parse_list
from yanksync.core.model import ListedProject, ProjectList


def as_json(*projects: Any, **meta: Any) -> bytes:
    meta = {key.replace("_last_", "_last-"): value for key, value in meta.items()}
    return json.dumps({"meta": {"api-version": "1.4", **meta}, "projects": projects}).encode()


def row(name: str, serial: Any = None) -> dict[str, Any]:
    return {"name": name, "_last-serial": serial}


def names(got: ProjectList) -> list[str]:
    return [project.name for project in got.projects]


def read(body: bytes, content_type: str = JSON, header: str | None = None) -> ProjectList:
    return parse_list(body, content_type, PageRules(max_projects=3), header)


def test_rows_are_normalised_and_keep_their_spelling() -> None:
    got = read(as_json(row("Foo.Bar", 5), row("zope", "7"), _last_serial="9"))
    assert (got.serial, got.has_serials) == (9, True)
    assert [*got.projects] == [
        ListedProject("foo-bar", "Foo.Bar", 5),
        ListedProject("zope", "zope", 7),
    ]


@pytest.mark.parametrize(
    "name", ["", "-a", "a/b", "..", "\u212a", "a" * 201, "a\n", "\ud800", "a b"]
)
def test_invalid_names_are_skipped(name: str) -> None:
    got = read(as_json(row("good"), row(name)))
    assert names(got) == ["good"]


def test_a_byte_order_mark_is_ignored() -> None:
    for body in (as_json(row("good")), as_json(row("good"), x="\ud800")):
        assert names(read(b"\xef\xbb\xbf" + body)) == names(read(body)) == ["good"]


def test_spellings_of_one_name_are_all_there() -> None:
    got = read(as_json(row("A-b", 5), row("a.B", 9), row("a_b")))
    assert [(one.name, one.display, one.serial) for one in got.projects] == [
        ("a-b", "A-b", 5),
        ("a-b", "a.B", 9),
        ("a-b", "a_b", None),
    ]
    assert not got.has_serials


@pytest.mark.parametrize(("meta", "serial"), [({}, 4), ({"_last_serial": 9}, 9)])
def test_the_header_stands_in_for_a_missing_serial(meta: dict[str, Any], serial: int) -> None:
    assert read(as_json(**meta), header="4").serial == serial


REFUSED = {
    "no projects": (b'{"meta":{}}', JSON),
    "no meta": (b'{"projects":[]}', JSON),
    "version 2": (b'{"meta":{"api-version":"2.0"},"projects":[]}', JSON),
    "bool": (as_json(_last_serial=True), JSON),
    "row": (as_json(row("a", -1)), JSON),
    "no name": (as_json({}), JSON),
    "too many": (as_json(*map(row, "abcd")), JSON),
    "nothing": (b"", JSON),
    "nothing, in HTML": (b"", HTML),
    "error page": (b"<h1>Maintenance</h1>", HTML),
    "error page with a link": (b'<a href="https://status.example/x/">status</a>', HTML),
    "no JSON of the API": (as_json(), "application/json"),
}


@pytest.mark.parametrize(("body", "content_type"), REFUSED.values(), ids=REFUSED)
def test_a_list_that_breaks_a_rule_is_refused(body: bytes, content_type: str) -> None:
    with pytest.raises(InvalidAnswer) as caught:
        read(body, content_type)
    assert caught.value.where == "the list of projects"


@pytest.mark.parametrize(
    "href",
    [
        "/simple/foo-bar/",
        "foo-bar/",
        "foo-bar",
        "Foo.Bar/",
        "https://upstream.example/simple/foo-bar/?x#y",
        "foo%2Dbar/",
    ],
)
def test_html_rows_are_read(href: str) -> None:
    got = read(f'<a href="{href}">Foo.Bar</a><!--SERIAL 8-->'.encode(), HTML)
    assert (got.serial, [*got.projects]) == (8, [ListedProject("foo-bar", "Foo.Bar")])


@pytest.mark.parametrize("href", ["/help/", "", "http://[::1/foo/", "/simple/foo/extra/"])
def test_links_to_something_else_are_skipped(href: str) -> None:
    got = read(f'<a href="{href}">foo</a><a href="bar/">bar</a>'.encode(), HTML)
    assert (got.serial, names(got), got.empty) == (None, ["bar"], False)


def test_an_empty_list_says_that_it_is_one() -> None:
    body = b'<meta name="pypi:repository-version" content="1.0"><a href="/help/">?</a>'
    assert read(body, HTML).empty


@CALM
@given(st.binary(), st.sampled_from([JSON, HTML]))
def test_no_bytes_raise_anything_else(body: bytes, content_type: str) -> None:
    what = "the list of projects"
    try:
        read(b"<a href=x>" + body if content_type is HTML else body, content_type)
    except InvalidAnswer as problem:
        what = problem.where
    assert what == "the list of projects"
