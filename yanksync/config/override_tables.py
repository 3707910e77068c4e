"""Reads ``[[override]]`` tables, of ``yanksync.toml`` and of the file ``mirror.overrides``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from msgspec import Struct

from yanksync.config.value_types import choice, moment, text
from yanksync.core.errors import ConfigError
from yanksync.core.policies.overrides import Action, Override, parse_match

OVERRIDE = "override"
"""The name of these tables."""

_DAY = 86400.0
TABLE_KEYS = {
    "match": 'A project ("demo"), a release ("demo==1.0"), or the name of a file. Required.',
    "action": '"allow" (no cooldown), "yank" (marked yanked) or "hide" (left out). Required.',
    "reason": "A text, which is also the reason of the mark.",
    "until": 'When it ends: a day such as "2026-12-06", which still counts, or an RFC 3339 time. '
    'Required for "allow".',
}
"""The keys of one table, with what they mean."""


class GivenOverride(Struct, frozen=True):
    """One table as it was given."""

    override: Override
    key: str  # override[1] is the first of its file
    raw: Mapping[str, object]
    where: str  # the file


def read_overrides(
    tables: object, config: Path | None, separate: Path | None
) -> tuple[tuple[GivenOverride, ...], list[ConfigError]]:
    """Return all overrides, and everything that is wrong with them.

    Args:
        tables: what ``yanksync.toml``, at ``config``, has under ``override``.
        config: None: there is no file.
        separate: the file that ``mirror.overrides`` names.
    """
    found: list[GivenOverride] = []
    errors: list[ConfigError] = []
    sources = [(tables, str(config))]
    if separate is not None:
        try:
            sources.append((_read(separate), str(separate)))
        except ConfigError as error:
            errors.append(error)
    for some, where in sources:
        for one in _overrides(some, where):
            if isinstance(one, ConfigError):
                errors.append(one)
            else:
                found.append(one)
    return tuple(found), errors


def _read(path: Path) -> object:
    """Return what a separate file has under ``override``. Raises :class:`ConfigError`."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        problem = f"{path} cannot be read: {error.strerror}"
        raise ConfigError("mirror.overrides", str(path), problem) from error
    except ValueError as error:  # UnicodeDecodeError and tomllib's
        raise ConfigError("mirror.overrides", str(path), f"is not TOML: {error}") from error
    for name in content:
        if name != OVERRIDE:
            raise ConfigError(name, str(path), "no such section; there is only [[override]]")
    return content.get(OVERRIDE, [])


def _overrides(tables: object, where: str) -> Iterator[GivenOverride | ConfigError]:
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        yield ConfigError(OVERRIDE, where, "must be a list of tables: [[override]]")
        return
    for number, table in enumerate(tables, 1):
        values: dict[str, Any] = {}
        key, wrong = f"{OVERRIDE}[{number}]", False
        for name, problem in _problems(table, values):
            wrong = True
            named = table.get("match")
            subject = f" (of {named!r})" if isinstance(named, str) and name != "match" else ""
            yield ConfigError(f"{key}.{name}", where, f"{problem}{subject}")
        if not wrong:
            yield GivenOverride(Override(text=table["match"], **values), key, table, where)


def _problems(table: Mapping[str, Any], values: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Put the values of one table into ``values``.

    Yield each key that is wrong, and why.
    """
    checks = {
        "match": text(parse_match).check,
        "action": choice(Action).check,
        "reason": text().check,
        "until": _until,
    }
    for name in table:
        if name not in TABLE_KEYS:
            yield name, f"no such key; there are {', '.join(TABLE_KEYS)}"
    for name, check in checks.items():
        if name in table:
            try:
                values[name] = check(table[name])
            except ValueError as error:
                yield name, str(error)
        elif name in ("match", "action"):
            yield name, "is missing"
    if values.get("action") is Action.ALLOW and "until" not in table:
        yield "until", 'is missing: an "allow" must end, at a day such as "2026-12-06"'


def _until(value: object) -> float:
    """Return the first moment after the end of an override."""
    if isinstance(value, str):
        if len(value) != len("2026-12-06"):
            return moment(value)
        try:
            value = date.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value!r} is no day of the calendar") from None
    if isinstance(value, datetime):
        return moment(value.isoformat())
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC).timestamp() + _DAY
    raise ValueError('must be a day such as "2026-12-06", or an RFC 3339 time')
