"""The list of projects, written in chunks."""

from __future__ import annotations

from collections.abc import Iterator

import html5lib
import pytest

from yanksync.core.formats.parse import PageRules, parse_list
from yanksync.core.formats.project_list_writer import ProjectListForms, html_rows, json_rows
from yanksync.core.model import ListedProject

JSON = "application/vnd.pypi.simple.v1+json"
ROWS = (ListedProject("foo-bar", "Foo.Bar", 5), ListedProject("zope", "zope"))
MANY = [ListedProject(f"p{n}", f"P{n}", n) for n in range(3000)]


def test_the_json_list_byte_for_byte() -> None:
    assert b"".join(json_rows(ROWS, 9)) == (
        b'{"meta":{"_last-serial":9,"api-version":"1.0"},"projects":['
        b'{"_last-serial":5,"name":"Foo.Bar"},{"name":"zope"}]}'
    )


def test_the_html_list_byte_for_byte() -> None:
    assert b"".join(html_rows(ROWS, 9)) == (
        b'<!DOCTYPE html>\n<html>\n  <head>\n    <meta charset="utf-8">\n'
        b'    <meta name="pypi:repository-version" content="1.0">\n'
        b"    <title>Simple index</title>\n  </head>\n  <body>\n"
        b'<a href="foo-bar/">Foo.Bar</a><br>\n<a href="zope/">zope</a><br>\n'
        b"  </body>\n</html>\n<!--SERIAL 9-->\n"
    )


def test_a_row_may_have_a_revision() -> None:
    rows = (ListedProject("foo-bar", "Foo.Bar", 5, 3), ListedProject("zope", "zope", None, 0))
    body = b"".join(json_rows(rows, 9))
    assert b'{"_last-serial":5,"_revision":3,"name":"Foo.Bar"},{"_revision":0,' in body
    assert tuple(parse_list(body, JSON, PageRules()).projects) == rows


@pytest.mark.parametrize("projects", [(), ROWS, MANY], ids=["none", "few", "many"])
@pytest.mark.parametrize("serial", [None, 0, 9])
def test_both_forms_read_back(projects: list[ListedProject], serial: int | None) -> None:
    rows = tuple(projects)
    page = b"".join(html_rows(rows, serial))
    in_json = parse_list(b"".join(json_rows(rows, serial)), JSON, PageRules())
    assert (in_json.serial, tuple(in_json.projects)) == (serial, rows)
    in_html = parse_list(page, "text/html", PageRules())
    unnumbered = tuple(ListedProject(row.name, row.display) for row in rows)
    assert (in_html.serial, tuple(in_html.projects)) == (serial, unnumbered)
    html5lib.HTMLParser(strict=True).parse(page, transport_encoding="utf-8")


@pytest.mark.parametrize("projects", [(), ROWS, MANY], ids=["none", "few", "many"])
def test_both_forms_of_one_reading_are_those_of_two(projects: list[ListedProject]) -> None:
    readings: list[int] = []

    def rows() -> Iterator[ListedProject]:
        readings.append(len(readings))
        return iter(projects)

    both = ProjectListForms(rows, 9)
    in_json, in_html = b"".join(json_rows(projects, 9)), b"".join(html_rows(projects))
    assert (b"".join(both.json()), b"".join(both.html())) == (in_json, in_html)
    assert len(readings) == 1
    assert b"".join(both.html()) == in_html, "asked for once more"
    next(both.json())  # and left there
    assert (b"".join(both.html()), b"".join(both.json())) == (in_html, in_json)
    next(both.json())  # and left there, behind a whole one
    assert b"".join(both.html()) == in_html
    assert b"".join(ProjectListForms(rows, 9).html()) == in_html, "the first that is asked for"


def test_chunks_are_neither_the_whole_nor_single_rows() -> None:
    for chunks in (list(json_rows(iter(MANY), 9)), list(html_rows(iter(MANY)))):
        assert 3 <= len(chunks) <= 5


def test_a_display_name_cannot_break_out() -> None:
    rows = [ListedProject("x", '"><script>\ud800', 5), ListedProject("z", "Z&", 7)]
    assert (
        b"".join(html_rows(rows)).partition(b"<body>\n")[2]
        == (
            '<a href="x/">&#34;&gt;&lt;script&gt;\ufffd</a><br>\n<a href="z/">Z&amp;</a><br>\n'
            "  </body>\n</html>\n"
        ).encode()
    )
    assert b"".join(json_rows(rows, None)) == (
        b'{"meta":{"api-version":"1.0"},"projects":['
        b'{"_last-serial":5,"name":"\\"><script>\\ud800"},{"_last-serial":7,"name":"Z&"}]}'
    )
