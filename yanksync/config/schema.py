"""The JSON Schema of ``yanksync.toml``, made from the table of keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from yanksync.config.keys import KEYS, SECTIONS, KeySpec
from yanksync.config.notify_tables import ACTIONS
from yanksync.config.settings import NotifyFormat

_TYPES = {
    str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object",
    datetime: "string",
}  # fmt: skip
_AGES = {"type": ["integer", "number", "string"]}
_TEXTS = {"type": "array", "items": {"type": "string"}}
_TABLES = {  # the values of each table
    "cooldown.projects": _AGES,
    "files.projects": {"enum": ["copy", "link", "exclude"]},
    "files.prerelease_projects": {"type": "boolean"},
    "withdrawals.watch": _TEXTS,
}
_NOTIFY = {
    "type": "object",
    "additionalProperties": False,
    "oneOf": [{"required": ["command"]}, {"required": ["webhook"]}],
    "properties": {
        "name": {"type": "string"},
        "projects": _TEXTS,
        "actions": {"type": "array", "items": {"enum": list(ACTIONS)}},
        "command": _TEXTS,
        "webhook": {"type": "string"},
        "webhook_header": {"type": "string"},
        "format": {"enum": list(NotifyFormat)},
    },
}
_OVERRIDES = {
    "type": "array",
    "description": "The operator's decisions about projects, releases and files.",
    "items": {
        "type": "object",
        "additionalProperties": False,
        "required": ["match", "action"],
        "properties": {
            "match": {"type": "string", "description": "A project, a release (==) or a file."},
            "action": {"enum": ["allow", "yank", "hide"]},
            "reason": {"type": "string"},
            "until": {"type": "string", "description": "The last day, or an RFC 3339 time."},
        },
    },
}


def json_schema() -> dict[str, Any]:
    """Return the schema (JSON Schema, draft 2020-12)."""
    sections: dict[str, Any] = {
        section: {"type": "object", "additionalProperties": False, "properties": {}}
        for section in SECTIONS
    }
    for path, key in KEYS.items():
        section, _, name = path.partition(".")
        sections[section]["properties"][name] = _property(key)
    sections["storage"] = {
        "type": "object",
        "description": "Options of the object-storage client.",
        "additionalProperties": {"type": ["string", "boolean", "number"]},
    }
    sections["override"] = _OVERRIDES
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "yanksync.toml",
        "type": "object",
        "additionalProperties": False,
        "properties": sections,
    }


def _property(key: KeySpec) -> dict[str, Any]:
    names = list(dict.fromkeys(_TYPES[one] for one in key.type.types))
    found: dict[str, Any] = {
        "description": key.description,
        "type": names[0] if len(names) == 1 else names,
    }
    if key.default is not None:
        found["default"] = key.default
    if key.type.choices:
        found["enum"] = list(key.type.choices)
    if dict in key.type.types:
        found["additionalProperties"] = _TABLES[key.path]
    if key.type.is_tables:
        found["items"] = _NOTIFY
    elif list in key.type.types:
        found["items"] = {"type": "string"}
    if key.type.low is not None and str not in key.type.types:  # a text has its own unit
        found["minimum"], found["maximum"] = key.type.low, key.type.high
    return found
