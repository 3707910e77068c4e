"""Cron expressions: five fields, read as crontab(5) reads them.

Pure, and small on purpose: the configuration checks an expression at every start, and schedulers
that take one each count weekdays in a way of their own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)  # days of each month

# What a field is called, its lowest and highest number, and the names that stand for numbers.
_FIELDS: tuple[tuple[str, int, int, Sequence[str]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    ("month", 1, 12, MONTHS),
    ("weekday", 0, 7, WEEKDAYS),  # 0 and 7 are both Sunday
)
_PART = re.compile(r"(\*|(\w+)(?:-(\w+))?)(?:/(\d+))?", re.ASCII)


class Crontab(Struct, frozen=True, kw_only=True):
    """When something is to run: the numbers that each field allows, in order."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]  # 0 is Sunday
    either: bool  # day and weekday are both named: one of them is enough


def parse(text: str) -> Crontab:
    """Read an expression such as ``*/5 * * * mon-fri``.

    :raises ValueError: when it is none; the message says which field and what of it
    """
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ValueError('must have five fields, like "*/5 * * * *"')
    minutes, hours, days, months, weekdays = (
        _numbers(field, *facts) for field, facts in zip(fields, _FIELDS, strict=True)
    )
    either = not (fields[2].startswith("*") or fields[4].startswith("*"))
    if not either and min(days) > max(_LONGEST[month - 1] for month in months):
        raise ValueError(f"names a day that never comes: {text!r}")
    return Crontab(
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=tuple(sorted(days)),
        months=tuple(sorted(months)),
        weekdays=tuple(sorted({day % 7 for day in weekdays})),
        either=either,
    )


def _numbers(field: str, what: str, low: int, high: int, names: Sequence[str]) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(
                f'the {what} {part!r} is no number, range or step, like "1-5" or "*/2"'
            )
        whole, first, last, step = match.groups()
        if whole == "*":
            begin, end = low, min(high, 6) if names is WEEKDAYS else high
        else:
            begin = _number(first, what, low, high, names)
            # "5/10" is "from 5 on, every 10"
            end = high if step and not last else begin
            end = _number(last, what, low, high, names) if last else end
        if begin > end or step == "0" * len(step or "-"):
            raise ValueError(f"the {what} {part!r} names nothing")
        found.update(range(begin, end + 1, int(step or 1)))
    return found


def _number(text: str, what: str, low: int, high: int, names: Sequence[str]) -> int:
    if text.lower() in names:
        return names.index(text.lower()) + (1 if names is MONTHS else 0)
    if not text.isdigit() or not low <= int(text) <= high:
        more = f" or {names[0]} to {names[-1]}" if names else ""
        raise ValueError(f"the {what} {text!r} is not from {low} to {high}{more}")
    return int(text)
