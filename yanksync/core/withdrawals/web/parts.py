"""Parts of an event that both kinds of pages show."""

from __future__ import annotations

from collections.abc import Sequence

from yanksync.core.withdrawals.event import WithdrawalEvent
from yanksync.core.withdrawals.web.text import counted, iso, shortened, visible_html
from yanksync.core.withdrawals.web.words import WORDS, EventKind

_LONG = 100  # characters of a version or a name of a file


def latest_first(events: Sequence[WithdrawalEvent]) -> list[WithdrawalEvent]:
    """Return events in the order of their times, newest first.

    The order of the log can differ.
    """
    return sorted(events, key=lambda event: (event.time, event.cursor), reverse=True)


def kind_of(event: WithdrawalEvent) -> EventKind:
    """Return the kind of an event."""
    return WORDS[event.action].kind


def tag(event: WithdrawalEvent) -> str:
    """Return what happened, in the colour of its kind."""
    words = WORDS[event.action]
    return f'<span class="tag {words.kind}">{words.done}</span>'


def time(seconds: int, shown: str) -> str:
    """Return a time in UTC, ``shown`` for people."""
    return f'<time datetime="{iso(seconds)}">{shown}</time>'


def scope(versions: tuple[str, ...], files: tuple[str, ...], most: int) -> str:
    """Return which versions and files it is about.

    ``most`` of each have their names.
    """
    if not versions and not files:
        return '<span class="whole">whole project</span>'
    named = _names(versions, most, "version")
    only = f'<span class="files">{_names(files, most, "file")}</span>' if files else ""
    return f'<span class="versions">{named}</span>{only}' if versions else only


def _names(names: tuple[str, ...], most: int, one: str) -> str:
    shown = ", ".join(visible_html(shortened(name, _LONG)) for name in names[:most])
    more = len(names) - most
    return f"{shown} and {counted(more, f'more {one}')}" if more > 0 else shown


def reason(event: WithdrawalEvent, limit: int) -> str:
    """Return the reason, cut at ``limit`` characters; empty where none is known."""
    if not event.reason:
        return ""
    return f'<span class="reason">{visible_html(shortened(event.reason, limit))}</span>'


def pin(event: WithdrawalEvent) -> str:
    """Return whether an exact pin still installs."""
    if event.installable_by_pin:
        return '<span class="pin">pin installs</span>'
    return '<span class="pin fails">pin fails</span>'
