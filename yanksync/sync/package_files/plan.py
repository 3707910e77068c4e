"""Plans what a pass would copy and take out, for ``--dry-run``."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from yanksync.core.model import File
from yanksync.core.names import NormalizedName
from yanksync.core.package_files.copies import (
    CopyChanges,
    CopyStatus,
    PackageFile,
    copy_changes,
)
from yanksync.core.package_files.selection import FileChoice, choose
from yanksync.core.policies.yanked import offered_page
from yanksync.core.rules.fetch_plan import PlannedCopies, PlannedCopy
from yanksync.mirror.context import Mirror
from yanksync.sync.package_files.copies import offered_files
from yanksync.sync.page_batches import page_batches
from yanksync.sync.policy.published import apply_rules
from yanksync.sync.publish import BATCH, load_batch
from yanksync.sync.published_page import page_with_kept, shown_page
from yanksync.sync.recovery.published_state import PublishTask

_SHOWN = 1000  # files of each kind that a plan names


class _PlannedProject(Struct, frozen=True):
    changes: CopyChanges
    is_rewritten: bool


def plan_copies(
    mirror: Mirror, before: FileChoice | None
) -> tuple[PlannedCopies, set[NormalizedName]]:
    """Return what a pass does with copies.

    The second value has the queued projects whose pages change because of that. ``before`` are the
    rules of the newest pass. This reads the pages of all queued projects.
    """
    queue = mirror.state.package_files.counts()
    added, removed = _Total(queue.wanted, queue.wanted_bytes), _Total()
    changed: set[NormalizedName] = set()
    for task in _tasks(mirror):
        project = _planned(mirror, task, before)
        if project.is_rewritten:
            changed.add(NormalizedName(task.row.name))
        for file in project.changes.added:
            added.note(PlannedCopy(file.filename, file.size, appears=True))
        for copy in project.changes.returning:
            added.note(PlannedCopy(copy.file.filename, _size(copy), appears=True))
        for copy in project.changes.leaving:
            if copy.status is CopyStatus.WANTED:
                added.forget(copy.file)
            else:
                removed.note(PlannedCopy(copy.file.filename, _size(copy), appears=False))
    return (
        PlannedCopies(
            first=(*removed.first, *added.first),
            added=added.files,
            added_bytes=added.bytes,
            removed=removed.files,
            removed_bytes=removed.bytes,
        ),
        changed,
    )


def plan_giving_up(mirror: Mirror) -> PlannedCopies:
    """Return the copies that leave when files are no longer copied."""
    removed = _Total()
    for batch in mirror.state.package_files.in_batches():
        for copy in batch:
            if copy.status in (CopyStatus.SERVED, CopyStatus.LEAVING):
                removed.note(PlannedCopy(copy.file.filename, _size(copy), appears=False))
    return PlannedCopies(
        first=tuple(removed.first), removed=removed.files, removed_bytes=removed.bytes
    )


def _tasks(mirror: Mirror) -> Iterator[PublishTask]:
    after = 0
    while queued := mirror.state.publish_queue.take(BATCH, after):
        after = queued[-1].id
        for batch in page_batches(mirror, queued):
            yield from load_batch(mirror, batch, {})


def _planned(mirror: Mirror, task: PublishTask, before: FileChoice | None) -> _PlannedProject:
    page = page_with_kept(task.row, task.page, task.copies)
    if page is None:
        changes = copy_changes((), task.copies)
        return _PlannedProject(changes, is_rewritten=task.row.published is not None)
    applied = apply_rules(mirror, page, task.times)
    visible = page if applied is None else applied.offer.page
    shown = shown_page(mirror, visible)
    changes = copy_changes(offered_files(mirror, task, visible, shown).files, task.copies)
    earlier = offered_page(visible, mirror.settings.mirror.yanked.value)
    if before is not None:
        earlier = choose(earlier, before).page
    return _PlannedProject(
        changes, is_rewritten=earlier != shown or changes != CopyChanges(updated=changes.updated)
    )


def _size(copy: PackageFile) -> int | None:
    return copy.file.size if copy.size is None else copy.size


class _Total(Struct):
    files: int = 0
    bytes: int = 0  # of those whose size is known
    first: list[PlannedCopy] = []

    def note(self, copy: PlannedCopy) -> None:
        self.files += 1
        self.bytes += copy.bytes or 0
        if len(self.first) < _SHOWN:
            self.first.append(copy)

    def forget(self, file: File) -> None:
        """Stop counting a queued file."""
        self.files -= 1
        self.bytes -= file.size or 0
