"""Reads lines of access logs: nginx and Caddy, S3, CloudFront."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote

import msgspec
from msgspec import Struct

from yanksync.core.formats.file_checks import is_distribution

FETCHED = frozenset((200, 206))
"""The statuses that say that a file, or a part of it, was sent."""

UNCHANGED = 304
"""The status that says that the client had the file, and still uses it."""

# nginx's and Apache's: address, identity, user, time, request, status. A client chooses the user,
# so a "[" in it must not count as the beginning of the time.
_COMBINED = re.compile(
    r"(?P<address>\S+) \S+ .*?\[(?P<time>[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9:]{8} [+-][0-9]{4})\]"
    r' "(?P<request>(?:[^"\\]|\\.)*)" (?P<status>[0-9]{3}) ',
    re.ASCII,
)
# Owner, bucket, time, address, requester, id, operation, key, request, status. If S3 deletes by
# itself, or deletes many objects, there is no request.
_S3 = re.compile(
    r"\S+ \S+ \[(?P<time>[^\]]+)\] (?P<address>\S+) \S+ \S+ \S+ \S+"
    r' (?:"(?P<request>(?:[^"\\]|\\.)*)"|-) (?P<status>[0-9]{3}|-) ',
    re.ASCII,
)
_OWNER = re.compile(r"[0-9a-f]{64} ", re.ASCII)  # how the lines of S3 itself begin
_LOCAL = re.compile(r"([0-9]{2})/([A-Z][a-z]{2})/([0-9]{4}):(.*)", re.ASCII)  # 29/Nov/2026:20:…
_FIELDS = "#Fields:"
_CLOUDFRONT = ("date", "time", "c-ip", "cs-method", "cs-uri-stem", "sc-status")
_MILLISECONDS = 1e11  # a larger number of seconds would be a year beyond 5000


class InvalidLine(Exception):
    """A line is in no known format."""


class FileRequest(Struct, frozen=True, gc=False):
    """A request that fetched a distribution file, or found it unchanged."""

    address: str
    filename: str
    status: int
    time: str | float  # as the log has it; see :func:`moment`


class _Caddy(Struct, gc=False):
    uri: str = ""
    method: str = ""
    client_ip: str | None = None
    remote_ip: str | None = None


class _Json(Struct, gc=False):
    """The keys of JSON logs, in the order of preference."""

    status: int | str
    request: str | _Caddy | None = None
    request_uri: str | None = None
    uri: str | None = None
    path: str | None = None
    request_method: str | None = None
    method: str | None = None
    remote_addr: str | None = None
    client_ip: str | None = None
    remote_ip: str | None = None
    time_iso8601: str | None = None
    time_local: str | None = None
    msec: str | float | None = None
    timestamp: str | float | None = None
    at_timestamp: str | float | None = msgspec.field(name="@timestamp", default=None)
    time: str | float | None = None
    ts: str | float | None = None


class _CloudFront(Struct, gc=False):
    """The keys of CloudFront's lines in JSON: the names of its fields."""

    date: str
    time: str
    address: str = msgspec.field(name="c-ip")
    method: str = msgspec.field(name="cs-method")
    target: str = msgspec.field(name="cs-uri-stem")
    status: int | str = msgspec.field(name="sc-status")


_DECODER = msgspec.json.Decoder(_Json, strict=True)
_CLOUDFRONT_DECODER = msgspec.json.Decoder(_CloudFront, strict=True)


