"""Writes events of withdrawals as text for people (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from yanksync.core.model import HistoryAction
from yanksync.core.withdrawals.event import WithdrawalEvent

_LONGEST = 200  # characters of a text that upstream wrote
_FILES = 3  # named in a line
_VERBS = {
    HistoryAction.YANK: "yanked",
    HistoryAction.UNYANK: "not yanked any more",
    HistoryAction.REMOVE: "removed",
    HistoryAction.QUARANTINE: "quarantined",
    HistoryAction.UNQUARANTINE: "not quarantined any more",
    HistoryAction.RETURN: "there again",
}
_TAKEN = (HistoryAction.YANK, HistoryAction.REMOVE, HistoryAction.QUARANTINE)


def event_text(event: WithdrawalEvent, *, code: bool = False) -> str:
    """Return one line about an event.

    ``code``: put upstream's text between backticks, because chat programs then ignore mentions,
    links and marks in it.
    """
    quote = _as_code if code else _plain
    subject = " ".join([event.project, *(quote(one) for one in event.versions)])
    if event.files:
        named = ", ".join(quote(one) for one in event.files[:_FILES])
        more = len(event.files) - _FILES
        subject += f" ({named}{f' and {more} more' if more > 0 else ''})"
    line = f"{subject}: {_VERBS[event.action]}"
    if event.reason is None:
        line += ", reason unknown"
    elif event.reason:
        line += f": {quote(event.reason)}"
    if event.action in _TAKEN:
        line += " (an exact pin still installs it)" if event.installable_by_pin else ""
    return line


def messages_text(title: str, events: Sequence[WithdrawalEvent]) -> str:
    """Return several events as a text for mails and terminals."""
    return "\n".join([title, *(event_text(event) for event in events)])


def chat_text(title: str, events: Sequence[WithdrawalEvent]) -> str:
    """Return several events as the text of a chat message."""
    lines = [f"*{title}*", *(f"• {event_text(event, code=True)}" for event in events)]
    return _escaped("\n".join(lines))


def summary(title: str, actions: Counter[HistoryAction], projects: int) -> str:
    """Return one sentence about very many events."""
    parts = [f"{count} {_VERBS[action]}" for action, count in sorted(actions.items())]
    return f"{title}: {', '.join(parts)}, in {projects} projects. The log has each of them."


def _escaped(text: str) -> str:
    """Escape what Slack reads as a link or a mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _plain(text: str) -> str:
    """Return upstream's text on one line, and cut it."""
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in cut
    )


def _as_code(text: str) -> str:
    return f"`{_plain(text).replace('`', chr(39))}`"
