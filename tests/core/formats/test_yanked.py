"""The three cases of a yank, in and out of both forms: one table drives them all."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import html5lib
import pytest
from hypothesis import given

from tests.support.builders.random_pages import CALM, reasons
from tests.support.builders.upstream_pages import (
    HTML,
    anchor,
    html_body,
    json_body,
    json_file,
    only_file,
)
from yanksync.core.formats import json_page_writer as json_form
from yanksync.core.formats.html import page_writer as html_page_writer
from yanksync.core.model import File, Page, Yank

pytestmark = pytest.mark.incident(1)

Read = dict[str, str | None]

# value, JSON in, HTML attribute in, JSON out, HTML attribute out
TABLE = {
    "not yanked": (None, False, "", False, ""),
    "no reason": (Yank(), True, "data-yanked", True, ' data-yanked=""'),
    "empty reason": (Yank(""), "", 'data-yanked=""', True, ' data-yanked=""'),
    "false": (Yank("false"), "false", "data-yanked=false", "false", ' data-yanked="false"'),
    "zero": (Yank("0"), "0", 'data-yanked="0"', "0", ' data-yanked="0"'),
    "space": (Yank(" "), " ", 'data-yanked=" "', " ", ' data-yanked=" "'),
    "trailing": (Yank("bad "), "bad ", 'data-yanked="bad "', "bad ", ' data-yanked="bad "'),
    "CR LF": (Yank("\r\n"), "\r\n", "data-yanked='&#13;\n'", "\r\n", ' data-yanked="&#13;\n"'),
    "markup": (
        Yank("<b>\"x\" & 'y'</b>"),
        "<b>\"x\" & 'y'</b>",
        "data-yanked=\"<b>&quot;x&#34; & 'y'</b>\"",
        "<b>\"x\" & 'y'</b>",
        ' data-yanked="&lt;b&gt;&#34;x&#34; &amp; &#39;y&#39;&lt;/b&gt;"',
    ),
    "reference": (
        Yank("&lt;"),
        "&lt;",
        'data-yanked="&amp;lt;"',
        "&lt;",
        ' data-yanked="&amp;lt;"',
    ),
    "RTL, emoji": (
        Yank("\u202eצ \U0001f4a5\u2028"),
        "\u202eצ \U0001f4a5\u2028",
        'data-yanked="\u202eצ \U0001f4a5\u2028"',
        "\u202eצ \U0001f4a5\u2028",
        ' data-yanked="\u202eצ \U0001f4a5\u2028"',
    ),
    "controls": (
        Yank("\x01\x1b\x7f\x85\ufffe"),
        "\x01\x1b\x7f\x85\ufffe",
        'data-yanked="\x01\x1b\x7f\x85\ufffe"',
        "\x01\x1b\x7f\x85\ufffe",
        ' data-yanked="\x01\x1b\x7f\x85\ufffe"',
    ),
}
NUMBERED = pytest.mark.parametrize(
    ("value", "json_in", "html_in", "json_out", "html_out"), TABLE.values(), ids=TABLE
)


def page_with(yank: Yank | None) -> Page:
    file = File(filename="demo-1.zip", url="https://files.example/demo-1.zip", yanked=yank)
    return Page(name="demo", files=(file,))


@NUMBERED
def test_a_yank_is_read_and_written(
    value: Yank | None, json_in: bool | str, html_in: str, json_out: bool | str, html_out: str
) -> None:
    assert only_file(json_body(json_file(yanked=json_in))).yanked == value
    assert only_file(html_body(anchor(html_in)), HTML).yanked == value
    written = json_form.render_page(page_with(value))
    assert json.loads(written)["files"][0]["yanked"] == json_out
    assert type(json.loads(written)["files"][0]["yanked"]) is type(json_out)
    line = f'<a href="https://files.example/demo-1.zip"{html_out}>demo-1.zip</a><br>\n'
    assert line in html_page_writer.render_page(page_with(value)).decode()


class _Attributes(HTMLParser):
    """The standard library's reader, as pip uses it."""

    found: Read

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found = dict(attrs)


def by_html_parser(page: bytes) -> Read:
    parser = _Attributes()
    parser.feed(page.decode())
    parser.close()
    return parser.found


def by_html5lib(page: bytes) -> Read:
    tree = html5lib.parse(page, namespaceHTMLElements=False, transport_encoding="utf-8")
    attributes: Read = dict(tree.find(".//a").items())
    return attributes


@CALM
@given(reasons)
def test_every_reason_reads_back_from_html(reason: str) -> None:
    page = html_page_writer.render_page(page_with(Yank(reason)))
    kept = "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in reason)
    assert by_html_parser(page)["data-yanked"] == kept
    assert by_html5lib(page)["data-yanked"] == kept


@CALM
@given(reasons)
def test_every_reason_reads_back_from_json(reason: str) -> None:
    page = json_form.render_page(page_with(Yank(reason)))
    assert json.loads(page)["files"][0]["yanked"] == (reason or True)
