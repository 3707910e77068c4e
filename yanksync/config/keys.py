"""What each key of ``yanksync.toml`` may hold.

:data:`KEYS` is the whole table. A key's ``check`` takes a value as TOML gives it and returns the
value that :mod:`yanksync.config.settings` holds; its ``read`` brings the text of an environment
variable to the TOML form first. Both raise :class:`Impossible`, which says what is wrong and names
neither the key nor where it stands: :mod:`yanksync.config.load` knows those. Values that may hold
credentials are never repeated in a message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from yanksync.config import crontab, durations, validators
from yanksync.config.project_filter import Selection
from yanksync.config.settings import Bucket, Compression, JournalSource, SlashKeys, YankedPolicy
from yanksync.core.errors import mebibytes

_BYTES = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_SIZE = re.compile(r"([0-9]{1,12}) ?(KiB|MiB|GiB)", re.ASCII)
_TYPES = {str: "text", bool: "true or false", list: "a list", dict: "a table"}
_TRUE, _FALSE = ("true", "1", "yes"), ("false", "0", "no")
_LONGEST_TIME = 366 * 86400.0
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}", re.ASCII)  # any of the three kinds
_SEGMENT = re.compile(r"(?!\.\.?$)[A-Za-z0-9._-]+", re.ASCII)  # of a prefix: plain in any URL

OBJECT_STORES = ("s3", "gs", "az")
"""The schemes of ``output`` that are no directory."""


T = TypeVar("T")
V = TypeVar("V")


class Impossible(ValueError):
    """What is wrong with one value, in words that follow "section.key: "."""


class Key(Struct, frozen=True):
    """One key: how its value is checked, and how a text stands for a value."""

    check: Callable[[object], object]
    read: Callable[[str], object] = str


def _wrong(wanted: str, value: object) -> Impossible:
    if isinstance(value, int | float) and not isinstance(value, bool):
        kind = "a number"
    else:
        kind = _TYPES.get(type(value), "a date or time")
    return Impossible(f"must be {wanted}, not {kind}")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _wrong("text", value)
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong("true or false", value)
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _wrong("a list of texts", value)
    return tuple(map(_text, value))


def _whole(low: int, high: int) -> Callable[[object], int]:
    def check(value: object) -> int:
        if isinstance(value, float):
            raise Impossible(f"must be a whole number, not {value!r}")
        if not isinstance(value, int) or isinstance(value, bool):
            raise _wrong("a whole number", value)
        if not low <= value <= high:
            raise Impossible(f"must be from {low} to {high}, not {value}")
        return value

    return check


def _seconds(low: float, high: float = _LONGEST_TIME) -> Callable[[object], float]:
    """Return the check of a time: a number of seconds, or a number with s, m, h or d."""

    def check(value: object) -> float:
        known = durations.seconds_of(value) if isinstance(value, str) else None
        if known is not None:
            seconds = known
        elif isinstance(value, int | float) and not isinstance(value, bool):
            seconds = float(value)
        elif isinstance(value, str):
            raise Impossible(f'must be seconds, or a time like "90s", "30m", "2h", not {value!r}')
        else:
            raise _wrong('seconds, or a time like "30m"', value)
        if not low <= seconds <= high:  # which NaN is not either
            raise Impossible(f"must be from {low:.9g} to {high:.9g} seconds, not {seconds:.9g}")
        return seconds

    return check


def _size(low: int, high: int) -> Callable[[object], int]:
    """Return the check of a size: a number of bytes, or a number with KiB, MiB or GiB."""

    def check(value: object) -> int:
        if isinstance(value, str) and (match := _SIZE.fullmatch(value)):
            size = int(match[1]) * _BYTES[match[2]]
        elif isinstance(value, int) and not isinstance(value, bool):
            size = value
        elif isinstance(value, str):
            raise Impossible(f'must be bytes, or a size like "32MiB", not {value!r}')
        else:
            raise _wrong('bytes, or a size like "32MiB"', value)
        if not low <= size <= high:
            raise Impossible(f"must be from {mebibytes(low)} to {mebibytes(high)}, not {value}")
        return size

    return check


def _percent(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _wrong("a number of percent", value)
    if not 0 <= value <= 100:  # which NaN is not either
        raise Impossible(f"must be from 0 to 100 percent, not {value:.9g}")
    return float(value)


def _one_of(choices: type[StrEnum]) -> Callable[[object], StrEnum]:
    def check(value: object) -> StrEnum:
        try:
            return choices(_text(value))
        except ValueError as error:
            if isinstance(error, Impossible):
                raise
            names = ", ".join(f'"{choice}"' for choice in choices)
            raise Impossible(f"must be one of {names}, not {value!r}") from None

    return check


def _reserved(only: str, later: str) -> Callable[[object], str]:
    """Return the check of a key that has one value, and one that is named but not made yet."""

    def check(value: object) -> str:
        text = _text(value)
        if text == later:
            raise Impossible(f'"{later}" is reserved and not available in this version')
        if text != only:
            raise Impossible(f'must be "{only}", not {text!r}')
        return text

    return check


def _checked(take: Callable[[object], T], check: Callable[[T], V]) -> Callable[[object], V]:
    """Return the check of a value of a type, by a function that raises :class:`ValueError`."""

    def checked(value: object) -> V:
        taken = take(value)
        try:
            return check(taken)
        except ValueError as error:
            raise Impossible(str(error)) from None

    return checked


simple_url = _checked(_text, validators.index)
"""Returns the URL of an index. Raises :class:`Impossible`."""


def _contact(value: object) -> str:
    text = _text(value)
    if not (text.isascii() and text.isprintable()):  # it becomes part of a header
        raise Impossible("must be printable ASCII on one line")
    return text


_patterns = _checked(_texts, lambda texts: Selection(texts).projects)


def _projects(value: object) -> tuple[str, ...]:
    # An empty list, easily an unset variable, would withdraw the whole mirror.
    if not (patterns := _patterns(value)):
        raise Impossible('names no project; "*" stands for all')
    return patterns


_LIBRARIES = {Compression.BR: "brotli", Compression.ZSTD: "zstandard"}


def _compress(value: object) -> tuple[Compression, ...]:
    names = _texts(value)
    check = _one_of(Compression)
    chosen = {check(name) for name in names}
    if len(chosen) != len(names):
        raise Impossible("names a compression twice")
    for kind, library in _LIBRARIES.items():
        if kind in chosen and find_spec(library) is None:
            raise Impossible(
                f"{kind.value!r} needs the package {library}, which is not installed; "
                "pip install 'yanksync[compress]' brings it"
            )
    return tuple(kind for kind in Compression if kind in chosen)


def _path(value: object) -> Path:
    text = _text(value)
    if not text or "\0" in text:
        raise Impossible("must be a path")
    scheme, separator, _ = text.partition("://")
    if separator and "/" not in scheme:
        raise Impossible(f"must be a path on this machine, not {scheme}://")
    if text.startswith("$"):
        raise Impossible(f"variables are not replaced here: write the path itself, not {text!r}")
    if text.partition(":")[0] in OBJECT_STORES:
        raise Impossible(f'lacks a slash: "{text.partition(":")[0]}://" begins a bucket')
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise Impossible(f"the home directory in {text!r} is not known") from None


def _output(value: object) -> Path | Bucket:
    scheme, separator, rest = _text(value).partition("://")
    if separator and scheme in OBJECT_STORES:
        return _bucket(scheme, rest)
    if separator:
        known = ", ".join(f"{name}://" for name in OBJECT_STORES)
        raise Impossible(f"must be a directory, or start with {known}, not {scheme}://")
    return _path(value)


def _state(value: object) -> Path | Bucket:
    place = _output(value)
    if isinstance(place, Bucket) and not place.prefix:
        raise Impossible(f"must name one object, like {place}/yanksync.db")
    return place


def _bucket(scheme: str, rest: str) -> Bucket:
    bucket, _, prefix = rest.partition("/")
    prefix = prefix.removesuffix("/")
    segments = prefix.split("/") if prefix else []
    if not _BUCKET.fullmatch(bucket) or not all(map(_SEGMENT.fullmatch, segments)):
        raise Impossible(
            f"must be like {scheme}://bucket or {scheme}://bucket/prefix, the prefix of letters, "
            "digits and . _ -"
        )
    if find_spec("obstore") is None:
        raise Impossible(
            f"{scheme}:// needs the package obstore, which is not installed; "
            "pip install 'yanksync[s3]' brings it"
        )
    return Bucket(scheme=scheme, bucket=bucket, prefix=prefix)


def _cron(text: str) -> str:
    crontab.parse(text)
    return " ".join(text.split())


def _metrics(value: object) -> Path:
    path = _path(value)
    if path.suffix != ".prom":
        raise Impossible("must end in .prom: the textfile collector reads no other file")
    return path


def storage_value(value: object) -> str | bool | int | float:
    """Check one value of ``[storage]``, whose keys are free."""
    if not isinstance(value, str | bool | int | float):
        raise _wrong("text, a number, true or false", value)
    return value


def _read_flag(text: str) -> bool:
    if text.lower() not in (*_TRUE, *_FALSE):
        raise Impossible(f"must be true or false, not {text!r}")
    return text.lower() in _TRUE


def _read_whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Impossible(f"must be a whole number, not {text!r}") from None


def _read_seconds(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text  # with a unit, or wrong: the check says


def _read_size(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else text


def _read_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Impossible(f"must be a number, not {text!r}") from None


def _read_list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")] if text.strip() else []


KEYS: Mapping[str, Mapping[str, Key]] = {
    "upstream": {
        "simple_url": Key(simple_url),
        "journal_url": Key(_checked(_text, validators.plain_address)),
        "journal": Key(_one_of(JournalSource)),
        "workers": Key(_whole(1, 256), _read_whole),
        "timeout": Key(_seconds(0.001, 3600), _read_seconds),
        "stale_retry": Key(_seconds(0, 3600), _read_seconds),
        "journal_interval": Key(_seconds(0, 3600), _read_seconds),
        "allow_http": Key(_flag, _read_flag),
        "sweep_days": Key(_whole(0, 3650), _read_whole),
        "max_page_size": Key(_size(1 << 20, 1 << 30), _read_size),
        "max_list_size": Key(_size(1 << 20, 8 << 30), _read_size),
        "contact": Key(_contact),
        "redirect_hosts": Key(_checked(_texts, validators.hosts), _read_list),
    },
    "mirror": {
        "output": Key(_output),
        "state": Key(_state),
        "lease": Key(_seconds(5, 86400), _read_seconds),
        "projects": Key(_projects, _read_list),
        "exclude": Key(_patterns, _read_list),
        "yanked": Key(_one_of(YankedPolicy)),
        "deleted": Key(_reserved("remove", "yank")),
        "files": Key(_reserved("link", "copy")),
        "compress": Key(_compress, _read_list),
        "list_interval": Key(_seconds(0), _read_seconds),
        "legacy_json": Key(_flag, _read_flag),
        "slash_keys": Key(_one_of(SlashKeys)),
    },
    "guard": {
        "explained": Key(_percent, _read_number),
        "unexplained": Key(_percent, _read_number),
        "selection": Key(_percent, _read_number),
        "confirm_after": Key(_seconds(0, 7 * 86400), _read_seconds),
    },
    "schedule": {
        "every": Key(_seconds(1), _read_seconds),
        "cron": Key(_checked(_text, _cron)),
    },
    "hooks": {
        "command": Key(_checked(_texts, validators.command), _read_list),
        "webhook": Key(_checked(_text, validators.address)),
        "webhook_header": Key(_checked(_text, validators.header)),
        "manifest": Key(_path),
        "manifest_keep": Key(_seconds(3600, 10 * _LONGEST_TIME), _read_seconds),
        "timeout": Key(_seconds(0.1, 300), _read_seconds),
        "allow_http": Key(_flag, _read_flag),
    },
    "health": {
        "metrics": Key(_metrics),
        "ping": Key(_checked(_text, validators.address)),
        "allow_http": Key(_flag, _read_flag),
    },
    "storage": {},  # free keys: see storage_value
}
