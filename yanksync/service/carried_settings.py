"""Finds the settings that a unit or crontab must repeat."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from yanksync.config.keys import KEYS, find_key
from yanksync.config.load import DEFAULT, ExaminedConfig
from yanksync.core.errors import ConfigError
from yanksync.core.urls import redacted

_PIP = "PIP_INDEX_URL"
_PLACES = ("mirror.output", "mirror.state")
_LONGEST = 999  # characters of a line that every cron reads
_PLAIN_IN_CRON = re.compile(r"[^\s\"'](.*\S)?")


def carried_settings(found: ExaminedConfig, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that give another process these settings.

    Paths become absolute. Without a file the default places are included, because a service starts
    in another directory.

    :raises ConfigError: when a variable may hold a secret
    """
    carried = dict(_carried(found, environ))
    return {name: carried[name] for name in sorted(carried)}


def _carried(found: ExaminedConfig, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for path, one in found.given.items():
        if one.where.startswith("$"):
            name = one.where.removeprefix("$")
            key = find_key(*path.split(".", 1))
            _refuse_secret(path, name, environ[name], secret=key is not None and key.secret)
            yield name, str(one.value) if isinstance(one.value, Path) else environ[name]
        elif one.where == DEFAULT and found.settings.source is None and path in _PLACES:
            yield KEYS[path].variable, str(one.value)
    if found.settings.upstream.simple_url is None and _PIP in environ:
        _refuse_secret("upstream.simple_url", _PIP, environ[_PIP], secret=False)
        yield _PIP, environ[_PIP]


def _refuse_secret(key: str, name: str, value: str, *, secret: bool) -> None:
    if secret or redacted(value) != value:
        problem = (
            "may be a secret, and every user can read units and crontabs, so nothing was printed. "
            "Set it in the configuration file instead; or unset the variable for 'yanksync show', "
            "and give it to the service in a file of root's, with EnvironmentFile="
        )
        raise ConfigError(key, f"${name}", problem)


def unit_lines(carried: Mapping[str, str]) -> str:
    """Return the variables as lines of a systemd unit.

    Each begins with a line feed.

    :raises ConfigError: when a value has a character that is not printable
    """
    for name, value in carried.items():
        _check_printable(name, value)
    escaped = {
        name: value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
        for name, value in carried.items()
    }
    return "".join(f'\nEnvironment="{name}={value}"' for name, value in escaped.items())


def crontab_lines(carried: Mapping[str, str]) -> str:
    """Return the variables as lines of a crontab.

    Each begins with a line feed.

    :raises ConfigError: when cron has no way to write a value
    """
    return "".join(f"\n{name}={_for_cron(name, value)}" for name, value in carried.items())


def _for_cron(name: str, value: str) -> str:
    _check_printable(name, value)
    quote = next((mark for mark in "\"'" if mark not in value), None)
    if _PLAIN_IN_CRON.fullmatch(value):
        quote = ""
    if quote is None or len(name) + len(value) + 3 > _LONGEST:
        problem = "cannot be written into a crontab; set it in the configuration file instead"
        raise ConfigError("", f"${name}", problem)
    return f"{quote}{value}{quote}"


def _check_printable(name: str, value: str) -> None:
    if not value.isprintable():
        problem = "has characters that are not printable; set it in the configuration file instead"
        raise ConfigError("", f"${name}", problem)
