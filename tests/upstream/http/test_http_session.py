"""The wire: redirects, limits, patience, credentials, proxies (rules R10, R13)."""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from tests.support.certificates import made_by
from tests.support.fake_index.index import FakeUpstream, Fault, Served, serve
from tests.support.raw_server import HINT, INTERIM, SWITCH, Wire, dripping, reply, wire
from yanksync.core.errors import (
    InvalidAnswer,
    RateLimited,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnreachable,
)
from yanksync.upstream.client import ACCEPT
from yanksync.upstream.http.http_answers import HttpAnswer, SizeLimit, parse_retry_after
from yanksync.upstream.http.http_session import Session
from yanksync.upstream.http.redirects import RedirectRules
from yanksync.upstream.http.session import UpstreamSession
from yanksync.upstream.http.session_options import SessionOptions
from yanksync.upstream.xmlrpc_journal import XmlRpcJournal

LIMIT = SizeLimit(1 << 20, "upstream.max_page_size")
SMALL = SizeLimit(1000, "upstream.max_page_size")
SECRET = "bob:s3cret@"
Asking = UpstreamSession | Session
ONLY_REQUESTS = pytest.mark.parametrize("kind", ["requests"], indirect=True)


@pytest.fixture(params=["direct", "requests"])
def kind(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> type[Asking]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)
    return UpstreamSession if request.param == "direct" else Session


def opened(kind: type[Asking], timeout: float) -> Asking:
    return kind(SessionOptions(user_agent="yanksync/test", timeout=timeout, workers=4))


@pytest.fixture
def session(kind: type[Asking]) -> Iterator[Asking]:
    """A session that waits as long as a busy machine needs."""
    with closing(opened(kind, 20.0)) as made:
        yield made


@pytest.fixture
def served() -> Iterator[Served]:
    upstream = FakeUpstream()
    upstream.upload("demo", "1.0")
    upstream.upload("demo", "1.1")
    with serve(upstream) as running:
        yield running


def get(session: Asking, url: str, etag: str | None = None, limit: SizeLimit = LIMIT) -> HttpAnswer:
    return session.get(url, ACCEPT, etag, limit)


def failures(session: Asking, url: str) -> Iterator[str]:
    """Yield what is said of a page and of a journal that cannot be had."""
    for ask in (
        lambda: get(session, url),
        lambda: XmlRpcJournal(session.post, url, 0.0, LIMIT).since(0),
    ):
        with pytest.raises(UpstreamUnreachable) as caught:
            list(ask())  # type: ignore[arg-type]
        assert str(caught.value).startswith(url)
        yield str(caught.value)


def test_no_connection_says_why(session: Asking) -> None:
    for why in failures(session, "http://127.0.0.1:1/simple/"):
        assert why.endswith("/: no connection: Connection refused")
    for why in failures(session, "https://host.invalid/simple/"):
        assert "/: the name of the host is not known: " in why


def test_an_answer(session: Asking, served: Served) -> None:
    url = served.simple_url + "demo/"
    answer = get(session, url)
    assert (answer.status, answer.url, answer.serial) == (200, url, "6")
    assert answer.body.startswith(b"{") and answer.content_type.endswith("+json")
    again = get(session, url, answer.etag)
    assert (again.status, again.body, again.serial) == (304, b"", "6")
    assert get(session, served.simple_url + "none/").status == 404
    (first, second, _) = served.upstream.requests
    assert first.headers["user-agent"] == "yanksync/test" and first.headers["accept"] == ACCEPT
    assert second.headers["if-none-match"] == answer.etag and "if-none-match" not in first.headers


def test_connections_are_kept(session: Asking) -> None:
    with wire(lambda head: reply(b"x")) as running:
        for path in ("a", "b", "c"):
            get(session, running.url(path))
        assert (running.connections, running.paths()) == (1, ["/a", "/b", "/c"])


def test_the_query_goes_with_it(session: Asking) -> None:
    with wire(lambda head: reply(b"x")) as running:
        get(session, running.url("a/?b=c"))
        assert running.paths() == ["/a/?b=c"]


def moved(location: str | None, status: str = "301 Moved", body: bytes = b"") -> bytes:
    named = {} if location is None else {"Location": location}
    return reply(body, status, **named)


