"""Log, feeds and OSV records of given events, read by readers that are not ours."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import count
from typing import Any

import feedparser  # type: ignore[import-untyped]
import jsonschema
import pytest
from lxml import etree
from msgspec.structs import replace

from tests.support.osv_reader import withdrawn_by
from tests.support.osv_schema import SCHEMA
from tests.support.source_copy import ROOT
from yanksync.core.model import HistoryAction
from yanksync.core.names import NormalizedName
from yanksync.core.withdrawals import paths
from yanksync.core.withdrawals.event import WithdrawalEvent, encode_event, utc
from yanksync.core.withdrawals.feeds import Feed, atom_chunks, json_chunks
from yanksync.core.withdrawals.log_pages import (
    LogPage,
    WrittenIndex,
    index_chunks,
    page_body,
    page_number,
    read_index,
)
from yanksync.core.withdrawals.osv import osv_records, record_id
from yanksync.core.withdrawals.sentences import headline, paragraphs

DEMO = NormalizedName("demo")
NOW = 1_800_000_000
YANK, UNYANK = HistoryAction.YANK, HistoryAction.UNYANK
REMOVE, RETURN = HistoryAction.REMOVE, HistoryAction.RETURN
QUARANTINE, UNQUARANTINE = HistoryAction.QUARANTINE, HistoryAction.UNQUARANTINE
HOSTILE = "</content><script>alert(1)</script>]]>&\x00\x1b[2J\ud800\ufffe\u202e\r\n\U0001f600"
FEED = Feed("", 7, "Gone & <missed>", "")


def events(*given: tuple[HistoryAction, dict[str, Any]]) -> list[WithdrawalEvent]:
    """Return events of ``demo``, numbered from 1."""
    numbers = count(1)
    return [
        replace(
            WithdrawalEvent(
                cursor=(number := next(numbers)),
                logged=NOW + number,
                time=NOW,
                serial=number,
                project=DEMO,
                action=action,
                versions=("1.0",),
                files=(),
                reason="",
                installable_by_pin=action is not REMOVE,
                page_sha256=None,
            ),
            **changes,
        )
        for action, changes in given
    ]


def records(*given: tuple[HistoryAction, dict[str, Any]]) -> list[dict[str, Any]]:
    return [json.loads(one.body) for one in osv_records(DEMO, events(*given))]


def validated(body: bytes) -> Any:
    """Return an Atom feed that RFC 4287's grammar allows."""
    tree = etree.fromstring(body)
    etree.RelaxNG(etree.parse(ROOT / "tests/support/atom.rng")).assertValid(tree)
    return tree


ALL = (
    (YANK, {"reason": HOSTILE}),
    (UNYANK, {"serial": None}),
    (REMOVE, {"files": ("demo-1.0.zip",), "installable_by_pin": True}),
    (REMOVE, {"files": ("a.zip", "b\x07.zip")}),
    (REMOVE, {"versions": ()}),
    (RETURN, {"versions": ()}),
    (QUARANTINE, {"reason": None}),
    (UNQUARANTINE, {"time": -(10**20)}),
    (YANK, {"versions": ("1.0\x00<",), "time": 10**20, "replaces": 1}),
)


def test_an_atom_feed_is_valid_and_holds_every_reason_as_text() -> None:
    given = events(*ALL)[::-1]
    tree = validated(b"".join(atom_chunks(FEED, given)))
    name = "{http://www.w3.org/2005/Atom}"
    entries = tree.findall(f"{name}entry")
    assert [one.findtext(f"{name}title") for one in entries] == [headline(one) for one in given]
    text = entries[-1].findtext(f"{name}content")
    assert "</content><script>alert(1)</script>]]>&\\x00\\x1b[2J\\ud800\\ufffe" in text
    assert tree.findtext(f"{name}title") == "Gone & <missed>"
    ids = [one.findtext(f"{name}id") for one in entries]
    assert ids[0] == ids[-1] and len(set(ids)) == len(ids) - 1  # it replaces the first
    assert tree.findtext(f"{name}updated") == utc(NOW + len(ALL))
    assert [one.find(f"{name}link").get("href") for one in entries] == ["project/demo/"] * len(ALL)


def test_other_readers_read_the_feeds() -> None:
    body = b"".join(atom_chunks(FEED, events(*ALL)))
    found = feedparser.parse(body)
    assert not found.bozo and len(found.entries) == len(ALL)
    assert {one.content[0].type for one in found.entries} == {"text/plain"}
    empty = feedparser.parse(b"".join(atom_chunks(FEED, [])))
    assert not empty.bozo and empty.entries == []
    validated(b"".join(atom_chunks(FEED, [])))


def test_feeds_show_what_changes_the_text_around_it() -> None:
    reason = "a\u00a0b\u202ecod.exe\u2066\u009b31m\u2028c\r\n\td"
    shown = "Reason: a\u00a0b\\u202ecod.exe\\u2066\\x9b31m\\u2028c\r\n\td"
    assert shown in paragraphs(*events((YANK, {"reason": reason})))


def test_a_json_feed_has_what_version_1_1_asks_for() -> None:
    found = json.loads(b"".join(json_chunks(FEED, events(*ALL))))
    assert found["version"] == "https://jsonfeed.org/version/1.1"
    assert found["title"] == "Gone & <missed>"
    for item in found["items"]:
        assert {"id", "content_html", "date_published"} <= item.keys()
        assert "<script" not in item["content_html"]
        json.dumps(item, ensure_ascii=False).encode()  # no lone surrogate
    assert json.loads(b"".join(json_chunks(FEED, [])))["items"] == []


