"""Reads and prints times and durations, for all commands."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from yanksync.config.durations import EXAMPLES, parse_duration

_TIME = r"(?a)\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)?)?"


if TYPE_CHECKING:
    _Seconds = click.ParamType[float]
else:  # it has no parameter before click 8.4
    _Seconds = click.ParamType


class _Duration(_Seconds):
    """A duration; the value is seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds, or fail with exit code 2."""
        found = value if isinstance(value, float) else parse_duration(str(value))
        if found is None:
            self.fail(f"{value!r} is no duration; write {EXAMPLES}, or seconds", param, ctx)
        return found


class _Moment(_Seconds):
    """A date, an RFC 3339 time, or how long ago.

    The value is UTC seconds.
    """

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the UTC seconds, or fail with exit code 2."""
        if isinstance(value, float):
            return value
        ago = parse_duration(str(value))
        if ago is not None:
            return time.time() - ago
        try:
            return _timestamp(str(value))
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is neither a date (2026-11-01), an RFC 3339 time "
                f"(2026-11-01T12:00:00Z), nor a duration ({EXAMPLES})",
                param,
                ctx,
            )


def _timestamp(text: str) -> float:
    """Return the UTC seconds of a date or RFC 3339 time.

    Without a zone it is UTC.
    """
    if re.fullmatch(_TIME, text) is None:
        raise ValueError(text)
    found = datetime.fromisoformat(text.upper())
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


DURATION, MOMENT = _Duration(), _Moment()


def local_time(moment: float, now: float) -> str:
    """Return a local time: ``01:56``, with its date unless today."""
    try:
        then, today = time.localtime(moment), time.localtime(now)
    except (OverflowError, ValueError, OSError):  # a damaged state
        return "an unknown time"
    form = "%H:%M" if then[:3] == today[:3] else "%Y-%m-%d %H:%M"
    return time.strftime(form, then)