@pytest.mark.parametrize(
    "location",
    ["/there/", "../../there/", "http://127.0.0.1:PORT/there/", "//127.0.0.1:PORT/there/"],
)
@pytest.mark.parametrize("status", ["301 M", "302 F", "303 S", "307 T", "308 P"])
def test_a_redirect_on_the_same_host_is_followed(
    session: Asking, location: str, status: str
) -> None:
    def answer(head: str) -> bytes:
        if head.startswith("GET /there/ "):
            return reply(b"here")
        return moved(location.replace("PORT", str(running.port)), status)

    with wire(answer) as running:
        found = get(session, running.url("simple/x/", SECRET))
        assert found.body == b"here"
        assert found.url == running.url("there/").replace("//", "//***@")
        assert len([head for head in running.heads if "Authorization: Basic" in head]) == 2


@pytest.mark.parametrize(
    ("location", "problem"),
    [
        ("http://127.0.0.2:PORT/", "another host, '127.0.0.2:.*upstream.redirect_hosts"),
        ("https://example.invalid/", "another host"),
        ("http://localhost:PORT/", "another host"),
        ("ftp://127.0.0.1/", "no http address"),
        ("file:///etc/passwd", "no http address"),
        ("javascript:alert(1)", "no http address"),
        ("http://[::1/", "no valid address"),
        ("http://127.0.0.1:99999/", "no valid address"),
        ("http://eve:pw@127.0.0.1:PORT/", "with credentials"),
        ("", "names no address"),
        (None, "names no address"),
        ("/loop", "more than 5 redirects"),
    ],
)
@pytest.mark.parametrize("userinfo", ["", SECRET])
def test_a_redirect_that_is_not_followed(
    session: Asking, location: str | None, problem: str, userinfo: str
) -> None:
    def answer(head: str) -> bytes:
        return moved(None if location is None else location.replace("PORT", str(running.port)))

    with wire(answer) as running:
        with pytest.raises(InvalidAnswer, match=problem) as caught:
            get(session, running.url("simple/", userinfo))
        assert "s3cret" not in str(caught.value) and "pw@" not in str(caught.value)
        assert len(running.heads) == (6 if location == "/loop" else 1)


@pytest.mark.rule("R7")
def test_a_404_elsewhere_says_nothing_of_what_was_asked(session: Asking) -> None:
    def answer(head: str) -> bytes:
        if head.startswith("GET /gone/ "):
            return reply(status="404 Not Found")
        return moved("/gone/")

    with wire(answer) as running:
        assert get(session, running.url("gone/")).status == 404
        with pytest.raises(InvalidAnswer, match=r"a redirect to .*/gone/, which is not there"):
            get(session, running.url("simple/x/"))


@pytest.mark.parametrize("location", ["/a b/", "/ä/", "/\x00/", "/%zz/", "?", "#x", "/\u2028"])
def test_a_redirect_to_an_odd_place_is_an_answer_or_an_upstream_error(
    session: Asking, location: str
) -> None:
    with (
        wire(lambda head: moved(location.encode().decode("latin-1"))) as running,
        pytest.raises(UpstreamError),
    ):
        get(session, running.url())


def test_https_is_never_left_for_http() -> None:
    rules = RedirectRules(allow_http=False, hosts=())
    with pytest.raises(InvalidAnswer, match="plain http"):
        rules.follow("https://127.0.0.1/simple/", "http://127.0.0.1/simple/", "127.0.0.1")
    with pytest.raises(InvalidAnswer, match="plain http"):
        rules.follow("http://host.example/simple/", "http://host.example/x/", "host.example")
    rules = RedirectRules(allow_http=True, hosts=())
    here = "http://a.example/simple/"
    assert rules.follow(here, "/x/", "a.example") == "http://a.example/x/"


def test_a_certificate_that_nobody_vouches_for_is_refused(
    session: Asking, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with wire(lambda head: reply(b"x"), made_by(authority, "IP:127.0.0.1")) as running:
        url = running.url().replace("http:", "https:")
        for why in failures(session, url):
            assert "its certificate is not trusted: " in why and "REQUESTS_CA_BUNDLE" in why
        assert running.heads == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority / "ca.pem"))
        with closing(
            Session(SessionOptions(user_agent="yanksync/test", timeout=20, workers=1))
        ) as vouched:
            assert get(vouched, url).body == b"x"


def test_a_certificate_of_another_name_is_refused(
    session: Asking, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority / "ca.pem"))
    with wire(lambda head: reply(b"x"), made_by(authority, "DNS:upstream.example")) as running:
        with pytest.raises(UpstreamUnreachable, match="certificate"):
            get(session, running.url().replace("http:", "https:"))
        assert running.heads == []


def test_credentials_stay_where_they_belong() -> None:
    rules = RedirectRules(allow_http=False, hosts=())
    here, home = "https://bob:pw@host.example/simple/", "host.example"
    for same in ("/x/", "https://host.example/x/", "https://host.example:443/x/"):
        assert rules.follow(here, same, home) == "https://bob:pw@host.example/x/"
    other = "https://host.example:444/x/"
    assert rules.follow(here, other, home) == other


