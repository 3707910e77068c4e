"""A value: what the state knows of a project, its page aside."""

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
    quarantine_serial: int | None = None  # of the entry that did so before its page was seen (R9)
    etag: str | None = None
    entry_kind: EntryKind | None = None  # its newest page-changing entry
    entry_serial: int | None = None
    omitted_at_serial: int | None = None  # serial of the list that left it out; None: none did
    published: PublishedForms | None = None
    published_serial: int | None = None

    @property
    def is_only_published(self) -> bool:
        """True if a page is published that the state never had.

        Another state or program made it.
        """
        return self.published is not None and self.presence in (Presence.NEW, Presence.UNKNOWN)

    @property
    def is_of_old_journal(self) -> bool:
        """True if the page is from before upstream was replaced.

        Then its serial compares with no other.
        """
        return self.serial is not None and self.serial <= 0  # -1: and it was removed since

    @property
    def minimum_serial(self) -> int | None:
        """The serial below which an answer is older than the published page."""
        known = (self.serial, self.published_serial)
        return max((serial for serial in known if serial is not None), default=None)

    @property
    def floor(self) -> int:
        """The serial below which a page is stale (R3).

        For a removed project it is the tombstone.
        """
        removed = self.presence is Presence.REMOVED
        return (self.serial if removed else self.minimum_serial) or 0
