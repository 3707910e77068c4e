"""Values: a row of the table ``projects``, and the page that belongs to it."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from msgspec import Struct

from yanksync.core import layout
from yanksync.core.model import PublishedForms
from yanksync.core.names import NormalizedName
from yanksync.core.project_state import Presence
from yanksync.core.rules.journal_entries import EntryKind, JournalEvent
from yanksync.core.rules.verdicts import KnownProject

COLUMNS = (
    "id, name, presence, serial, quarantined, word, etag, entry, entry_serial, listed_at, "
    "json_digest, html_digest, codecs, published_serial, legacy_digest"
)


class ProjectRow(Struct, frozen=True, kw_only=True):
    """The row of one project, without its page."""

    id: int
    name: NormalizedName
    presence: Presence
    serial: int | None
    quarantined: bool
    quarantine_serial: int | None
    etag: str | None
    entry_kind: EntryKind | None
    entry_serial: int | None
    omitted_at_serial: int | None
    published: PublishedForms | None
    published_serial: int | None

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

    def known(self, events: tuple[JournalEvent, ...] = ()) -> KnownProject:
        """Return what judging needs of it; ``events`` are its entries since the held page."""
        removed = self.presence is Presence.REMOVED
        return KnownProject(
            name=self.name,
            presence=self.presence,
            serial=self.serial,
            minimum_serial=self.serial if removed else self.minimum_serial,
            published=self.published is not None,
            entry_kind=self.entry_kind,
            entry_serial=self.entry_serial,
            events=events,
            omitted_at_serial=self.omitted_at_serial,
            quarantine_serial=self.quarantine_serial,
        )


class StoredPage(Struct, frozen=True, kw_only=True):
    """A page as upstream sent it."""

    body: bytes  # compressed with zlib
    content_type: str  # the answer's Content-Type
    url: str  # where it was found in the end, without credentials
    header_serial: str | None = None

    @property
    def text(self) -> bytes:
        """The body, decompressed."""
        return zlib.decompress(self.body)


class RecordedPage(Struct, frozen=True, kw_only=True):
    """What is recorded when a page is true."""

    serial: int | None
    quarantined: bool
    yanked: int  # versions with at least one yanked file
    etag: str | None
    checked: float
    due: float | None
    stored: StoredPage


def copies_in(column: object, *, legacy: bool) -> tuple[str, ...]:
    """Return the compressed copies that the column ``codecs`` names.

    Older releases wrote a codec's name there, for a copy of each form.
    """
    words = str(column or "").split()
    if not set(words) <= layout.SUFFIX.keys():
        return tuple(words)
    return layout.compressed_names(words, legacy=legacy)


def project_from_row(row: Sequence[object]) -> ProjectRow:
    """Return the value of a row, from :data:`COLUMNS`."""
    (id_, name, presence, serial, quarantined, word, etag, entry, entry_serial, listed_at) = row[
        :10
    ]
    json_digest, html_digest, codecs, published_serial, legacy = row[10:]
    published = None
    if json_digest is not None:
        copies = copies_in(codecs, legacy=legacy is not None)
        published = PublishedForms(json_digest, html_digest, copies, legacy)  # type: ignore[arg-type]
    return ProjectRow(  # the columns' types are those of the schema
        id=id_,  # type: ignore[arg-type]
        name=name,  # type: ignore[arg-type]
        presence=Presence(str(presence)),
        serial=serial,  # type: ignore[arg-type]
        quarantined=bool(quarantined),
        quarantine_serial=word,  # type: ignore[arg-type]
        etag=etag,  # type: ignore[arg-type]
        entry_kind=None if entry is None else EntryKind(str(entry)),
        entry_serial=entry_serial,  # type: ignore[arg-type]
        omitted_at_serial=listed_at,  # type: ignore[arg-type]
        published=published,
        published_serial=published_serial,  # type: ignore[arg-type]
    )
