"""The journal over XML-RPC: faults, hostile XML, paging (rules R7, R13)."""

from __future__ import annotations

import gzip
import time
import xmlrpc.client
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
import responses
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders.upstream_pages import CALM
from tests.support.fake_index.index import FakeUpstream, Fault, Served, serve
from tests.support.raw_server import dripping, wire
from yanksync.core.errors import (
    InvalidAnswer,
    JournalUnavailable,
    RateLimited,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnreachable,
    YanksyncError,
)
from yanksync.core.model import JournalEntry
from yanksync.upstream.http.http_answers import SizeLimit
from yanksync.upstream.http.http_session import Session
from yanksync.upstream.http.session_options import SessionOptions
from yanksync.upstream.xmlrpc_journal import PAGE, XmlRpcJournal, decode_value

LIMIT = SizeLimit(64 << 20, "upstream.max_list_size")
URL = "https://upstream.example/pypi"


@contextmanager
def opened(timeout: float) -> Iterator[Session]:
    made = Session(SessionOptions(user_agent="yanksync/test", timeout=timeout, workers=1))
    made.requests.trust_env = False
    yield made
    made.close()


@pytest.fixture
def session() -> Iterator[Session]:
    """A session that waits as long as a busy machine needs."""
    with opened(20.0) as made:
        yield made


@pytest.fixture
def journal(session: Session) -> XmlRpcJournal:
    return XmlRpcJournal(session.post, URL, 0.0, LIMIT)


@pytest.fixture
def served() -> Iterator[Served]:
    upstream = FakeUpstream()
    upstream.upload("Demo", "1.0")
    upstream.yank("demo", "1.0", "why")
    with serve(upstream) as running:
        yield running


@pytest.fixture
def real(session: Session, served: Served) -> XmlRpcJournal:
    """The journal of the fake upstream."""
    return XmlRpcJournal(session.post, served.journal_url, 0.0, LIMIT)


@pytest.fixture
def mocked() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


def response(value: Any) -> bytes:
    return xmlrpc.client.dumps((value,), methodresponse=True, allow_none=True).encode()


def rows(*serials: int) -> list[list[Any]]:
    return [["demo", "1.0", 1_700_000_000, "yank release", serial] for serial in serials]


def answers(mock: responses.RequestsMock, *bodies: bytes | Any, **more: Any) -> None:
    for body in bodies:
        sent = body if isinstance(body, bytes | Exception) else response(body)
        mock.post(URL, **{"body": sent, "content_type": "text/xml; charset=UTF-8", **more})


def entries(journal: XmlRpcJournal, since: int = 0) -> list[tuple[JournalEntry, ...]]:
    return list(journal.since(since))


def test_a_real_journal(real: XmlRpcJournal, served: Served) -> None:
    assert real.last_serial() == 5
    (told,) = entries(real, 1)
    assert list(told) == served.upstream.journal[1:]
    assert told[0].version is None and told[-1].action == "yank release"
    assert entries(real, 5) == [()] and entries(real, 99) == [()]
    served.upstream = FakeUpstream()
    assert real.last_serial() is None and entries(real) == [()]
    calls = [request.call for request in served.upstream.journal_calls()]
    assert calls == ["changelog_last_serial()", "changelog_since_serial(0)"]


def test_the_request(journal: XmlRpcJournal, mocked: responses.RequestsMock) -> None:
    answers(mocked, 5)
    journal.last_serial()
    headers = mocked.calls[0].request.headers
    assert (headers["Content-Type"], headers["User-Agent"]) == ("text/xml", "yanksync/test")


def test_nil_name_version_and_action(
    journal: XmlRpcJournal, mocked: responses.RequestsMock
) -> None:
    answers(mocked, [[None, None, 5, None, 7]])
    assert entries(journal) == [(JournalEntry("", None, 5, "", 7),)]


@pytest.mark.incident(27)
def test_a_full_page_is_followed_by_another(
    journal: XmlRpcJournal, mocked: responses.RequestsMock
) -> None:
    first = response(rows(*range(2, 2 * PAGE + 2, 2)))  # gaps are normal
    answers(mocked, first, rows(2 * PAGE + 7))
    pages = entries(journal)
    assert [len(page) for page in pages] == [PAGE, 1]
    body = mocked.calls[1].request.body
    assert body is not None
    asked = xmlrpc.client.loads(body)[0]
    assert asked == (2 * PAGE,)


