"""Reads the ``[[withdrawals.notify]]`` tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from yanksync.config import value_types as types
from yanksync.config.project_filter import ProjectFilter
from yanksync.config.settings import NotifyFormat, NotifyTarget
from yanksync.config.value_types import choice, text, texts
from yanksync.core.model import HistoryAction

ACTIONS = tuple(one for one in HistoryAction if one is not HistoryAction.AVERTED)
TABLE_KEYS = {
    "name": "How the log and ``status`` call it: a to z, 0 to 9 and hyphens. Default: "
    "``command-`` or ``webhook-`` and eight digits.",
    "projects": 'Patterns of normalised names. Default: ``["*"]``.',
    "actions": "What to tell: " + ", ".join(f"``{one}``" for one in ACTIONS) + ". Default: all.",
    "command": "A program and its arguments; it gets the events on standard input.",
    "webhook": "Where the events are posted. Either this or ``command``.",
    "webhook_header": 'A header for the webhook, such as "Authorization: Bearer …".',
    "format": '"json" (the events as they are in the log, the default) or "chat" (a text).',
}
"""The keys of one table, with what they mean."""

_NAME = r"[a-z0-9]+(-[a-z0-9]+)*"


def notify_targets(tables: list[object]) -> tuple[NotifyTarget, ...]:
    """Return the tables as values. Raises :class:`ValueError`."""
    found: dict[str, NotifyTarget] = {}
    for number, table in enumerate(tables, 1):
        try:
            if not isinstance(table, dict):
                raise ValueError("must be a table: [[withdrawals.notify]]")
            one = _target(table)
            if one.name in found:
                raise ValueError(f"has the name of another table, {one.name}; give each a name")
        except ValueError as error:
            raise ValueError(f"[{number}]: {error}") from None
        found[one.name] = one
    return tuple(found.values())


def _target(table: Mapping[str, object]) -> NotifyTarget:
    for key in table:
        if key not in TABLE_KEYS:
            raise ValueError(f"{key}: no such key; there are {', '.join(TABLE_KEYS)}")
    values = dict(_values(table))
    if bool(values.get("command")) == ("webhook" in values):
        raise ValueError("needs either command or webhook")
    if "webhook_header" in values and "webhook" not in values:
        raise ValueError("webhook_header: needs webhook")
    values.setdefault("name", _default_name(values))
    return NotifyTarget(**values)


def _values(table: Mapping[str, object]) -> Iterator[tuple[str, Any]]:
    checks = {
        "name": text(_name),
        "projects": texts(lambda names: ProjectFilter(tuple(names))),
        "actions": texts(_actions),
        "command": texts(types.command),
        "webhook": text(types.url),
        "webhook_header": text(types.header),
        "format": choice(NotifyFormat),
    }
    for key, value in table.items():
        try:
            yield key, checks[key].check(value)
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None


def _name(value: str) -> str:
    if re.fullmatch(_NAME, value) is None:
        raise ValueError("must be written with a to z, 0 to 9 and hyphens")
    return value


def _actions(names: list[str]) -> frozenset[HistoryAction]:
    if not names:
        raise ValueError("names no action")
    return frozenset(choice(ACTIONS).check(name) for name in names)


def _default_name(values: Mapping[str, Any]) -> str:
    """Return a stable name that shows no secret address."""
    import hashlib  # start-up: few mirrors have one, and it loads OpenSSL

    kind = "webhook" if "webhook" in values else "command"
    named = values[kind] if kind == "webhook" else "\0".join(values[kind])
    return f"{kind}-{hashlib.sha256(named.encode()).hexdigest()[:8]}"
