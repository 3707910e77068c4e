"""Reading HTML pages."""

from __future__ import annotations

import re
from itertools import permutations
from typing import Any

import html5lib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders.upstream_pages import (
    CALM,
    DEMO,
    HEX,
    HTML,
    NAME,
    URL,
    anchor,
    html_body,
    only_file,
    page_of,
    read,
)
from yanksync.core.errors import InvalidAnswer
from yanksync.core.formats.parse import PageRules, ParsedPage, parse_page
from yanksync.core.model import Page, Yank
from yanksync.core.names import NormalizedName

TIME = "2026-11-06T17:37:01.5Z"

REFUSED = {
    "empty": (b"", HTML, "empty"),
    "blank": (b" \n", HTML, "empty"),
    "error page": (b"<html><h1>Maintenance</h1></html>", HTML, "looks like 'Maintenance'"),
    "major": (html_body(head="").replace(b"1.0", b"2.0"), HTML, "2.0 is not supported"),
    "form": (html_body(head="").replace(b"1.0", b"1"), HTML, "Major.Minor"),
    "files": (html_body(*(anchor("", f"demo-{n}.zip") for n in "123")), HTML, "more than 2"),
    "reason": (html_body(anchor(f'data-yanked="{"x" * 101}"')), HTML, "longer than 100"),
    "python": (html_body(anchor(f'data-requires-python="{"x" * 101}"')), HTML, "longer"),
    "status": (
        html_body(head=f'<meta name="pypi:project-status" content="{"x" * 101}">'),
        HTML,
        "longer than 100",
    ),
    "status reason": (
        html_body(head=f'<meta name="pypi:project-status-reason" content="{"x" * 101}">'),
        HTML,
        "longer than 100",
    ),
    "charset unknown": (html_body(), "text/html; charset=klingon", "charset"),
    "charset no text": (html_body(), "text/html; charset=hex", "charset"),
    "charset wrong": (html_body() + b"\xff", HTML, "charset"),
    "all unfit": (html_body(anchor(href=f"javascript:/{NAME}")), HTML, "none of its"),
}


@pytest.mark.parametrize(("body", "content_type", "why"), REFUSED.values(), ids=REFUSED)
def test_a_page_that_breaks_a_rule_is_refused(body: bytes, content_type: str, why: str) -> None:
    with pytest.raises(InvalidAnswer, match=why):
        read(body, content_type, max_files=2, max_string=100)


FIELDS: dict[str, tuple[str, str, Any]] = {
    "name": (anchor(), "filename", NAME),
    "white space": (f'<a href=" {NAME} ">\n {NAME} </a>', "filename", NAME),
    "nested": (f'<a href="{NAME}"><b>demo</b>-1.0.tar.gz</a>', "filename", NAME),
    "text behind it": (f"{anchor()} 2026-11-06 17:37 <b>1.2M</b>", "filename", NAME),
    "not closed": (f'<a href="{NAME}">{NAME}', "filename", NAME),
    "relative": (anchor(href=f"../../f/{NAME}"), "url", f"https://upstream.example/f/{NAME}"),
    "sha256": (anchor(href=f"{NAME}#sha256={HEX}"), "hashes", (("sha256", HEX),)),
    "not in the URL": (anchor(href=f"{NAME}#sha256={HEX}"), "url", f"{URL}{NAME}"),
    "unknown": (anchor(href=f"{NAME}#egg=demo"), "hashes", ()),
    "second": (anchor(href=f"{NAME}#egg=x&md5={HEX[:32]}"), "hashes", (("md5", HEX[:32]),)),
    "once": (
        anchor('data-requires-python="&gt;=3 &amp;lt;4"'),
        "requires_python",
        ">=3 &lt;4",
    ),
    "empty": (anchor('data-requires-python=""'), "requires_python", None),
    "yanked: false": (anchor('data-yanked="false"'), "yanked", Yank("false")),
    "bare": (anchor("data-yanked"), "yanked", Yank("")),
    "true": (anchor('data-core-metadata="true"'), "core_metadata", True),
    "TRUE": (anchor('data-core-metadata="TRUE"'), "core_metadata", True),
    "core-metadata: false": (anchor('data-core-metadata="false"'), "core_metadata", False),
    "False": (anchor('data-core-metadata="False"'), "core_metadata", False),
    "hash": (
        anchor(f'data-core-metadata="sha256={HEX}"'),
        "core_metadata",
        (("sha256", HEX),),
    ),
    "old": (anchor('data-dist-info-metadata="true"'), "core_metadata", True),
    "both": (
        anchor('data-dist-info-metadata="true" data-core-metadata="false"'),
        "core_metadata",
        False,
    ),
    "signed": (anchor('data-gpg-sig="true"'), "gpg_sig", True),
    "unsigned": (anchor('data-gpg-sig="false"'), "gpg_sig", False),
    "unclear": (anchor('data-gpg-sig="no"'), "gpg_sig", None),
    "provenance": (
        anchor('data-provenance="https://u.example/p"'),
        "provenance",
        "https://u.example/p",
    ),
    "case": (f'<A HREF="{NAME}" DATA-YANKED="x">{NAME}</A>', "yanked", Yank("x")),
    "repeated": (anchor('data-yanked="x" data-yanked="y"'), "yanked", Yank("x")),
    "size": (anchor(), "size", None),
    "no HTML form: time": (anchor(), "upload_time", None),
    "upload-time: time": (anchor(f'data-upload-time="{TIME}"'), "upload_time", TIME),
    "no time": (anchor('data-upload-time="yesterday"'), "upload_time", None),
    "empty time": (anchor("data-upload-time"), "upload_time", None),
}


