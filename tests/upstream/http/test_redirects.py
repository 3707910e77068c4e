"""Redirects to hosts that the operator names, and whom credentials and cookies are sent to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.support.builders.upstream_pages import DEMO
from tests.support.raw_server import Wire, reply, wire
from yanksync.config.settings import Settings
from yanksync.config.settings import UpstreamSettings as Section
from yanksync.core.errors import InvalidAnswer, UpstreamError
from yanksync.upstream.client import ACCEPT, RawPage, UpstreamClient
from yanksync.upstream.http.http_answers import HttpAnswer, SizeLimit
from yanksync.upstream.http.multiplexer import Multiplexer
from yanksync.upstream.http.session import UpstreamSession
from yanksync.upstream.http.session_options import SessionOptions
from yanksync.upstream.http.worker_threads import HttpRequest

LIMIT = SizeLimit(1 << 20, "upstream.max_page_size")
URL = "bob:s3cret@"
BOB, EVE = "Basic Ym9iOnMzY3JldA==", "Basic ZXZlOm5ldHJj"


@pytest.fixture(autouse=True, params=["direct", "requests"])
def no_proxy(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)
    if request.param == "requests":
        monkeypatch.setenv("NETRC", "/nowhere")


@pytest.fixture
def netrc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Credentials for whatever host is asked."""
    path = tmp_path / "netrc"
    path.write_text(
        "machine 127.0.0.1 login eve password netrc\ndefault login eve password netrc\n"
    )
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))


def session(*redirect_hosts: str) -> closing[UpstreamSession]:
    made = UpstreamSession(
        SessionOptions(
            user_agent="yanksync/test", timeout=20, workers=2, redirect_hosts=redirect_hosts
        )
    )
    return closing(made)


def get(asking: UpstreamSession, url: str) -> HttpAnswer:
    return asking.get(url, ACCEPT, None, LIMIT)


def over_lines(asking: UpstreamSession, url: str) -> HttpAnswer:
    """Ask for ``url`` twice, the second time over the connection that stands then."""
    found = []
    for number in range(2):
        ((_, outcome),) = Multiplexer(asking, 1).ask(
            iter([HttpRequest(number, url, ACCEPT, None, LIMIT)])
        )
        assert isinstance(outcome, HttpAnswer), outcome
        found.append(outcome)
    return found[-1]


WAYS = pytest.mark.parametrize("ask", [get, over_lines])
Ask = Callable[[UpstreamSession, str], HttpAnswer]


def moved(place: str) -> bytes:
    return reply(b"", "302 Found", Location=place, Set_Cookie="home=s3cret; Path=/")


@pytest.fixture
def elsewhere() -> Iterator[Wire]:
    """Another server; as 127.0.0.1 another port of the same host, as localhost another host."""
    with wire(lambda head: reply(b"elsewhere", Set_Cookie="other=1; Path=/")) as running:
        yield running


def at(running: Wire, host: str, path: str = "cdn/x/?sig=s3cret") -> str:
    return running.url(path).replace("127.0.0.1", host)


def sent(running: Wire, header: str) -> set[str | None]:
    """Return the values of a header, None for a request without it."""
    lines = [
        dict(line.split(": ", 1) for line in head.split("\r\n")[1:-2]) for head in running.heads
    ]
    return {one.get(header) for one in lines}


@WAYS
@pytest.mark.parametrize("named", ["localhost", "localhost:PORT"])
def test_a_host_that_is_named_may_answer(elsewhere: Wire, ask: Ask, named: str) -> None:
    place = at(elsewhere, "localhost")
    with (
        wire(lambda head: moved(place)) as home,
        session("cdn.example", named.replace("PORT", str(elsewhere.port))) as asking,
    ):
        found = ask(asking, home.url())
    assert found.body == b"elsewhere"
    assert found.url == at(elsewhere, "localhost", "cdn/x/")  # a signature is no part of an address
    assert set(elsewhere.paths()) == {"/cdn/x/?sig=s3cret"}


def test_the_configuration_names_it(elsewhere: Wire) -> None:
    place = at(elsewhere, "localhost")
    with wire(lambda head: moved(place)) as home:
        section = Section(
            simple_url=home.url(), journal_url=home.url("pypi"), redirect_hosts=("localhost",)
        )
        with closing(UpstreamClient(Settings(upstream=section))) as upstream:
            page = upstream.page(DEMO, None)
            listed = upstream.list(None)
    assert isinstance(page, RawPage) and page.body == b"elsewhere"
    assert listed is not None and listed.body == b"elsewhere"


