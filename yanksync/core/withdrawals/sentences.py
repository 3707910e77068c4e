"""What an event says, in words."""

from __future__ import annotations

from unicodedata import category

from yanksync.core.model import HistoryAction
from yanksync.core.withdrawals.event import WithdrawalEvent

_ENDS = {
    HistoryAction.UNYANK: "The yank of {} was taken back",
    HistoryAction.UNQUARANTINE: "The quarantine of {} is over",
    HistoryAction.RETURN: "{} is there again",
}
_PAST = {
    HistoryAction.YANK: "yanked",
    HistoryAction.REMOVE: "removed",
    HistoryAction.QUARANTINE: "quarantined",
}
_LAID_OUT = "\t\n\r"


def printable(text: str) -> str:
    """Return ``text`` with escapes for control and bidirectional characters.

    Line breaks and tabs stay. XML cannot have most of the other control characters, and
    bidirectional ones change how the text around them looks.
    """
    if text.isprintable():
        return text
    return "".join(one if one in _LAID_OUT or _is_visible(one) else _escape(one) for one in text)


def _is_visible(one: str) -> bool:
    return one.isprintable() or category(one) == "Zs"  # a no-break space stays


def _escape(one: str) -> str:
    return one.encode("unicode_escape").decode()


def one_line(text: str) -> str:
    """Return ``text`` on one line, with escapes for control characters."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _escape(one) for one in text)


def subject(event: WithdrawalEvent) -> str:
    """Return what an event is about: ``demo 1.0``."""
    return one_line(" ".join((event.project, ", ".join(event.versions))).strip())


def headline(event: WithdrawalEvent) -> str:
    """Return an event in a few words."""
    about, count = subject(event), len(event.files)
    if count == 1:
        about = f"{one_line(event.files[0])} of {about}"
    elif count:
        about = f"{count} files of {about}"
    if event.action in _ENDS:
        return _ENDS[event.action].format(about)
    return f"{about} {'were' if count > 1 else 'was'} {_PAST[event.action]}"


def paragraphs(event: WithdrawalEvent) -> list[str]:
    """Return everything that an event says, in paragraphs."""
    found = [f"{headline(event)}."]
    if event.reason:
        found.append(f"Reason: {printable(event.reason)}")
    elif event.reason is None:
        found.append("The reason is not known.")
    if len(event.files) > 1:
        found.append(f"Files: {', '.join(map(one_line, event.files))}")
    pin = "An exact pin can still be installed." if event.installable_by_pin else None
    if event.action in _PAST:
        found.append(pin or "It can no longer be installed, by an exact pin either.")
    if event.serial is not None:
        found.append(f"Serial of upstream's journal: {event.serial}")
    return found
