"""The fake upstream's pages against what was seen of PyPI's."""

from __future__ import annotations

import io
import socket
import zipfile
from urllib.parse import urlsplit

import pytest
import requests

from tests.support.fake_index.client import HTML, JSON, Client
from tests.support.fake_index.index import FakeUpstream, Refused, wheel


def test_json_page_is_the_truth_with_real_hashes(upstream: FakeUpstream, client: Client) -> None:
    content = wheel("Foo.Bar", "1!0.5", ["other>=1"])
    upstream.upload("Foo.Bar", "1!0.5", content=content, requires_python=">=3.8,<4")
    page = client.page("foo-bar")
    assert page.headers["Content-Type"] == JSON
    assert page.json() == upstream.truth("foo-bar")
    assert page.text.endswith("}\n")
    assert page.json()["name"] == "foo-bar"
    assert page.json()["meta"] == {"_last-serial": 4, "api-version": "1.4"}
    (file,) = page.json()["files"]
    assert file["requires-python"] == "<4,>=3.8"
    assert file["url"].endswith("/files/foo-bar/foo_bar-1!0.5-py3-none-any.whl")
    assert file["core-metadata"] == file["data-dist-info-metadata"] != False  # noqa: E712
    assert requests.get(file["url"], timeout=60).content == content
    metadata = requests.get(file["url"] + ".metadata", timeout=60).content
    assert b"Requires-Dist: other>=1" in metadata
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert {i.date_time[0] for i in archive.infolist()} == {1980}  # no clock in it


@pytest.mark.parametrize("reason", ["", "false", "0", " ", "\r\n", "q\"'<b>&\u2028\x07\ufffe…😀"])
def test_reasons_in_both_forms(upstream: FakeUpstream, client: Client, reason: str) -> None:
    upstream.upload("demo", "1.0")
    upstream.yank("demo", "1.0", reason)
    page = client.page()
    assert page.json()["files"][0]["yanked"] == (reason or True)
    assert "\\u2028" not in page.content.decode()
    escaped = reason
    for char, reference in zip("&\"'<>", ("&amp;", "&#34;", "&#39;", "&lt;", "&gt;"), strict=True):
        escaped = escaped.replace(char, reference)
    assert f'data-yanked="{escaped}"'.encode() in client.page(Accept=HTML).content
    upstream.unyank("demo", "1.0")
    assert client.page().json()["files"][0]["yanked"] is False
    assert b"data-yanked" not in client.page(Accept=HTML).content


def test_a_release_is_yanked_with_all_that_is_added(upstream: FakeUpstream) -> None:
    upstream.upload("demo", "1.0")
    upstream.yank("demo", "1.0", "bad")
    upstream.upload("demo", "1.0")
    assert yanks(upstream) == ["bad", "bad"]
    upstream.remove_release("demo", "1.0")
    upstream.upload("demo", "1.0")
    assert yanks(upstream) == [False]
    upstream.upload("demo", "1.0.0")
    upstream.yank("demo", "1.0.0")
    assert yanks(upstream) == [False, True]


def yanks(upstream: FakeUpstream) -> list[bool | str]:
    page = upstream.truth("demo")
    assert page is not None
    return [file["yanked"] for file in page["files"]]


def test_single_files_are_yanked_without_a_row(upstream: FakeUpstream) -> None:
    upstream.upload("demo", "1.0")
    before = upstream.upload("demo", "1.0")
    assert upstream.yank_file("demo", "demo-1.0.tar.gz", "this one") == before
    assert sorted(map(str, yanks(upstream))) == ["False", "this one"]
    assert upstream.yank_file("demo", "demo-1.0.tar.gz", None, row=True) == before + 1
    assert upstream.journal[-1].action == "unyank file demo-1.0.tar.gz"
    upstream.yank("demo", "1.0", "all")
    assert yanks(upstream) == ["all", "all"]


def test_quarantine_hides_and_gives_back(upstream: FakeUpstream, client: Client) -> None:
    upstream.upload("demo", "1.0")
    upstream.upload("demo", "2.0")
    upstream.yank("demo", "2.0", "bad")
    whole = upstream.truth("demo")
    upstream.quarantine_release("demo", "2.0")
    assert client.page().json()["versions"] == ["1.0"]
    with pytest.raises(Refused):
        upstream.yank("demo", "2.0")
    upstream.quarantine_project("demo")
    page = client.page()
    assert (page.status_code, page.json()["files"], page.json()["versions"]) == (200, [], [])
    assert page.json()["project-status"] == {"status": "quarantined"}
    assert client.get("simple/").json()["projects"] == []
    upstream.clear_project_quarantine("demo")
    assert client.page().json()["versions"] == ["1.0"]
    upstream.clear_release_quarantine("demo", "2.0")
    back = upstream.truth("demo")
    assert back is not None
    assert whole is not None
    assert (back["files"], back["versions"]) == (whole["files"], whole["versions"])


def test_archiving_changes_the_page_and_no_serial(upstream: FakeUpstream, client: Client) -> None:
    serial = upstream.upload("demo", "1.0")
    before = client.page()
    assert upstream.archive("demo") == serial
    after = client.page(If_None_Match=before.headers["ETag"])
    assert after.status_code == 200
    assert after.json()["project-status"] == {"status": "archived"}
    assert after.headers["X-PyPI-Last-Serial"] == before.headers["X-PyPI-Last-Serial"] == "4"


def test_removed_is_404_and_names_are_never_free_again(
    upstream: FakeUpstream, client: Client
) -> None:
    upstream.upload("Demo", "1.0")
    upstream.remove_project("demo")
    page = client.page()
    assert (page.status_code, len(page.content)) == (404, 13)
    assert "X-PyPI-Last-Serial" not in page.headers
    assert upstream.truth("demo") is None
    with pytest.raises(ValueError, match="used before"):
        upstream.upload("demo", "1.0", "demo-1.0.tar.gz")
    upstream.create("DEMO")
    assert client.get("simple/").json()["projects"] == [{"_last-serial": 7, "name": "DEMO"}]


