"""Text of upstream's for HTML: nothing in it is markup, and everything in it can be seen (R10)."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime

from yanksync.core.formats.html.page_writer import escape

_LATEST = 253402300799  # the end of the year 9999, the last that datetime knows
# Besides letters, marks, numbers, punctuation, symbols and spaces.
_INVISIBLE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


def shortened(text: str, limit: int) -> str:
    """Return ``text``, or its beginning with an ellipsis."""
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def visible(text: str) -> str:
    """Return ``text`` with control and bidirectional characters as escapes.

    Line breaks and tabs become spaces.
    """
    return _shown(text, lambda escaped: escaped)


def visible_html(text: str) -> str:
    """Return ``text`` as HTML, with the escapes of :func:`visible` set apart.

    It is isolated, so letters that run from right to left do not move what stands around it.
    """
    body = escape(text) if _is_plain(text) else _shown(text, _as_code, escape)
    return f"<bdi>{body}</bdi>"


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _as_code(escaped: str) -> str:
    return f"<code>{escape(escaped)}</code>"


def _shown(
    text: str, show: Callable[[str], str], keep: Callable[[str], str] = lambda kept: kept
) -> str:
    if _is_plain(text):
        return keep(text)
    return "".join(
        show(one.encode("unicode_escape").decode()) if _is_invisible(one) else keep(one)
        for one in " ".join(text.split("\n")).replace("\t", " ").replace("\r ", " ")
    )


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in _INVISIBLE


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
