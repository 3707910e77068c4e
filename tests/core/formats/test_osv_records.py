"""OSV records about malware."""

from __future__ import annotations

import json
from typing import Any

import pytest

from yanksync.core.formats.osv_records import parse_record
from yanksync.core.formats.reader_rules import InvalidDocument
from yanksync.core.policies.overrides import Advisory

AFFECTED = {
    "package": {"ecosystem": "PyPI", "name": "Demo.Pkg"},
    "versions": ["1.0"],
    "ranges": [
        {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]},
        {"type": "GIT", "events": [{"introduced": "0"}]},
    ],
    "database_specific": {"anything": [1]},
}


def record(**changes: Any) -> bytes:
    return json.dumps({"id": "MAL-2026-1", "affected": [AFFECTED], **changes}).encode()


def test_a_record_names_versions_and_ranges() -> None:
    assert parse_record(record()) == [
        (
            "demo-pkg",
            Advisory("MAL-2026-1", ("1.0",), ((("introduced", "0"), ("fixed", "2.0")),)),
        )
    ]


def test_an_alias_says_that_it_is_malware_too() -> None:
    ((_, got),) = parse_record(record(id="GHSA-1", aliases=["CVE-1", "MAL-2"]))
    assert got.id == "GHSA-1"


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "GHSA-1"},
        {"withdrawn": "2026-01-01T00:00:00Z"},
        {"affected": []},
        {"affected": None},
        {"affected": [{**AFFECTED, "package": {"ecosystem": "npm", "name": "demo"}}]},
        {"affected": [{"versions": ["1.0"]}]},
    ],
)
def test_other_records_say_nothing(changes: dict[str, Any]) -> None:
    assert parse_record(record(**changes)) == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"id": 1}', b"\xff", b"[" * 100_000])
def test_what_is_no_record_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidDocument):
        parse_record(body)