def test_the_body_of_a_redirect_is_not_read_for_ever(session: Asking) -> None:
    def answer(head: str) -> bytes:
        if head.startswith("GET /there"):
            return reply(b"here")
        return moved("/there", body=b"x").replace(b"h: 1\r", b"h: 999999999\r") + b"x" * 9

    with wire(answer) as running:
        assert get(session, running.url()).body == b"here"


@pytest.mark.rule("R7")
@pytest.mark.parametrize(
    ("fault", "error", "problem"),
    [
        (Fault.status(500), UpstreamUnreachable, "500"),
        (Fault.status(502), UpstreamUnreachable, "502"),
        (Fault.status(503), UpstreamUnreachable, "503"),
        (Fault.status(403), UpstreamRefused, "403"),
        (Fault.status(406), UpstreamRefused, "406"),
        (Fault.status(300), UpstreamRefused, "300"),
        (Fault.status(299), UpstreamRefused, "299"),
        (Fault.reset(), UpstreamUnreachable, "reset"),
        (Fault.truncate(), UpstreamUnreachable, "cut off"),
        (Fault.status(429, 3600), RateLimited, "3600 s"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_is_no_answer(
    session: Asking, served: Served, fault: Fault, error: type[UpstreamError], problem: str
) -> None:
    served.upstream.gzip = False
    served.upstream.fail("/simple/demo/", fault, None)
    with pytest.raises(error) as caught:
        get(session, served.simple_url + "demo/")
    assert problem in str(caught.value)
    served.upstream.heal()
    if error is not RateLimited:
        assert get(session, served.simple_url + "demo/").status == 200


@pytest.mark.rule("R7")
def test_silence_is_no_answer(kind: type[Asking], served: Served) -> None:
    served.upstream.fail("/simple/demo/", Fault.hang(5), None)
    url = served.simple_url.replace("//", "//" + SECRET) + "demo/"
    with closing(opened(kind, 0.4)) as session, pytest.raises(UpstreamUnreachable) as caught:
        get(session, url)
    assert "no answer in time" in str(caught.value)
    assert "s3cret" not in str(caught.value) and "***@" in str(caught.value)


@pytest.mark.parametrize("gzipped", [True, False])
def test_a_dripping_answer_is_read_while_it_comes(
    session: Asking, served: Served, gzipped: bool
) -> None:
    served.upstream.gzip = gzipped
    whole = get(session, served.simple_url + "demo/").body
    served.upstream.fail("/simple/demo/", Fault.drip(0.6))
    assert get(session, served.simple_url + "demo/").body == whole


def test_an_answer_that_drips_for_ever_is_left(session: Asking) -> None:
    session.timeout = 0.25  # a busy machine may keep a drip waiting for 0.05
    with (
        wire(lambda head: dripping(10**6, 0.01)) as running,
        pytest.raises(UpstreamUnreachable, match="longer than 5 s"),
    ):
        get(session, running.url())


def test_nobody_there(session: Asking, served: Served) -> None:
    url = served.simple_url.replace("//", "//" + SECRET)
    served.close()
    with pytest.raises(UpstreamUnreachable) as caught:
        get(session, url)
    assert "refused" in str(caught.value) and "s3cret" not in str(caught.value)
    with pytest.raises(UpstreamUnreachable):
        get(session, "http://host.invalid./")


@pytest.mark.parametrize("size", [1000, 1001])
@pytest.mark.parametrize("packed", [True, False])
def test_the_limit_is_of_decompressed_bytes(session: Asking, size: int, packed: bool) -> None:
    body = b"x" * size
    sent = reply(gzip.compress(body), Content_Encoding="gzip") if packed else reply(body)
    with wire(lambda head: sent) as running:
        if size <= 1000:
            assert get(session, running.url(), limit=SMALL).body == body
        else:
            with pytest.raises(InvalidAnswer, match=r"larger than upstream\.max_page_size"):
                get(session, running.url(), limit=SMALL)


def test_a_bomb_is_not_unpacked(session: Asking) -> None:
    import tracemalloc

    bomb = gzip.compress(b"\0" * (200 << 20), 9)
    with wire(lambda head: reply(bomb, Content_Encoding="gzip")) as running:
        tracemalloc.start()
        try:
            with pytest.raises(InvalidAnswer, match="larger"):
                get(session, running.url())
            assert tracemalloc.get_traced_memory()[1] < 20 << 20
        finally:
            tracemalloc.stop()


def endless(packed: bool) -> Iterator[bytes]:
    """Yield an endless answer that gives no length."""
    engine = zlib.compressobj(wbits=31)
    coding = "Content-Encoding: gzip\r\n" if packed else ""
    yield f"HTTP/1.1 200 OK\r\n{coding}Connection: close\r\n\r\n".encode()
    while True:
        zeros = b"\0" * 65536
        yield engine.compress(zeros) + engine.flush(zlib.Z_SYNC_FLUSH) if packed else zeros


@pytest.mark.parametrize("packed", [True, False])
def test_an_answer_of_no_length_is_left_at_the_limit(session: Asking, packed: bool) -> None:
    with (
        wire(lambda head: endless(packed)) as running,
        pytest.raises(InvalidAnswer, match="larger than"),
    ):
        get(session, running.url())


@pytest.mark.parametrize("keep", [0.5, 0.95])
def test_a_compressed_answer_that_ends_early_is_no_answer(session: Asking, keep: float) -> None:
    packed = gzip.compress(bytes(range(256)) * 40)
    part = packed[: int(len(packed) * keep)]
    with (
        wire(lambda head: reply(part, Content_Encoding="gzip")) as running,
        pytest.raises(UpstreamUnreachable, match="cut off"),
    ):
        get(session, running.url())


@pytest.mark.parametrize(
    ("encoding", "error"),
    [("gzip", UpstreamUnreachable), ("br", InvalidAnswer), ("x\xff, gzip", InvalidAnswer)],
)
def test_compressed_nonsense(session: Asking, encoding: str, error: type[UpstreamError]) -> None:
    with wire(lambda head: reply(b"\xff" * 99, Content_Encoding=encoding)) as running:
        url = running.url()
        with pytest.raises(error):
            get(session, url)
        assert "Accept-Encoding: gzip\r\n" in running.heads[0]


def test_gzip_of_several_members(session: Asking) -> None:
    packed = gzip.compress(b"one ") + gzip.compress(b"two")
    for name in ("GZIP", "x-gzip", "X-GZip"):
        sent = reply(packed, Content_Encoding=name)
        with wire(lambda head, sent=sent: sent) as running:  # type: ignore[misc]
            assert get(session, running.url()).body == b"one two"


def test_interim_responses_are_skipped_and_the_answer_is_read(session: Asking) -> None:
    with wire(lambda head: INTERIM + HINT * 13 + reply(b"x")) as running:
        for _ in range(3):
            assert get(session, running.url()).body == b"x"
            assert session.post(running.url(), b"<x/>", {}, LIMIT).body == b"x"
        assert running.connections == 1  # no answer is left on it for the next question


@pytest.mark.parametrize("head", [HINT, b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_interim_responses_without_end_are_an_error(session: Asking, head: bytes) -> None:
    with wire(lambda _: iter([head * 17 + reply(b"x")])) as running:
        for why in failures(session, running.url()):
            assert "more than 16 interim responses" in why


def test_another_protocol_is_no_answer(session: Asking) -> None:
    with wire(lambda _: SWITCH + reply(b"x")) as running:
        with pytest.raises(UpstreamRefused, match="101"):
            get(session, running.url())
        assert session.post(running.url(), b"<x/>", {}, LIMIT).status == 101


@pytest.mark.parametrize("tail", [b"5\r\nhel", b"5\r\nhello\r\n", b"zz\r\n"])
def test_chunks_that_end_early(session: Asking, tail: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    with (
        wire(lambda _: head + b"3\r\nabc\r\n" + tail) as running,
        pytest.raises(UpstreamUnreachable),
    ):
        get(session, running.url())
    with wire(lambda _: head + b"3\r\nabc\r\n0\r\n\r\n") as running:
        assert get(session, running.url()).body == b"abc"


@pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 300])
def test_what_is_no_http(session: Asking, sent: bytes) -> None:
    with (
        wire(lambda head: sent + b"\r\nConnection: close\r\n\r\n") as running,
        pytest.raises(UpstreamUnreachable),
    ):
        get(session, running.url())


@pytest.mark.parametrize("etag", ['"\xff\xe9"', '"a b"', "W/x", "\x01", ""])
def test_odd_etags_go_back_as_they_came(session: Asking, etag: str) -> None:
    with wire(lambda head: reply(b"x", ETag=etag)) as running:
        found = get(session, running.url())
        assert found.etag == etag
        get(session, running.url(), found.etag)
        assert f"If-None-Match: {etag}\r\n" in running.heads[-1]


@pytest.mark.rule("R13")
@pytest.mark.parametrize("status", [429, 503])
def test_all_workers_wait_as_long_as_upstream_asks(
    session: Asking, served: Served, status: int
) -> None:
    served.upstream.fail("/simple/demo/", Fault.status(status, 1))
    with pytest.raises(RateLimited) as caught:
        get(session, served.simple_url + "demo/")
    assert caught.value.seconds == 1.0
    before = time.monotonic()
    get(session, served.simple_url)
    assert 0.5 < time.monotonic() - before < 5


@pytest.mark.rule("R13")
def test_a_long_pause_is_not_waited_for_nor_forgotten(session: Asking, served: Served) -> None:
    served.upstream.fail("/simple/", Fault.status(503, 3600))
    for _ in range(2):
        with pytest.raises(RateLimited) as caught:
            get(session, served.simple_url)
        assert session.retry_after.longest < 3590 < caught.value.seconds <= 3600
    assert len(served.upstream.requests) == 1


@pytest.mark.rule("R13")
def test_a_429_without_a_time(session: Asking, served: Served) -> None:
    served.upstream.fail("/simple/", Fault.status(429))
    with pytest.raises(RateLimited) as caught:
        get(session, served.simple_url)
    assert 0 < caught.value.seconds < 60


NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@pytest.mark.rule("R13")
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        (" 0 ", 0.0),
        ("9" * 400, 1e6),
        (format_datetime(NOW + timedelta(minutes=2), usegmt=True), 120.0),
        (format_datetime(NOW - timedelta(minutes=2), usegmt=True), 0.0),
        ("Sat, 21 Nov 2026 12:02:00 -0000", 120.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 1e6),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("soon", None),
        ("", None),
        ("Sat, 99 Nov 2026 12:02:00 GMT", None),
    ],
)
def test_retry_after(text: str | None, seconds: float | None) -> None:
    assert parse_retry_after(text, NOW.timestamp) == seconds


def test_credentials_are_sent_and_never_told(session: Asking, served: Served) -> None:
    url = served.simple_url.replace("//", "//" + SECRET) + "demo/"
    answer = get(session, url)
    assert answer.url == served.simple_url.replace("//", "//***@") + "demo/"
    sent = served.upstream.requests[0].headers["authorization"]
    assert sent == "Basic Ym9iOnMzY3JldA=="
    for fault in (Fault.status(500), Fault.status(401), Fault.truncate()):
        served.upstream.fail("/simple/demo/", fault, 2)
        with pytest.raises(UpstreamError) as caught:
            get(session, url)
        assert "s3cret" not in str(caught.value) and "***@" in str(caught.value)
        served.upstream.heal()


@ONLY_REQUESTS
def test_credentials_from_netrc(
    session: Asking, served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: object
) -> None:
    path = tmp_path_factory.mktemp("home") / "netrc"  # type: ignore[attr-defined]
    path.write_text("machine 127.0.0.1 login bob password s3cret\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))
    get(session, served.simple_url)
    assert served.upstream.requests[0].headers["authorization"] == "Basic Ym9iOnMzY3JldA=="


def proxied(session: Session, url: str) -> Wire:
    with wire(lambda head: reply(b"from the proxy")) as running:
        session.requests.proxies["http"] = running.url("", "eve:pr0xy@")
        assert get(session, url).body == b"from the proxy"
        return running


@ONLY_REQUESTS
def test_a_proxy_is_asked_with_the_whole_url(session: Session) -> None:
    running = proxied(session, f"http://{SECRET}host.example:81/simple/demo/?a=b")
    (head,) = running.heads
    assert head.startswith("GET http://host.example:81/simple/demo/?a=b HTTP/1.1\r\n")
    assert "Host: host.example:81\r\n" in head and "s3cret" not in head
    assert "Proxy-Authorization: Basic ZXZlOnByMHh5\r\n" in head
    assert "Authorization: Basic Ym9iOnMzY3JldA==\r\n" in head


@ONLY_REQUESTS
@pytest.mark.parametrize("proxy", ["http://eve:pr0xy@127.0.0.1:1/", "nonsense://eve:pr0xy@x/"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_does_not_work(session: Session, proxy: str, scheme: str) -> None:
    session.requests.proxies[scheme] = proxy
    for why in failures(session, f"{scheme}://host.example/simple/"):
        assert "pr0xy" not in why
        if proxy.startswith("http:"):
            assert why.endswith(": the proxy: no connection: Connection refused")


def test_no_proxy_for_those_it_is_not_for(
    session: Asking, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1/")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert get(session, served.simple_url).status == 200
