"""A published file that upstream's page takes away, as values (pure)."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from yanksync.core.model import File, Hashes, Yank


class LostFile(Struct, frozen=True, kw_only=True):
    """A published file that upstream's page lacks, or has with another hash."""

    file: File  # as published, with yank marks that upstream added later
    version: str | None  # of the release that it belongs to
    low: int | None  # serial of the last page with it; None: upstream gives none
    since: float  # UTC seconds: when upstream's page first differed
    run: int  # the pass that saw the difference
    hashes: Hashes | None = None  # upstream's hashes for that name now; None: the file is gone
    confirmed: bool = (
        False  # a changed hash, or a loss that a later page confirmed: guards may judge it
    )
    held: str | None = None  # why a guard holds the loss
    held_since: float | None = None
    approved: bool = False  # a person has approved the loss
    suspect: bool = False  # upstream once had another hash for it
    shown: bool = True  # False: not published, only its hashes are remembered

    @property
    def vanished(self) -> bool:
        """True if it is published, and upstream's page lacks its name."""
        return self.shown and self.hashes is None

    @property
    def withheld(self) -> bool:
        """Whether the journal removed it, while hidden, before a page did."""
        return not (self.shown or self.suspect)


class Observation(Struct, frozen=True):
    """The moment at which a page is judged."""

    now: float  # UTC seconds
    run: int = 0  # the number of the pass
    confirm_after: float = 0.0  # seconds until a second look may confirm a loss


def with_mark(lost: LostFile, yanked: Yank | None) -> LostFile:
    """Return ``lost`` with another yank mark."""
    return replace(lost, file=replace(lost.file, yanked=yanked))
