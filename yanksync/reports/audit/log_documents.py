"""Decodes the documents of a published log (pure)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator

import msgspec
from msgspec import Struct

from yanksync.core.model import HistoryAction
from yanksync.core.names import NormalizedName
from yanksync.core.withdrawals.event import WithdrawalEvent, decode_event

_VERSION = 1
_BESIDE = re.compile(r"\w[\w.-]*", re.ASCII)  # a file of the same directory
# In a JSON string a quotation mark has a backslash before it, so these are found only as keys.
_PROJECT = re.compile(rb'"project"\s*:\s*"([^"\\]*)"')
_ACTION = re.compile(rb'"action"\s*:\s*"([a-z-]+)"')


class LogPage(Struct, frozen=True):
    """A page as the index describes it."""

    name: str
    first: int
    last: int
    count: int
    sha256: str


class LogIndex(Struct, frozen=True):
    """The document ``log/index.json``."""

    version: int
    epoch: int
    newest: int
    pages: tuple[LogPage, ...]


class ProjectEvents(Struct, frozen=True):
    """The document ``project/<name>/events.json``."""

    epoch: int
    events: tuple[WithdrawalEvent, ...]


def decode_index(body: bytes) -> LogIndex:
    """Return the index. Raises :class:`ValueError`, which says what is wrong with it."""
    try:
        index = msgspec.json.decode(body, type=LogIndex)
    except msgspec.MsgspecError as error:  # older versions of msgspec raise no ValueError
        raise ValueError(str(error)) from error
    if index.version != _VERSION:
        raise ValueError(f"it has version {index.version}, and yanksync reads version {_VERSION}")
    following = 1
    for page in index.pages:
        if not _BESIDE.fullmatch(page.name):
            raise ValueError("it names a page that is not beside it")
        if page.first != following or page.last != page.first + page.count - 1:
            raise ValueError("its pages do not follow each other")
        following = page.last + 1
    if following != index.newest + 1:
        raise ValueError("its newest event is on no page")
    return index


def page_lines(page: LogPage, body: bytes) -> list[bytes] | None:
    """Return the lines of a page.

    None: it is not the one that the index names.
    """
    lines = body.split(b"\n")[: page.count]  # the newest page may have grown since
    known = b"".join(line + b"\n" for line in lines)
    return lines if hashlib.sha256(known).hexdigest() == page.sha256 else None


def events_in(lines: Iterable[bytes], names: Collection[bytes]) -> Iterator[WithdrawalEvent]:
    """Yield the events of the projects ``names``.

    Skips actions that this version does not know. Raises :class:`ValueError`.
    """
    for line in lines:
        match = _PROJECT.search(line)
        if match is None or match[1] not in names:
            continue
        try:
            yield decode_event(line)
        except ValueError:
            action = _ACTION.search(line)
            if action is None or action[1].decode() in set(HistoryAction):
                raise


def decode_project(body: bytes, name: NormalizedName) -> ProjectEvents:
    """Return what a project's document has. Raises :class:`ValueError`."""
    found = json.loads(body)
    if not isinstance(found, dict) or not isinstance(found.get("events"), list):
        raise ValueError("it has no events")
    lines = (json.dumps(one, separators=(",", ":")).encode() for one in found["events"])
    if not isinstance(found.get("epoch"), int):
        raise ValueError("it has no epoch")
    return ProjectEvents(found["epoch"], tuple(events_in(lines, {name.encode()})))


def in_place(events: Iterable[WithdrawalEvent]) -> tuple[WithdrawalEvent, ...]:
    """Return events in order, with replacements in place."""
    found: dict[int, WithdrawalEvent] = {}
    places: dict[int, int] = {}  # cursor of an event -> its place
    for event in events:
        told = event.cursor if event.replaces is None else event.replaces
        place = places[event.cursor] = places.get(told, told)
        found[place] = event
    return tuple(event for _, event in sorted(found.items()))
