"""Text of upstream's for HTML.

Nothing in it is markup, and everything in it can be seen (R10).
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from html import escape

_LATEST = 253402300799  # the end of the year 9999, the last that datetime knows
_SPACES = re.compile(r"\r?\n|\t")
_ODD = re.compile(r"[^ -~]")
# All but letters, marks, numbers, punctuation, symbols and spaces.
_INVISIBLE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


def shortened(text: str, limit: int) -> str:
    """Return ``text``, or its beginning with an ellipsis."""
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def visible(text: str) -> str:
    """Return ``text`` with control and bidirectional characters as escapes.

    Line breaks and tabs become spaces.
    """
    return text if text.isprintable() else _ODD.sub(_escaped, _SPACES.sub(" ", text))


def visible_html(text: str) -> str:
    """Return ``text`` as HTML, with the escapes of :func:`visible` set apart.

    It is isolated, so letters that run from right to left do not move the text around it.
    """
    body = escape(text)
    if not text.isprintable():
        body = _ODD.sub(_as_code, _SPACES.sub(" ", body))
    return f"<bdi>{body}</bdi>"


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    if unicodedata.category(character) not in _INVISIBLE:
        return character
    return character.encode("unicode_escape").decode()


def _as_code(match: re.Match[str]) -> str:
    shown = _escaped(match)
    return shown if shown == match[0] else f"<code>{shown}</code>"


def moment(seconds: int) -> datetime:
    """Return a time in UTC, or the nearest valid one."""
    return datetime.fromtimestamp(min(max(seconds, 0), _LATEST), UTC)


def iso(seconds: int) -> str:
    """Return a time as RFC 3339 has it."""
    return moment(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def day_text(seconds: int) -> str:
    """Return the day of a time: 9 November 2026."""
    when = moment(seconds)
    return f"{when.day} {when:%B %Y}"


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number and what it counts: 1 yank, 1,204 yanks."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
