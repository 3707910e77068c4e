"""Splits a sequence into parts that fit into memory (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def parts_that_fit(
    sized: Iterable[tuple[T, int]], most: int, count: int | None = None
) -> Iterator[list[T]]:
    """Yield values in parts of at most ``most`` bytes each.

    ``sized`` has each value with its bytes. A part has at most ``count`` values. A value of more
    than ``most`` bytes is a part of its own.
    """
    part: list[T] = []
    total = 0
    for value, size in sized:
        if part and (len(part) == count or total + size > most):
            yield part
            part, total = [], 0
        part.append(value)
        total += size
    if part:
        yield part
