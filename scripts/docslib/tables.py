"""reStructuredText for the generated parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from yanksync.config.keys import KEYS, KeySpec
from yanksync.config.notify_tables import TABLE_KEYS as NOTIFY_KEYS
from yanksync.config.override_tables import TABLE_KEYS
from yanksync.core import layout
from yanksync.core.exit_codes import MEANINGS
from yanksync.service.metrics import CAUSES, HELP


def list_table(heading: Sequence[str], widths: Sequence[int], rows: Iterable[Sequence[str]]) -> str:
    """Return a table with a row of headings."""
    lines = [
        ".. list-table::",
        "   :header-rows: 1",
        f"   :widths: {' '.join(map(str, widths))}",
        "",
    ]
    for row in (heading, *rows):
        for number, cell in enumerate(row):
            lines.append(f"   {'*' if number == 0 else ' '} - {cell}".rstrip())
    return "\n".join(lines) + "\n"


def exit_codes() -> str:
    """Return the table of exit codes."""
    rows = [(f"``{int(code)}``", meaning) for code, meaning in MEANINGS.items()]
    return list_table(("Code", "Meaning"), (8, 92), rows)


def metrics() -> str:
    """Return the table of metrics."""
    return list_table(
        ("Metric", "Meaning"),
        (45, 55),
        [(f"``yanksync_{name}``", text) for name, text in HELP.items()],
    )


def causes() -> str:
    """Return the causes of failures."""
    return list_table(
        ("Cause", "Meaning"), (25, 75), [(f"``{name}``", text) for name, text in CAUSES.items()]
    )


def forms() -> str:
    """Return the table of published files."""
    rows = [
        (f"``{form.filename}``", f"``{said.content_type}``", f"``{said.cache}``")
        for form in layout.FORMS
        for said in [layout.headers(form.filename)]
    ]
    return list_table(("File", "Content-Type", "Cache-Control"), (24, 46, 30), rows)


def copies() -> str:
    """Return the table of compressed copies."""
    rows = [
        (f"``{codec}``", f"``{suffix}``", f"``{layout.ENCODING[suffix]}``")
        for codec, suffix in layout.SUFFIX.items()
    ]
    return list_table(("``mirror.compress``", "Name adds", "Content-Encoding"), (34, 33, 33), rows)


def variables() -> str:
    """Return the table of variables that have a key."""
    return list_table(
        ("Variable", "Key"),
        (55, 45),
        [
            (f"``{key.variable}``", f":ref:`{path} <{anchor(path)}>`")
            for path, key in KEYS.items()
            if not key.is_table
        ],
    )


def override_keys() -> str:
    """Return the table of the keys that an override has."""
    return list_table(
        ("Key", "Meaning"),
        (15, 85),
        [(f"``{name}``", _escaped(text)) for name, text in TABLE_KEYS.items()],
    )


def notify_keys() -> str:
    """Return the table of the keys that a target of notifications has."""
    rows = [(f"``{name}``", text) for name, text in NOTIFY_KEYS.items()]
    return list_table(("Key", "Meaning"), (20, 80), rows)


def anchor(path: str) -> str:
    """Return the anchor of a key."""
    return "key-" + path.replace(".", "-").replace("_", "-")


def key(path: str) -> str:
    """Return the section of a key."""
    spec = KEYS[path]
    title = f"``{path}``"
    lines = [
        f".. _{anchor(path)}:",
        "",
        title,
        "~" * len(title),
        "",
        _escaped(spec.description),
        "",
    ]
    return "\n".join([*lines, *_facts(spec), ""])


def _facts(spec: KeySpec) -> Iterable[str]:
    yield f":Type: {spec.type.name}"
    yield f":Default: {_default(spec)}"
    if spec.type.choices:
        yield f":Values: {', '.join(f'``{_toml(one)}``' for one in spec.type.choices)}"
    if spec.type.low is not None:
        low, high = spec.type.show(spec.type.low), spec.type.show(spec.type.high)
        yield f":Range: {low} to {high}{spec.type.unit}"
    if spec.secret:
        yield ":Secret: never printed"
    yield f":Variable: {'none' if spec.is_table else f'``{spec.variable}``'}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("*", "\\*").replace("`", "\\`")


def _default(spec: KeySpec) -> str:
    return "none" if spec.default is None else f"``{_toml(spec.default)}``"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)