@pytest.mark.incident(27)
def test_a_full_page_may_be_the_last(
    journal: XmlRpcJournal, mocked: responses.RequestsMock
) -> None:
    answers(mocked, rows(*range(1, PAGE), PAGE - 1), [])
    assert [len(page) for page in entries(journal)] == [PAGE - 1, 0], "with one row told twice"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(rows(7, 7), id="twice"),
        pytest.param(rows(7, 7, 7, 8)[:3], id="three-times"),
        pytest.param([["demo", "1.0", -5, "yank release", 7]], id="time-before-time"),
        pytest.param([["demo", "1.0", 2**40, "yank release", 7]], id="time-after-time"),
    ],
)
def test_odd_rows_that_are_taken(
    journal: XmlRpcJournal, mocked: responses.RequestsMock, value: Any
) -> None:
    body = response(rows(7)).replace(b"<int>1700000000</int>", b"<i8>%d</i8>" % value[0][2])
    doubled = response([[r[0], r[1], 5, r[3], r[4]] for r in value])
    answers(mocked, body if len(value) == 1 else doubled)
    ((told,),) = entries(journal)
    assert told.serial == 7 and 0 <= told.timestamp < 2**38


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(rows(7, 6), id="descending"),
        pytest.param([*rows(7), ["demo", "1.0", 5, "other", 7]], id="two-rows-of-one-serial"),
        pytest.param(rows(5), id="not-after-what-was-asked"),
        pytest.param(rows(-1), id="negative"),
        pytest.param("text", id="no-list"),
        pytest.param(None, id="nil"),
        pytest.param({"a": 1}, id="a-struct"),
        pytest.param([5], id="no-row"),
        pytest.param([["demo", "1.0", 5, "x"]], id="short-row"),
        pytest.param([["demo", "1.0", 5, "x", 7, 8]], id="long-row"),
        pytest.param([["demo", "1.0", 5, "x", True]], id="a-bool-is-no-serial"),
        pytest.param([["demo", "1.0", False, "x", 7]], id="a-bool-is-no-time"),
        pytest.param([["demo", "1.0", 5, "x", "7"]], id="a-text-is-no-serial"),
        pytest.param([["demo", "1.0", 5.0, "x", 7]], id="a-float-is-no-time"),
        pytest.param([["demo", "1.0", 5, "x", None]], id="nil-serial"),
        pytest.param([[7, "1.0", 5, "x", 7]], id="a-number-is-no-name"),
        pytest.param([["demo", b"1.0", 5, "x", 7]], id="bytes-are-no-version"),
        pytest.param([["demo", "1.0", 5, ["x"], 7]], id="a-list-is-no-action"),
    ],
)
def test_rows_of_another_shape(
    journal: XmlRpcJournal, mocked: responses.RequestsMock, value: Any
) -> None:
    answers(mocked, value)
    with pytest.raises(InvalidAnswer):
        entries(journal, 5)


def test_too_many_rows(journal: XmlRpcJournal, mocked: responses.RequestsMock) -> None:
    answers(mocked, rows(*range(1, PAGE + 2)))
    with pytest.raises(InvalidAnswer, match="more than 50000 rows"):
        entries(journal)


@pytest.mark.parametrize("tag", ["int", "i8", "biginteger"])
@pytest.mark.parametrize("digits", ["2147483648", "9" * 19, "9" * 5000])
def test_serials_that_nobody_can_ask_with(
    journal: XmlRpcJournal, mocked: responses.RequestsMock, tag: str, digits: str
) -> None:
    number = f"<{tag}>{digits}</{tag}>".encode()
    answers(
        mocked,
        response(rows(77)).replace(b"<int>77</int>", number),
        response(77).replace(b"<int>77</int>", number),
    )
    with pytest.raises(InvalidAnswer):
        entries(journal)
    with pytest.raises(InvalidAnswer):
        journal.last_serial()


@pytest.mark.parametrize("value", ["5", 5.0, True, -1, [5], {}])
def test_last_serials_that_are_none(
    journal: XmlRpcJournal, mocked: responses.RequestsMock, value: Any
) -> None:
    answers(mocked, value)
    with pytest.raises(InvalidAnswer, match="no serial"):
        journal.last_serial()


TOO_MANY = "HTTPTooManyRequests: The action could not be performed because there were too many"


@pytest.mark.parametrize(
    ("code", "text", "error"),
    [
        (-32601, "server error; requested method not found", JournalUnavailable),
        (-32500, "RuntimeError: x is no longer supported.", JournalUnavailable),
        (-32500, "XMLRPC has been disabled", JournalUnavailable),
        (-32500, "XMLRPC has been removed, see the docs", JournalUnavailable),
        (-32500, f"{TOO_MANY} requests. Limit may reset in 17 seconds.", RateLimited),
        (-32500, TOO_MANY, RateLimited),
        (-32500, "application error", UpstreamRefused),
        (-32602, "client error; is no longer supported", UpstreamRefused),
        (-32700, "parse error; not well formed", UpstreamRefused),
        ("-32601", "a text is no code", InvalidAnswer),
        (True, "neither is a bool", InvalidAnswer),
        (-32601, ["no text"], InvalidAnswer),
        (-32601, None, InvalidAnswer),
    ],
)
def test_faults(code: Any, text: Any, error: type[UpstreamError]) -> None:
    fault = xmlrpc.client.Fault(code, text)
    body = xmlrpc.client.dumps(fault, allow_none=True).encode()
    with pytest.raises(error) as caught:
        decode_value(body, URL)
    assert type(caught.value) is error
    if isinstance(caught.value, RateLimited):
        assert caught.value.seconds == (17 if "17" in text else 60)


