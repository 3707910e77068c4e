"""Notes which package files the published pages want, and why others leave."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from yanksync.core.model import File, Page
from yanksync.core.package_files.copies import (
    LeaveCause,
    PackageFile,
    copy_changes,
    is_same_file,
)
from yanksync.core.project_state import PublishReason
from yanksync.mirror.context import Mirror
from yanksync.state.project_rows import ProjectRow
from yanksync.sync.recovery import PublishTask


class OfferedFiles(Struct, frozen=True):
    """What a project offers, for its copies."""

    files: tuple[File, ...] = ()  # that its page names, with upstream's addresses
    recorded: tuple[File, ...] = ()  # that upstream's page has
    chosen_from: tuple[File, ...] = ()  # before the rules of ``[files]``


def copies_of(mirror: Mirror, names: Sequence[str]) -> dict[str, tuple[PackageFile, ...]]:
    """Return the copies of these projects, by name."""
    return mirror.state.package_files.by_project(names) if mirror.settings.copies_files else {}


def with_copies(mirror: Mirror, tasks: Sequence[PublishTask]) -> Sequence[PublishTask]:
    """Return ``tasks`` with the copies of their files. It reads the state."""
    if not mirror.settings.copies_files:
        return tasks
    copies = copies_of(mirror, [one.row.name for one in tasks])
    return [replace(one, copies=copies.get(one.row.name, ())) for one in tasks]


def note_offered(
    mirror: Mirror, row: ProjectRow, reason: PublishReason, page: OfferedFiles | None
) -> bool:
    """Note what becomes of copies; return True if some leave.

    ``page`` is what was published just now; None: the project is gone. Use inside a transaction.
    """
    table, now = mirror.state.package_files, mirror.now()
    offered = page or OfferedFiles()
    copies = table.by_project([row.name]).get(row.name, ())
    changes = copy_changes(offered.files, copies)
    causes = {one.id: _cause(one, row, reason, page) for one in changes.leaving}
    table.change(row.name, changes, causes, now)
    if row.quarantined:
        table.mark_quarantined(row.name)
    return bool(causes)


def _cause(
    copy: PackageFile, row: ProjectRow, reason: PublishReason, page: OfferedFiles | None
) -> LeaveCause:
    if page is None:
        excluded = reason is PublishReason.EXCLUDED
        return LeaveCause.UNSELECTED if excluded else LeaveCause.PROJECT_REMOVED
    if row.quarantined:
        return LeaveCause.QUARANTINED
    if any(is_same_file(copy.file, file) for file in page.chosen_from):
        return LeaveCause.UNCHOSEN
    if any(is_same_file(copy.file, file) for file in page.recorded):
        return LeaveCause.HIDDEN
    if any(copy.file.filename == file.filename for file in page.recorded):
        return LeaveCause.REPLACED
    return LeaveCause.REMOVED


def offered_files(recorded: Page, shown: Page) -> OfferedFiles:
    """Return what a page offers.

    ``recorded`` is upstream's page, ``shown`` what the mirror's rules make of it.
    """
    return OfferedFiles(files=shown.files, recorded=recorded.files, chosen_from=shown.files)
