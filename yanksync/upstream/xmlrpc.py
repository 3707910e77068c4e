"""The journal over XML-RPC, as Warehouse speaks it (facts.md section 4, 13 to 22).

Only ``changelog_last_serial`` and ``changelog_since_serial`` are ever called. Faults come with HTTP
status 200, the rate limit among them. A document type is refused before anything of it is used.
"""

from __future__ import annotations

import re
import reprlib
import time
import xmlrpc.client
import zlib
from collections.abc import Iterator
from xml.parsers import expat

import requests
from urllib3.exceptions import HTTPError

from yanksync.errors import BadAnswer, JournalRefused, Refused, Throttled, Unreachable
from yanksync.model import JournalEntry
from yanksync.settings import redacted
from yanksync.upstream.answers import plain, seconds_of
from yanksync.upstream.session import Session

PAGE = 50_000
"""Rows in one answer at the most; there is no sign that there are more (facts 13)."""

_LARGEST = xmlrpc.client.MAXINT
"""The highest serial that can be asked with: Warehouse refuses 2**31, XML-RPC has no such int."""

_LAST_SECOND = 253402300799  # the end of the year 9999
_LIMIT = 256 << 20  # bytes; 50,000 rows are about 13 MB
_WHAT = "the journal"
_RATE = re.compile(r"Limit may reset in (\d{1,6}) seconds")
_GONE = re.compile(r"no longer supported|has been (removed|disabled)|not supported", re.IGNORECASE)
_NO_METHOD = -32601
_APPLICATION = -32500


class XmlRpcJournal:
    """Asks for journal entries, at most one question in ``interval`` seconds (R13)."""

    def __init__(self, session: Session, url: str, interval: float) -> None:
        self._session = session
        self._url = url
        self._shown = redacted(url)
        self._interval = interval
        self._next = 0.0  # monotonic seconds

    def last_serial(self) -> int | None:
        """Return the newest serial, None while the journal is empty.

        Raises what :meth:`since` raises.
        """
        value = self._call("changelog_last_serial")
        if value is None:
            return None
        if type(value) is not int or not 0 <= value <= _LARGEST:
            raise BadAnswer(_WHAT, f"changelog_last_serial is {reprlib.repr(value)}, no serial")
        return value

    def since(self, serial: int) -> Iterator[tuple[JournalEntry, ...]]:
        """Yield the entries after ``serial``, ascending, one tuple for each answer, to the end.

        The first answer is yielded even when it is empty. Raises :class:`JournalRefused` (there is
        no such service), :class:`Throttled`, :class:`Refused`, :class:`Unreachable`,
        :class:`BadAnswer`.
        """
        while True:
            told, rows = _entries(self._call("changelog_since_serial", serial), serial)
            yield rows
            if told < PAGE:
                return
            serial = rows[-1].serial

    def _call(self, method: str, *arguments: int) -> object:
        while (pause := self._next - time.monotonic()) > 0:
            time.sleep(pause)
        body = xmlrpc.client.dumps(arguments, method).encode()
        try:
            return self._ask(body)
        except requests.RequestException as error:
            raise Unreachable(self._shown, _problem(error)) from error
        except (HTTPError, OSError, zlib.error) as error:
            raise Unreachable(self._shown, plain(error)) from error
        finally:
            self._next = time.monotonic() + self._interval

    def _ask(self, body: bytes) -> object:
        with self._session.requests.post(
            self._url,
            data=body,
            headers={
                "Content-Type": "text/xml",  # lower case: facts 18
                "Accept": "text/xml",
                "Accept-Encoding": "gzip",
            },
            timeout=self._session.timeout,
            stream=True,
            allow_redirects=False,
        ) as response:
            self._check(response)
            return decode(self._session.read(response.raw, self._shown, _LIMIT), self._shown)

    def _check(self, response: requests.Response) -> None:
        status = response.status_code
        if status in (404, 405, 410):
            raise JournalRefused(self._shown, f"answered {status}")
        if status in (429, 503):
            seconds = seconds_of(response.headers.get("Retry-After"), time.time)
            if seconds is not None or status == 429:
                raise Throttled(self._shown, 60.0 if seconds is None else seconds)
        if status >= 500:
            raise Unreachable(self._shown, f"answered {status} {response.reason}")
        if status != 200:
            raise Refused(self._shown, status, f"answered {response.reason}")
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind not in ("text/xml", "application/xml"):
            raise BadAnswer(_WHAT, f"{self._shown} answered {kind or 'nothing'} instead of XML")