@pytest.mark.parametrize(("line", "name", "value"), FIELDS.values(), ids=FIELDS)
def test_a_field_is_read_as(line: str, name: str, value: Any) -> None:
    parsed = read(html_body(line), HTML)
    assert getattr(parsed.page.files[0], name) == value
    assert parsed.warnings == ()
    assert not parsed.is_json


@pytest.mark.parametrize(
    "written",
    [
        *("&#150;", "&#x80", "&#xD800;", "&#0;", "&#x110000;", "&#xFDD0;", "&#13;", "&#38;lt;"),
        *("&amp", "&lt b", "&ltb", "&copy=1", "&notit;", "&notin;", "&hellip;", "&NewLine;"),
        *(
            "&nGt;",
            "&unknown;",
            "&amp;amp;",
            "a\r\nb",
            "a\rb",
            "\0",
            "\x85\ufffe",
            "<!--x-->",
            "<>",
        ),
    ],
)
def test_a_reason_is_read_as_html5_wants_it(written: str) -> None:
    body = html_body(anchor(f'data-yanked="{written}"'))
    tree = html5lib.parse(body, namespaceHTMLElements=False, transport_encoding="utf-8")
    assert only_file(body, HTML).yanked == Yank(tree.find(".//a").get("data-yanked"))


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param('data-core-metadata=""', id="empty"),
        pytest.param('data-core-metadata="sha256=x"', id="no hex"),
        pytest.param('data-provenance="/p"', id="relative"),
    ],
)
def test_a_claim_that_cannot_hold_is_dropped_with_a_note(attributes: str) -> None:
    parsed = read(html_body(anchor(attributes)), HTML)
    file = parsed.page.files[0]
    assert (file.core_metadata, file.provenance) == (None, None)
    assert "not passed on" in parsed.warnings[0]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(anchor("", "x.whl", "https://files.example/get?file=1"), id="no name"),
        pytest.param(anchor("", "x.whl", "https://files.example/?/x.whl"), id="in the query"),
        pytest.param(anchor("", "x.whl", "https://files.example/x.whl/"), id="a directory"),
        pytest.param(anchor("", "x.whl", "https://x.whl"), id="a host"),
        pytest.param(anchor("", "file", "https://files.example/a%2Fx.whl")),
        pytest.param(anchor("", ".x.whl"), id="hidden"),
        pytest.param(anchor("", "-x.whl"), id="option"),
        pytest.param(anchor("", "index.zip"), id="index"),
        pytest.param(anchor("", "x" * 252 + ".whl"), id="long"),
        pytest.param(anchor("", "x.whl", "javascript:x.whl")),
        pytest.param(anchor("", "x.whl", "x.whl#sha256=zz")),
        pytest.param(anchor("", "x.whl", "x" * 495 + "/x.whl")),
        pytest.param(anchor(f'data-requires-python="{"x" * 501}"', "x.whl"), id="python"),
        pytest.param(anchor(f'data-yanked="{"x" * 501}"', "x.whl"), id="reason"),
    ],
)
def test_an_unfit_file_is_left_out_with_a_note(line: str) -> None:
    parsed = read(html_body(anchor(), line), HTML, max_string=500)
    assert [file.filename for file in parsed.page.files] == [NAME]
    (note,) = parsed.warnings
    assert re.match(r"file '(.?x|index|a/x|javascript:x).*' left out: ", note)