@pytest.mark.parametrize(
    ("action", "changes", "said"),
    [
        (YANK, {}, "demo 1.0 was yanked"),
        (YANK, {"files": ("a.zip", "b.zip")}, "2 files of demo 1.0 were yanked"),
        (REMOVE, {"files": ("a.zip",)}, "a.zip of demo 1.0 was removed"),
        (QUARANTINE, {"versions": ()}, "demo was quarantined"),
        (UNYANK, {}, "The yank of demo 1.0 was taken back"),
        (UNQUARANTINE, {"versions": ()}, "The quarantine of demo is over"),
        (RETURN, {"versions": ()}, "demo is there again"),
        (YANK, {"versions": ("1\x1b[2J",)}, "demo 1\\x1b[2J was yanked"),
    ],
)
def test_headlines(action: HistoryAction, changes: dict[str, Any], said: str) -> None:
    assert headline(events((action, changes))[0]) == said


def test_an_unknown_reason_differs_from_none_given() -> None:
    unknown, none = events((YANK, {"reason": None}), (YANK, {}))
    assert "The reason is not known." in paragraphs(unknown)
    assert not any("eason" in one for one in paragraphs(none))


def check_osv(found: Iterable[dict[str, Any]]) -> None:
    for record in found:
        jsonschema.validate(record, SCHEMA, jsonschema.Draft202012Validator)


def test_osv_records_are_valid() -> None:
    found = records(*ALL)
    check_osv(found)
    assert {one["id"] for one in found} == {
        "x_YANKSYNC-demo",
        "x_YANKSYNC-demo@1.0",
        record_id("demo", "1.0\x00<"),
    }


Given = tuple[tuple[HistoryAction, dict[str, Any]], ...]


@pytest.mark.parametrize(
    ("given", "is_withdrawn"),
    [
        (((YANK, {}),), True),
        (((YANK, {}), (UNYANK, {})), False),
        (((YANK, {"files": ("a", "b")}), (UNYANK, {"files": ("a",)})), True),
        (((YANK, {"files": ("a", "b")}), (UNYANK, {"files": ("a", "b")})), False),
        (((YANK, {"files": ("a",)}), (YANK, {"files": ("b",)}), (UNYANK, {"files": ("a",)})), True),
        (((YANK, {"files": ("a",)}), (YANK, {}), (UNYANK, {"files": ("a",)})), False),
        (((UNYANK, {}),), False),
        (((REMOVE, {}),), True),
        (((REMOVE, {}), (RETURN, {})), False),
        (((YANK, {}), (REMOVE, {}), (RETURN, {})), True),
        (((REMOVE, {"files": ("a",), "installable_by_pin": True}),), False),
        (((REMOVE, {"files": ("a",)}),), True),
        (((REMOVE, {"versions": ()}),), True),
        (((REMOVE, {"versions": ()}), (RETURN, {"versions": ()})), False),
        (((QUARANTINE, {"versions": ()}), (UNQUARANTINE, {"versions": ()})), False),
        (((QUARANTINE, {}),), True),
        (((REMOVE, {"versions": (), "files": ("odd.exe",)}),), False),
        (((YANK, {"versions": ("2.0",)}),), False),
        (((YANK, {"versions": ("1",)}),), True),
        (((YANK, {"versions": ("1.0+local",)}),), False),
    ],
)
def test_pins_that_a_reader_of_osv_finds(given: Given, is_withdrawn: bool) -> None:
    found = records(*given)
    check_osv(found)
    assert bool(withdrawn_by(found, "Demo", "1.0")) is is_withdrawn
    assert withdrawn_by(found, "other", "1.0") == []


def test_a_record_says_why() -> None:
    yank, remove = records(
        (YANK, {"reason": "bad"}),
        (REMOVE, {"versions": ("2.0",), "reason": None}),
    )
    assert yank["summary"] == "demo 1.0 was yanked by its index; no vulnerability as such"
    assert yank["database_specific"]["reason"] == "bad" and "bad" in yank["details"]
    assert yank["database_specific"]["kind"] == "yank"
    assert remove["database_specific"]["reason"] is None
    assert (yank["published"], yank["modified"]) == (utc(NOW + 1),) * 2


@pytest.mark.parametrize("version", ["../x", "a/b", "x" * 300, "\ud800", " ", "", "-1"])
def test_ids_are_file_names(version: str) -> None:
    found = record_id("demo", version)
    assert found.startswith("x_YANKSYNC-demo@~") and found.isascii() and "/" not in found


def test_pages_of_the_log() -> None:
    assert [page_number(one) for one in (1, 500, 501, 1_000_000)] == [1, 1, 2, 2000]
    (one,) = events((YANK, {"reason": HOSTILE}))
    assert page_body([encode_event(one)]).count(b"\n") == 1
    pages = [LogPage(1, 500, "a"), LogPage(2, 7, "b")]
    body = b"".join(index_chunks(9, 507, pages))
    assert read_index(body) == WrittenIndex(9, 507)
    assert json.loads(body)["pages"][1] == {
        "name": "000002.ndjson", "first": 501, "last": 507, "count": 7, "sha256": "b"
    }  # fmt: skip
    assert json.loads(b"".join(index_chunks(9, 0, [])))["pages"] == []
    for broken in (b"", b"[]", b"{}", b"\xff", b"[" * 100_000):
        assert read_index(broken) is None


def test_every_path_has_a_content_type() -> None:
    assert paths.headers(paths.FEED_JSON).content_type == "application/feed+json"
    assert paths.headers(paths.LOG_INDEX).content_type == "application/json"
    for path in (paths.log_page(1), paths.FEED_ATOM, paths.watch_feed("web"), paths.OSV_ARCHIVE):
        assert paths.headers(path).cache == "no-cache"