def test_only_rows_of_the_present_spelling_raise_the_serial(upstream: FakeUpstream) -> None:
    upstream.upload("foo.bar", "1.0")
    upstream.raw_row("foo-bar", None, "add Owner bob")
    page = upstream.truth("foo.bar")
    assert page is not None
    assert page["meta"]["_last-serial"] == 4
    upstream.upload("Foo_Bar", "1.0")
    assert upstream.journal[-1].name == "Foo_Bar"
    assert upstream.displays() == {"Foo_Bar": 6}


def test_empty_versions_and_order(upstream: FakeUpstream, client: Client) -> None:
    for version in ("1!0.5", "1.10", "1.9", "2004d"):
        upstream.upload("demo", version)
    upstream.remove_file("demo", "demo-1.10.tar.gz")
    assert client.page().json()["versions"] == ["2004d", "1.9", "1!0.5"]


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (JSON, JSON),
        (f"{JSON}, {HTML};q=0.2, text/html;q=0.01", JSON),
        (f"{JSON};q=0.1, {HTML};q=0.2", HTML),
        ("application/*", HTML),
        (f"{JSON};charset=utf-8", "text/html"),
        (f"{JSON};v=1", "text/html"),
        ("application/vnd.pypi.simple.latest+json", "text/html"),
        ("application/json", "text/html"),
        ("*/*", "text/html"),
        ("", "text/html"),
        ("nonsense", "text/html"),
    ],
)
def test_negotiation(
    upstream: FakeUpstream, client: Client, accept: str, content_type: str
) -> None:
    upstream.create("demo")
    for path in ("simple/", "simple/demo/"):
        answer = client.get(path, Accept=accept)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].split(";")[0] == content_type


def test_serials_agree_in_all_forms(upstream: FakeUpstream, client: Client) -> None:
    upstream.create("demo")
    assert client.page().headers["X-PyPI-Last-Serial"] == "2"
    assert client.page(Accept=HTML).text.endswith("<!--SERIAL 2-->")
    assert "SERIAL" not in client.get("simple/", Accept=HTML).text
    assert client.get("simple/", Accept=HTML).headers["X-PyPI-Last-Serial"] == "2"
    upstream.page_serials = upstream.list_serials = False
    assert client.page().json()["meta"] == {"api-version": "1.4"}
    assert "X-PyPI-Last-Serial" not in client.page().headers
    assert client.get("simple/").json()["projects"] == [{"name": "demo"}]


def test_etags_are_of_the_bytes_sent(upstream: FakeUpstream, client: Client) -> None:
    upstream.create("demo")
    plain, html = client.page(), client.page(Accept=HTML)
    zipped = client.page(Accept_Encoding="gzip")
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert zipped.json() == plain.json()
    tags = {answer.headers["ETag"] for answer in (plain, html, zipped)}
    assert len(tags) == 3
    for tag in (plain.headers["ETag"], "W/" + plain.headers["ETag"]):
        again = client.page(If_None_Match=tag)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["X-PyPI-Last-Serial"] == "2"
    assert client.page(If_None_Match=zipped.headers["ETag"]).status_code == 200
    upstream.etags = upstream.gzip = False
    bare = client.page(Accept_Encoding="gzip")
    assert "ETag" not in bare.headers
    assert "Content-Encoding" not in bare.headers


def test_head_has_headers_only(upstream: FakeUpstream, client: Client) -> None:
    upstream.create("demo")
    length = str(len(client.page().content))
    where = urlsplit(client.served.root_url)
    question = f"HEAD /simple/demo/ HTTP/1.1\r\nAccept: {JSON}\r\nConnection: close\r\n\r\n"
    with socket.create_connection((where.hostname, where.port), timeout=60) as raw:
        raw.sendall(question.encode())
        answer = raw.makefile("rb").read().decode()  # to the end: no client drops a body unseen
    assert answer.startswith("HTTP/1.1 200 OK")
    assert f"Content-Length: {length}" in answer
    assert answer.endswith("\r\n\r\n")


def test_redirects(upstream: FakeUpstream, client: Client) -> None:
    upstream.create("Django")
    for path, location in (
        ("simple/Django", "/simple/Django/"),
        ("simple/unknown", "/simple/unknown/"),
        ("simple/Django/?a=b", "/simple/django/?a=b"),
    ):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["Location"]) == (301, location)
    assert client.get("simple/Unknown/").status_code == 404


def test_the_list_can_be_old(upstream: FakeUpstream, client: Client) -> None:
    upstream.create("one")
    upstream.freeze_list()
    upstream.create("two")
    old = client.get("simple/").json()
    assert (old["meta"]["_last-serial"], len(old["projects"])) == (2, 1)
    upstream.thaw_list()
    assert client.get("simple/").json()["meta"]["_last-serial"] == 4
    assert upstream.names() == ["one", "two"]


def test_forms_can_be_forced_and_pages_doctored(upstream: FakeUpstream, client: Client) -> None:
    upstream.create("demo")
    upstream.html_only = True
    assert client.page().headers["Content-Type"].startswith("text/html")
    upstream.html_only, upstream.json_only = False, True
    assert client.page(Accept="text/html").headers["Content-Type"] == JSON
    upstream.api_version = "1.9"
    upstream.doctor = lambda page: {**page, "files": None}
    assert client.page().json()["meta"]["api-version"] == "1.9"
    assert client.page().json()["files"] is None
    assert upstream.truth("demo") is not None
