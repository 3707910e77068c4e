"""Requests without requests: right where they answer, and left where only requests knows (R13)."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.certificates import made_by
from tests.support.fake_index.index import FakeUpstream, serve
from tests.support.raw_server import HINT, INTERIM, SWITCH, Wire, reply, wire
from yanksync.config.settings import Settings
from yanksync.config.settings import UpstreamSettings as Section
from yanksync.core.errors import InvalidAnswer, UpstreamError, UpstreamUnreachable
from yanksync.core.names import NormalizedName
from yanksync.upstream.client import ACCEPT, RawPage, UpstreamClient
from yanksync.upstream.http.http1_parser import HttpResponse
from yanksync.upstream.http.http_answers import HttpAnswer, SizeLimit
from yanksync.upstream.http.multiplexer import Multiplexer
from yanksync.upstream.http.session import UpstreamSession
from yanksync.upstream.http.session_options import SessionOptions
from yanksync.upstream.http.worker_threads import HttpRequest

HEADERS = {"Content-Type": "text/xml"}
LIMIT = SizeLimit(1000, "upstream.max_list_size")
PACKED = gzip.compress(b"<y/>", mtime=0)


@pytest.fixture(autouse=True)
def plain_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def opened(timeout: float = 0.4, workers: int = 4) -> UpstreamSession:
    return UpstreamSession(
        SessionOptions(user_agent="yanksync/test", timeout=timeout, workers=workers)
    )


def post(url: str, session: UpstreamSession | None = None) -> HttpResponse:
    asking = session or opened()
    with closing(asking):
        return asking.post(url, b"<x/>\n", HEADERS, LIMIT)


def is_direct(session: UpstreamSession) -> bool:
    """Return whether requests was not needed."""
    return session._made is None


def told(sent: bytes | Iterable[bytes]) -> HttpResponse:
    """Return what is made of an answer, without requests."""
    session = opened()
    with wire(lambda head: sent) as running:
        answer = post(running.url("pypi"), session)
    assert is_direct(session)
    return answer


def test_a_question_and_its_answer() -> None:
    with wire(lambda head: reply(b"<y/>", Content_Type="text/xml")) as running:
        answer = post(running.url("pypi?x=y"))
        assert (answer.status, answer.reason, answer.body) == (200, "OK", b"<y/>")
        assert answer.headers["content-type"] == "text/xml"
        (head,) = running.heads
    assert head.startswith("POST /pypi?x=y HTTP/1.1\r\n")
    sent = dict(line.split(": ") for line in head.strip().split("\r\n")[1:])
    assert sent == {
        "Host": f"127.0.0.1:{running.port}",
        "User-Agent": "yanksync/test",
        "Content-Length": "5",
        **HEADERS,
    }


def test_an_answer_of_any_status_is_one() -> None:
    answer = told(reply(b"never read", "429 Too Many Requests", Retry_After="7"))
    assert answer.status == 429 and answer.headers["retry-after"] == "7"


def test_a_packed_answer_is_unpacked() -> None:
    for name in ("gzip", "x-gzip"):
        answer = told(reply(PACKED, Content_Encoding=name))
        assert answer.body == b"<y/>"


def test_interim_responses_are_skipped() -> None:
    answer = told(INTERIM + reply(b"<y/>"))
    assert (answer.status, answer.body) == (200, b"<y/>")


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\n\r\nuntil it is closed",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"nonsense\r\n\r\n",
        SWITCH + reply(b"x"),
        HINT * 17 + reply(b"x"),
    ],
)
def test_what_is_out_of_the_ordinary_is_left_to_requests(sent: bytes) -> None:
    plain = reply(b"x")
    session = opened()
    with wire(lambda head: sent if len(running.heads) == 1 else plain) as running, closing(session):
        for path in ("pypi", "simple"):
            assert session.post(running.url(path), b"\n", HEADERS, LIMIT).body == b"x"
        assert not is_direct(session)
        assert running.paths() == ["/pypi", "/pypi", "/simple"], "asked twice only once"


@pytest.mark.rule("R13")
@pytest.mark.parametrize(
    ("sent", "error", "why"),
    [
        (reply(b"cut")[:-1], UpstreamUnreachable, "cut off"),
        (b"HTTP/1.1 200", UpstreamUnreachable, "cut off"),
        (b"", UpstreamUnreachable, "cut off"),
        (reply(PACKED[:-9], Content_Encoding="gzip"), UpstreamUnreachable, "cut off"),
        (reply(b"no gzip", Content_Encoding="gzip"), UpstreamUnreachable, "header"),
        (
            reply(b"x" * (LIMIT.size + 1)),
            InvalidAnswer,
            "larger than upstream",
        ),
        (
            reply(gzip.compress(b"x" * 10**6, mtime=0), Content_Encoding="gzip"),
            InvalidAnswer,
            "larger",
        ),
        (reply(b"x", Content_Encoding="br"), InvalidAnswer, "encoded as 'br'"),
    ],
)
def test_what_has_begun_to_come_is_not_asked_for_again(
    sent: bytes, error: type[UpstreamError], why: str
) -> None:
    with pytest.raises(error, match=why):
        told(iter([sent]))  # and the connection ends


def test_no_answer_in_time() -> None:
    over = threading.Event()

    def silence() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n"
        over.wait(5)

    with wire(lambda head: silence()) as running:
        with pytest.raises(UpstreamUnreachable, match="no answer in time"):
            post(running.url("pypi"))
        over.set()


@pytest.mark.parametrize(
    ("name", "value"),
    [("HTTP_PROXY", "http://127.0.0.1:1"), ("all_proxy", "socks5://x"), ("NETRC", "/some/file")],
)
def test_a_machine_that_is_told_another_way(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    session = opened()
    with wire(lambda head: reply(b"x", Connection="close")) as running:
        assert post(running.url("pypi"), session).body == b"x"
    assert not is_direct(session)


def test_where_credentials_may_be_meant(tmp_path: Path) -> None:
    with wire(lambda head: reply(b"x", Connection="close")) as running:
        session = opened()
        assert post(running.url("pypi", "bob:s3cret@"), session).body == b"x"
        assert not is_direct(session)
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login bob password s3cret")
        session = opened()
        assert post(running.url("pypi"), session).body == b"x"
        assert not is_direct(session)


def test_no_server_at_all() -> None:
    with wire(lambda head: reply(b"x")) as running:
        url = running.url("pypi")
    with pytest.raises(UpstreamUnreachable, match="no connection: Connection refused"):
        post(url)


@pytest.mark.parametrize("folder", [False, True])
def test_whose_word_is_taken(
    authority: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: bool
) -> None:
    with wire(lambda head: reply(b"x"), made_by(authority, "IP:127.0.0.1")) as running:
        url = running.url("pypi").replace("http:", "https:")
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
        with pytest.raises(UpstreamUnreachable, match="not trusted"):
            post(url)
        assert running.heads == [], "no known authority vouches for it"
        bundle = str(tmp_path if folder else authority / "ca.pem")
        monkeypatch.setenv("CURL_CA_BUNDLE", bundle)
        session = opened()
        if folder:
            with pytest.raises(UpstreamUnreachable, match="not trusted"):
                post(url, session)
        else:
            assert post(url, session).body == b"x"
            assert is_direct(session)


def test_a_certificate_of_another_name(authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority / "ca.pem"))
    with wire(lambda head: reply(b"x"), made_by(authority, "DNS:upstream.example")) as running:
        with pytest.raises(UpstreamUnreachable, match="not trusted"):
            post(running.url("pypi").replace("http:", "https:"))
        assert running.heads == []


def ask(session: UpstreamSession, running: Wire, count: int, secure: str = "http:") -> set[bytes]:
    """Return the bodies of ``count`` pages, asked for at once."""
    requests = (
        HttpRequest(n, running.url(f"p{n}/").replace("http:", secure), ACCEPT, None, LIMIT)
        for n in range(count)
    )
    outcomes = dict(Multiplexer(session, 4).ask(requests)).values()
    assert all(isinstance(one, HttpAnswer) for one in outcomes), outcomes
    return {one.body for one in outcomes if isinstance(one, HttpAnswer)}


def named(head: str) -> bytes:
    return reply(head.split(" ", 2)[1].encode())


def test_pages_go_over_as_many_connections_as_there_are_workers() -> None:
    with wire(named) as running, closing(opened(timeout=20)) as session:
        assert ask(session, running, 40) == {f"/p{n}/".encode() for n in range(40)}
        assert running.connections <= 4
        assert ask(session, running, 40) == {f"/p{n}/".encode() for n in range(40)}
        assert running.connections <= 4, "kept from one question to the next"
        assert is_direct(session)


def test_pages_go_over_tls(authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority / "ca.pem"))
    tls = made_by(authority, "IP:127.0.0.1")
    with wire(named, tls) as running, closing(opened(timeout=20)) as session:
        assert len(ask(session, running, 30, "https:")) == 30
        assert is_direct(session)


def test_connections_that_were_closed_meanwhile_are_replaced() -> None:
    with wire(named) as running, closing(opened(timeout=20)) as session:
        assert len(ask(session, running, 8)) == 8
        running.end()
        assert len(ask(session, running, 8)) == 8
        running.end()
        assert session.get(running.url("x/"), ACCEPT, None, LIMIT).body == b"/x/"
        assert is_direct(session)


def test_what_a_server_says_on_an_idle_connection_answers_nothing() -> None:
    with wire(named) as running, closing(opened(timeout=20)) as session:
        for count in (1, 2, 3):
            assert session.get(running.url("x/"), ACCEPT, None, LIMIT).body == b"/x/"
            assert running.connections == count
            running.clients[-1].sendall(reply(status="408 Request Timeout", Connection="close"))
        assert is_direct(session)


def test_redirects_are_asked_for_once_without_requests() -> None:
    def answer(head: str) -> bytes:
        path = head.split(" ", 2)[1]
        if path.startswith("/p"):
            return reply(b"", "301 Moved Permanently", Location=f"/new{path}")
        return reply(path.encode())

    with wire(answer) as running, closing(opened(timeout=20)) as session:
        assert ask(session, running, 20) == {f"/new/p{n}/".encode() for n in range(20)}
        assert not is_direct(session)
        assert all(running.paths().count(f"/p{n}/") <= 2 for n in range(20))


def test_an_answer_larger_than_its_share_waits_for_room() -> None:
    waits: list[bool] = []
    big = gzip.compress(bytes(1000), mtime=0)
    sent = reply(big, Content_Encoding="gzip")
    with wire(lambda head: sent) as running, closing(opened(timeout=20)) as session:
        url = running.url("p/")
        answer = session.get(url, ACCEPT, None, LIMIT, share=10, wait=lambda: waits.append(True))
        assert len(answer.body) == 1000 and waits == [True]
        assert is_direct(session)


def test_an_upstream_needs_no_requests_for_journal_list_and_pages() -> None:
    fake = FakeUpstream()
    fake.upload("Demo", "1.0")
    with serve(fake) as running:
        upstream = UpstreamClient(
            Settings(
                upstream=Section(
                    simple_url=running.simple_url,
                    journal_url=running.journal_url,
                    timeout=20.0,
                    journal_interval=0.0,
                )
            )
        )
        assert upstream.last_serial() == 4
        assert upstream.list(None) is not None
        assert [len(page) for page in upstream.entries(0)] == [4]
        assert isinstance(upstream.page(NormalizedName("demo"), None), RawPage)
        assert is_direct(upstream._session)
        assert upstream.root_is_missing() is False
        assert not is_direct(upstream._session)
        agents = {request.headers["user-agent"] for request in fake.requests}
        assert len(agents) == 1 and agents.pop().startswith("yanksync/")
        upstream.close()
