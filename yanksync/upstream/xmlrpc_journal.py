"""Reads the journal over XML-RPC, in Warehouse's form.

Only ``changelog_last_serial`` and ``changelog_since_serial`` are ever called. Faults come with HTTP
status 200, the rate limit among them. A document type is refused before anything of it is used.
"""

from __future__ import annotations

import re
import reprlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import starmap

from yanksync.core.errors import (
    InvalidAnswer,
    JournalUnavailable,
    RateLimited,
    UpstreamRefused,
    UpstreamUnreachable,
)
from yanksync.core.model import JournalEntry
from yanksync.core.urls import redacted
from yanksync.system.request_log import LoggedRequest
from yanksync.upstream.http.http1_parser import HttpResponse
from yanksync.upstream.http.http_answers import SizeLimit, parse_retry_after
from yanksync.upstream.xmlrpc_codec import InvalidXmlRpc, decode_response, encode_call
from yanksync.upstream.xmlrpc_rows import JournalRow, parse_rows

Post = Callable[[str, bytes, Mapping[str, str], SizeLimit], HttpResponse]
"""Sends a body to a URL, with headers; takes an answer within a limit.

See :meth:`.http_session.Session.post`.
"""

PAGE = 50_000
"""The most rows in one answer; nothing says that there are more."""

_LARGEST = 2**31 - 1
"""The highest serial that can be asked with: Warehouse refuses 2**31, XML-RPC has no such int."""

_LAST_SECOND = 253402300799  # the end of the year 9999
_HEADERS = {
    "Content-Type": "text/xml",  # in lower case: Warehouse answers other spellings with a redirect
    "Accept": "text/xml",
    "Accept-Encoding": "gzip",
}
_WHAT = "the journal"
_RATE = r"Limit may reset in (\d{1,6}) seconds"
_GONE = r"(?i)no longer supported|has been (removed|disabled)|not supported"
_NO_METHOD = -32601
_APPLICATION = -32500


class XmlRpcJournal:
    """Asks for journal entries, at most one question in ``interval`` seconds (R13)."""

    def __init__(self, post: Post, url: str, interval: float, limit: SizeLimit) -> None:
        self._post = post
        self._url = url
        self._shown = redacted(url)
        self._interval = interval
        self._limit = limit
        self._next = 0.0  # monotonic seconds

    def last_serial(self) -> int | None:
        """Return the newest serial, None while the journal is empty.

        Raises the errors of :meth:`since`.
        """
        value = decode_value(self._ask("changelog_last_serial"), self._shown)
        if value is None:
            return None
        if type(value) is not int or not 0 <= value <= _LARGEST:
            raise InvalidAnswer(_WHAT, f"changelog_last_serial is {reprlib.repr(value)}, no serial")
        return value

    def since(self, serial: int) -> Iterator[tuple[JournalEntry, ...]]:
        """Yield the entries after ``serial``, in order, by answer.

        The first answer is yielded even when it is empty. Raises :class:`JournalUnavailable` (there
        is no such service), :class:`RateLimited`, :class:`UpstreamRefused`,
        :class:`UpstreamUnreachable`, :class:`InvalidAnswer`.
        """
        while True:
            body = self._ask("changelog_since_serial", serial)
            told, rows = decode_entries(body, self._shown, serial)
            yield rows
            if told < PAGE:
                return
            serial = rows[-1].serial

    def _ask(self, method: str, *arguments: int) -> bytes:
        while (pause := self._next - time.monotonic()) > 0:
            time.sleep(pause)
        call = f"{method}({', '.join(map(str, arguments))})"
        try:
            with LoggedRequest(f"POST {self._shown} {call}") as logged:
                reply = self._post(
                    self._url, encode_call(method, *arguments), _HEADERS, self._limit
                )
                logged.answered(reply.status, reply.headers, len(reply.body))
            self._check(reply)
            return reply.body
        finally:
            self._next = time.monotonic() + self._interval

    def _check(self, reply: HttpResponse) -> None:
        status = reply.status
        if status in (404, 405, 410, 501):  # 501: a pure file server may answer this to any POST
            raise JournalUnavailable(self._shown, f"answered {status}")
        if status in (429, 503):
            seconds = parse_retry_after(reply.headers.get("retry-after"), time.time)
            if seconds is not None or status == 429:
                raise RateLimited(self._shown, 60.0 if seconds is None else seconds)
        if status >= 500:
            raise UpstreamUnreachable(self._shown, f"answered {status} {reply.reason}".rstrip())
        if status != 200:
            raise UpstreamRefused(self._shown, status, _refusal(reply))
        kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in ("text/xml", "application/xml"):
            raise InvalidAnswer(_WHAT, f"{self._shown} answered {kind or 'nothing'} instead of XML")


