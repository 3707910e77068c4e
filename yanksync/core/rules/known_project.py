"""A value: what the state knows about a project, without its page."""

from __future__ import annotations

from msgspec import Struct

from yanksync.core.model import PublishedForms
from yanksync.core.names import NormalizedName
from yanksync.core.project_state import Presence
from yanksync.core.rules.journal_entries import EntryKind


class ProjectRow(Struct, frozen=True, kw_only=True):
    """The row of one project, without its page."""

    id: int
    name: NormalizedName
    presence: Presence
    serial: int | None = None  # of the held page, or the tombstone of a removed project
    quarantined: bool = False
    quarantine_serial: int | None = None  # of a quarantine before its page was seen (R9)
    etag: str | None = None
    entry_kind: EntryKind | None = None  # its newest page-changing entry
    entry_serial: int | None = None
    omitted_at_serial: int | None = None  # serial of a list without it; None: there is none
    published: PublishedForms | None = None
    published_serial: int | None = None

    @property
    def is_only_published(self) -> bool:
        """True if a page is published that the state never had.

        Another state or program published it.
        """
        return self.published is not None and self.presence in (Presence.NEW, Presence.UNKNOWN)

    @property
    def is_of_old_journal(self) -> bool:
        """True if the page is from before upstream was replaced.

        Then its serial cannot be compared with others.
        """
        return self.serial is not None and self.serial <= 0  # -1: it was removed after that

    @property
    def is_absence_unexplained(self) -> bool:
        """True if no entry and no newer list explains it."""
        omitted = self.omitted_at_serial
        return self.entry_kind is None and (omitted is None or omitted < self.floor)

    @property
    def minimum_serial(self) -> int | None:
        """An answer below this serial is older than the published page."""
        known = (self.serial, self.published_serial)
        return max((serial for serial in known if serial is not None), default=None)

    @property
    def floor(self) -> int:
        """The serial below which a page is stale (R3).

        For a removed project this is the tombstone.
        """
        removed = self.presence is Presence.REMOVED
        return (self.serial if removed else self.minimum_serial) or 0
