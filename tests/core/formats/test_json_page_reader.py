"""Reading JSON pages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders.upstream_pages import (
    CALM,
    DEMO,
    HEX,
    HTML,
    JSON,
    NAME,
    URL,
    anchor,
    html_body,
    json_body,
    json_file,
    only_file,
    page_of,
    read,
)
from yanksync.core.errors import InvalidAnswer
from yanksync.core.formats.parse import PageRules, parse_page
from yanksync.core.model import Page, Yank

BIG = 2**63

REFUSED = {
    "no type": (json_body(), "", "content type"),
    "application/json": (json_body(), "application/json", "content type"),
    "version 2": (json_body(), "application/vnd.pypi.simple.v2+json", "content type"),
    "major": (json_body(meta={"api-version": "2.0"}), JSON, "2.0 is not supported"),
    "zero": (json_body(meta={"api-version": "0.9"}), JSON, "0.9 is not supported"),
    "three": (json_body(meta={"api-version": "1.0.1"}), JSON, "Major.Minor"),
    "digits": (json_body(meta={"api-version": "1.\u0661"}), JSON, "Major.Minor"),
    "API version: float": (json_body(meta={"api-version": 1.0}), JSON, "Major.Minor"),
    "bool": (json_body(meta={"_last-serial": True}), JSON, "serial"),
    "negative": (json_body(meta={"_last-serial": -1}), JSON, "serial"),
    "serial: float": (json_body(meta={"_last-serial": 1.5}), JSON, "serial"),
    "serial: text": (json_body(meta={"_last-serial": "12a"}), JSON, "serial"),
    "serial: huge": (json_body(meta={"_last-serial": BIG}), JSON, "serial"),
    "no meta": (json_body(meta=...), JSON, "`meta`"),
    "no name": (json_body(name=...), JSON, "`name`"),
    "another's": (json_body(name="evil"), JSON, "page of 'evil'"),
    "no files": (json_body(files=...), JSON, "`files`"),
    "files null": (json_body(files=None), JSON, "files"),
    "no versions": (json_body(meta={"api-version": "1.1"}), JSON, "versions"),
    "twins": (
        json_body(json_file(), json_file(hashes={"sha256": "cd" * 32})),
        JSON,
        f"none of its files is fit to publish; file '{NAME}' left out: it is listed with two",
    ),
    "size: huge": (json_body(json_file(size=BIG)), JSON, "size"),
    "versions: text": (json_body(versions="1.0"), JSON, "versions"),
    "many": (json_body(versions=["1", "2", "3"]), JSON, "more than 2 versions"),
    "number": (json_body(project_status={"status": 1}), JSON, "status"),
    "list": (json_body(project_status=[]), JSON, "status"),
    "long": (json_body(project_status={"status": "x" * 101}), JSON, "longer than 100"),
    "long reason": (
        json_body(project_status={"status": "archived", "reason": "x" * 101}),
        JSON,
        "longer than 100",
    ),
    "files": (json_body(*(json_file(f"demo-{n}.zip") for n in "123")), JSON, "more than 2"),
    "elements": (json_body(1, 2, 3), JSON, "more than 2 files"),
    "depth": (b'{"x":' + b"[" * 1_000_000, JSON, "nested"),  # Python 3.14 reads 300,000
    "depth, surrogate": (b'{"x":"\\ud800","y":' + b"[" * 100_000, JSON, "nested"),
    "no JSON": (b"<html>", JSON, "no JSON"),
    "nothing": (b"", JSON, "no JSON"),
    "cut off": (json_body(json_file())[:-9], JSON, "no JSON"),
    "a list": (b"[]", JSON, "object"),
    "NaN": (json_body(x=float("nan")), JSON, "no JSON"),
    "NaN, surrogate": (json_body(x=float("nan"), y="\ud800"), JSON, "NaN"),
    "cut off, surrogate": (b'{"y":"\\ud800"', JSON, "cannot be read"),
    "bad UTF-8": (json_body().replace(b"demo", b"d\xe9mo"), JSON, "charset"),
    "huge number": (b'{"meta":{"api-version":1' + b"0" * 5000 + b"}}", JSON, "out of range"),
}


@pytest.mark.parametrize(("body", "content_type", "why"), REFUSED.values(), ids=REFUSED)
def test_a_page_that_breaks_a_rule_is_refused(body: bytes, content_type: str, why: str) -> None:
    with pytest.raises(InvalidAnswer) as caught:
        read(body, content_type, max_files=2, max_string=100)
    assert caught.value.where == "project demo"
    assert why in caught.value.problem


def test_what_is_said_of_a_page_that_is_refused() -> None:
    with pytest.raises(InvalidAnswer) as caught:
        read(json_body(meta={"api-version": "2.0"}))
    assert caught.value.problem == "api-version 2.0 is not supported, only 1.x is"


LEFT_OUT: dict[str, Any] = {
    "empty": json_file(""),
    "slash": json_file("a/b.whl"),
    "file name: backslash": json_file("a\\b.whl"),
    "file name: NUL": json_file("a\0b.whl"),
    "file name: line break": json_file("a\nb.whl"),
    "file name: DEL": json_file("a\x7fb.whl"),
    "file name: surrogate": json_file("a\ud800b.whl"),
    "dots": json_file(".."),
    "hidden": json_file(".demo.whl"),
    "option": json_file("-demo.whl"),
    "drive": json_file("c:demo.whl"),
    "space": json_file(" demo.whl"),
    "file name: long": json_file("é" * 126 + ".whl"),
    "index": json_file("Index.html"),
    "metadata": json_file("demo.whl.METADATA"),
    "signature": json_file("demo.whl.asc"),
    "temporary": json_file("demo.tmp"),
    "other name": json_file(url="https://files.example/evil-1.0.tar.gz"),
    "name in query": json_file(url=f"https://files.example/x?{NAME}"),
    "longer name": json_file(url=f"https://files.example/x{NAME}"),
    "encoded slash": json_file(url=f"https://files.example/a%2F{NAME}"),
    "javascript": json_file(url=f"javascript:alert(1)//{NAME}"),
    "file": json_file(url=f"file:///etc/{NAME}"),
    "ftp": json_file(url=f"ftp://files.example/{NAME}"),
    "git": json_file(url=f"git+https://files.example/{NAME}"),
    "user": json_file(url=f"https://user:pw@files.example/{NAME}"),
    "http": json_file(url=f"http://files.example/{NAME}"),
    "http, looks like loopback": json_file(url=f"http://127.0.0.1.files.example/{NAME}"),
    "no host": json_file(url=f"https:///{NAME}"),
    "URL: backslash": json_file(url=f"https://files.example\\@evil.example/{NAME}"),
    "backslash in the path": json_file(url=f"https://files.example/a\\{NAME}/{NAME}"),
    "URL: NUL": json_file(url=f"https://files.example/a\0/{NAME}"),
    "URL: line break": json_file(url=f"https://files.example/a\n/{NAME}"),
    "URL: DEL": json_file(url=f"https://files.example/a\x7f/{NAME}"),
    "URL: surrogate": json_file(url=f"https://files.example/a\ud800/{NAME}"),
    "space in front": json_file(url=f" https://files.example/{NAME}"),
    "bad brackets": json_file(url=f"https://[::1/{NAME}"),
    "bad brackets, no scheme": json_file(url=f"//[::1/{NAME}"),
    "bad port": json_file(url=f"https://files.example:http/{NAME}"),
    "port": json_file(url=f"https://files.example:65536/{NAME}"),
    "long URL": json_file(url="https://files.example/" + "x" * 500 + f"/{NAME}"),
    "no hex": json_file(hashes={"sha256": "xy" * 32}),
    "short": json_file(hashes={"sha256": HEX[:-2]}),
    "odd": json_file(hashes={"other": "abc"}),
    "two of one": json_file(hashes={"sha256": HEX, "SHA256": "cd" * 32}),
    "bad algorithm": json_file(hashes={'sha"': HEX}),
    "no filename": json_file(filename=...),
    "no filename nor url": json_file(filename=..., url=...),
    "filename null": json_file(filename=None),
    "no url": json_file(url=...),
    "URL: number": json_file(url=5),
    "no hashes": json_file(hashes=...),
    "hash: null": json_file(hashes=None),
    "digest null": json_file(hashes={"sha256": None}),
    "requires-python: number": json_file(requires_python=3),
    "requires-python: long": json_file(requires_python="x" * 501),
    "yanked: number": json_file(yanked=1),
    "yanked: list": json_file(yanked=["\x1b[2J"]),
    "object": json_file(yanked={}),
    "yanked: long": json_file(yanked="x" * 501),
    "bool": json_file(size=True),
    "negative": json_file(size=-1),
    "float": json_file(size=1.0),
    "size: text": json_file(size="5"),
    "null": None,
    "text": "\n",
    "list": [[]],
    "nothing": {},
    "lone surrogate": json_file(filename="a\ud800b.whl", size=[], requires_python=1),
}


@pytest.mark.parametrize("bad", LEFT_OUT.values(), ids=LEFT_OUT)
def test_a_file_that_breaks_a_rule_is_left_out_with_a_note(bad: Any) -> None:
    parsed = read(json_body(json_file("demo-1.zip", yanked="bad"), bad), max_string=500)
    (file,) = parsed.page.files
    assert (file.filename, file.yanked) == ("demo-1.zip", Yank("bad"))
    (note,) = parsed.warnings
    assert "left out" in note
    assert note.isascii()
    assert note.isprintable()


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        (json_file(hashes="x"), NAME),
        (json_file(filename=..., url=f"https://files.example/{NAME}"), NAME),
        (json_file(filename=5, url=f"https://files.example/a/b%2B{NAME}?x#y"), f"b+{NAME}"),
        (json_file(filename=..., url=None), "number 2"),
        (7, "number 2"),
    ],
)
def test_a_file_that_is_left_out_is_named(bad: Any, name: str) -> None:
    (note,) = read(json_body(json_file("demo-1.zip"), bad)).warnings
    assert note.startswith(f"file '{name}' left out: it is invalid: ")


BAD: list[dict[str, Any]] = [
    *({"size": -1}, {"size": "x"}, {"yanked": 5}, {"yanked": []}, {"hashes": None}, {"url": ...}),
    *({"hashes": {"md5": "x"}}, {"requires_python": []}, {"url": "ftp://files.example/x.zip"}),
]
ROWS = st.lists(st.sampled_from(BAD) | st.none() | st.just("yanked"), max_size=15)


@CALM
@given(ROWS, st.sampled_from(["", "\ud800"]))
def test_bad_files_among_good_ones_are_named_and_hide_nothing(rows: list[Any], more: str) -> None:
    files, bad = [json_file("demo-0.zip")], []
    good: dict[str, Yank | None] = {"demo-0.zip": None}
    for number, row in enumerate(rows, 1):
        name = f"demo-{number}.zip"
        files.append(json_file(name, **(row if isinstance(row, dict) else {"yanked": bool(row)})))
        if isinstance(row, dict):
            bad.append(name)
        else:
            good[name] = Yank() if row else None
    parsed = read(json_body(*files, x=more))
    assert {file.filename: file.yanked for file in parsed.page.files} == good
    assert len(parsed.warnings) == len(bad)
    assert all(any(f"'{name}' left out" in note for note in parsed.warnings) for name in bad)


@pytest.mark.parametrize("mark", ["", "why", True, 5, []])
def test_a_mark_that_is_left_out_with_its_file_is_not_lost_in_a_twin(mark: Any) -> None:
    """A file that is listed twice, once unfit and yanked, must not be published unmarked."""
    for unfit in (json_file(yanked=mark, size=-1), json_file(yanked=mark, url=f"ftp://x/{NAME}")):
        for twins in ((unfit, json_file()), (json_file(), unfit)):
            parsed = read(json_body(*twins, json_file("demo-2.zip")))
            assert [file.filename for file in parsed.page.files] == ["demo-2.zip"]
    parsed = read(json_body(json_file(url=f"ftp://x/{NAME}"), json_file()))
    assert [file.filename for file in parsed.page.files] == [NAME]


def test_versions_that_are_none_are_dropped_with_a_note() -> None:
    versions = ["1.0", 2, None, "x" * 101, "3.0"]
    parsed = read(json_body(versions=versions), max_string=100)
    assert parsed.page.versions == ("1.0", "3.0")
    assert parsed.warnings == (
        "a version is no text; it is left out of the versions",
        "a version is longer than 100 characters; not passed on",
    )


def test_a_byte_order_mark_is_ignored() -> None:
    for mark in ("\ufeff", "\ufeff "):
        for status in ("active", "\ud800"):
            body = json_body(json_file(), project_status=status)
            assert read(mark.encode() + body) == read(body)


@pytest.mark.parametrize("bad", LEFT_OUT.values(), ids=LEFT_OUT)
def test_a_page_with_no_fit_file_is_refused(bad: Any) -> None:
    with pytest.raises(InvalidAnswer, match="none of its files"):
        read(json_body(bad), max_string=500)


FIELDS: dict[str, tuple[dict[str, Any], str, Any]] = {
    "absolute": ({}, "url", f"https://files.example/packages/{NAME}"),
    "relative": ({"url": f"../../f/{NAME}"}, "url", f"https://upstream.example/f/{NAME}"),
    "no scheme": ({"url": f"//f.example/{NAME}"}, "url", f"https://f.example/{NAME}"),
    "query": ({"url": f"{NAME}?a=1&b"}, "url", f"{URL}{NAME}?a=1&b"),
    "fragment": ({"url": f"{NAME}#sha256=ab"}, "url", f"{URL}{NAME}"),
    "space": ({"url": f"a b/é/%zz/{NAME}"}, "url", f"{URL}a%20b/%C3%A9/%25zz/{NAME}"),
    "encoded": ({"url": f"%2b+/{NAME}"}, "url", f"{URL}%2b+/{NAME}"),
    "capitals": (
        {"url": f"HTTPS://Files.Example/{NAME}"},
        "url",
        f"https://Files.Example/{NAME}",
    ),
    "loopback": ({"url": f"http://127.0.0.1:8/{NAME}"}, "url", f"http://127.0.0.1:8/{NAME}"),
    "loopback 6": ({"url": f"http://[::1]:8/{NAME}"}, "url", f"http://[::1]:8/{NAME}"),
    "localhost": ({"url": f"http://localhost/{NAME}"}, "url", f"http://localhost/{NAME}"),
    "sha256": ({}, "hashes", (("sha256", HEX),)),
    "none": ({"hashes": {}}, "hashes", ()),
    "case": ({"hashes": {"SHA256": HEX.upper()}}, "hashes", (("sha256", HEX),)),
    "order": (
        {"hashes": {"sha256": HEX, "md5": HEX[:32]}},
        "hashes",
        (("md5", HEX[:32]), ("sha256", HEX)),
    ),
    "unknown": ({"hashes": {"blake2b_256": "abcd"}}, "hashes", (("blake2b_256", "abcd"),)),
    "requires-python: absent": ({}, "requires_python", None),
    "requires-python: null": ({"requires_python": None}, "requires_python", None),
    "requires-python: empty": ({"requires_python": ""}, "requires_python", None),
    "verbatim": ({"requires_python": " >=3,<x "}, "requires_python", " >=3,<x "),
    "hash: absent": ({}, "core_metadata", None),
    "hash: true": ({"core_metadata": True}, "core_metadata", True),
    "false": ({"core_metadata": False}, "core_metadata", False),
    "hash: empty": ({"core_metadata": {}}, "core_metadata", False),
    "hash": ({"core_metadata": {"sha256": HEX}}, "core_metadata", (("sha256", HEX),)),
    "second": ({"dist_info_metadata": True}, "core_metadata", True),
    "third": ({"data_dist_info_metadata": True}, "core_metadata", True),
    "first wins": (
        {"core_metadata": False, "dist_info_metadata": True},
        "core_metadata",
        False,
    ),
    "gpg-sig: absent": ({}, "gpg_sig", None),
    "gpg-sig: true": ({"gpg_sig": True}, "gpg_sig", True),
    "text": ({"gpg_sig": "yes"}, "gpg_sig", None),
    "yanked: absent": ({}, "yanked", None),
    "size: absent": ({}, "size", None),
    "size: null": ({"size": None}, "size", None),
    "zero": ({"size": 0}, "size", 0),
    "fraction": (
        {"upload_time": "2026-11-06T17:37:01.5Z"},
        "upload_time",
        "2026-11-06T17:37:01.5Z",
    ),
    "whole": ({"upload_time": "2026-11-06T17:37:01Z"}, "upload_time", "2026-11-06T17:37:01Z"),
    "offset": ({"upload_time": "2026-11-06T17:37:01+00:00"}, "upload_time", None),
    "no day": ({"upload_time": "2026-02-30T17:37:01Z"}, "upload_time", None),
    "digits": ({"upload_time": "2026-11-06T17:37:01.1234567Z"}, "upload_time", None),
    "upload-time: empty": ({"upload_time": ""}, "upload_time", None),
    "number": ({"upload_time": 5}, "upload_time", None),
    "provenance: null": ({"provenance": None}, "provenance", None),
    "URL": ({"provenance": "https://u.example/p"}, "provenance", "https://u.example/p"),
}


@pytest.mark.parametrize(("fields", "name", "value"), FIELDS.values(), ids=FIELDS)
def test_a_field_is_read_as(fields: dict[str, Any], name: str, value: Any) -> None:
    parsed = read(json_body(json_file(**fields)))
    assert getattr(parsed.page.files[0], name) == value
    assert parsed.warnings == ()


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"core_metadata": "sha256=x"}, id="text"),
        pytest.param({"core_metadata": {"sha256": "x"}}, id="no hex"),
        pytest.param({"core_metadata": {"sha256": 1}}, id="number"),
        pytest.param({"provenance": "/p"}, id="relative"),
        pytest.param({"provenance": "http://u.example/p"}, id="http"),
        pytest.param({"provenance": "https://a@u.example/p"}, id="user"),
        pytest.param({"provenance": "https://u.example/ p"}, id="space"),
        pytest.param({"provenance": 1}, id="number"),
    ],
)
def test_a_claim_that_cannot_hold_is_dropped_with_a_note(fields: dict[str, Any]) -> None:
    parsed = read(json_body(json_file(**fields)))
    file = parsed.page.files[0]
    assert (file.core_metadata, file.provenance) == (None, None)
    assert "not passed on" in parsed.warnings[0]


def test_yanked_null_is_not_yanked_with_a_note() -> None:
    parsed = read(json_body(json_file(yanked=None)))
    assert parsed.page.files[0].yanked is None
    assert "null" in parsed.warnings[0]


@pytest.mark.rule("R10")
def test_http_is_taken_where_the_configuration_allows_it() -> None:
    body = json_body(json_file(url=f"http://files.example/{NAME}"))
    assert only_file(body, allow_http=True).url == f"http://files.example/{NAME}"


def test_credentials_of_the_page_do_not_reach_the_files() -> None:
    parsed = read(json_body(json_file(url=NAME)), url="https://me:pw@upstream.example/simple/demo/")
    assert parsed.page.files[0].url == f"{URL}{NAME}"


def test_equal_twins_collapse_and_no_mark_is_lost() -> None:
    file = only_file(json_body(json_file(), json_file(yanked="bad"), json_file()))
    assert file.yanked == Yank("bad")
    file = only_file(json_body(json_file(yanked="first"), json_file(yanked="second")))
    assert file.yanked == Yank("first")
    file = only_file(json_body(json_file(size=1), json_file(size=2)))
    assert file.size == 1, "else the first counts"
    more = json_file(size=5, requires_python=">=3", upload_time="2026-11-06T17:37:01Z")
    file = only_file(json_body(json_file(hashes={"md5": HEX[:32]}), more))
    assert file.hashes == (("md5", HEX[:32]), ("sha256", HEX))
    assert (file.size, file.requires_python, file.upload_time) == (
        5,
        ">=3",
        "2026-11-06T17:37:01Z",
    ), "what only the other says counts, too"


PAGES: dict[str, tuple[dict[str, Any], str, Any]] = {
    "api-version: absent": ({"meta": {}}, "versions", None),
    "number": ({"meta": {"_last-serial": 7}}, "serial", 7),
    "digits": ({"meta": {"_last-serial": "37059094"}}, "serial", 37059094),
    "serial: absent": ({}, "serial", None),
    "spelling": ({"name": "DEMO"}, "name", "demo"),
    "unknown keys": ({"alternate_locations": [1], "_x": {}}, "files", ()),
    "lone surrogates": ({"\ud800": {"\ud800": "\ud800"}}, "files", ()),
    "repeated": ({"versions": ["2", "1", "2"]}, "versions", ("2", "1")),
    "no PEP 440": ({"versions": ["2004d"]}, "versions", ("2004d",)),
    "status: absent": ({}, "status", "active"),
    "null": ({"project_status": None}, "status", "active"),
    "no status": ({"project_status": {}}, "status", "active"),
    "empty": ({"project_status": {"status": ""}}, "status", "active"),
    "known": ({"project_status": {"status": "archived"}}, "status", "archived"),
    "unknown": ({"project_status": {"status": "frozen"}}, "status", "frozen"),
    "reason": (
        {"project_status": {"status": "archived", "reason": "Because <b>"}},
        "status_reason",
        "Because <b>",
    ),
    "empty reason": (
        {"project_status": {"status": "archived", "reason": ""}},
        "status_reason",
        None,
    ),
    "state": ({"project_status": {"state": "archived"}}, "status", "archived"),
    "status and state": (
        {"project_status": {"status": "quarantined", "state": "active"}},
        "status",
        "quarantined",
    ),
    "text": ({"project_status": "archived"}, "status", "archived"),
    "in meta": ({"meta": {"project-status": "quarantined"}}, "status", "quarantined"),
    "object in meta": (
        {"meta": {"project-status": {"status": "quarantined", "reason": "x"}}},
        "status_reason",
        "x",
    ),
    "reason in meta": (
        {"meta": {"project-status": "archived", "project-status-reason": "x"}},
        "status_reason",
        "x",
    ),
    "reason no text": (
        {"project_status": {"status": "archived", "reason": 1}},
        "status_reason",
        None,
    ),
}


NOTED = {
    "no reason": ({"project_status": {"status": "archived", "reason": None}}, None),
    "a reason": ({"project_status": {"status": "archived", "reason": "x"}}, None),
    "a reason alone": ({"project_status": {"reason": "x"}}, None),
    "state": ({"project_status": {"state": "archived"}}, "key state"),
    "in meta": ({"meta": {"project-status": "archived"}}, "stands in meta"),
    "reason no text": ({"project_status": {"reason": 1}}, "no text"),
    "unknown keys": ({"x": 1, "meta": {"_x": 1}}, None),
    "as many as may be": ({"versions": ["1", "2"]}, None),
    "as long as may be": (
        {"versions": ["1" * 100], "project_status": {"status": "x" * 100, "reason": "x" * 100}},
        None,
    ),
}


@pytest.mark.parametrize(("fields", "note"), NOTED.values(), ids=NOTED)
def test_what_is_told_of_a_page(fields: dict[str, Any], note: str | None) -> None:
    notes = read(json_body(**fields), max_files=2, max_string=100).warnings
    assert len(notes) == (note is not None)
    assert note is None or note in notes[0]


DIGITS = {
    "md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128,
    "sha3_224": 56, "sha3_256": 64, "sha3_384": 96, "sha3_512": 128,
}  # fmt: skip


@pytest.mark.parametrize(("algorithm", "digits"), DIGITS.items())
def test_a_digest_has_the_length_of_its_algorithm(algorithm: str, digits: int) -> None:
    right = (algorithm, "a" * digits)
    assert only_file(json_body(json_file(hashes=dict([right])))).hashes == (right,)
    link = f"{NAME}#{algorithm}={right[1]}"
    assert only_file(html_body(anchor(href=link)), HTML).hashes == (right,)
    for wrong in (digits - 2, digits - 1, digits + 2):
        for body, form in (
            (json_body(json_file(hashes={algorithm: "a" * wrong})), JSON),
            (html_body(anchor(href=f"{NAME}#{algorithm}={'a' * wrong}")), HTML),
        ):
            with pytest.raises(InvalidAnswer, match="is no digest"):
                read(body, form)


def test_as_many_files_as_may_be() -> None:
    files = [json_file(f"demo-{number}.zip") for number in "12"]
    assert len(page_of(json_body(*files), max_files=2).files) == 2


def test_texts_may_be_as_long_as_the_limit() -> None:
    url = f"https://files.example/{NAME}"
    file = json_file(
        url=url.replace("e/", "e/" + "x" * (99 - len(url)) + "/"),
        requires_python="x" * 100,
        yanked="x" * 100,
    )
    assert len(file["url"]) == 100
    assert only_file(json_body(file), max_string=100).url == file["url"]


@pytest.mark.parametrize(("fields", "name", "value"), PAGES.values(), ids=PAGES)
def test_the_page_is_read_as(fields: dict[str, Any], name: str, value: Any) -> None:
    assert getattr(page_of(json_body(**fields)), name) == value


@pytest.mark.parametrize(
    "content_type",
    [JSON, JSON.upper(), f"{JSON}; charset=utf-8", f" {JSON} ;q=1"],
)
def test_the_parser_follows_the_content_type_of_the_answer(content_type: str) -> None:
    parsed = read(json_body(), content_type)
    assert parsed.is_json
    assert parsed.page == Page(name="demo")


@pytest.mark.parametrize(
    ("body_serial", "header", "serial"),
    [(7, "5", 7), (None, " 5 ", 5), (None, "", None), (7, "x", 7), (0, "5", 0)],
)
def test_the_serial_of_the_body_goes_before_the_header(
    body_serial: int | None, header: str, serial: int | None
) -> None:
    body = json_body(meta={"_last-serial": body_serial})
    parsed = parse_page(body, JSON, URL, DEMO, PageRules(), header_serial=header)
    assert parsed.page.serial == serial


def test_a_newer_minor_version_is_read_with_a_note() -> None:
    parsed = read(json_body(meta={"api-version": "1.10"}, versions=[]))
    assert parsed.warnings == ("api-version 1.10 is newer than 1.4",)


def test_files_that_belong_to_no_version_stay_with_a_note() -> None:
    parsed = read(json_body(json_file(), json_file("demo-2.zip"), versions=["2.0"]))
    assert len(parsed.page.files) == 2
    assert parsed.warnings == (f"1 files belong to none of the versions listed, as '{NAME}'",)


def test_files_of_another_name_are_listed_and_counted() -> None:
    strange = ("other-1.0.tar.gz", "demo_extra-1.0-py3-none-any.whl", "demo2-1.0.zip")
    parsed = read(json_body(*map(json_file, (NAME, *strange))))
    assert [file.filename for file in parsed.page.files] == [NAME, *strange]
    assert parsed.warnings == (f"3 files are named after another project, as '{strange[0]}'",)


def test_a_note_is_made_once() -> None:
    parsed = read(json_body(*(json_file(f"demo-{n}.zip", yanked=None) for n in range(9))))
    assert len(parsed.warnings) == 1


def test_notes_are_limited_in_number() -> None:
    bad = [json_file(f".{n}") for n in range(30)]
    notes = read(json_body(json_file(), *bad, *bad[:9])).warnings
    assert len(notes) == 21
    assert notes[-1] == "and 10 more notes"


@pytest.mark.parametrize("reason", ["\ud800", "a\udfffb\0", "\udc00\ud800", "x" * (1 << 20)])
def test_strange_reasons_survive(reason: str) -> None:
    assert only_file(json_body(json_file(yanked=reason))).yanked == Yank(reason)


def test_of_repeated_keys_the_last_counts() -> None:
    body = json_body(json_file()).replace(b'"url"', b'"yanked": true, "yanked": false, "url"')
    assert only_file(body).yanked is None


SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=5,
)
KEYS = ["meta", "name", "files", "versions", "project_status"]
FILE_KEYS = ["filename", "url", "hashes", "yanked", "requires_python", "size", "core_metadata"]


@CALM
@given(st.binary())
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    with pytest.raises(InvalidAnswer):
        read(body)


@CALM
@given(
    st.dictionaries(st.sampled_from(KEYS), SHAPES),
    st.dictionaries(st.sampled_from(FILE_KEYS), SHAPES),
)
def test_no_shape_raises_anything_else(page: dict[str, Any], file: dict[str, Any]) -> None:
    body = json_body(json_file(**{"filename": NAME, **file}), **page)
    assert json.loads(body) is not None
    try:
        told = read(body).page.name
    except InvalidAnswer as problem:
        told = str(problem)
    assert told == "demo" or told.startswith("project demo: ")
    assert told.isprintable()