class LogReader:
    """Reads the lines of one log.

    ``#Fields`` applies to the lines after it.
    """

    def __init__(self) -> None:
        self._fields: tuple[int, ...] | None = None

    def read(self, line: str) -> FileRequest | None:
        """Return the request of a line; None: it fetched no distribution file.

        Raises :class:`InvalidLine`.
        """
        if line.startswith("{"):
            return _from_json(line)
        if line.startswith("#"):
            self._read_fields(line)
            return None
        if self._fields is not None and "\t" in line:
            return self._from_cloudfront(line)
        # A client chooses the agent, and S3 does not escape quotation marks in it.
        for form in (_S3, _COMBINED) if _OWNER.match(line) else (_COMBINED, _S3):
            match = form.match(line)
            if match is not None:
                one = match.groupdict("")
                return _requested(one["address"], one["time"], one["request"], one["status"])
        raise InvalidLine(line)

    def _read_fields(self, line: str) -> None:
        if line.startswith(_FIELDS):
            names = line.removeprefix(_FIELDS).split()
            if not {*_CLOUDFRONT} <= {*names}:
                raise InvalidLine(line)
            self._fields = tuple(map(names.index, _CLOUDFRONT))

    def _from_cloudfront(self, line: str) -> FileRequest | None:
        assert self._fields is not None
        values = line.rstrip("\n").split("\t")
        try:
            date, time, address, method, target, status = (values[at] for at in self._fields)
        except IndexError as error:
            raise InvalidLine(line) from error
        return _request(address, f"{date}T{time}Z", method, target, status)


def _from_json(line: str) -> FileRequest | None:
    try:
        if '"sc-status"' in line:
            one = _CLOUDFRONT_DECODER.decode(line)
            return _request(
                one.address, f"{one.date}T{one.time}Z", one.method, one.target, one.status
            )
        found = _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise InvalidLine(line) from error
    request = found.request
    caddy = request if isinstance(request, _Caddy) else _Caddy()
    addresses = (found.remote_addr, found.client_ip, found.remote_ip)
    address = next(filter(None, (*addresses, caddy.client_ip, caddy.remote_ip)), None)
    times = (found.time_iso8601, found.time_local, found.msec, found.at_timestamp)
    moments = (*times, found.timestamp, found.time, found.ts)
    time = next((one for one in moments if one is not None), None)
    if address is None or time is None:
        raise InvalidLine(line)
    if isinstance(request, str) and request:
        return _requested(address, time, request, found.status)
    target = found.request_uri or found.uri or found.path or caddy.uri
    method = found.request_method or found.method or caddy.method or "GET"
    if not target:
        raise InvalidLine(line)
    return _request(address, time, method, target, found.status)


def _requested(
    address: str, time: str | float, request: str, status: str | int
) -> FileRequest | None:
    """Return what a request line such as ``GET /x HTTP/1.1`` says."""
    method, _, rest = request.partition(" ")
    return _request(address, time, method, rest.partition(" ")[0], status)


def _request(
    address: str, time: str | float, method: str, target: str, status: str | int
) -> FileRequest | None:
    if method != "GET" or not str(status).isdecimal():
        return None
    code = int(status)
    if code not in FETCHED and code != UNCHANGED:
        return None
    filename = requested_file(target)
    return None if filename is None else FileRequest(address, filename, code, time)


def requested_file(target: str) -> str | None:
    """Return the distribution file at the end of a path, if any."""
    name = target.partition("?")[0].rpartition("/")[2]
    if "%" in name:  # S3 and CloudFront encode it a second time
        name = unquote(unquote(name)).rpartition("/")[2]
    return name if is_distribution(name) else None


def moment(time: str | float) -> float:
    """Return the UTC seconds of a time in a log. Raises :class:`InvalidLine`."""
    try:
        if not isinstance(time, str):
            return _seconds(time)
        local = _LOCAL.fullmatch(time)
        if local is not None:
            found = parsedate_to_datetime(" ".join(local.groups()))
        elif time.replace(".", "", 1).isdecimal():
            return _seconds(float(time))
        else:
            found = datetime.fromisoformat(time)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        raise InvalidLine(str(time)) from error


def _seconds(number: float) -> float:
    """Return seconds of a number that may be milliseconds."""
    seconds = number / 1000 if number > _MILLISECONDS else number
    if not 0 <= seconds < _MILLISECONDS:
        raise InvalidLine(str(number))
    return seconds
