"""Feeds of events.

It writes Atom (RFC 4287) and JSON Feed 1.1, one entry at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from hashlib import sha1
from html import escape
from itertools import chain
from typing import Any
from uuid import UUID

from msgspec import Struct

from yanksync.core.withdrawals.event import WithdrawalEvent, utc
from yanksync.core.withdrawals.sentences import headline, one_line, paragraphs

NEWEST = 100
"""Events that a feed has, and all of the last 24 hours."""

_ATOM = "http://www.w3.org/2005/Atom"
_NAMESPACES: Any = {None: _ATOM}  # lxml's stubs do not know the default namespace
_JSON_FEED = "https://jsonfeed.org/version/1.1"


class Feed(Struct, frozen=True):
    """A feed without its entries."""

    id: str  # the same for this feed in all epochs of a mirror
    epoch: int  # of the log
    title: str
    up: str  # the relative address of withdrawals/, with a slash; empty: the feed is there


def atom_chunks(feed: Feed, events: Iterable[WithdrawalEvent]) -> Iterator[bytes]:
    """Yield an Atom feed of ``events``, newest first."""
    remaining = iter(events)
    newest = next(remaining, None)
    yield f'<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="{_ATOM}">\n'.encode()
    yield _element("title", one_line(feed.title))
    yield _element("id", _uuid(feed.epoch, feed.id))
    yield _element("updated", utc(feed.epoch if newest is None else newest.logged))
    yield _element("author", ("name", "yanksync"))
    for event in () if newest is None else chain((newest,), remaining):
        yield _element(
            "entry",
            ("title", headline(event)),
            ("id", _event_id(feed.epoch, event)),
            ("published", utc(event.time)),
            ("updated", utc(event.logged)),
            ("link", "", {"rel": "alternate", "type": "text/html", "href": _address(feed, event)}),
            ("category", "", {"term": str(event.action)}),
            ("content", "\n\n".join(paragraphs(event)), {"type": "text"}),
        )
    yield b"</feed>\n"


_Child = tuple[str, str] | tuple[str, str, dict[str, str]]


def _element(tag: str, *content: str | _Child) -> bytes:
    """Return an element of Atom with a text, or with children."""
    from lxml import etree  # start-up: only new events need it

    made = etree.Element(f"{{{_ATOM}}}{tag}", nsmap=_NAMESPACES)
    for one in content:
        if isinstance(one, str):
            made.text = one
        else:
            etree.SubElement(made, f"{{{_ATOM}}}{one[0]}", *one[2:]).text = one[1] or None
    written = etree.tostring(made, encoding="utf-8")
    return written.replace(f' xmlns="{_ATOM}"'.encode(), b"", 1) + b"\n"  # the feed has it


def json_chunks(feed: Feed, events: Iterable[WithdrawalEvent]) -> Iterator[bytes]:
    """Yield a JSON feed of ``events``, newest first."""
    head = {"version": _JSON_FEED, "title": one_line(feed.title), "language": "en"}
    yield json.dumps(head)[:-1].encode() + b', "items": ['
    end = "\n"
    for event in events:
        item = {
            "id": _event_id(feed.epoch, event),
            "title": headline(event),
            "content_html": "".join(f"<p>{escape(one)}</p>" for one in paragraphs(event)),
            "date_published": utc(event.time),
            "date_modified": utc(event.logged),
            "tags": [str(event.action)],
        }
        yield f"{end}{json.dumps(item)}".encode()
        end = ",\n"
    yield b"\n]}\n"


def _address(feed: Feed, event: WithdrawalEvent) -> str:
    return f"{feed.up}project/{event.project}/"


def _event_id(epoch: int, event: WithdrawalEvent) -> str:
    """Return the id of an event, or of the one it replaces."""
    return _uuid(epoch, str(event.replaces or event.cursor))


def _uuid(epoch: int, name: str) -> str:
    """Return a URN, the same in each run (RFC 9562, version 5)."""
    digest = sha1(f"yanksync {epoch} {name}".encode(), usedforsecurity=False).digest()
    return f"urn:uuid:{UUID(bytes=digest[:16], version=5)}"
