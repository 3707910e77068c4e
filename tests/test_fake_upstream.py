"""The fake upstream against the lines of facts.md, section 4, that it imitates."""

from __future__ import annotations

import gzip
import io
import json
import time
import xmlrpc.client
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.fake_upstream import FakeUpstream, Fault, Refused, Served, sdist, serve, wheel

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"


@pytest.fixture(scope="module")
def running() -> Iterator[Served]:
    with serve(FakeUpstream()) as served:
        yield served


@pytest.fixture
def upstream(running: Served) -> FakeUpstream:
    fresh = FakeUpstream()
    running.upstream = fresh
    return fresh


@pytest.fixture
def session(running: Served) -> Iterator[requests.Session]:
    with requests.Session() as open_session:
        open_session.headers.update({"Accept": JSON, "Accept-Encoding": "identity"})
        yield open_session


class Client:
    """Short ways to ask the running server."""

    def __init__(self, served: Served, session: requests.Session) -> None:
        self.served = served
        self.session = session

    def get(self, path: str, **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = self.served.root_url + path
        return self.session.get(url, headers=named, allow_redirects=False, timeout=5)

    def page(self, name: str = "demo", **headers: str) -> requests.Response:
        return self.get(f"simple/{name}/", **headers)

    def call(self, method: str, *params: Any) -> Any:
        body = xmlrpc.client.dumps(params, method, allow_none=True)
        answer = self.session.post(
            self.served.journal_url, body, headers={"Content-Type": "text/xml"}, timeout=5
        )
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/xml")
        return xmlrpc.client.loads(answer.content, use_builtin_types=True)[0][0]

    def fault(self, method: str, *params: Any) -> tuple[int, str]:
        with pytest.raises(xmlrpc.client.Fault) as caught:
            self.call(method, *params)
        return caught.value.faultCode, caught.value.faultString


@pytest.fixture
def client(running: Served, session: requests.Session) -> Client:
    return Client(running, session)


def actions(upstream: FakeUpstream) -> list[tuple[str, str | None, str]]:
    return [(e.name, e.version, e.action) for e in upstream.journal]


# The journal


def test_first_upload_writes_four_rows_in_one_transaction(upstream: FakeUpstream) -> None:
    assert upstream.upload("Foo.Bar", "1.0") == 4  # facts 11
    assert actions(upstream) == [
        ("Foo.Bar", None, "create"),
        ("Foo.Bar", None, "add Owner alice"),
        ("Foo.Bar", "1.0", "new release"),
        ("Foo.Bar", "1.0", "add source file foo_bar-1.0.tar.gz"),
    ]
    assert len({e.timestamp for e in upstream.journal}) == 1  # facts 9
    upstream.upload("Foo.Bar", "1.0")
    assert actions(upstream)[4:] == [
        ("Foo.Bar", "1.0", "add py3 file foo_bar-1.0-py3-none-any.whl")
    ]


def test_each_mutation_writes_its_row(upstream: FakeUpstream) -> None:
    upstream.upload("demo", "1.0")
    upstream.upload("demo", "2.0")
    start = upstream.last_serial
    upstream.yank("demo", "1.0", "bad")
    upstream.yank("demo", "1.0", "worse")  # facts 4
    upstream.unyank("demo", "2.0")  # facts 4: it is not yanked
    upstream.quarantine_release("demo", "2.0")
    upstream.clear_release_quarantine("demo", "2.0")
    upstream.quarantine_project("demo")
    upstream.clear_project_quarantine("demo")
    upstream.remove_file("demo", "demo-1.0.tar.gz")
    upstream.remove_release("demo", "2.0")
    upstream.invite("demo")
    upstream.revoke_invite("demo")
    upstream.remove_project("demo")
    rows = [(e.version, e.action) for e in upstream.journal if e.serial > start]
    assert rows == [
        ("1.0", "yank release"),
        ("1.0", "yank release"),
        ("2.0", "unyank release"),
        ("2.0", "release quarantined"),
        ("2.0", "release quarantine cleared"),
        (None, "project quarantined"),
        (None, "project quarantine cleared"),
        ("1.0", "remove file demo-1.0.tar.gz"),
        ("2.0", "remove release"),
        (None, "invite Maintainer bob"),
        (None, "revoke_invite Maintainer bob"),
        (None, "remove project"),
    ]


def test_since_serial_is_exclusive_ordered_and_limited(
    upstream: FakeUpstream, client: Client
) -> None:
    upstream.upload("demo", "1.0")
    upstream.burn_serial(10)  # facts 8
    assert client.call("changelog_last_serial") == 4
    upstream.clock = 5  # facts 9
    assert upstream.yank("demo", "1.0") == 15
    assert client.call("changelog_since_serial", 4) == [["demo", "1.0", 5, "yank release", 15]]
    assert client.call("changelog_since_serial", 15) == []
    assert client.call("changelog_since_serial", 99) == []
    assert [r[4] for r in client.call("changelog_since_serial", -7)] == [1, 2, 3, 4, 15]
    upstream.page_limit = 2
    assert [r[4] for r in client.call("changelog_since_serial", 1)] == [2, 3]


def test_empty_journal_is_nil(upstream: FakeUpstream, client: Client) -> None:
    assert client.call("changelog_last_serial") is None  # facts 14
    assert client.call("changelog_since_serial", 0) == []


@pytest.mark.parametrize(
    ("method", "params", "code", "text"),
    [
        ("changelog_since_serial", ("5",), -32602, "serial: Input should be a valid integer"),
        ("changelog_since_serial", (5.0,), -32602, "serial: Input should be a valid integer"),
        ("changelog_since_serial", (True,), -32602, "serial: Input should be a valid integer"),
        ("changelog_since_serial", (None,), -32602, "serial: Input should be a valid integer"),
        ("changelog_since_serial", (), -32602, "serial: Missing required argument"),
        ("changelog_since_serial", (1, 2), -32602, "2: Unexpected positional argument"),
        ("no_such_method", (), -32601, "requested method not found"),
        ("system.multicall", ([],), -32500, "no longer supported"),
    ],
)
def test_faults(
    upstream: FakeUpstream, client: Client, method: str, params: Any, code: int, text: str
) -> None:
    found, words = client.fault(method, *params)  # facts 15, 16
    assert found == code
    assert words.endswith(text + "." * words.endswith("."))


def test_a_serial_beyond_the_database_is_an_application_error(
    upstream: FakeUpstream, client: Client, session: requests.Session
) -> None:
    body = (  # xmlrpc.client refuses to write such an integer
        "<methodCall><methodName>changelog_since_serial</methodName><params><param><value><int>"
        "2147483648</int></value></param></params></methodCall>"
    )
    url = client.served.journal_url
    answer = session.post(url, body, headers={"Content-Type": "text/xml"}, timeout=5)
    assert b"application error" in answer.content  # facts 13
    answer = session.post(url, "<methodCall>", headers={"Content-Type": "text/xml"}, timeout=5)
    assert b"-32700" in answer.content
    assert b"parse error; not well formed" in answer.content


def test_rate_limit_is_a_fault(upstream: FakeUpstream, client: Client) -> None:
    upstream.rate_limit = 3
    client.call("changelog_last_serial")
    client.call("changelog_last_serial")
    code, text = client.fault("changelog_last_serial")  # facts 17: the n-th is the first refused
    assert (code, text[:20]) == (-32500, "HTTPTooManyRequests:")
    assert "reset in 3542 seconds" in text
    upstream.rate_limit = None
    upstream.fail("^/pypi changelog_last_serial", Fault.rate_limit(7))
    assert "in 7 seconds." in client.fault("changelog_last_serial")[1]
    client.call("changelog_last_serial")


@pytest.mark.parametrize("content_type", ["application/xml", "TEXT/XML", ""])
def test_only_lower_case_text_xml_is_xmlrpc(
    upstream: FakeUpstream, running: Served, session: requests.Session, content_type: str
) -> None:
    for path, location in (("pypi", "/pypi/"), ("pypi/", "/")):  # facts 18
        answer = session.post(
            running.root_url + path,
            b"",
            headers={"Content-Type": content_type},
            allow_redirects=False,
            timeout=5,
        )
        assert (answer.status_code, answer.headers["Location"]) == (301, location)


def test_odd_rows_travel_as_they_are(upstream: FakeUpstream, client: Client) -> None:
    upstream.raw_row(None, None, None, 7)
    upstream.raw_row("user:eve", "", "nuke user")
    upstream.raw_row("Größe", "1.2 (final) & <more>", "add Owner é… & <b>")
    rows = client.call("changelog_since_serial", 0)
    assert rows[0] == [None, None, 7, None, 1]  # facts 20
    assert rows[1][:2] == ["user:eve", ""]
    assert rows[2][:2] == ["Größe", "1.2 (final) & <more>"]
    assert rows[2][3] == "add Owner &#233;&#8230; & <b>"  # facts 19
    assert upstream.journal[0].name == upstream.journal[0].action == ""


def test_list_packages_has_display_names_and_quarantined(
    upstream: FakeUpstream, client: Client
) -> None:
    upstream.create("Zope.Interface")
    upstream.quarantine_project("Zope.Interface")
    assert client.call("list_packages_with_serial") == {"Zope.Interface": 3}  # facts 21
    assert upstream.names() == []
    assert upstream.all_names() == ["zope-interface"]


def test_xmlrpc_can_be_refused_or_gzipped(
    upstream: FakeUpstream, running: Served, session: requests.Session
) -> None:
    headers = {"Content-Type": "text/xml", "Accept-Encoding": "gzip"}
    body = xmlrpc.client.dumps((), "changelog_last_serial")
    answer = session.post(running.root_url + "RPC2", body, headers=headers, timeout=5)
    assert answer.headers["Content-Encoding"] == "gzip"  # facts 22
    assert b"<nil/>" in answer.content
    upstream.xmlrpc_status = 405
    assert session.post(running.journal_url, body, headers=headers, timeout=5).status_code == 405
    assert [r.status for r in upstream.journal_calls()] == [200, 405]
    assert upstream.journal_calls()[0].call == "changelog_last_serial()"


# Pages


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
    assert file["requires-python"] == "<4,>=3.8"  # facts 32
    assert file["url"].endswith("/files/foo-bar/foo_bar-1!0.5-py3-none-any.whl")  # facts 45
    assert file["core-metadata"] == file["data-dist-info-metadata"] != False  # noqa: E712
    assert requests.get(file["url"], timeout=5).content == content
    metadata = requests.get(file["url"] + ".metadata", timeout=5).content
    assert b"Requires-Dist: other>=1" in metadata
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None


@pytest.mark.parametrize("reason", ["", "false", "0", " ", "\r\n", "q\"'<b>&\u2028\x07\ufffe…😀"])
def test_reasons_in_both_forms(upstream: FakeUpstream, client: Client, reason: str) -> None:
    upstream.upload("demo", "1.0")
    upstream.yank("demo", "1.0", reason)
    page = client.page()
    assert page.json()["files"][0]["yanked"] == (reason or True)  # facts 31, 33
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
    assert yanks(upstream) == ["bad", "bad"]  # facts 5
    upstream.remove_release("demo", "1.0")
    upstream.upload("demo", "1.0")
    assert yanks(upstream) == [False]  # facts 5
    upstream.upload("demo", "1.0.0")
    upstream.yank("demo", "1.0.0")
    assert yanks(upstream) == [False, True]  # facts 7


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


def test_quarantine_hides_and_gives_back(upstream: FakeUpstream, client: Client) -> None:
    upstream.upload("demo", "1.0")
    upstream.upload("demo", "2.0")
    upstream.yank("demo", "2.0", "bad")
    whole = upstream.truth("demo")
    upstream.quarantine_release("demo", "2.0")
    assert client.page().json()["versions"] == ["1.0"]  # facts 35
    with pytest.raises(Refused):
        upstream.yank("demo", "2.0")
    upstream.quarantine_project("demo")
    page = client.page()
    assert (page.status_code, page.json()["files"], page.json()["versions"]) == (200, [], [])
    assert page.json()["project-status"] == {"status": "quarantined"}  # facts 36
    assert client.get("simple/").json()["projects"] == []
    upstream.clear_project_quarantine("demo")
    assert client.page().json()["versions"] == ["1.0"]
    upstream.clear_release_quarantine("demo", "2.0")
    back = upstream.truth("demo")
    assert back is not None and whole is not None
    assert (back["files"], back["versions"]) == (whole["files"], whole["versions"])


def test_archiving_changes_the_page_and_no_serial(upstream: FakeUpstream, client: Client) -> None:
    serial = upstream.upload("demo", "1.0")
    before = client.page()
    assert upstream.archive("demo") == serial  # facts 24
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
    assert (page.status_code, len(page.content)) == (404, 13)  # facts 38
    assert "X-PyPI-Last-Serial" not in page.headers  # facts 28
    assert upstream.truth("demo") is None
    with pytest.raises(ValueError, match="used before"):  # facts 46
        upstream.upload("demo", "1.0", "demo-1.0.tar.gz")
    upstream.create("DEMO")
    assert client.get("simple/").json()["projects"] == [{"_last-serial": 7, "name": "DEMO"}]


def test_only_rows_of_the_present_spelling_raise_the_serial(upstream: FakeUpstream) -> None:
    upstream.upload("foo.bar", "1.0")
    upstream.raw_row("foo-bar", None, "add Owner bob")
    page = upstream.truth("foo.bar")
    assert page is not None and page["meta"]["_last-serial"] == 4  # facts 25
    upstream.upload("Foo_Bar", "1.0")  # facts 2
    assert upstream.journal[-1].name == "Foo_Bar"
    assert upstream.displays() == {"Foo_Bar": 6}


def test_empty_versions_and_order(upstream: FakeUpstream, client: Client) -> None:
    for version in ("1!0.5", "1.10", "1.9", "2004d"):
        upstream.upload("demo", version)
    upstream.remove_file("demo", "demo-1.10.tar.gz")
    assert client.page().json()["versions"] == ["2004d", "1.9", "1!0.5"]  # facts 39, 41


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (JSON, JSON),
        (f"{JSON}, {HTML};q=0.2, text/html;q=0.01", JSON),
        (f"{JSON};q=0.1, {HTML};q=0.2", HTML),
        ("application/*", HTML),
        (f"{JSON};charset=utf-8", "text/html"),
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
    for path in ("simple/", "simple/demo/"):  # facts 42
        answer = client.get(path, Accept=accept)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].split(";")[0] == content_type


