"""Types of tables that give projects a value by patterns."""

from __future__ import annotations

from typing import Any

from yanksync.config.project_filter import normalized_pattern
from yanksync.config.value_types import ValueType, table


def by_pattern(kind: ValueType) -> ValueType:
    """Return the type of a table of patterns and values.

    ``kind`` is the type of the values. The settings hold pairs in the order of the file: the first
    pattern that matches counts.
    """

    def convert(values: dict[str, object]) -> tuple[tuple[str, Any], ...]:
        found: dict[str, Any] = {}
        for pattern, value in values.items():
            try:
                found.setdefault(normalized_pattern(pattern), kind.check(value))
            except ValueError as error:
                raise ValueError(f"{pattern!r}: {error}") from None
        return tuple(found.items())

    return table(convert)
