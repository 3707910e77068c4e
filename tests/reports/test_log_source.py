"""The published log of a mirror, read by the audit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import pytest

from tests.reports.test_event_judgement import event
from tests.reports.test_judgement import pin
from tests.support.fake_index.index import FakeUpstream, Fault, Served
from yanksync.core.errors import ConfigError, InvalidAnswer, UpstreamError
from yanksync.core.names import NormalizedName
from yanksync.core.pins import Pin
from yanksync.core.withdrawals.event import WithdrawalEvent, encode_event
from yanksync.reports.audit.findings import PinVerdict
from yanksync.reports.audit.log_source import withdrawals_url
from yanksync.reports.audit.log_verdicts import judged_by_log

NOISE = [event("yank", at, project=f"other{at}") for at in range(1, 8)]


def text(events: Sequence[WithdrawalEvent]) -> bytes:
    return "".join(f"{encode_event(one)}\n" for one in events).encode()


def index_of(events: Sequence[WithdrawalEvent], size: int = 3, **other: object) -> bytes:
    """Return ``index.json`` of a log with ``size`` events a page."""
    pages = []
    for number, start in enumerate(range(0, len(events), size), 1):
        some = events[start : start + size]
        pages.append(
            {
                "name": f"{number:06}.ndjson",
                "first": some[0].cursor,
                "last": some[-1].cursor,
                "count": len(some),
                "sha256": hashlib.sha256(text(some)).hexdigest(),
            }
        )
    newest = events[-1].cursor if events else 0
    found = {"version": 1, "epoch": 1, "newest": newest, "pages": pages}
    return json.dumps(found | other).encode()


def put(upstream: FakeUpstream, name: str, body: bytes, times: int | None = None) -> None:
    upstream.fail(f"^/withdrawals/log/{name}", Fault.body(body, "application/json"), times)


def publish(upstream: FakeUpstream, events: Sequence[WithdrawalEvent], size: int = 3) -> None:
    put(upstream, "index.json", index_of(events, size))
    for number, start in enumerate(range(0, len(events), size), 1):
        put(upstream, f"{number:06}.ndjson", text(events[start : start + size]))


def judged(served: Served, *pins: Pin, url: str | None = None) -> list[PinVerdict]:
    environ = {"YANKSYNC_UPSTREAM_TIMEOUT": "20"}
    return judged_by_log(url or served.root_url, environ, pins or (pin(),), "3.11")[1]


def kinds(verdicts: Sequence[PinVerdict]) -> list[list[str]]:
    return [[str(one.kind) for one in verdict.findings] for verdict in verdicts]


def test_pins_are_judged_by_all_pages(upstream: FakeUpstream, served: Served) -> None:
    late = event("yank", 9, reason='bad\ud800 "project":"x"')
    publish(upstream, [*NOISE, event("unyank", 8), late])
    for version in ("1.0", "1.1"):
        upstream.upload("demo", version)
    fine = Pin(project=NormalizedName("fine"), version="1.0")
    source, verdicts = judged_by_log(served.root_url, {}, [pin(), fine], "3.11")
    assert source == f"the log of {served.root_url}withdrawals/ (epoch 1, 9 events)"
    assert kinds(verdicts) == [["yanked"], []]
    (finding,) = verdicts[0].findings
    assert (finding.reason, finding.since, verdicts[0].nearest) == (late.reason, 9, "1.1")
    assert [one.project for one in upstream.page_requests()] == ["demo"]


def put_project(
    upstream: FakeUpstream, name: str, *events: WithdrawalEvent, epoch: int = 1
) -> None:
    lines = ",".join(map(encode_event, events))
    body = f'{{"version":1,"epoch":{epoch},"events":[{lines}]}}'.encode()
    upstream.fail(f"^/withdrawals/project/{name}/", Fault.body(body, "application/json"), None)


def test_of_a_long_log_the_documents_of_few_projects_are_read(
    upstream: FakeUpstream, served: Served
) -> None:
    publish(upstream, NOISE, 1)
    put_project(upstream, "other7", NOISE[-1])
    put_project(upstream, "demo", event("yank", 3, reason="bad"))
    fine = Pin(project=NormalizedName("fine"), version="1.0")
    (finding,), nothing = (one.findings for one in judged(served, pin(), fine))
    assert (finding.reason, nothing) == ("bad", ())
    asked = [one.path.removeprefix("/withdrawals/") for one in upstream.requests]
    assert asked[:3] == ["log/index.json", "log/000007.ndjson", "project/other7/events.json"]
    assert sorted(asked[3:-1]) == ["project/demo/events.json", "project/fine/events.json"]


@pytest.mark.rule("R7")
@pytest.mark.parametrize("document", [None, (), (NOISE[0],)])
def test_documents_that_are_not_as_new_as_the_log_are_not_used(
    upstream: FakeUpstream, served: Served, document: tuple[WithdrawalEvent, ...] | None
) -> None:
    publish(upstream, [event("yank", 1), *NOISE[1:]], 1)
    if document is not None:
        put_project(upstream, "other7", *document)
    assert kinds(judged(served)) == [["yanked"]]


def test_a_document_of_another_epoch_is_not_used(upstream: FakeUpstream, served: Served) -> None:
    publish(upstream, [event("yank", 1), *NOISE[1:]], 1)
    put_project(upstream, "other7", NOISE[-1])
    put_project(upstream, "demo", epoch=0)
    assert kinds(judged(served)) == [["yanked"]]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{}", "it has no events"),
        (b"[" * 100_000, "is no document"),
        (b'{"events":[{"project":"demo"}],"epoch":1}', "is no document"),
        (b'{"events":[],"epoch":"1"}', "is no document"),
    ],
)
def test_a_document_that_cannot_be_read_judges_nothing(
    upstream: FakeUpstream, served: Served, body: bytes, message: str
) -> None:
    publish(upstream, NOISE, 1)
    put_project(upstream, "other7", NOISE[-1])
    upstream.fail("^/withdrawals/project/demo/", Fault.body(body, "application/json"), None)
    with pytest.raises(InvalidAnswer, match=message):
        judged(served)


def test_an_event_takes_the_place_of_one_that_knew_less(
    upstream: FakeUpstream, served: Served
) -> None:
    told = event("yank", 6, reason="bad", replaces=4)
    publish(upstream, [*NOISE[:3], event("yank", 4, reason=None), event("unyank", 5), told])
    assert kinds(judged(served)) == [[]]


def test_without_pages_no_version_is_named(
    upstream: FakeUpstream, served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    publish(upstream, [event("yank", 1)])
    (verdict,) = judged(served)
    assert (kinds([verdict]), verdict.nearest) == ([["yanked"]], None)
    upstream.fail("^/simple/demo/", Fault.status(500), None)
    (verdict,) = judged(served)
    assert (kinds([verdict]), verdict.nearest) == ([["yanked"]], None)
    assert "no version is named" in caplog.text


def test_a_page_that_grew_is_cut_where_the_index_ends(
    upstream: FakeUpstream, served: Served
) -> None:
    put(upstream, "index.json", index_of([event("yank", 1)]))
    put(upstream, "000001.ndjson", text([event("yank", 1), event("unyank", 2)]))
    assert kinds(judged(served)) == [["yanked"]]


def test_a_log_that_is_begun_again_meanwhile_is_read_again(
    upstream: FakeUpstream, served: Served
) -> None:
    put(upstream, "index.json", index_of([event("yank", 1), event("remove", 2)], 1), 1)
    put(upstream, "index.json", index_of([*NOISE[:1], event("yank", 2)], 1, epoch=2), 1)
    put(upstream, "000001.ndjson", text([event("yank", 1)]), 1)
    put(upstream, "000002.ndjson", text([event("yank", 2)]))
    put(upstream, "000001.ndjson", text(NOISE[:1]))
    source, verdicts = judged_by_log(served.root_url, {}, [pin()], "3.11")
    assert ("epoch 2" in source, kinds(verdicts)) == (True, [["yanked"]])


@pytest.mark.parametrize(
    ("index", "page", "message"),
    [
        (None, None, "there is no log of withdrawals"),
        (b"[]", None, "is no index of a log that can be read"),
        (b"\xff", None, "is no index of a log that can be read"),
        (index_of([], version=2), None, "has version 2, and yanksync reads version 1"),
        (index_of([event("yank", 1)]).replace(b"000001", b"../1"), None, "that is not beside it"),
        (index_of([event("yank", 2)]), None, "do not follow each other"),
        (index_of([event("yank", 1)], newest=2), None, "on no page"),
        (index_of([event("yank", 1)]), None, "its SHA-256 differs"),
        (index_of([event("yank", 1)]), text(NOISE[:1]), "its SHA-256 differs"),
        (index_of([event("yank", 1)]), b"", "its SHA-256 differs"),
    ],
)
def test_what_cannot_be_trusted_judges_nothing(
    upstream: FakeUpstream,
    served: Served,
    index: bytes | None,
    page: bytes | None,
    message: str,
) -> None:
    if index is not None:
        put(upstream, "index.json", index)
    if page is not None:
        put(upstream, "000001.ndjson", page)
    with pytest.raises(InvalidAnswer, match=message):
        judged(served)


@pytest.mark.parametrize(
    ("line", "known"),
    [
        (encode_event(event("yank", 1)).replace('"yank"', '"sell"'), True),
        (encode_event(event("yank", 1)).replace('"serial":1', '"serial":"many"'), False),
        ('{"project":"demo"}', False),
        ('"project":"demo"', False),
    ],
)
def test_a_newer_action_is_passed_over_and_nonsense_is_not(
    upstream: FakeUpstream, served: Served, line: str, known: bool
) -> None:
    page = f"{line}\n".encode()
    right = hashlib.sha256(text([event("yank", 1)])).hexdigest()
    index = index_of([event("yank", 1)]).decode()
    put(upstream, "index.json", index.replace(right, hashlib.sha256(page).hexdigest()).encode())
    put(upstream, "000001.ndjson", page)
    if known:
        assert kinds(judged(served)) == [[]]
    else:
        with pytest.raises(InvalidAnswer, match="a line that is no event"):
            judged(served)


def test_a_log_that_fails_is_an_error(upstream: FakeUpstream, served: Served) -> None:
    publish(upstream, NOISE)
    upstream.fail("^/withdrawals", Fault.status(500))
    with pytest.raises(UpstreamError):
        judged(served, url="http://127.0.0.1:9/")
    with pytest.raises(ConfigError, match="--withdrawals"):
        judged(served, url="nonsense")


@pytest.mark.parametrize(
    "url",
    [
        "https://mirror.example/pypi",
        "https://mirror.example/pypi/",
        "https://mirror.example/pypi/simple/",
        "https://mirror.example/pypi/withdrawals/",
        "https://mirror.example/pypi/withdrawals/log",
        "https://mirror.example/pypi/withdrawals/log/index.json",
    ],
)
def test_each_address_of_a_mirror_names_its_log(url: str) -> None:
    assert withdrawals_url(url) == "https://mirror.example/pypi/withdrawals/"
    root = "https://me@mirror.example"
    assert withdrawals_url(root) == f"{root}/withdrawals/"