@pytest.mark.rule("R7")
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.rate_limit(9), RateLimited),
        (Fault.rpc_fault(-32500, "x"), UpstreamRefused),
        (Fault.status(404), JournalUnavailable),
        (Fault.status(405), JournalUnavailable),
        (Fault.status(410), JournalUnavailable),
        (Fault.status(501), JournalUnavailable),
        (Fault.status(429), RateLimited),
        (Fault.status(429, 7), RateLimited),
        (Fault.status(503, 7), RateLimited),
        (Fault.status(503), UpstreamUnreachable),
        (Fault.status(500), UpstreamUnreachable),
        (Fault.status(301), UpstreamRefused),
        (Fault.status(403), UpstreamRefused),
        (Fault.maintenance(), InvalidAnswer),
        (Fault.content_type(""), InvalidAnswer),
        (Fault.content_type("application/json"), InvalidAnswer),
        (Fault.entity_bomb(), InvalidAnswer),
        (Fault.garbage(), InvalidAnswer),
        (Fault.reset(), UpstreamUnreachable),
        (Fault.truncate(), UpstreamUnreachable),
        (Fault.body(b"<a/>", "text/xml"), InvalidAnswer),
        (Fault.body(b"", "text/xml"), InvalidAnswer),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
@pytest.mark.parametrize("gzipped", [True, False])
def test_outages(
    real: XmlRpcJournal, served: Served, fault: Fault, error: type[UpstreamError], gzipped: bool
) -> None:
    served.upstream.gzip = gzipped
    served.upstream.fail("^/pypi", fault, 2)
    for ask in (real.last_serial, lambda: entries(real)):
        with pytest.raises(UpstreamError) as caught:
            ask()
        assert type(caught.value) is error
    assert real.last_serial() == 5


def test_silence(served: Served) -> None:
    served.upstream.fail("^/pypi", Fault.hang(5), None)
    url = served.journal_url.replace("//", "//bob:s3cret@")
    with opened(0.4) as session:
        journal = XmlRpcJournal(session.post, url, 0.0, LIMIT)
        for ask in (journal.last_serial, lambda: entries(journal)):
            with pytest.raises(UpstreamUnreachable, match="no answer in time") as caught:
                ask()
            assert "s3cret" not in str(caught.value)


def test_an_answer_that_drips_for_ever_is_left(session: Session) -> None:
    session.timeout = 0.25  # a busy machine may keep a drip waiting for 0.05
    with (
        wire(lambda head: dripping(10**6, 0.01, Content_Type="text/xml")) as running,
        pytest.raises(UpstreamUnreachable, match="longer than 5 s"),
    ):
        XmlRpcJournal(session.post, running.url("pypi"), 0.0, LIMIT).last_serial()


def test_a_bomb_is_left_at_the_limit(
    journal: XmlRpcJournal, mocked: responses.RequestsMock
) -> None:
    part = gzip.compress(b" " * (1 << 20))
    answers(mocked, part * 300, headers={"Content-Encoding": "gzip"})
    with pytest.raises(InvalidAnswer, match="larger than"):
        journal.last_serial()


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectionError("no"),
        requests.Timeout("no"),
        requests.RequestException("no"),
        OSError("no"),
    ],
)
def test_errors_of_the_wire(
    journal: XmlRpcJournal, mocked: responses.RequestsMock, error: Exception
) -> None:
    answers(mocked, error)
    with pytest.raises(UpstreamUnreachable):
        journal.last_serial()


def test_credentials(session: Session, served: Served) -> None:
    url = served.journal_url.replace("//", "//bob:s3cret@")
    journal = XmlRpcJournal(session.post, url, 0.0, LIMIT)
    assert journal.last_serial() == 5
    assert served.upstream.requests[0].headers["authorization"] == "Basic Ym9iOnMzY3JldA=="
    for fault in (Fault.status(500), Fault.maintenance(), Fault.status(404)):
        served.upstream.fail("^/pypi", fault)
        with pytest.raises(UpstreamError) as caught:
            journal.last_serial()
        assert "s3cret" not in str(caught.value)


