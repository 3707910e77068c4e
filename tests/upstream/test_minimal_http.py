"""The light question: right where it answers, and no word where requests must be asked (R13)."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.support.certificates import made_by
from tests.support.fake_index.index import FakeUpstream, serve
from tests.support.raw_server import HINT, INTERIM, SWITCH, reply, wire
from yanksync.config.settings import Settings
from yanksync.config.settings import UpstreamSettings as Section
from yanksync.core.errors import InvalidAnswer, UpstreamError, UpstreamUnreachable
from yanksync.upstream import minimal_http
from yanksync.upstream.client import UpstreamClient
from yanksync.upstream.http1_parser import HttpResponse
from yanksync.upstream.http_answers import SizeLimit

HEADERS = {"Content-Type": "text/xml", "User-Agent": "yanksync/test"}
LIMIT = SizeLimit(1000, "upstream.max_list_size")
PACKED = gzip.compress(b"<y/>", mtime=0)


@pytest.fixture(autouse=True)
def plain_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def post(url: str, body: bytes = b"<x/>") -> HttpResponse | None:
    return minimal_http.minimal_post(url, body, HEADERS, 0.4, LIMIT)


def told(sent: bytes | Iterable[bytes]) -> HttpResponse | None:
    """Return what is made of an answer."""
    with wire(lambda head: sent) as running:
        return post(running.url("pypi"))


def test_a_question_and_its_answer() -> None:
    with wire(lambda head: reply(b"<y/>", Content_Type="text/xml")) as running:
        answer = post(running.url("pypi?x=y"))
        assert answer is not None
        assert (answer.status, answer.reason, answer.body) == (200, "OK", b"<y/>")
        assert answer.headers["content-type"] == "text/xml"
        (head,) = running.heads
    assert head.startswith("POST /pypi?x=y HTTP/1.1\r\n")
    sent = dict(line.split(": ") for line in head.strip().split("\r\n")[1:])
    assert sent == {
        "Host": f"127.0.0.1:{running.port}",
        "Content-Length": "4",
        "Connection": "close",
        **HEADERS,
    }


def test_an_answer_of_any_status_is_one() -> None:
    answer = told(reply(b"never read", "429 Too Many Requests", Retry_After="7"))
    assert answer is not None and answer.status == 429 and answer.headers["retry-after"] == "7"


def test_a_packed_answer_is_unpacked() -> None:
    for name in ("gzip", "x-gzip"):
        answer = told(reply(PACKED, Content_Encoding=name))
        assert answer is not None and answer.body == b"<y/>"


def test_interim_responses_are_skipped() -> None:
    answer = told(INTERIM + reply(b"<y/>"))
    assert answer is not None and (answer.status, answer.body) == (200, b"<y/>")


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
    assert told(sent) is None


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
    with wire(lambda head: reply(b"x")) as running:
        assert post(running.url("pypi")) is None and running.heads == []


def test_where_credentials_may_be_meant(tmp_path: Path) -> None:
    with wire(lambda head: reply(b"x")) as running:
        assert post(running.url("pypi", "bob:s3cret@")) is None
        assert post(running.url("pypi")) is not None
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login bob password s3cret")
        assert post(running.url("pypi")) is None
        assert len(running.heads) == 1


def test_nobody_there() -> None:
    with wire(lambda head: reply(b"x")) as running:
        url = running.url("pypi")
    assert post(url) is None


@pytest.mark.parametrize("folder", [False, True])
def test_whose_word_is_taken(
    authority: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: bool
) -> None:
    with wire(lambda head: reply(b"x"), made_by(authority, "IP:127.0.0.1")) as running:
        url = running.url("pypi").replace("http:", "https:")
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
        assert post(url) is None and running.heads == [], "nobody vouches for it"
        bundle = str(tmp_path if folder else authority / "ca.pem")
        monkeypatch.setenv("CURL_CA_BUNDLE", bundle)
        if folder:
            assert post(url) is None, "an empty folder vouches for nobody"
        else:
            answer = post(url)
            assert answer is not None and answer.body == b"x"


def test_a_certificate_of_another_name(authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority / "ca.pem"))
    with wire(lambda head: reply(b"x"), made_by(authority, "DNS:upstream.example")) as running:
        assert post(running.url("pypi").replace("http:", "https:")) is None
        assert running.heads == []


def test_an_upstream_asks_lightly_until_it_needs_more() -> None:
    fake = FakeUpstream()
    fake.upload("Demo", "1.0")
    with serve(fake) as running:
        upstream = UpstreamClient(
            Settings(
                upstream=Section(
                    simple_url=running.simple_url,
                    journal_url=running.journal_url,
                    timeout=2.0,
                    journal_interval=0.0,
                )
            )
        )
        assert upstream.last_serial() == 4
        assert "_session" not in vars(upstream)
        assert upstream.list(None) is not None
        assert "_session" in vars(upstream)
        assert [len(page) for page in upstream.entries(0)] == [4]
        agents = {request.headers["user-agent"] for request in fake.requests}
        assert len(agents) == 1 and agents.pop().startswith("yanksync/")
        upstream.close()