EXTENSIONS = [
    *(".whl", ".egg", ".zip", ".exe", ".msi", ".rpm", ".deb", ".dmg", ".tar", ".tgz", ".tbz"),
    *(".tar.gz", ".tar.bz2", ".tar.xz", ".tar.Z", ".tar.zst", ".ZIP"),
]


@pytest.mark.rule("R7")
@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_link_to_a_distribution_makes_a_project_page(extension: str) -> None:
    body = f'<a href="demo-1.0{extension}">x</a><a href="/help/">help</a>'.encode()
    assert [file.filename for file in page_of(body, HTML).files] == [f"demo-1.0{extension}"]


NAVIGATION = [
    *("/about", "/simple/", "/r/i/demo/1.0", "README.txt", "?C=N;O=D", "https://status.zip", "#x"),
    *("demo-1.0.zip.asc", "demo-1.0.whl.metadata", "index.html", "mailto:a@upstream.example", "."),
    *("https://upstream.example/login?next=/demo-1.0.zip", "javascript:void(0)", "//[::1", "zip"),
]


@pytest.mark.parametrize("link", NAVIGATION)
def test_links_to_no_distribution_are_no_files(link: str) -> None:
    text = link.rpartition("/")[2] if "zip" not in link else "here"
    parsed = read(html_body(anchor(), f'<a href="{link}">{text}</a>'), HTML)
    assert [file.filename for file in parsed.page.files] == [NAME]
    assert parsed.warnings == ()
    with pytest.raises(InvalidAnswer, match="no project page"):
        read(f'<a href="{link}">{text}</a>'.encode(), HTML)


NO_PAGES = {
    "maintenance": ('<h1>Soon</h1><a href="https://status.example/">status</a>', "'Soon'"),
    "moved": ('<meta http-equiv="Refresh" content="0; url=/x"><title>demo</title>', "a redirect"),
    "file browser": ("<title>Index of /simple/demo/</title><script>list()</script>", "a script"),
    "log in": ('<title>demo</title><a href="/login">log in</a>', "links to '/login'"),
    "another project": ("<h1>Links for demo2</h1>", "'Links for demo2'"),
    "part of a name": ("<h1>Links for my-demo and demo.x</h1>", "'Links for my-demo"),
    "no title": ("<p>demo</p>", "no title"),
    "title in a comment": ("<!-- <title>demo</title> -->", "no title"),
    "not closed": ("<h1><h2>Sorry", "'Sorry'"),
    "control characters": ("<title>\x1b[2J\u202e</title>", "'\\x1b[2J"),
}


@pytest.mark.rule("R7")
@pytest.mark.parametrize(("body", "looks"), NO_PAGES.values(), ids=NO_PAGES)
def test_a_page_that_only_looks_empty_is_refused(body: str, looks: str) -> None:
    with pytest.raises(InvalidAnswer, match="no project page") as caught:
        read(body.encode(), HTML)
    assert looks in caught.value.problem and caught.value.problem.isprintable()


EMPTY_PAGES = {
    "title": "<title>Links for demo</title>",
    "heading": "<title>Simple index</title><h1>Links for <b>Demo</b></h1>",
    "listing": '<h1>Index of /simple/demo/</h1><a href="?C=N">Name</a><a href="../">../</a>',
    "parent": '<h2>demo</h2><a href="/simple/">up</a><a href="#top">top</a>',
    "not closed": "<h3>root/pypi: links for demo.",
    "meta": '<meta name="pypi:repository-version" content="1.0"><a href="/help">help</a>',
}


@pytest.mark.rule("R7")
@pytest.mark.parametrize("body", EMPTY_PAGES.values(), ids=EMPTY_PAGES)
def test_an_empty_page_that_names_the_project_is_one(body: str) -> None:
    assert read(body.encode(), HTML) == ParsedPage(Page(name="demo"), (), is_json=False)


@pytest.mark.rule("R7")
@pytest.mark.parametrize("title", ["Foo.Bar", "foo_bar", "FOO-bar:", "Links for foo--bar"])
def test_any_spelling_of_the_name_will_do(title: str) -> None:
    body = f"<title>{title}</title>".encode()
    assert parse_page(body, HTML, URL, NormalizedName("foo-bar"), PageRules()).page.files == ()