@pytest.mark.rule("R13")
def test_calls_are_spaced_whatever_came_of_them(session: Session, served: Served) -> None:
    journal = XmlRpcJournal(session.post, served.journal_url, 0.2, LIMIT)
    served.upstream.fail("^/pypi", Fault.status(500))
    with pytest.raises(UpstreamUnreachable):
        journal.last_serial()
    before = time.monotonic()
    journal.last_serial()
    assert time.monotonic() - before >= 0.15


VALUE = "<value><int>5</int></value>"
BODY = f"<methodResponse><params><param>{VALUE}</param></params></methodResponse>"
DOCTYPE = "<!DOCTYPE m [<!ENTITY a 'b'>]>"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(f"<?xml version='1.0'?>{DOCTYPE}{BODY}".encode(), id="doctype"),
        pytest.param(f"<!DOCTYPE m SYSTEM 'file:///etc/passwd'>{BODY}".encode(), id="external"),
        pytest.param(f"{DOCTYPE}{BODY}".encode("utf-16"), id="utf-16"),
        pytest.param(
            f"<?xml version='1.0' encoding='UTF-16'?>{DOCTYPE}{BODY}".encode("utf-16-be"),
            id="utf-16-be",
        ),
        pytest.param(b"\xef\xbb\xbf" + f"{DOCTYPE}{BODY}".encode(), id="utf-8-mark"),
        pytest.param(BODY.replace("5", "&a;").encode(), id="unknown-entity"),
        pytest.param(BODY[:-9].encode(), id="truncated"),
        pytest.param(BODY.encode() * 2, id="two-documents"),
        pytest.param(BODY.replace("5", "\x01").encode(), id="control-character"),
        pytest.param(BODY.replace("5", "&#xD800;").encode(), id="lone-surrogate"),
        pytest.param(BODY.encode() + b"\xff", id="no-utf-8"),
        pytest.param(BODY.replace("5", "five").encode(), id="no-number"),
        pytest.param(BODY.replace("5", "").encode(), id="empty-number"),
        pytest.param(BODY.replace(VALUE, "").encode(), id="no-value"),
        pytest.param(BODY.replace(VALUE, VALUE * 2).encode(), id="two-values"),
        pytest.param(BODY.replace("int>", "blink>").encode(), id="unknown-type"),
        pytest.param(BODY.replace("int>", "dateTime.iso8601>").encode(), id="no-date"),
        pytest.param(b"<methodResponse/>", id="nothing"),
        pytest.param(b"", id="empty"),
        pytest.param(b"<html><body>Later.</body></html>", id="html"),
        pytest.param(b"<methodResponse><fault></fault></methodResponse>", id="empty-fault"),
    ],
)
def test_what_is_no_response(body: bytes) -> None:
    with pytest.raises(InvalidAnswer):
        decode_value(body, URL)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
def test_encodings(encoding: str) -> None:
    body = BODY.replace("<int>5</int>", "<string>é&#8230;😀</string>")
    assert decode_value(body.encode(encoding), URL) == "é…😀"


@pytest.mark.parametrize("fault", [False, True])
def test_nesting_without_end_is_told_briefly(
    journal: XmlRpcJournal, mocked: responses.RequestsMock, fault: bool
) -> None:
    deep = "<value><array><data>" * 20_000 + "</data></array></value>" * 20_000
    body = BODY.replace(VALUE, deep).encode()
    if fault:
        body = xmlrpc.client.dumps(xmlrpc.client.Fault(-32500, "TEXT")).encode()
        body = body.replace(b"<value><string>TEXT</string></value>", deep.encode())
    answers(mocked, body, body)
    for ask in (journal.last_serial, lambda: entries(journal)):
        with pytest.raises(InvalidAnswer) as caught:
            ask()
        assert len(str(caught.value)) < 500


@CALM
@given(st.binary(max_size=200))
def test_fuzz_bytes(body: bytes) -> None:
    with pytest.raises(YanksyncError):
        decode_value(body, URL)


WHOLE = response([["demo", None, 1, "create", 2], ["x", "1.0", 1.5, True, {"a": b"b"}]])
TAGS = [b"<value>", b"</value>", b"<int>", b"<nil/>", b"<fault>", b"&lt;", b"<struct>", b"<member>"]


@pytest.mark.incident(28)
@CALM
@given(st.data())
def test_fuzz_mutated_answers(data: st.DataObject) -> None:
    body = WHOLE
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(body)))
        end = data.draw(st.integers(start, min(start + 30, len(body))))
        put = data.draw(st.one_of(st.binary(max_size=5), st.sampled_from(TAGS)))
        body = body[:start] + put + body[end:]
    try:
        decode_value(body, URL)
    except YanksyncError:
        pass
