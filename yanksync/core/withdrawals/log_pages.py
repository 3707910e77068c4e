"""The pages of the log and their index."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

from yanksync.core.withdrawals.event import WithdrawalEvent, encode_event
from yanksync.core.withdrawals.paths import log_page_name

PAGE = 500
"""Events on a full page, which never changes."""

_VERSION = 1


class LogPage(Struct, frozen=True):
    """A page, as the index describes it."""

    number: int  # counted from 1
    count: int
    sha256: str

    @property
    def first(self) -> int:
        """The cursor of its first event."""
        return (self.number - 1) * PAGE + 1

    @property
    def last(self) -> int:
        """The cursor of its last event."""
        return self.first + self.count - 1


def page_number(cursor: int) -> int:
    """Return the page that has the event with this cursor."""
    return (cursor - 1) // PAGE + 1


def page_body(lines: Iterable[str]) -> bytes:
    """Return the bytes of a page."""
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def index_chunks(epoch: int, newest: int, pages: Iterable[LogPage]) -> Iterator[bytes]:
    """Yield the index, with a line for each page."""
    yield f'{{"version":{_VERSION},"epoch":{epoch},"newest":{newest},"pages":['.encode()
    end = "\n"
    for page in pages:
        shown = {
            "name": log_page_name(page.number),
            "first": page.first,
            "last": page.last,
            "count": page.count,
            "sha256": page.sha256,
        }
        yield f"{end}{json.dumps(shown, separators=(',', ':'))}".encode()
        end = ",\n"
    yield b"\n]}\n"


def project_chunks(epoch: int, events: Iterable[WithdrawalEvent]) -> Iterator[bytes]:
    """Yield the document of a project's events, one on each line."""
    yield f'{{"version":{_VERSION},"epoch":{epoch},"events":['.encode()
    end = "\n"
    for event in events:
        yield f"{end}{encode_event(event)}".encode()
        end = ",\n"
    yield b"\n]}\n"


class WrittenIndex(Struct, frozen=True):
    """What an index says of its log."""

    epoch: int
    newest: int


def read_index(body: bytes) -> WrittenIndex | None:
    """Return what an index says; None: it is no index."""
    try:
        return msgspec.json.decode(body, type=WrittenIndex)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
