"""The frozen values that travel between the stages of a pass.

Values have text exactly as upstream gave it. Rendering escapes it, and :mod:`yanksync.core.names`
normalises names of projects. Nothing here reads a clock, a path or a socket. The garbage collector
does not track types with hundreds of thousands of values (``gc=False``). They have only text and
numbers, so they are never part of a cycle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum

from msgspec import Struct

from yanksync.core.names import normalize

Hashes = tuple[tuple[str, str], ...]
"""Pairs of (algorithm, hex digest), both in lower case, sorted by algorithm."""


class Yank(Struct, frozen=True, gc=False):
    """The yank of a file, with its reason.

    A file has one of three values (PEP 592): ``None`` (not yanked), ``Yank("")`` (yanked without a
    reason) and ``Yank("text")``. An instance is always true, so a test for truth cannot lose a
    yank. The reasons ``"false"``, ``"0"`` and ``" "`` are reasons, too.
    """

    reason: str = ""


class ProjectStatus(StrEnum):
    """The project statuses of PEP 792; unknown ones pass as text."""

    ACTIVE = "active"
    ARCHIVED = "archived"
    DEPRECATED = "deprecated"
    QUARANTINED = "quarantined"  # PEP 792: no file may be offered


class File(Struct, frozen=True, kw_only=True, gc=False):
    """One distribution file on a project page (PEP 503, 691)."""

    filename: str  # PEP 691; equals the last part of the URL's path (PEP 503)
    url: str  # absolute, http or https, without fragment and credentials
    hashes: Hashes = ()  # PEP 691: always there, may be empty
    requires_python: str | None = None  # PEP 503: text as given, may be an invalid specifier
    size: int | None = None  # PEP 700: bytes; None: upstream does not say
    upload_time: str | None = None  # PEP 700: yyyy-mm-ddThh:mm:ss[.ffffff]Z, as given
    yanked: Yank | None = None  # PEP 592: per file, though Warehouse yanks whole releases
    core_metadata: bool | Hashes | None = None  # PEP 658, 714; None: upstream does not say
    gpg_sig: bool | None = None  # PEP 503; None: upstream does not say
    provenance: str | None = None  # PEP 740: an absolute https URL


class Page(Struct, frozen=True, kw_only=True, gc=False):
    """A project page, whichever form it was read from."""

    name: str  # the normalised name (PEP 503)
    files: tuple[File, ...] = ()
    versions: tuple[str, ...] | None = None  # PEP 700; None: not said (HTML, or before 1.1)
    status: str = ProjectStatus.ACTIVE  # PEP 792; an unknown status is kept as it is
    status_reason: str | None = None  # PEP 792
    serial: int | None = None  # Warehouse's meta._last-serial; None: upstream gives none

    @property
    def quarantined(self) -> bool:
        """Whether no file of this project may be offered (PEP 792)."""
        return self.status == ProjectStatus.QUARANTINED


class ListedProject(Struct, frozen=True, gc=False):
    """One row of the list of projects."""

    name: str  # normalised
    display: str  # as upstream spells it
    serial: int | None = None  # Warehouse's _last-serial of the project
    revision: int | None = None  # grows when its page changes; None: upstream does not say


class ProjectList(Struct, frozen=True):
    """The list of projects (PEP 691), as upstream gave it."""

    serial: int | None  # Warehouse's meta._last-serial
    # Name as given, serial, revision; read again each time.
    rows: Iterable[tuple[str, int | None, int | None]]
    has_serials: bool = False  # whether every row has a serial

    @property
    def projects(self) -> Iterator[ListedProject]:
        """The rows with valid names, in upstream's order.

        Two spellings of one name are two rows.
        """
        for display, serial, revision in self.rows:
            if name := normalize(display):
                yield ListedProject(name, display, serial, revision)

    @property
    def empty(self) -> bool:
        """Whether it names no project."""
        return next(self.projects, None) is None


class JournalEntry(Struct, frozen=True, gc=False):
    """One row of ``changelog_since_serial`` (Warehouse's XML-RPC)."""

    name: str  # the spelling at that moment, unnormalised; "": none given
    version: str | None  # None: the entry is about the whole project
    timestamp: int  # UTC seconds; runs backwards, never a cursor
    action: str  # free text; "": none given
    serial: int  # strictly ascending in one answer, with gaps


class HistoryAction(StrEnum):
    """The action of a row of the history."""

    YANK = "yank"
    UNYANK = "unyank"
    REMOVE = "remove"
    QUARANTINE = "quarantine"
    UNQUARANTINE = "unquarantine"
    RETURN = "return"
    AVERTED = "averted"  # withdrawn by upstream while cooldown hid it


class PageChange(Struct, frozen=True, kw_only=True):
    """One difference between two pages of a project.

    One of the two can be missing.
    """

    action: HistoryAction
    version: str | None = None  # None: the whole project
    file: str | None = None  # a single removed file, else None
    files: tuple[str, ...] = ()  # the files of a yank or unyank of part of a release
    reason: str = ""  # exact; "" for a missing one and for actions without one


def sorted_hashes(pairs: Iterable[tuple[str, str]]) -> Hashes:
    """Return ``pairs`` as :data:`Hashes`: lower case, sorted by algorithm."""
    return tuple(sorted((name.lower(), digest.lower()) for name, digest in pairs))


class PublishedForms(Struct, frozen=True):
    """The published forms of a project."""

    json: bytes  # digest of the JSON form; empty: unknown
    html: bytes  # digest of the HTML form
    copies: tuple[str, ...] = ()  # names of the compressed copies of the forms
    legacy: bytes | None = None  # digest of the form for followers; None: not published

    @property
    def is_known(self) -> bool:
        """True if the digests are those of the published files."""
        return bool(self.json)


UNKNOWN_FORMS = PublishedForms(b"", b"")
"""Forms exist whose content is unknown: no digest of them counts."""
