"""The fake upstream's CDN, faults, log and backups do what they are asked for."""

from __future__ import annotations

import gzip
import time
import xmlrpc.client

import pytest
import requests

from tests.support.fake_index.client import Client
from tests.support.fake_index.index import FakeUpstream, Fault, sdist, wheel

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
    upstream.invite("demo")
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
    ("fault", "status", "words"),
    [
        (Fault.reset(), 0, "reset by peer"),
        (Fault.hang(0.05), 0, "without response"),
        (Fault.truncate(), 200, "IncompleteRead"),
    ],
)
def test_broken_connections(
    upstream: FakeUpstream, client: Client, fault: Fault, status: int, words: str
) -> None:
    upstream.create("demo")
    upstream.fail("demo", fault)
    with pytest.raises(requests.RequestException, match=words):
        client.page()
    assert client.page().status_code == 200
    assert upstream.requests[0].status == status


def test_wrong_bodies(upstream: FakeUpstream, client: Client) -> None:
    for name in ("one", "two", "demo"):
        upstream.upload(name, "1.0", requires_python=">=3")
    upstream.fail("demo", Fault.garbage())
    with pytest.raises(UnicodeDecodeError):
        client.page().content.decode()
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
    assert "requires-python" not in page.text
    assert "SERIAL" not in page.text


def test_slow_answers_are_right_and_late(upstream: FakeUpstream, client: Client) -> None:
    upstream.create("demo")
    for fault in (Fault.drip(0.1), Fault.delay(0.1)):
        upstream.fail("demo", fault)
        start = time.monotonic()
        assert client.page().json() == upstream.truth("demo")
        assert time.monotonic() - start >= 0.1


def test_the_entity_bomb_and_http_errors_hit_the_journal(
    upstream: FakeUpstream, client: Client
) -> None:
    body = xmlrpc.client.dumps((3,), "changelog_since_serial")
    upstream.fail("^/pypi changelog_since", Fault.entity_bomb())
    upstream.fail("^/pypi changelog_since", Fault.status(502))
    assert client.call("changelog_last_serial") is None  # another call is not concerned
    first = client.post(body)
    assert b"<!DOCTYPE" in first.content
    assert first.headers["Content-Type"] == "text/xml"
    assert client.post(body).status_code == 502
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
