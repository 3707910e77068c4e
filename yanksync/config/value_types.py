"""The types of values in ``yanksync.toml``.

What TOML may hold, and what the settings hold for it.
Each ``check`` raises :class:`ValueError` with what is wrong, in words that follow "section.key: ".
A message never repeats a value that may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from msgspec import Struct

from yanksync.config.durations import EXAMPLES, parse_duration
from yanksync.config.settings import Bucket
from yanksync.core.errors import mebibytes

OBJECT_STORES = ("s3", "gs", "az")
"""The schemes of ``output`` that are no directory."""

_MOMENT = 'a time like "2026-12-06T12:00:00Z"'
_YEAR = 366 * 86400.0
DECADES = 30 * _YEAR
"""The longest age of a file that can be asked for."""

_BYTES = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_NAMES: dict[type, str] = {
    str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list",
    dict: "a table",
}  # fmt: skip
# Expressions are compiled where they are used. At each start, compiling would take longer than the
# rest.
_SIZE = r"([0-9]{1,15}) ?(KiB|MiB|GiB|TiB)?"
_BUCKET = r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}"  # any of the three kinds
_SEGMENTS = r"(?!/)(?:(?:^|/)(?!\.\.?(?:/|$))[A-Za-z0-9._-]+)*"  # of a prefix: plain in any URL
_NO_URL_CHARACTER = r"[\x00-\x20\x7f\\]"  # urlsplit drops some of these silently
_HEADER = r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)"
_HOST = r"([a-z0-9_][a-z0-9._-]*|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?"
_OUR_HEADERS = frozenset(("content-length", "content-type", "host", "transfer-encoding"))


class ValueType(Struct, frozen=True):
    """One type of value."""

    name: str  # for tables: "time"
    wanted: str  # follows "must be "
    types: tuple[type, ...]  # that TOML may give
    convert: Callable[[Any], Any] | None = None  # to what the settings hold
    low: float | None = None  # of what the settings hold
    high: float = 0
    unit: str = ""
    show: Callable[[Any], str] = "{:.9g}".format  # how bounds are written
    choices: tuple[str, ...] = ()
    is_tables: bool = False  # a list of tables

    def check(self, value: object) -> Any:
        """Convert a TOML value to what the settings have."""
        if type(value) not in self.types:
            shown = _NAMES.get(type(value), "a date or time")
            if str not in self.types and list not in self.types and type(value) in (float, str):
                shown = repr(value)
            raise ValueError(f"must be {self.wanted}, not {shown}")
        found: Any = value if self.convert is None else self.convert(value)
        if self.low is not None and not self.low <= found <= self.high:  # which NaN is not either
            low, high = self.show(self.low), self.show(self.high)
            raise ValueError(f"must be from {low} to {high}{self.unit}, not {value}")
        return found

    def read(self, text: str) -> object:
        """Convert the text of an environment variable to a TOML value."""
        if dict in self.types or self.is_tables:
            raise ValueError("is a table, which only the file can have")
        if list in self.types:
            return [part.strip() for part in text.split(",")] if text.strip() else []
        if bool in self.types and str not in self.types:
            return _FLAGS.get(text.lower(), text)
        for number in (int, float):
            if number in self.types and bool not in self.types:
                with suppress(ValueError):
                    return number(text)
        return text  # what is wrong with it, check says


def text(convert: Callable[[str], Any] | None = None, name: str = "text") -> ValueType:
    """Return the type of a text."""
    return ValueType(name, "text", (str,), convert)


def texts(convert: Callable[[list[str]], Any]) -> ValueType:
    """Return the type of a list of texts."""

    def checked(values: list[object]) -> Any:
        return convert([text().check(value) for value in values])

    return ValueType("list", "a list of texts", (list,), checked)


def choice(choices: Iterable[str]) -> ValueType:
    """Return the type of a choice of texts."""
    known = {str(one): one for one in choices}

    def chosen(name: str) -> str:
        if name not in known:
            names = ", ".join(f'"{name}"' for name in known)
            raise ValueError(f"must be {'one of ' * (len(known) > 1)}{names}, not {name!r}")
        return known[name]

    return ValueType("text", "text", (str,), chosen, choices=tuple(known))


FLAG = ValueType("flag", "true or false", (bool,))
SCALAR = ValueType("value", "text, a number, true or false", (str, bool, int, float))
PERCENT = ValueType(
    "percent", "a number of percent", (int, float), float, low=0, high=100, unit=" percent"
)


def whole(low: int, high: int) -> ValueType:
    """Return the type of a whole number."""
    return ValueType("number", "a whole number", (int,), low=low, high=high)


def table(convert: Callable[[dict[str, object]], Any]) -> ValueType:
    """Return the type of a table of texts and numbers."""
    return ValueType("table", "a table", (dict,), convert)


def tables(convert: Callable[[list[object]], Any]) -> ValueType:
    """Return the type of a list of tables."""
    return ValueType("tables", "a list of tables", (list,), convert, is_tables=True)


def moment_or_none() -> ValueType:
    """Return the type of a time in UTC seconds; "" is None."""

    def convert(value: str | datetime) -> float | None:
        return moment(value if isinstance(value, str) else value.isoformat()) if value else None

    return ValueType("text", _MOMENT, (str, datetime), convert)


def moment(value: str) -> float:
    """Return an RFC 3339 time in UTC seconds."""
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ValueError(f"must be {_MOMENT}, not {value!r}")
    return found.timestamp()


def seconds(low: float, high: float = _YEAR, *, empty: float | None = None) -> ValueType:
    """Return the type of a time, like ``30m``; a number is seconds.

    An empty text means ``empty``, if that is given.
    """
    wanted = f"seconds, or a time like {EXAMPLES}"

    def convert(value: float | str) -> float:
        if value == "" and empty is not None:
            return empty
        found = parse_duration(value) if isinstance(value, str) else float(value)
        if found is None:
            raise ValueError(f"must be {wanted}, not {value!r}")
        return found

    types = (int, float, str)
    return ValueType("time", wanted, types, convert, low=low, high=high, unit=" seconds")


def size(low: int, high: int) -> ValueType:
    """Return the type of a size, like ``32MiB``; a number is bytes."""
    wanted = 'bytes, or a size like "32MiB"'

    def convert(value: int | str) -> int:
        match = re.fullmatch(_SIZE, str(value))
        if match is None:
            raise ValueError(f"must be {wanted}, not {value!r}")
        return int(match[1]) * _BYTES[match[2] or ""]

    return ValueType("size", wanted, (int, str), convert, low=low, high=high, show=mebibytes)


def path(value: str) -> Path:
    """Return a path on this machine."""
    scheme, separator, _ = value.partition("://")
    if not value or "\0" in value:
        raise ValueError("must be a path")
    if separator and "/" not in scheme:
        raise ValueError(f"must be a path on this machine, not {scheme}://")
    if value.startswith("$"):
        raise ValueError(f"variables are not replaced here: write the path itself, not {value!r}")
    if (scheme := value.partition(":")[0]) in OBJECT_STORES:
        raise ValueError(f'lacks a slash: "{scheme}://" begins a bucket')
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ValueError(f"the home directory in {value!r} is not known") from None


def metrics_path(value: str) -> Path:
    """Return the path of a file that the textfile collector reads."""
    if not value.endswith(".prom"):
        raise ValueError("must end in .prom: the textfile collector reads no other file")
    return path(value)


def place(value: str) -> Path | Bucket:
    """Return a directory, or a place in object storage."""
    scheme, separator, rest = value.partition("://")
    if not separator:
        return path(value)
    if scheme not in OBJECT_STORES:
        known = ", ".join(f"{name}://" for name in OBJECT_STORES)
        raise ValueError(f"must be a directory, or start with {known}, not {scheme}://")
    bucket, _, prefix = rest.partition("/")
    prefix = prefix.removesuffix("/")
    if not (re.fullmatch(_BUCKET, bucket) and re.fullmatch(_SEGMENTS, prefix)):
        form = f"{scheme}://bucket or {scheme}://bucket/prefix"
        raise ValueError(f"must be like {form}, the prefix of letters, digits and . _ -")
    require("obstore", f"{scheme}://", "s3")
    return Bucket(scheme=scheme, bucket=bucket, prefix=prefix)


def object_or_path(value: str) -> Path | Bucket:
    """Return a file, or one object."""
    found = place(value)
    if isinstance(found, Bucket) and not found.prefix:
        raise ValueError(f"must name one object, like {found}/yanksync.db")
    return found


def require(package: str, what: str, extra: str) -> None:
    """Raise :class:`ValueError` unless a package is installed."""
    if find_spec(package) is None:
        raise ValueError(
            f"{what} needs the package {package}, which is not installed; "
            f"pip install 'yanksync[{extra}]' brings it"
        )


def url(value: str, without: str = "#") -> str:
    """Check an http or https URL; it has no character of ``without``."""
    try:
        parts = urlsplit(value)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # unmatched brackets, or an invalid port
        valid = False
    if not valid or re.search(_NO_URL_CHARACTER, value) or any(mark in value for mark in without):
        more = "query and fragment, like https://upstream.example/simple/"
        raise ValueError(
            f"must be an http or https URL without {'fragment' if without == '#' else more}"
        )
    try:  # as they are sent
        unquote(f"{parts.username}{parts.password}").encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError("holds credentials that are not Latin-1, as HTTP wants them") from None
    return value if without == "#" else urlunsplit(parts)


def bare_url(value: str) -> str:
    """Return an http or https URL that has no query or fragment."""
    return url(value, "?#")


def index_url(value: str) -> str:
    """Return the URL of an index with a trailing slash (PEP 503).

    Relative links need the slash.
    """
    parts = urlsplit(bare_url(value))
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/"))


def host(value: str) -> str:
    """Return a host name in lower case, with its port if given."""
    match = re.fullmatch(_HOST, value.lower())
    if match is None or not 0 < int(match[2] or 1) < 65536:
        shown = value.partition("?")[0]  # what follows may be a signature
        if "@" in shown:
            shown = "***@" + shown.rpartition("@")[2]
        raise ValueError(
            'must list names of hosts, like "cdn.example" or "cdn.example:8443", without scheme, '
            f"path, credentials and wildcards, not {shown!r}"
        )
    return match[1] if match[2] is None else f"{match[1]}:{int(match[2])}"


def header(value: str) -> str:
    """Return a line of an HTTP header, such as ``Authorization: Bearer …``."""
    match = re.fullmatch(_HEADER, value)
    if match is None:
        raise ValueError('must be one header, like "Authorization: Bearer …", in printable ASCII')
    if match[1].lower() in _OUR_HEADERS:
        raise ValueError(f"{match[1]} is set by yanksync")
    return f"{match[1]}: {match[2]}"


def command(arguments: list[str]) -> tuple[str, ...]:
    """Return a program and its arguments; empty: no program.

    No shell reads them.
    """
    program = arguments[0] if arguments else "/"
    if not program:
        raise ValueError("must name a program")
    if any("\0" in argument for argument in arguments):
        raise ValueError("must not hold NUL")
    if "/" in program and not program.startswith("/"):
        raise ValueError("must begin with a name that is on PATH, or with an absolute path")
    return tuple(arguments)


def printable(value: str) -> str:
    """Return a text that may become part of a header."""
    if not (value.isascii() and value.isprintable()):
        raise ValueError("must be printable ASCII on one line")
    return value


def title(value: str) -> str:
    """Return a text for people, on one line."""
    if not value.strip() or not value.isprintable():
        raise ValueError("must be a text on one line, without control characters")
    return value
