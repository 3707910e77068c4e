"""Durations as people write them: ``90s``, ``30m``, ``2h``, ``7d``.

A bare number is seconds.
"""

from __future__ import annotations

import re

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = r"([0-9]{1,12}(?:\.[0-9]{1,9})?)([smhd]?)"
_STEPS = ((2 * 86400, 86400, "days"), (7200, 3600, "h"), (120, 60, "min"))

EXAMPLES = '"90s", "30m", "2h", "7d"'


def parse_duration(text: str) -> float | None:
    """Return the seconds that ``text`` means; None if it is no duration."""
    match = re.fullmatch(_DURATION, text)
    return None if match is None else float(match[1]) * _UNITS[match[2] or "s"]


def format_duration(seconds: float) -> str:
    """Return a duration in words: ``95 s``, ``12 min``, ``30 h``."""
    for least, unit, name in _STEPS:
        if seconds >= least:
            return f"{int(seconds // unit)} {name}"
    return f"{seconds:.0f} s"


def elapsed(seconds: float) -> str:
    """Return an elapsed time: ``0.4 s``, ``2 min 5 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
