"""Applies the copies of a project's files to its page (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from yanksync.core.model import File, Page
from yanksync.core.package_files.paths import metadata_fits, relative_url, strongest


class CopyStatus(StrEnum):
    """The status of a copy."""

    WANTED = "wanted"  # not there yet
    SERVED = "served"  # at its path; pages may name it
    LEAVING = "leaving"  # still at its path, but no page names it
    WITHHELD = "withheld"  # kept outside the output


class LeaveCause(StrEnum):
    """Why a copy is not served any more."""

    REMOVED = "removed"  # it is not on upstream's page
    PROJECT_REMOVED = "project removed"
    QUARANTINED = "quarantined"
    REPLACED = "replaced"  # upstream has other bytes with this name
    UNSELECTED = "unselected"  # mirror.projects or mirror.exclude
    UNCHOSEN = "unchosen"  # a rule of [files]
    HIDDEN = "hidden"  # cooldown, an override, an advisory, or mirror.yanked = "omit"
    LINKED = "linked"  # mirror.files = "link"
    ALTERED = "altered"  # its bytes are not those that were copied


WITHDRAWALS = (
    LeaveCause.REMOVED,
    LeaveCause.PROJECT_REMOVED,
    LeaveCause.QUARANTINED,
    LeaveCause.REPLACED,
    LeaveCause.HIDDEN,
)
"""Why a copy must leave even if its page cannot be written."""


class PackageFile(Struct, frozen=True, kw_only=True):
    """One copy, or a file that will become one."""

    id: int
    project: str  # normalised
    path: str  # below the output
    file: File  # as upstream's page last had it
    status: CopyStatus
    size: int | None = None  # bytes of the copy; None: there is none yet
    has_metadata: bool = False  # its metadata (PEP 658) is beside it, as ``file`` has it
    cause: LeaveCause | None = None  # leaving, withheld: why
    since: float = 0.0  # UTC seconds: the start of this status
    delete_at: float | None = None  # withheld: when it is deleted; None: it stays
    was_quarantined: bool = False  # ever: its project or its release
    added: float = 0.0  # UTC seconds: when the mirror first saw the file
    removed_at: float | None = None  # when a pass saw its removal; None: upstream has the file
    removed_on: float | None = None  # when upstream removed it; None: not known
    kept: bool = False  # it stays although upstream removed it
    restored: bool = False  # because a person wants that

    @property
    def is_somewhere(self) -> bool:
        """Whether its bytes should be at its path, or withheld."""
        return self.size is not None and self.cause is not LeaveCause.ALTERED


class CopyChanges(Struct, frozen=True):
    """Changes in a project's copies that follow from its new page."""

    added: tuple[File, ...] = ()  # files to download
    leaving: tuple[PackageFile, ...] = ()  # copies that the page does not name
    returning: tuple[PackageFile, ...] = ()  # copies that the page names again
    updated: tuple[tuple[PackageFile, File], ...] = ()  # copies whose details changed


def is_same_file(one: File, other: File) -> bool:
    """Return True if both have the same name and bytes."""
    return one.filename == other.filename and _agree(one, other)


def _agree(one: File, other: File) -> bool:
    theirs = dict(other.hashes)
    common = [(digest, theirs[name]) for name, digest in one.hashes if name in theirs]
    return bool(common) and all(ours == their for ours, their in common)


def metadata_hash(file: File) -> tuple[str, str] | None:
    """Return the hash for checking the metadata (PEP 658).

    None: the metadata is not copied.
    """
    if not isinstance(file.core_metadata, tuple) or not metadata_fits(file.filename):
        return None
    return strongest(file.core_metadata)


def copy_changes(wanted: Iterable[File], copies: Sequence[PackageFile]) -> CopyChanges:
    """Return the changes after which ``wanted`` are the project's copies.

    Only files with a hash that can be checked are copied.
    """
    by_name: dict[str, list[PackageFile]] = {}
    for one in copies:
        by_name.setdefault(one.file.filename, []).append(one)
    added, returning, updated, kept = [], [], [], set()
    for file in wanted:
        if strongest(file.hashes) is None:
            continue
        same = [one for one in by_name.get(file.filename, ()) if is_same_file(one.file, file)]
        if not same:
            added.append(file)
            continue
        one = min(same, key=lambda copy: _ORDER[copy.status])
        kept.add(one.id)
        if one.status in OUT:
            returning.append(one)
        if one.file != file:
            updated.append((one, file))
    leaving = [one for one in copies if one.id not in kept and one.status not in OUT]
    return CopyChanges(tuple(added), tuple(leaving), tuple(returning), tuple(updated))


OUT = (CopyStatus.LEAVING, CopyStatus.WITHHELD)
"""Copies that no page names."""

_ORDER = {status: place for place, status in enumerate(
    (CopyStatus.SERVED, CopyStatus.WANTED, CopyStatus.LEAVING, CopyStatus.WITHHELD)
)}  # fmt: skip


def with_copies(page: Page, copies: Iterable[PackageFile], *, hide_missing: bool) -> Page:
    """Return ``page`` with the addresses of the copies that are served.

    A file that is not copied keeps upstream's address, or is left out with ``hide_missing``.
    """
    served = {one.file.filename: one for one in copies if one.status is CopyStatus.SERVED}
    files = []
    for file in page.files:
        copy = served.get(file.filename)
        if copy is not None and is_same_file(copy.file, file):
            files.append(copied_file(file, copy))
        elif not hide_missing:
            files.append(file)
    return replace(page, files=tuple(files))


def copied_file(file: File, copy: PackageFile, depth: int = 2) -> File:
    """Return ``file`` at the address of its copy.

    The page is ``depth`` directories below the output. Its signature (PEP 503) is not copied. Its
    metadata (PEP 658) is copied only if it was checked.
    """
    is_true = copy.has_metadata or file.core_metadata is False
    metadata = file.core_metadata if is_true else None
    return replace(file, url=relative_url(copy.path, depth), core_metadata=metadata, gpg_sig=None)
