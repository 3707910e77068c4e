"""Both forms of a page: what they carry, what they claim, and that their bytes are stable."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys

import html5lib
import pytest
from hypothesis import given
from msgspec.structs import replace

from tests.support.builders.known_pages import BARE, HEX, PAGE
from tests.support.builders.random_pages import CALM, pages
from tests.support.builders.upstream_pages import HTML, JSON, read
from yanksync.core.formats import json_page_writer as json_form
from yanksync.core.formats.html import page_writer as html_page_writer
from yanksync.core.model import File, Page, Yank
from yanksync.core.policies.yanked import has_default_status, offered_page

SIZED = replace(BARE, size=0)


def test_the_json_form_byte_for_byte() -> None:
    page = replace(PAGE, status="archived", status_reason="é")
    assert json_form.render_page(page).decode() == (
        '{"meta":{"_last-serial":7,"api-version":"1.4"},"name":"demo",'
        '"project-status":{"status":"archived","reason":"é"},"versions":["1.0"],"files":['
        f'{{"core-metadata":{{"sha256":"{HEX}"}},"filename":"demo-1.0.zip","gpg-sig":false,'
        f'"hashes":{{"md5":"{"ab" * 16}","sha256":"{HEX}"}},'
        '"provenance":"https://upstream.example/p","requires-python":">=3","size":5,'
        '"upload-time":"2026-11-06T17:37:01Z","url":"https://files.example/a&b/demo-1.0.zip",'
        '"yanked":"bad"}]}'
    )


def test_the_html_form_byte_for_byte() -> None:
    page = replace(PAGE, status="archived", status_reason='"é"')
    assert html_page_writer.render_page(page).decode() == (
        '<!DOCTYPE html>\n<html>\n  <head>\n    <meta charset="utf-8">\n'
        '    <meta name="pypi:repository-version" content="1.4">\n'
        '    <meta name="pypi:project-status" content="archived">\n'
        '    <meta name="pypi:project-status-reason" content="&#34;é&#34;">\n'
        "    <title>Links for demo</title>\n  </head>\n  <body>\n    <h1>Links for demo</h1>\n"
        f'<a href="https://files.example/a&amp;b/demo-1.0.zip#sha256={HEX}"'
        ' data-requires-python="&gt;=3"'
        f' data-dist-info-metadata="sha256={HEX}" data-core-metadata="sha256={HEX}"'
        ' data-gpg-sig="false" data-provenance="https://upstream.example/p"'
        ' data-yanked="bad">demo-1.0.zip</a><br>\n'
        "  </body>\n</html>\n<!--SERIAL 7-->\n"
    )


def test_what_is_not_known_is_left_out() -> None:
    page = Page(name="demo", files=(BARE,))
    assert json_form.render_page(page).decode() == (
        '{"meta":{"api-version":"1.0"},"name":"demo","files":[{"filename":"demo-1.0.zip",'
        '"hashes":{},"url":"https://files.example/demo-1.0.zip","yanked":false}]}'
    )
    assert b"SERIAL" not in html_page_writer.render_page(page)
    assert b'<a href="https://files.example/demo-1.0.zip">demo' in html_page_writer.render_page(
        page
    )


@pytest.mark.parametrize(
    ("time", "versions", "written"),
    [
        ("2026-11-06T17:37:01Z", None, ' data-upload-time="2026-11-06T17:37:01Z"'),
        ("2026-11-06T17:37:01Z", ("1.0",), ""),
        (None, None, ""),
    ],
)
def test_the_html_form_has_a_time_where_upstreams_may_have(
    time: str | None, versions: tuple[str, ...] | None, written: str
) -> None:
    page = Page(name="demo", files=(replace(BARE, upload_time=time),), versions=versions)
    line = f'<a href="https://files.example/demo-1.0.zip"{written}>demo-1.0.zip</a>'
    assert line.encode() in html_page_writer.render_page(page)
    if versions is None:
        assert read(html_page_writer.render_page(page), HTML).page == page
    in_json = json.loads(json_form.render_page(page))["files"][0]
    assert in_json.get("upload-time") == time


def test_one_line_a_file_and_nothing_between() -> None:
    other = replace(BARE, filename="demo-2.0.zip", url="https://files.example/demo-2.0.zip")
    written = html_page_writer.render_page(Page(name="demo", files=(BARE, other))).decode()
    assert written.partition("<h1>Links for demo</h1>\n")[2] == (
        '<a href="https://files.example/demo-1.0.zip">demo-1.0.zip</a><br>\n'
        '<a href="https://files.example/demo-2.0.zip">demo-2.0.zip</a><br>\n'
        "  </body>\n</html>\n"
    )


PROVEN = replace(SIZED, provenance="https://upstream.example/p")
CLAIMS = {
    "HTML upstream": (Page(name="demo", files=(BARE,)), "1.0", "1.0"),
    "no versions": (Page(name="demo", files=(SIZED,)), "1.0", "1.0"),
    "a size missing": (
        Page(name="demo", files=(PROVEN, BARE), versions=("1.0",), status="archived"),
        "1.0",
        "1.4",
    ),
    "sizes": (Page(name="demo", files=(SIZED,), versions=("1.0",)), "1.1", "1.0"),
    "no files": (Page(name="demo", versions=()), "1.1", "1.0"),
    "provenance": (Page(name="demo", files=(PROVEN,), versions=()), "1.3", "1.3"),
    "status": (Page(name="demo", versions=(), status="archived"), "1.4", "1.4"),
    "reason": (Page(name="demo", versions=(), status_reason="x"), "1.4", "1.4"),
}


@pytest.mark.parametrize(("page", "in_json", "in_html"), CLAIMS.values(), ids=CLAIMS)
def test_the_version_claims_what_the_page_carries(page: Page, in_json: str, in_html: str) -> None:
    got = json.loads(json_form.render_page(page))
    assert got["meta"]["api-version"] == in_json
    assert ("versions" in got) == (in_json != "1.0")
    assert all(("size" in file) == (in_json != "1.0") for file in got["files"])
    assert ("project-status" in got) == (not has_default_status(page))
    assert (b'"pypi:project-status"' in html_page_writer.render_page(page)) == (
        not has_default_status(page)
    )
    assert f'repository-version" content="{in_html}"'.encode() in html_page_writer.render_page(page)


@pytest.mark.parametrize(
    ("claim", "in_json", "in_html"),
    [
        pytest.param(None, None, None, id="unknown"),
        pytest.param(False, False, None, id="none"),
        pytest.param((), False, None, id="empty"),
        pytest.param(True, True, "true", id="true"),
        pytest.param((("sha256", HEX),), {"sha256": HEX}, f"sha256={HEX}", id="hash"),
        pytest.param((("sha1", "ab"),), {"sha1": "ab"}, "true", id="other hash"),
    ],
)
def test_the_metadata_claim(claim: object, in_json: object, in_html: str | None) -> None:
    page = Page(name="demo", files=(replace(BARE, core_metadata=claim),))
    (file,) = json.loads(json_form.render_page(page))["files"]
    assert file.get("core-metadata") == in_json
    assert "dist-info-metadata" not in file
    written = html_page_writer.render_page(page).decode()
    assert written.count("-metadata=") == (0 if in_html is None else 2)
    if in_html is not None:
        assert f'data-dist-info-metadata="{in_html}" data-core-metadata="{in_html}"' in written


def test_only_sha256_goes_into_the_fragment() -> None:
    page = Page(name="demo", files=(replace(BARE, hashes=(("sha1", "ab" * 20),)),))
    assert b"#" not in html_page_writer.render_page(page)


def test_lone_surrogates_are_escaped_in_json_and_replaced_in_html() -> None:
    page = Page(name="demo", files=(replace(BARE, yanked=Yank("é\ud800\0")),))
    assert '"yanked":"é\\ud800\\u0000"'.encode() in json_form.render_page(page)
    assert 'data-yanked="é\ufffd\ufffd"'.encode() in html_page_writer.render_page(page)


@CALM
@given(pages)
def test_json_reads_back_as_the_page(page: Page) -> None:
    page = offered_page(page, "mark")
    got = read(json_form.render_page(page), JSON).page
    if page.versions is None or any(file.size is None for file in page.files):
        bare = tuple(replace(file, size=None) for file in page.files)
        page = replace(page, versions=None, files=bare)
    assert got == page


def by_html(page: Page) -> Page:
    """Return what HTML can carry of a page."""

    def kept(text: str) -> str:
        return "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in text)

    def file_kept(file: File) -> File:
        return replace(
            file,
            requires_python=file.requires_python and kept(file.requires_python),
            size=None,
            upload_time=file.upload_time if page.versions is None else None,
            yanked=None if file.yanked is None else Yank(kept(file.yanked.reason)),
            core_metadata=file.core_metadata or None,
        )

    reason = page.status_reason and kept(page.status_reason)
    files = tuple(file_kept(file) for file in page.files)
    return replace(page, files=files, versions=None, status_reason=reason)


@CALM
@given(pages)
def test_html_reads_back_as_far_as_it_can_carry(page: Page) -> None:
    page = offered_page(page, "mark")
    assert read(html_page_writer.render_page(page), HTML).page == by_html(page)


CONTROLS = {*map(chr, range(32)), *map(chr, range(0x7F, 0xA0))} - set("\t\n\r")


def has_controls(text: str) -> bool:
    """Return whether HTML5 has no valid way to write ``text``."""
    return any(
        c in CONTROLS or ord(c) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(c) < 0xFDF0 for c in text
    )


@CALM
@given(pages)
def test_the_page_is_valid_html5(page: Page) -> None:
    written = html_page_writer.render_page(offered_page(page, "mark"))
    if not has_controls(written.decode()) and b"&#13;" not in written:
        html5lib.HTMLParser(strict=True).parse(written, transport_encoding="utf-8")


@CALM
@given(pages)
def test_the_order_of_upstream_does_not_matter(page: Page) -> None:
    shuffled = replace(
        page,
        files=tuple(random.sample(page.files, len(page.files))),
        versions=page.versions and tuple(random.sample(page.versions, len(page.versions))),
    )
    for form in (json_form, html_page_writer):
        written = form.render_page(offered_page(page, "mark"))
        assert written == form.render_page(offered_page(shuffled, "mark"))


SCRIPT = """
import sys
from msgspec.structs import replace
from tests.support.builders.known_pages import PAGE
from yanksync.core.formats import json_page_writer
from yanksync.core.formats.html import page_writer as html_page_writer
from yanksync.core.policies.yanked import offered_page
page = offered_page(replace(PAGE, versions=("1.0", "1.0.0", "01.0", "2004d", "x")), "omit")
sys.stdout.buffer.write(json_page_writer.render_page(page) + html_page_writer.render_page(page))
"""


def test_the_hash_seed_does_not_matter() -> None:
    got = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(got) == 1
    assert b"demo" in got.pop()
