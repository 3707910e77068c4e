"""The fake upstream's journal against what was seen of PyPI's."""

from __future__ import annotations

import xmlrpc.client
from typing import Any

import pytest

from tests.support.fake_index.client import Client
from tests.support.fake_index.index import FakeUpstream, Fault, Refused


def actions(upstream: FakeUpstream) -> list[tuple[str, str | None, str]]:
    return [(e.name, e.version, e.action) for e in upstream.journal]


def test_first_upload_writes_four_rows_in_one_transaction(upstream: FakeUpstream) -> None:
    assert upstream.upload("Foo.Bar", "1.0") == 4
    assert actions(upstream) == [
        ("Foo.Bar", None, "create"),
        ("Foo.Bar", None, "add Owner alice"),
        ("Foo.Bar", "1.0", "new release"),
        ("Foo.Bar", "1.0", "add source file foo_bar-1.0.tar.gz"),
    ]
    assert len({e.timestamp for e in upstream.journal}) == 1
    upstream.upload("Foo.Bar", "1.0")
    assert actions(upstream)[4:] == [
        ("Foo.Bar", "1.0", "add py3 file foo_bar-1.0-py3-none-any.whl")
    ]
    assert upstream.journal[4].timestamp == upstream.journal[3].timestamp + 1


def test_each_mutation_writes_its_row(upstream: FakeUpstream) -> None:
    upstream.upload("demo", "1.0")
    upstream.upload("demo", "2.0")
    start = upstream.last_serial
    upstream.yank("demo", "1.0", "bad")
    upstream.yank("demo", "1.0", "worse")
    upstream.unyank("demo", "2.0")  # it is not yanked
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


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("create", ("DEMO",)),
        ("upload", ("other", "1.0", "demo-1.0.tar.gz")),
        ("yank", ("unknown", "1.0")),
        ("yank", ("demo", "1")),
        ("remove_file", ("demo", "demo-2.0.tar.gz")),
        ("clear_project_quarantine", ("demo",)),
        ("clear_release_quarantine", ("demo", "1.0")),
        ("archive", ("held",)),
    ],
)
def test_what_is_refused_writes_no_row(
    upstream: FakeUpstream, method: str, arguments: tuple[str, ...]
) -> None:
    upstream.upload("demo", "1.0")
    upstream.create("held")
    before = upstream.quarantine_project("held")
    pages = [upstream.truth(name) for name in ("demo", "held", "other")]
    with pytest.raises(Refused):
        getattr(upstream, method)(*arguments)
    assert upstream.last_serial == before
    assert [upstream.truth(name) for name in ("demo", "held", "other")] == pages


def test_since_serial_is_exclusive_ordered_and_limited(
    upstream: FakeUpstream, client: Client
) -> None:
    upstream.upload("demo", "1.0")
    upstream.burn_serial(10)
    assert client.call("changelog_last_serial") == 4
    upstream.clock = 5
    assert upstream.yank("demo", "1.0") == 15
    assert client.call("changelog_since_serial", 4) == [["demo", "1.0", 5, "yank release", 15]]
    assert client.call("changelog_since_serial", 15) == []
    assert client.call("changelog_since_serial", 99) == []
    assert [r[4] for r in client.call("changelog_since_serial", -7)] == [1, 2, 3, 4, 15]
    upstream.page_limit = 2
    assert [r[4] for r in client.call("changelog_since_serial", 1)] == [2, 3]


def test_empty_journal_is_nil(upstream: FakeUpstream, client: Client) -> None:
    assert client.call("changelog_last_serial") is None
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
    found, words = client.fault(method, *params)
    assert found == code
    assert words.endswith(text + "." * words.endswith("."))


def test_a_serial_beyond_the_database_is_an_application_error(
    upstream: FakeUpstream, client: Client
) -> None:
    body = (  # xmlrpc.client refuses to write such an integer
        "<methodCall><methodName>changelog_since_serial</methodName><params><param><value><int>"
        "2147483648</int></value></param></params></methodCall>"
    )
    assert b"application error" in client.post(body).content
    answer = client.post("<methodCall>")
    assert b"-32700" in answer.content
    assert b"parse error; not well formed" in answer.content


def test_rate_limit_is_a_fault(upstream: FakeUpstream, client: Client) -> None:
    upstream.rate_limit = 3
    client.call("changelog_last_serial")
    client.call("changelog_last_serial")
    code, text = client.fault("changelog_last_serial")  # the n-th is the first refused
    assert (code, text[:20]) == (-32500, "HTTPTooManyRequests:")
    assert "reset in 3542 seconds" in text
    upstream.rate_limit = None
    upstream.fail("^/pypi changelog_last_serial", Fault.rate_limit(7))
    assert "in 7 seconds." in client.fault("changelog_last_serial")[1]
    client.call("changelog_last_serial")


@pytest.mark.parametrize("content_type", ["application/xml", "TEXT/XML", ""])
def test_only_lower_case_text_xml_is_xmlrpc(
    upstream: FakeUpstream, client: Client, content_type: str
) -> None:
    for path, location in (("pypi", "/pypi/"), ("pypi/", "/")):
        answer = client.post(b"", path, Content_Type=content_type)
        assert (answer.status_code, answer.headers["Location"]) == (301, location)
    assert client.post(b"", "RPC2/").status_code == 404


def test_odd_rows_travel_as_they_are(upstream: FakeUpstream, client: Client) -> None:
    upstream.raw_row(None, None, None, 7)
    upstream.raw_row("user:eve", "", "nuke user")
    upstream.raw_row("Größe", "1.2 (final) & <more>", "add Owner é… & <b>")
    rows = client.call("changelog_since_serial", 0)
    assert rows[0] == [None, None, 7, None, 1]
    assert rows[1][:2] == ["user:eve", ""]
    assert rows[2][:2] == ["Größe", "1.2 (final) & <more>"]
    assert rows[2][3] == "add Owner &#233;&#8230; & <b>"
    assert upstream.journal[0].name == upstream.journal[0].action == ""


def test_list_packages_has_display_names_and_quarantined(
    upstream: FakeUpstream, client: Client
) -> None:
    upstream.create("Zope.Interface")
    upstream.quarantine_project("Zope.Interface")
    assert client.call("list_packages_with_serial") == {"Zope.Interface": 3}
    assert upstream.names() == []
    assert upstream.all_names() == ["zope-interface"]


def test_xmlrpc_can_be_refused_or_gzipped(upstream: FakeUpstream, client: Client) -> None:
    body = xmlrpc.client.dumps((), "changelog_last_serial")
    answer = client.post(body, "RPC2", Accept_Encoding="gzip")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert b"<nil/>" in answer.content
    upstream.xmlrpc_status = 405
    assert client.post(body).status_code == 405
    assert [r.status for r in upstream.journal_calls()] == [200, 405]
    assert upstream.journal_calls()[0].call == "changelog_last_serial()"
