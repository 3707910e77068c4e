"""What the page calls the kinds of events."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from yanksync.core.model import HistoryAction


class EventKind(StrEnum):
    """The kinds that the page filters and colours by.

    They are classes of the style sheet, too.
    """

    YANK = "yank"
    REMOVE = "remove"
    QUARANTINE = "quarantine"
    END = "end"


class Words(Struct, frozen=True):
    """How one action is shown."""

    kind: EventKind
    done: str


WORDS = {
    HistoryAction.YANK: Words(EventKind.YANK, "Yanked"),
    HistoryAction.UNYANK: Words(EventKind.END, "Unyanked"),
    HistoryAction.REMOVE: Words(EventKind.REMOVE, "Removed"),
    HistoryAction.RETURN: Words(EventKind.END, "Returned"),
    HistoryAction.QUARANTINE: Words(EventKind.QUARANTINE, "Quarantined"),
    HistoryAction.UNQUARANTINE: Words(EventKind.END, "Cleared"),
}
"""For all actions that an event can have."""

ENDS = {
    HistoryAction.UNYANK: HistoryAction.YANK,
    HistoryAction.RETURN: HistoryAction.REMOVE,
    HistoryAction.UNQUARANTINE: HistoryAction.QUARANTINE,
}
"""What each action ends."""
