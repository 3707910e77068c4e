"""A row of the table ``projects``, and its page."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from msgspec import Struct

from yanksync.core import layout
from yanksync.core.model import PublishedForms
from yanksync.core.project_state import Presence
from yanksync.core.rules.journal_entries import EntryKind
from yanksync.core.rules.known_project import ProjectRow as ProjectRow

COLUMNS = (
    "id, name, presence, serial, quarantined, word, etag, entry, entry_serial, listed_at, "
    "json_digest, html_digest, codecs, published_serial, legacy_digest"
)


class StoredPage(Struct, frozen=True, kw_only=True):
    """A page as upstream sent it."""

    body: bytes  # compressed with zlib
    content_type: str  # the answer's Content-Type
    url: str  # the final address, without credentials
    header_serial: str | None = None

    @property
    def text(self) -> bytes:
        """The body, decompressed."""
        return zlib.decompress(self.body)


class RecordedPage(Struct, frozen=True, kw_only=True):
    """The facts that are recorded with a true page."""

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
    return ProjectRow(  # the schema has the types of the columns
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