def test_serials_agree_in_all_forms(upstream: FakeUpstream, client: Client) -> None:
    upstream.create("demo")
    assert client.page().headers["X-PyPI-Last-Serial"] == "2"  # facts 23
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
    assert len(tags) == 3  # facts 29
    for tag in (plain.headers["ETag"], "W/" + plain.headers["ETag"]):
        again = client.page(If_None_Match=tag)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["X-PyPI-Last-Serial"] == "2"
    assert client.page(If_None_Match=zipped.headers["ETag"]).status_code == 200
    upstream.etags = upstream.gzip = False
    bare = client.page(Accept_Encoding="gzip")
    assert "ETag" not in bare.headers and "Content-Encoding" not in bare.headers


def test_head_has_headers_only(upstream: FakeUpstream, client: Client) -> None:
    upstream.create("demo")
    url = client.served.simple_url + "demo/"
    head = client.session.head(url, timeout=5)
    assert head.content == b""
    assert head.headers["Content-Length"] == str(len(client.page().content))


def test_redirects(upstream: FakeUpstream, client: Client) -> None:
    upstream.create("Django")
    for path, location in (  # facts 43
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
    assert (old["meta"]["_last-serial"], len(old["projects"])) == (2, 1)  # facts 27
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


# The CDN


def serials(client: Client, times: int) -> list[str]:
    """Return what ``times`` requests for demo give: the serial, or the status without one."""
    answers = [client.page() for _ in range(times)]
    return [a.headers.get("X-PyPI-Last-Serial", str(a.status_code)) for a in answers]


def test_stale_answers_end(upstream: FakeUpstream, client: Client) -> None:
    upstream.upload("demo", "1.0")
    upstream.serve_stale("demo", 2)
    assert serials(client, 3) == ["404", "404", "4"]  # 404 before creation
    upstream.yank("demo", "1.0")
    upstream.serve_stale("demo", 1)
    assert serials(client, 2) == ["4", "5"]
    upstream.serve_stale("demo")
    assert serials(client, 9) == ["4"] * 9
    upstream.cdn_release("demo")
    assert serials(client, 1) == ["5"]


def test_held_alternating_and_stale_gzip_answers(upstream: FakeUpstream, client: Client) -> None:
    upstream.upload("demo", "1.0")
    upstream.cdn_hold("demo")
    upstream.remove_project("demo")
    assert serials(client, 1) == ["4"]
    upstream.cdn_release("demo")
    assert serials(client, 1) == ["404"]
    upstream.cdn_alternate("demo")
    assert serials(client, 4) == ["4", "404", "4", "404"]
    upstream.cdn_release("demo")
    upstream.create("demo")
    upstream.cdn_stale_gzip("demo")
    assert client.page(Accept_Encoding="gzip").status_code == 404
    assert client.page().status_code == 200


def test_invitations_purge_nothing(upstream: FakeUpstream, client: Client) -> None:
    upstream.cdn = True
    upstream.upload("demo", "1.0")
    assert serials(client, 1) == ["4"]
    upstream.invite("demo")  # facts 25
    upstream.revoke_invite("demo")
    assert serials(client, 1) == ["4"]
    upstream.role("demo", "add Maintainer bob")
    assert serials(client, 1) == ["7"]


# Faults, the log, backups


def test_faults_are_used_up(upstream: FakeUpstream, client: Client) -> None:
    upstream.create("demo")
    upstream.fail("^/simple/demo/", Fault.status(503, retry_after=7), times=2)
    answers = [client.page() for _ in range(3)]
    assert [a.status_code for a in answers] == [503, 503, 200]
    assert answers[0].headers["Retry-After"] == "7"
    upstream.fail("demo", Fault.status(500), times=None)
    assert [client.page().status_code for _ in range(4)] == [500] * 4
    upstream.heal()
    assert client.page().status_code == 200
    assert [r.status for r in upstream.page_requests("demo")] == [503, 503, 200, *[500] * 4, 200]


@pytest.mark.parametrize(
    "fault", [Fault.reset(), Fault.hang(0.05), Fault.truncate()], ids=lambda f: f.kind.name
)
def test_broken_connections(upstream: FakeUpstream, client: Client, fault: Fault) -> None:
    upstream.create("demo")
    upstream.fail("demo", fault)
    with pytest.raises(requests.RequestException):
        client.page()
    assert client.page().status_code == 200
    assert upstream.requests[0].status == (200 if fault == Fault.truncate() else 0)


def test_wrong_bodies(upstream: FakeUpstream, client: Client) -> None:
    for name in ("one", "two", "demo"):
        upstream.upload(name, "1.0", requires_python=">=3")
    upstream.fail("demo", Fault.garbage())
    with pytest.raises(ValueError):
        json.loads(client.page().content)
    upstream.fail("demo", Fault.content_type("text/plain"))
    assert client.page().headers["Content-Type"] == "text/plain"
    upstream.fail("demo", Fault.maintenance())
    assert client.page().headers["Content-Type"].startswith("text/html")
    upstream.fail("^/simple/$", Fault.empty_list())
    assert client.get("simple/").json()["projects"] == []
    upstream.fail("^/simple/$", Fault.half_list())
    assert [p["name"] for p in client.get("simple/").json()["projects"]] == ["demo", "two"]
    upstream.fail("demo", Fault.empty_page())
    page = client.page()
    assert (page.json()["files"], page.headers["X-PyPI-Last-Serial"]) == ([], "12")
    upstream.fail("demo", Fault.fallback_origin())
    page = client.page()
    assert page.headers["Content-Type"].startswith("text/html")
    assert "X-PyPI-Last-Serial" not in page.headers
    assert "requires-python" not in page.text and "SERIAL" not in page.text


def test_slow_answers_are_right_and_late(upstream: FakeUpstream, client: Client) -> None:
    upstream.create("demo")
    for fault in (Fault.drip(0.1), Fault.delay(0.1)):
        upstream.fail("demo", fault)
        start = time.monotonic()
        assert client.page().json() == upstream.truth("demo")
        assert time.monotonic() - start >= 0.1


def test_the_entity_bomb_and_http_errors_hit_the_journal(
    upstream: FakeUpstream, running: Served, session: requests.Session, client: Client
) -> None:
    body = xmlrpc.client.dumps((3,), "changelog_since_serial")
    upstream.fail("^/pypi changelog_since", Fault.entity_bomb())
    upstream.fail("^/pypi changelog_since", Fault.status(502))
    headers = {"Content-Type": "text/xml"}
    assert client.call("changelog_last_serial") is None  # another call is not concerned
    first = session.post(running.journal_url, body, headers=headers, timeout=5)
    assert b"<!DOCTYPE" in first.content and first.headers["Content-Type"] == "text/xml"
    assert session.post(running.journal_url, body, headers=headers, timeout=5).status_code == 502
    assert [r.call for r in upstream.journal_calls()][1:] == ["changelog_since_serial(3)"] * 2


def test_the_log_tells_what_was_asked(upstream: FakeUpstream, client: Client) -> None:
    upstream.create("demo")
    client.page(If_None_Match='"x"')
    client.get("simple/")
    (page,) = upstream.page_requests()
    assert (page.method, page.path, page.status, page.project) == (
        "GET",
        "/simple/demo/",
        200,
        "demo",
    )
    assert page.headers["if-none-match"] == '"x"'
    assert [r.path for r in upstream.list_requests()] == ["/simple/"]
    upstream.clear_log()
    assert upstream.requests == []


def test_a_backup_gives_serials_out_again(upstream: FakeUpstream, client: Client) -> None:
    upstream.upload("demo", "1.0")
    backup = upstream.snapshot()
    page = upstream.truth("demo")
    upstream.yank("demo", "1.0")
    upstream.remove_project("demo")
    upstream.restore(backup)
    assert client.page().json() == page
    assert upstream.last_serial == 4
    assert upstream.role("demo") == 5  # design R14: the same serial, another row
    upstream.replace_journal(upstream.journal[3:])
    assert [row[4] for row in client.call("changelog_since_serial", 0)] == [4, 5]


def test_the_same_calls_give_the_same_bytes() -> None:
    def history() -> tuple[object, object]:
        upstream = FakeUpstream()
        upstream.upload("demo", "1.0", content=wheel("demo", "1.0"))
        upstream.upload("demo", "1.0", content=sdist("demo", "1.0"))
        return upstream.truth("demo"), upstream.journal

    assert history() == history()
    assert gzip.decompress(sdist("demo", "1.0"))
