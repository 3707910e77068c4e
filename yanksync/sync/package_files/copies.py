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
from yanksync.core.package_files.selection import FileRule, choose
from yanksync.core.policies.yanked import offered_page
from yanksync.core.project_state import PublishReason
from yanksync.mirror.context import Mirror, log
from yanksync.mirror.run_totals import UNCHOSEN_NAMED
from yanksync.state.project_rows import ProjectRow
from yanksync.sync.recovery import PublishTask


class OfferedFiles(Struct, frozen=True):
    """What a project offers, for its copies."""

    files: tuple[File, ...] = ()  # that its page names, with upstream's addresses
    recorded: tuple[File, ...] = ()  # that upstream's page has
    chosen_from: tuple[File, ...] = ()  # before the rules of ``[files]``
    left_empty_by: tuple[FileRule, ...] = ()  # the rules that leave none of them


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
    if mirror.choice is not None:
        _note_unchosen(mirror, row.name, offered)
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


def offered_files(mirror: Mirror, recorded: Page, visible: Page, shown: Page) -> OfferedFiles:
    """Return what a page offers.

    ``recorded`` is upstream's page, ``visible`` what cooldown and overrides leave of it, ``shown``
    what is published.
    """
    if mirror.choice is None:
        return OfferedFiles(files=shown.files, recorded=recorded.files, chosen_from=shown.files)
    before = offered_page(visible, mirror.settings.mirror.yanked.value)
    copies = mirror.copies_files_of(shown.name)
    rules: tuple[FileRule, ...] = ()
    if before.files and not shown.files:
        rules = tuple(dict.fromkeys(choose(before, mirror.choice).left_out.values()))
    return OfferedFiles(
        files=shown.files if copies else (),
        recorded=recorded.files,
        chosen_from=before.files,
        left_empty_by=rules,
    )


def _note_unchosen(mirror: Mirror, name: str, offered: OfferedFiles) -> None:
    """Log, once, that rules leave none of a project's files; ``exclude`` says so itself."""
    rules = [str(rule) for rule in offered.left_empty_by if rule is not FileRule.PROJECTS]
    if not mirror.state.package_files.note_unchosen(name, ", ".join(rules)) or not rules:
        return
    mirror.totals.unchosen += 1
    if mirror.totals.unchosen <= UNCHOSEN_NAMED:
        log.warning(
            "%s: none of its %d files is chosen, so its page lists none: %s; change that, or name "
            "the project in files.projects",
            name,
            len(offered.chosen_from),
            " and ".join(rules),
            extra={"project": name},
        )
