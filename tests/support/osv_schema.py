"""The schema of an OSV record, from the text of the specification (1.7)."""

from __future__ import annotations

from typing import Any

TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"}
TEXT: dict[str, Any] = {"type": "string"}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


_EVENTS = [
    _object([key], **{key: TEXT}) for key in ("introduced", "fixed", "last_affected", "limit")
]
_RANGE = _object(
    ["type", "events"],
    type={"enum": ["ECOSYSTEM", "SEMVER"]},
    events={
        "type": "array",
        "minItems": 1,
        "items": {"oneOf": _EVENTS},
        "contains": {"required": ["introduced"]},
    },
    database_specific={"type": "object"},
)
_AFFECTED = _object(
    ["package"],
    package=_object(
        ["ecosystem", "name"],
        ecosystem={"const": "PyPI"},
        name=TEXT,
        purl={"type": "string", "pattern": "^pkg:pypi/"},
    ),
    ranges={"type": "array", "items": _RANGE},
    versions={"type": "array", "items": TEXT},
    ecosystem_specific={"type": "object"},
    database_specific={"type": "object"},
)
SCHEMA = _object(
    ["id", "modified"],
    schema_version={"type": "string", "pattern": r"^1\.\d+\.\d+$"},
    id={"type": "string", "pattern": "^x_[A-Za-z]+-."},  # of a database that osv.dev does not have
    modified=TIME,
    published=TIME,
    withdrawn=TIME,
    summary=TEXT,
    details=TEXT,
    affected={"type": "array", "items": _AFFECTED},
    database_specific={"type": "object"},
)