@pytest.mark.parametrize(
    "named", [(), ("cdn.example",), ("localhost:1",), ("host",), ("ocalhost",)]
)
def test_a_host_that_is_not_named_may_not(elsewhere: Wire, named: tuple[str, ...]) -> None:
    place = at(elsewhere, "localhost")
    with (
        wire(lambda head: moved(place)) as home,
        session(*named) as asking,
        pytest.raises(InvalidAnswer) as caught,
    ):
        get(asking, home.url())
    assert "upstream.redirect_hosts" in str(caught.value)
    assert f"'localhost:{elsewhere.port}'" in str(caught.value)
    assert elsewhere.heads == [] and "s3cret" not in str(caught.value)


def test_a_named_host_opens_no_other() -> None:
    with ExitStack() as stack:
        last = stack.enter_context(wire(lambda head: reply(b"x")))
        named = stack.enter_context(wire(lambda head: moved(at(last, "127.0.0.2"))))
        home = stack.enter_context(wire(lambda head: moved(at(named, "localhost"))))
        asking = stack.enter_context(session("localhost"))
        with pytest.raises(InvalidAnswer, match=r"another host, '127\.0\.0\.2"):
            get(asking, home.url())
        assert last.heads == []


def test_a_port_that_is_named_opens_no_other(elsewhere: Wire) -> None:
    with ExitStack() as stack:
        named = stack.enter_context(wire(lambda head: moved(at(elsewhere, "localhost"))))
        home = stack.enter_context(wire(lambda head: moved(at(named, "localhost"))))
        asking = stack.enter_context(session(f"localhost:{named.port}"))
        with pytest.raises(InvalidAnswer, match="another host"):
            get(asking, home.url())
        assert elsewhere.heads == []


@pytest.mark.usefixtures("netrc")
@WAYS
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize(("userinfo", "expected"), [(URL, BOB), ("", EVE)])
def test_credentials_and_cookies_stay_at_home(
    elsewhere: Wire, ask: Ask, host: str, userinfo: str, expected: str
) -> None:
    place = at(elsewhere, host)
    with wire(lambda head: moved(place)) as home, session("localhost") as asking:
        asking.post(home.url("pypi", userinfo), b"?", {}, LIMIT)  # it may set cookies, too
        assert ask(asking, home.url("simple/x/", userinfo)).body == b"elsewhere"
    assert sent(home, "Authorization") == {expected}
    assert sent(elsewhere, "Authorization") == {None}
    assert sent(home, "Cookie") == sent(elsewhere, "Cookie") == {None}


@pytest.mark.usefixtures("netrc")
def test_credentials_do_not_come_back(elsewhere: Wire) -> None:
    def answer(head: str) -> bytes:
        return reply(b"back") if head.startswith("GET /back ") else moved(place)

    with ExitStack() as stack:
        home = stack.enter_context(wire(answer))
        there = stack.enter_context(wire(lambda head: moved(home.url("back"))))
        place = at(there, "localhost")
        asking = stack.enter_context(session("localhost"))
        assert get(asking, home.url("simple/", URL)).body == b"back"
    assert [BOB in head for head in home.heads] == [True, False]
    assert "Authorization" not in there.heads[0] + home.heads[1]


@pytest.mark.usefixtures("netrc")
@WAYS
@pytest.mark.parametrize(
    ("userinfo", "expected"),
    [
        (URL, BOB),
        ("bob@", "Basic Ym9iOg=="),  # a token, as pip takes it
        (":s3cret@", "Basic OnMzY3JldA=="),
        ("b%6Fb:s3cret@", BOB),
        ("", EVE),
    ],
)
def test_an_address_overrides_netrc(ask: Ask, userinfo: str, expected: str) -> None:
    with wire(lambda head: reply(b"x")) as home, session() as asking:
        assert ask(asking, home.url("simple/x/", userinfo)).body == b"x"
        asking.post(home.url("pypi", userinfo), b"?", {}, LIMIT)
    assert sent(home, "Authorization") == {expected}


@pytest.mark.parametrize("status", ["404 Not Found", "403 Forbidden", "500 Oops", "200 OK"])
def test_no_signature_in_what_is_told(status: str) -> None:
    def answer(head: str) -> bytes:
        if "sig=" not in head:
            return moved("/cdn/?sig=s3cret")
        return reply(b"x" * 9, status, Content_Encoding="br")

    with wire(answer) as home, session() as asking, pytest.raises(UpstreamError) as caught:
        get(asking, home.url())
    assert "s3cret" not in str(caught.value)
