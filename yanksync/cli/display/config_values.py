"""Prints the values of a configuration for ``config show`` and ``-vv``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date

from msgspec import Struct

from yanksync.config.keys import KEYS, find_key
from yanksync.config.load import DEFAULT, ExaminedConfig
from yanksync.core.urls import redacted

_MASK = "***"
_UNSET = {
    "upstream.simple_url": "asked of pip",
    "upstream.journal_url": "from upstream.simple_url",
}


class Value(Struct, frozen=True):
    """The present value of a key."""

    key: str
    value: object
    source: str  # "default", the path of the file, or the name of the variable

    @property
    def line(self) -> str:
        """The value and its source in one line."""
        shown = "(none)" if self.value is None else json.dumps(self.value, ensure_ascii=False)
        return f"{self.key} = {shown}  # {self.source}"


def config_values(found: ExaminedConfig) -> Iterator[Value]:
    """Yield each key and override with its source; secrets are masked."""
    more = [path for path in found.given if path not in KEYS]  # those of [storage]
    for path in (*KEYS, *more):
        key = KEYS.get(path) or find_key(*path.split(".", 1))
        assert key is not None
        one = found.given.get(path)
        raw = key.default if one is None else one.raw
        if key.secret and raw is not None:
            raw = _MASK
        elif isinstance(raw, str):
            raw = redacted(raw)
        source = _UNSET.get(path, DEFAULT) if one is None else one.where.removeprefix("$")
        yield Value(path, raw, source)
    for table in found.overrides:
        shown = {name: _plain(value) for name, value in table.raw.items()}
        yield Value(table.key, shown, table.where)


def _plain(value: object) -> object:
    """Return ``value`` for JSON, which has no dates."""
    return value.isoformat() if isinstance(value, date) else value


def config_place(found: ExaminedConfig) -> str:
    """Return the path of the file, or the sources in its place."""
    source = found.settings.source
    return "no file: environment and defaults" if source is None else str(source)