def test_a_file_is_named_by_its_url() -> None:
    long = "demo-1.0-cp312-cp312-manylinux_2_28_x86_64.whl"
    lines = (f'<a href="{long}">demo-1.0-cp312-cp3..&gt;</a>', anchor("", "demo-2.0.zip"))
    parsed = read(html_body(*lines, '<a href="d%20%2B.zip"><img></a>'), HTML)
    assert [file.filename for file in parsed.page.files] == [long, "demo-2.0.zip", "d +.zip"]
    assert parsed.page.files[2].url == f"{URL}d%20%2B.zip"
    assert f"2 files have another name than the text of their link: '{long}', 'd +.zip'" in (
        parsed.warnings
    )


TWINS = {
    "two addresses": (("a/", HEX, ""), ("b/", HEX, ""), HEX, None),
    "hash once": (("a/", "", ""), ("b/", HEX, ""), HEX, None),
    "hash once, first": (("a/", HEX, ""), ("b/", "", ""), HEX, None),
    "mark once": (("a/", HEX, ""), ("b/", HEX, "data-yanked=bad"), HEX, Yank("bad")),
    "mark once, first": (("a/", "", "data-yanked"), ("b/", HEX, ""), HEX, Yank("")),
    "a mark and another": (
        ("a/", HEX, "data-yanked=one"),
        ("b/", HEX, "data-yanked=two"),
        HEX,
        Yank("one"),
    ),
}


@pytest.mark.parametrize(("one", "two", "wanted", "yanked"), TWINS.values(), ids=TWINS)
def test_a_file_that_is_listed_twice_is_one_file(
    one: tuple[str, str, str], two: tuple[str, str, str], wanted: str, yanked: Yank | None
) -> None:
    lines = [
        anchor(attributes, NAME, f"{place}{NAME}{digest and '#sha256=' + digest}")
        for place, digest, attributes in (one, two)
    ]
    parsed = read(html_body(*lines), HTML)
    (file,) = parsed.page.files
    assert (file.url, file.hashes) == (f"{URL}a/{NAME}", (("sha256", wanted),))
    assert (file.yanked, parsed.warnings) == (yanked, ())


def test_a_file_with_two_hashes_is_left_out_and_nothing_else() -> None:
    other = anchor("data-yanked", "demo-2.0.zip")
    lines = [anchor("", NAME, f"{NAME}#sha256={digit * 64}") for digit in "ab"]
    for order in permutations([*lines, anchor("", NAME, NAME), other]):
        parsed = read(html_body(*order), HTML)
        assert [file.filename for file in parsed.page.files] == ["demo-2.0.zip"]
        assert parsed.warnings == (
            f"file '{NAME}' left out: it is listed with two different hashes",
        )
    with pytest.raises(InvalidAnswer, match=f"none of its files is fit.*'{NAME}'.*two different"):
        read(html_body(*lines), HTML)


def test_a_url_may_be_as_long_as_the_limit() -> None:
    link = f"{'x' * (499 - len(NAME))}/{NAME}"
    assert only_file(html_body(anchor(href=link)), HTML, max_string=500).url == f"{URL}{link}"


def test_anchors_that_mean_no_file_are_passed_over() -> None:
    others = ('<a name="top">top</a>', '<a href="../">up</a>', '<a href="#end">end</a>')
    parsed = read(html_body(*others), HTML)
    assert parsed == type(parsed)(Page(name="demo"), (), is_json=False)


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ('<base href="/f/">', f"https://upstream.example/f/{NAME}"),
        ('<base href="\n https://f.example/x/ ">', f"https://f.example/x/{NAME}"),
        ('<base href="https://f.example/x/">', f"https://f.example/x/{NAME}"),
        ('<base target="x"><base href="a/"><base href="b/">', f"{URL}a/{NAME}"),
        ('<base href="//me:pw@f.example/">', f"https://f.example/{NAME}"),
    ],
)
def test_the_first_base_counts(base: str, url: str) -> None:
    assert only_file(html_body(anchor(href=NAME), head=base), HTML).url == url


def test_status_and_reason_come_from_metas() -> None:
    head = (
        '<meta name="pypi:project-status" content="quarantined"><meta name="other">'
        '<meta name="pypi:project-status-reason" content="a &lt;b&gt;">'
    )
    page = page_of(html_body(head=head), HTML)
    assert page.quarantined
    assert page.status_reason == "a <b>"