def decode(body: bytes, url: str) -> object:
    """Return the value of an XML-RPC response.

    Raises :class:`JournalRefused`, :class:`Throttled` or :class:`Refused` for a fault, by what it
    says, and :class:`BadAnswer` for anything that is no XML-RPC response.
    """
    unmarshaller = xmlrpc.client.Unmarshaller(use_builtin_types=True)
    parser = expat.ParserCreate(None, None)
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = unmarshaller.start
    parser.EndElementHandler = unmarshaller.end
    parser.CharacterDataHandler = unmarshaller.data
    unmarshaller.xml("", None)  # expat has decoded already
    try:
        parser.Parse(body, True)
        values = unmarshaller.close()
    except xmlrpc.client.Fault as fault:
        raise _fault(fault, url) from fault
    except BadAnswer:
        raise
    except expat.ExpatError as error:
        raise BadAnswer(_WHAT, f"the answer is no XML: {error}") from error
    except Exception as error:
        # The stdlib's unmarshaller raises whatever its builtins raise on values it does not expect.
        raise BadAnswer(_WHAT, f"the answer is no XML-RPC: {type(error).__name__}") from error
    if len(values) != 1:
        raise BadAnswer(_WHAT, "the answer is no XML-RPC response")
    value: object = values[0]
    return value


def _refuse_doctype(*_: object) -> None:
    raise BadAnswer(_WHAT, "the answer has a document type, which XML-RPC never needs")


def _fault(fault: xmlrpc.client.Fault, url: str) -> Exception:
    code, text = fault.faultCode, fault.faultString
    if type(code) is not int or not isinstance(text, str):
        return BadAnswer(_WHAT, "a fault without a code or a text")
    limit = _RATE.search(text)
    if limit is not None or "HTTPTooManyRequests" in text:
        return Throttled(url, float(limit[1]) if limit is not None else 60.0)
    if code == _NO_METHOD or (code == _APPLICATION and _GONE.search(text)):
        return JournalRefused(url, text[:200])
    return Refused(url, code, text[:200])


def _entries(value: object, since: int) -> tuple[int, tuple[JournalEntry, ...]]:
    """Check the rows of an answer: their shape, their number, their order (facts 13, 27).

    Returns how many there were, and the entries, each once.
    """
    if not isinstance(value, list):
        raise BadAnswer(_WHAT, "changelog_since_serial is no list")
    if len(value) > PAGE:
        raise BadAnswer(_WHAT, f"{len(value)} rows in one answer, more than {PAGE}")
    entries: list[JournalEntry] = []
    last = since
    for row in value:
        entry = _entry(row)
        if entry.serial == last and entries and entry == entries[-1]:
            continue  # a row told twice
        if entry.serial <= last:
            raise BadAnswer(_WHAT, f"serial {entry.serial} follows {last}")
        entries.append(entry)
        last = entry.serial
    return len(value), tuple(entries)


def _entry(row: object) -> JournalEntry:
    if isinstance(row, list) and len(row) == 5:
        name, version, timestamp, action, serial = row
        if (
            isinstance(name, str | None)
            and isinstance(version, str | None)
            and isinstance(action, str | None)
            and type(timestamp) is int
            and type(serial) is int
            and serial <= _LARGEST
        ):
            moment = min(max(timestamp, 0), _LAST_SECOND)  # for people only (R4)
            return JournalEntry(name or "", version, moment, action or "", serial)
    shown = reprlib.repr(row)  # which is short, however deep it is nested
    raise BadAnswer(_WHAT, f"a row is not [name, version, timestamp, action, serial]: {shown}")


def _problem(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return str(error)
