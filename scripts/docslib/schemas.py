"""JSON Schemas of the outputs, and their tables for docs/reference/json.rst."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from docslib.outputs import ARRAYS, OBJECTS
from docslib.tables import list_table

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of the output ``name``."""
    found = msgspec.json.schema(OBJECTS[name])
    if name in ARRAYS:
        found = {"type": "array", "items": {"$ref": found.pop("$ref")}, **found}
    return {"$schema": _DRAFT, **found}


def schema_text(name: str) -> str:
    """Return the file."""
    return json.dumps(schema(name), indent=1, ensure_ascii=False) + "\n"


def tables(name: str) -> str:
    """Return the table of an output, then those of the objects in it."""
    definitions = schema(name)["$defs"]
    top = OBJECTS[name].__name__
    done: list[str] = []
    pending = [top]
    while pending:
        one = pending.pop(0)
        done.append(one)
        pending += [
            ref for ref in _references(definitions[one]) if ref not in [*done, *pending]
            and "properties" in definitions[ref]
        ]  # fmt: skip
    parts = []
    for one in done:
        heading = "Key" if one == top else f"Key of {_article(one)} {one.lower()}"
        parts.append(_table(definitions, one, heading))
    link = f":download:`JSON Schema <schemas/{name}.json>`"
    return "\n".join([f"{_summary(OBJECTS[name])} ({link}).", "", *parts])


def _article(word: str) -> str:
    return "an" if word[0] in "AEIOU" else "a"


def _summary(kind: type) -> str:
    return (kind.__doc__ or "").strip().rstrip(".")


def _table(definitions: dict[str, Any], name: str, heading: str) -> str:
    required = definitions[name].get("required", [])
    rows = [
        (f"``{key}``", _type(definitions, one), _meaning(one, key in required))
        for key, one in definitions[name]["properties"].items()
    ]
    return list_table((heading, "Type", "Meaning"), (18, 22, 60), rows)


def _meaning(one: dict[str, Any], required: bool) -> str:
    text = str(one.get("description", ""))
    return text if required else f"{text} Left out if there is none.".strip()


def _type(definitions: dict[str, Any], one: dict[str, Any]) -> str:
    """Return a type in words."""
    if "anyOf" in one:
        return " or ".join(dict.fromkeys(_type(definitions, each) for each in one["anyOf"]))
    if "$ref" in one:
        name = one["$ref"].rpartition("/")[2]
        known = definitions[name]
        return name.lower() if "properties" in known else _type(definitions, known)
    if "enum" in one:
        return ", ".join("null" if each is None else f"``{each}``" for each in one["enum"])
    kind = one.get("type", "any")
    if kind == "array":
        return f"array of {_type(definitions, one['items'])}"
    if kind == "string" and one.get("pattern", "").startswith(r"^\d{4}"):
        return "time"
    return str(kind)


def _references(one: object) -> Iterator[str]:
    if isinstance(one, dict):
        for key, value in one.items():
            if key == "$ref":
                yield str(value).rpartition("/")[2]
            else:
                yield from _references(value)
    elif isinstance(one, list):
        for value in one:
            yield from _references(value)