def test_other_elements_are_neither_metas_nor_bases() -> None:
    others = '<p name="pypi:project-status" content="quarantined"><link href="/f/" rel="x">'
    page = page_of(html_body(others, anchor(href=NAME)), HTML)
    assert (page.status, page.files[0].url) == ("active", f"{URL}{NAME}")


def test_an_empty_status_says_nothing() -> None:
    empty = '<meta name="pypi:project-status" content=""><meta name="pypi:project-status-reason">'
    assert page_of(html_body(head=empty), HTML) == Page(name="demo")


@pytest.mark.parametrize("inside", ["", "<b>", "<span><i>"])
def test_anchors_that_nobody_closed(inside: str) -> None:
    names = ["demo-1.zip", "demo-2.zip", "demo-3.zip"]
    body = html_body("".join(f"<a href={name}>{inside}{name}\n" for name in names))
    assert [file.filename for file in page_of(body, HTML).files] == names


def test_of_repeated_metas_the_first_counts() -> None:
    head = '<meta name="PYPI:Project-Status" content="a"><meta name="pypi:project-status">'
    assert page_of(html_body(head=head), HTML).status == "a"


@pytest.mark.parametrize(
    ("comment", "serial"),
    [
        ("<!--SERIAL 12-->", 12),
        ("<!-- x --><!--SERIAL 12-->\n", 12),
        ("<!--SERIAL x-->", None),
        ("<!--SERIAL -1-->", None),
        ("", None),
    ],
)
def test_the_serial_comment_holds_only_a_number(comment: str, serial: int | None) -> None:
    assert page_of(html_body(tail=comment), HTML).serial == serial


@pytest.mark.parametrize(
    ("comment", "header", "serial"),
    [("<!--SERIAL 7-->", "5", 7), ("", " 5 ", 5), ("", "", None), ("<!--SERIAL 0-->", "5", 0)],
)
def test_the_serial_of_the_body_goes_before_the_header(
    comment: str, header: str, serial: int | None
) -> None:
    parsed = parse_page(html_body(tail=comment), HTML, URL, DEMO, PageRules(), header)
    assert parsed.page.serial == serial


def test_text_in_a_reason_is_no_serial() -> None:
    body = html_body(anchor('data-yanked="<!--SERIAL 5-->"'))
    assert page_of(body, HTML).serial is None


def test_another_charset_is_read() -> None:
    body = html_body(anchor('data-yanked="naïve"')).decode().encode("latin-1")
    assert only_file(body, "text/html; charset=ISO-8859-1").yanked == Yank("naïve")


@pytest.mark.parametrize(
    "content_type",
    [
        "text/html",
        "TEXT/HTML ; charset=utf-8",
        "application/vnd.pypi.simple.v1+html",
        "Application/vnd.pypi.simple.V1+HTML; charset=UTF-8",
    ],
)
def test_the_types_that_are_read_as_html(content_type: str) -> None:
    parsed = read(html_body(anchor()), content_type)
    assert [file.filename for file in parsed.page.files] == [NAME] and not parsed.is_json


def test_the_charset_of_the_answer_goes_before_the_pages_own() -> None:
    head = (
        '<meta charset="iso-8859-1"><meta http-equiv="Content-Type" content="text/html;charset=x">'
    )
    body = html_body(anchor('data-yanked="naïve"'), head=head)
    for content_type in (HTML, "text/html"):
        assert only_file(body, content_type).yanked == Yank("naïve")


def test_deep_nesting_and_long_attributes_do_no_harm() -> None:
    deep = "<div>" * 50_000 + anchor(f'data-yanked="{"x" * 11_000_000}"')
    file = only_file(html_body(deep), HTML, max_string=20_000_000)
    assert file.yanked == Yank("x" * 11_000_000)


@CALM
@given(st.binary(), st.sampled_from([HTML, "text/html;charset=utf-16"]))
def test_no_bytes_raise_anything_else(body: bytes, content_type: str) -> None:
    what = "project demo"
    try:
        read(b"<a href=x.whl>" + body, content_type)
    except InvalidAnswer as problem:
        what = problem.where
    assert what == "project demo"


def test_files_of_another_name_are_listed_and_counted() -> None:
    parsed = read(html_body(anchor(), anchor("", "other-1.0.zip")), HTML)
    assert len(parsed.page.files) == 2
    assert parsed.warnings == ("1 files are named after another project, as 'other-1.0.zip'",)
