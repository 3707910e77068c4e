"""Values: the state of a project, and why its page waits."""

from __future__ import annotations

from enum import StrEnum

EMPTY_LIST = -1
"""As the serial of the list that left a project out: the list was empty or had no serial. That is a
reason to look, and no evidence (R7)."""


class Presence(StrEnum):
    """Whether a project exists, as far as the state knows."""

    PRESENT = "present"  # a page is held
    REMOVED = "gone"  # it was removed; a tombstone keeps its serial
    NEW = "new"  # never seen, but the journal or the list has named it
    UNKNOWN = "unknown"  # configured, but upstream never had it


class PublishReason(StrEnum):
    """What publishing a project would do, as far as guards care (R8)."""

    PAGE = "page"
    EXPLAINED = "explained"  # removes the project; the journal or the list explains it
    UNEXPLAINED = "unexplained"  # removes the project without an explanation
    EXCLUDED = "excluded"  # removes the project, because the configuration excludes it
