"""One event of the log of withdrawals, and its line."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from yanksync.core.model import HistoryAction
from yanksync.core.names import NormalizedName

DAY = 86400
FORGET = "forget"
"""The action of an event whose project the operator had forgotten."""

_LATEST = 253402300799  # the end of the year 9999


class WithdrawalEvent(Struct, frozen=True, kw_only=True):
    """A yank, a removal or a quarantine, or its end."""

    cursor: int  # counts the events of a mirror: 1, 2, 3 and so on
    logged: int  # UTC seconds: when it entered the log; never runs backwards
    time: int  # UTC seconds: by the journal, else when it was seen; can run backwards
    serial: int | None  # None: seen on a page, without an entry of the journal
    project: NormalizedName
    action: HistoryAction  # never averted
    versions: tuple[str, ...]  # empty: the whole project
    files: tuple[str, ...]  # empty: all files of the versions
    reason: str | None  # exact; None: unknown
    installable_by_pin: bool  # an exact pin still installs it
    page_sha256: str | None  # of the JSON page that shows the event; None: no page is published
    replaces: int | None = None  # cursor of the same event with less knowledge


def utc(seconds: int) -> str:
    """Return a time as RFC 3339 has it.

    It is in UTC. A time outside of RFC 3339's range becomes the nearest one in it.
    """
    return datetime.fromtimestamp(min(max(seconds, 0), _LATEST), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def encode_event(event: WithdrawalEvent) -> str:
    """Return the line of an event, in ASCII, without its end.

    JSON's escapes keep every text exactly, even lone surrogates.
    """
    found = msgspec.to_builtins(event)
    found |= {"logged": utc(event.logged), "time": utc(event.time)}
    return json.dumps(found, separators=(",", ":"))


def forgotten_line(cursor: int, logged: int) -> str:
    """Return the line of an event whose texts were removed.

    It has all keys, so that each follower can read it.
    """
    found = {
        "cursor": cursor,
        "logged": utc(logged),
        "time": utc(logged),
        "serial": None,
        "project": "",
        "action": FORGET,
        "versions": [],
        "files": [],
        "reason": None,
        "installable_by_pin": False,
        "page_sha256": None,
        "replaces": None,
    }
    return json.dumps(found, separators=(",", ":"))


def decode_event(line: str | bytes) -> WithdrawalEvent:
    """Return the event of a line; raises :class:`ValueError` for no event's line."""
    found = json.loads(line)
    if isinstance(found, dict):
        for key in ("logged", "time"):
            found[key] = int(datetime.fromisoformat(str(found.get(key))).timestamp())
    try:
        return msgspec.convert(found, type=WithdrawalEvent)
    except msgspec.ValidationError as error:  # older versions of msgspec raise no ValueError
        raise ValueError(str(error)) from error
