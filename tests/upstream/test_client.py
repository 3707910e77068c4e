"""What the stages ask of upstream (rules R13, R15)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.fake_index.index import FakeUpstream, Fault, Served, serve
from tests.support.raw_server import reply, wire
from yanksync import __version__
from yanksync.config.settings import Settings
from yanksync.config.settings import UpstreamSettings as Section
from yanksync.core.errors import InvalidAnswer, JournalUnavailable, UpstreamError
from yanksync.core.names import NormalizedName
from yanksync.upstream.client import ACCEPT, ACCEPT_JSON, RawPage, UpstreamClient, user_agent

DEMO = NormalizedName("demo")
JSON, HTML = ACCEPT_JSON, "text/html; charset=UTF-8"


def settings(simple_url: str, journal_url: str = "", **section: object) -> Settings:
    return Settings(
        upstream=Section(
            simple_url=simple_url,
            journal_url=journal_url or simple_url,
            timeout=20.0,
            journal_interval=0.0,
            **section,  # type: ignore[arg-type]
        )
    )


@pytest.fixture
def served() -> Iterator[Served]:
    fake = FakeUpstream()
    fake.upload("Demo", "1.0")
    with serve(fake) as running:
        yield running


@pytest.fixture
def upstream(served: Served) -> Iterator[UpstreamClient]:
    made = UpstreamClient(settings(served.simple_url, served.journal_url, contact="me@example.org"))
    yield made
    made.close()


def test_pages(upstream: UpstreamClient, served: Served) -> None:
    page = upstream.page(DEMO, None)
    assert isinstance(page, RawPage)
    assert (page.content_type, page.url, page.header_serial) == (
        JSON,
        served.simple_url + "demo/",
        "4",
    )
    assert upstream.page(DEMO, page.etag) == 304
    assert upstream.page(NormalizedName("other"), None) == 404
    (first, *_) = served.upstream.requests
    assert first.headers["accept"] == ACCEPT
    assert first.headers["user-agent"] == f"yanksync/{__version__} (me@example.org)"


def test_the_list(upstream: UpstreamClient, served: Served) -> None:
    listed = upstream.list(None)
    assert listed is not None and b"Demo" in listed.body and listed.header_serial == "4"
    assert upstream.list(listed.etag) is None
    served.upstream.fail("/simple/", Fault.status(404))
    with pytest.raises(InvalidAnswer, match=r"the list of projects.*404"):
        upstream.list(None)


def test_the_journal(upstream: UpstreamClient, served: Served) -> None:
    assert upstream.last_serial() == 4
    assert [len(page) for page in upstream.entries(1)] == [3]
    served.upstream.xmlrpc_status = 410
    assert upstream.last_serial() == 4  # asked for once
    with pytest.raises(JournalUnavailable):
        next(upstream.entries(1))


def test_a_304_that_nobody_asked_for() -> None:
    with wire(lambda head: reply(status="304 Not Modified")) as running:
        upstream = UpstreamClient(settings(running.url()))
        with pytest.raises(InvalidAnswer, match="304"):
            upstream.page(DEMO, None)
        with pytest.raises(InvalidAnswer, match="304"):
            upstream.list(None)
        assert upstream.page(DEMO, '"e"') == 304 and upstream.list('"e"') is None
        upstream.close()


def test_an_upstream_without_etags(upstream: UpstreamClient, served: Served) -> None:
    served.upstream.etags = False
    page = upstream.page(DEMO, None)
    assert isinstance(page, RawPage) and page.etag is None


@pytest.mark.rule("R15")
@pytest.mark.parametrize("fault", [Fault.fallback_origin(), Fault.content_type(""), None])
def test_html_from_an_upstream_that_answers_json(
    upstream: UpstreamClient, served: Served, fault: Fault | None
) -> None:
    upstream.json_only = True
    assert isinstance(upstream.page(DEMO, None), RawPage)
    assert served.upstream.requests[-1].headers["accept"] == ACCEPT_JSON
    served.upstream.html_only = fault is None
    if fault is not None:
        served.upstream.fail("/simple/demo/", fault)
    with pytest.raises(InvalidAnswer, match="project demo"):
        upstream.page(DEMO, None)
    assert upstream.page(NormalizedName("other"), None) == 404, "a 404 has no form"


@pytest.mark.rule("R15")
def test_html_is_taken_from_others(upstream: UpstreamClient, served: Served) -> None:
    served.upstream.html_only = True
    page = upstream.page(DEMO, None)
    assert isinstance(page, RawPage) and page.content_type == HTML


def test_no_credentials_in_what_is_stored(served: Served) -> None:
    url = served.simple_url.replace("//", "//bob:s3cret@")
    upstream = UpstreamClient(settings(url, served.journal_url))
    page = upstream.page(DEMO, None)
    assert isinstance(page, RawPage) and "s3cret" not in page.url
    served.upstream.fail("/simple/", Fault.status(404))
    with pytest.raises(UpstreamError) as caught:
        upstream.list(None)
    assert "s3cret" not in str(caught.value)
    upstream.close()


@pytest.mark.rule("R13")
def test_who_is_asking() -> None:
    assert user_agent("") == f"yanksync/{__version__}"
    assert 1 < UpstreamClient(settings("http://127.0.0.1:1/")).longest_pause < 3600
