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
        """Whether a page is published that the state never held: another state or program did."""
        return self.published is not None and self.presence in (Presence.NEW, Presence.UNKNOWN)

    @property
    def is_of_old_journal(self) -> bool:
        """Whether its page is from before upstream was replaced: its serial compares with none."""
        return self.serial is not None and self.serial <= 0  # -1: and it was removed since

    @property
    def minimum_serial(self) -> int | None:
        """The serial below which upstream's page or list is older than what is published."""
        known = (self.serial, self.published_serial)
        return max((serial for serial in known if serial is not None), default=None)

    @property
    def floor(self) -> int:
        """The serial below which upstream's page is stale; a removed project has a tombstone."""
        removed = self.presence is Presence.REMOVED
        return (self.serial if removed else self.minimum_serial) or 0