def _refusal(reply: HttpResponse) -> str:
    """Return the error of an answer without a journal."""
    text = f"answered {reply.reason or 'no'}"
    place = reply.headers.get("location", "")
    if 300 <= reply.status < 400 and place:
        shown = redacted(place).partition("?")[0]
        text += f": it has moved to {shown}, which is not followed; correct the address"
    return text


def decode_value(body: bytes, url: str) -> object:
    """Return the value of an XML-RPC response.

    Raises :class:`JournalUnavailable`, :class:`RateLimited` or :class:`UpstreamRefused` for a
    fault, by what it says, and :class:`InvalidAnswer` for anything that is no XML-RPC response.
    """
    try:
        said = decode_response(body)
    except InvalidXmlRpc as problem:
        raise InvalidAnswer(_WHAT, f"the answer is {problem}") from problem
    if said.fault:
        raise _fault(said.value, url)
    return said.value


def _fault(value: object, url: str) -> Exception:
    code = value.get("faultCode") if isinstance(value, dict) else None
    text = value.get("faultString") if isinstance(value, dict) else None
    if type(code) is not int or not isinstance(text, str):
        return InvalidAnswer(_WHAT, "a fault without a code or a text")
    limit = re.search(_RATE, text)
    if limit is not None or "HTTPTooManyRequests" in text:
        return RateLimited(url, float(limit[1]) if limit is not None else 60.0)
    if code == _NO_METHOD or (code == _APPLICATION and re.search(_GONE, text)):
        return JournalUnavailable(url, text[:200])
    return UpstreamRefused(url, code, text[:200])


def decode_entries(body: bytes, url: str, since: int) -> tuple[int, tuple[JournalEntry, ...]]:
    """Return the number of rows, and the entries after ``since``.

    Each entry comes once.

    Raises the errors of :func:`decode_value`, and :class:`InvalidAnswer` for rows of another shape,
    too many rows, and serials that do not ascend.
    """
    rows = parse_rows(body, PAGE)
    if rows is None:
        rows = _rows(decode_value(body, url))
    if len(rows) > PAGE:
        raise InvalidAnswer(_WHAT, f"more than {PAGE} rows in one answer")
    return len(rows), _ascending(starmap(_entry, rows), since)


def _ascending(rows: Iterable[JournalEntry], last: int) -> tuple[JournalEntry, ...]:
    """Check that the serials ascend from ``last`` on.

    A row that comes twice is left out.
    """
    ascending: list[JournalEntry] = []
    for row in rows:
        if row.serial <= last:
            if ascending and row == ascending[-1]:
                continue
            raise InvalidAnswer(_WHAT, f"serial {row.serial} follows {last}")
        ascending.append(row)
        last = row.serial
    if last > _LARGEST:
        raise InvalidAnswer(_WHAT, f"serial {last} is above {_LARGEST}, the highest one")
    return tuple(ascending)


def _rows(value: object) -> list[JournalRow]:
    """Return the rows of an answer, up to a limit."""
    if not isinstance(value, list):
        raise InvalidAnswer(_WHAT, "changelog_since_serial is no list")
    return [_row(row) for row in value[: PAGE + 1]]


def _row(row: object) -> JournalRow:
    if isinstance(row, list) and len(row) == 5:
        name, version, timestamp, action, serial = row
        if (
            isinstance(name, str | None)
            and isinstance(version, str | None)
            and isinstance(action, str | None)
            and type(timestamp) is int
            and type(serial) is int
        ):
            return name, version, timestamp, action, serial
    shown = reprlib.repr(row)  # short, even for deep nesting
    raise InvalidAnswer(_WHAT, f"a row is not [name, version, timestamp, action, serial]: {shown}")


def _entry(
    name: str | None, version: str | None, timestamp: int, action: str | None, serial: int
) -> JournalEntry:
    moment = min(max(timestamp, 0), _LAST_SECOND)  # for people only (R4)
    return JournalEntry(name or "", version, moment, action or "", serial)
