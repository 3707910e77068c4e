"""Notes which package files the published pages want, and why others leave."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from yanksync.core.model import File, Page
from yanksync.core.package_files.copies import (
    OUT,
    WITHDRAWALS,
    LeaveCause,
    PackageFile,
    copy_changes,
    is_same_file,
)
from yanksync.core.package_files.paths import strongest
from yanksync.core.package_files.selection import FileRule, choose, unmet_pins
from yanksync.core.policies.yanked import offered_page
from yanksync.core.project_state import Presence, PublishReason
from yanksync.mirror.context import Mirror, log
from yanksync.mirror.run_totals import UNCHOSEN_NAMED
from yanksync.state.project_rows import ProjectRow
from yanksync.sync.package_files.retention import decide
from yanksync.sync.recovery.published_state import PublishTask


class OfferedFiles(Struct, frozen=True):
    """What a project offers, for its copies."""

    files: tuple[File, ...] = ()  # files for its page, with upstream's addresses
    recorded: tuple[File, ...] = ()  # files of upstream's page, and kept files
    chosen_from: tuple[File, ...] = ()  # before the rules of ``[files]``
    left_empty_by: tuple[FileRule, ...] = ()  # the rules that leave none of them
    unhashed: int = 0  # files without a hash, if the page leaves out all because of that
    unmet: tuple[str, ...] = ()  # pinned versions of which no file is offered
    copies: tuple[PackageFile, ...] = ()  # with the decision about each
    is_quarantined: bool = False


def copies_of(mirror: Mirror, names: Sequence[str]) -> dict[str, tuple[PackageFile, ...]]:
    """Return the copies of these projects, by name."""
    return mirror.state.package_files.by_project(names) if mirror.settings.copies_files else {}


def with_copies(mirror: Mirror, tasks: Sequence[PublishTask]) -> Sequence[PublishTask]:
    """Return ``tasks`` with the copies of their files.

    This also decides which removed files are kept, and notes the decision.
    """
    copies = copies_of(mirror, [one.row.name for one in tasks])
    return decide(mirror, [replace(one, copies=copies.get(one.row.name, ())) for one in tasks])


def note_offered(
    mirror: Mirror, row: ProjectRow, reason: PublishReason, offered: OfferedFiles
) -> None:
    """Note which copies are wanted or leave, once ``offered`` is published.

    Use inside a transaction.
    """
    table, now = mirror.state.package_files, mirror.now()
    changes = copy_changes(offered.files, offered.copies)
    causes = {one.id: _cause(one, row, reason, offered) for one in changes.leaving}
    if mirror.choice is not None or mirror.settings.files.missing == "hide":
        _note_unchosen(mirror, row.name, offered)
    table.change(row.name, changes, causes, now)
    if offered.is_quarantined:
        table.mark_quarantined(row.name)
    returning = {one.id for one in changes.returning}
    at = now + mirror.settings.files.grace
    mirror.state.kept_files.withheld_for_removal(
        (one.id, _cause(one, row, reason, offered), at)
        for one in offered.copies
        if one.status in OUT and one.cause is None and one.id not in returning
    )


def note_withdrawn(
    mirror: Mirror, row: ProjectRow, reason: PublishReason, offered: OfferedFiles
) -> None:
    """Let withdrawn copies leave although their page cannot be written.

    The published page still names them. A withdrawn file can be installed from the mirror only if
    its copy is there. Use inside a transaction.
    """
    changes = copy_changes(offered.files, offered.copies)
    causes = {one.id: _cause(one, row, reason, offered) for one in changes.leaving}
    withdrawn = {id_: cause for id_, cause in causes.items() if cause in WITHDRAWALS}
    mirror.state.package_files.leave(withdrawn, mirror.now())
    if offered.is_quarantined:
        mirror.state.package_files.mark_quarantined(row.name)


def _cause(
    copy: PackageFile, row: ProjectRow, reason: PublishReason, offered: OfferedFiles
) -> LeaveCause:
    if reason is PublishReason.EXCLUDED:
        return LeaveCause.UNSELECTED
    if offered.is_quarantined or copy.cause is LeaveCause.QUARANTINED:
        return LeaveCause.QUARANTINED
    if row.presence is not Presence.PRESENT and not copy.kept:
        return LeaveCause.PROJECT_REMOVED
    if any(is_same_file(copy.file, file) for file in offered.chosen_from):
        return LeaveCause.UNCHOSEN
    if any(is_same_file(copy.file, file) for file in offered.recorded):
        return LeaveCause.HIDDEN
    if any(copy.file.filename == file.filename for file in offered.recorded):
        return LeaveCause.REPLACED
    return LeaveCause.REMOVED


def offered_files(
    mirror: Mirror, task: PublishTask, visible: Page | None, shown: Page | None
) -> OfferedFiles:
    """Return what a project offers.

    ``visible`` has the files of upstream's page, and the kept files, that cooldown and overrides
    allow. ``shown`` has the files of ``visible`` that the rules of ``[files]`` choose. None: there
    is no page.
    """
    kept = {one.file.filename: one.file for one in task.copies if one.kept}
    offered = OfferedFiles(
        recorded=(*(() if task.page is None else task.page.files), *kept.values()),
        copies=task.copies,
        is_quarantined=task.page is not None and task.page.quarantined,
    )
    if visible is None or shown is None:
        return offered
    files = tuple(kept.get(one.filename, one) for one in shown.files)
    if _are_all_hidden(mirror, shown):
        offered = replace(offered, unhashed=len(files))
    if mirror.choice is None:
        return replace(offered, files=files, chosen_from=files)
    before = offered_page(visible, mirror.settings.mirror.yanked.value)
    rules: tuple[FileRule, ...] = ()
    if before.files and not files:
        rules = tuple(dict.fromkeys(choose(before, mirror.choice).left_out.values()))
    return replace(
        offered,
        files=files if mirror.copies_files_of(shown.name) else (),
        chosen_from=tuple(kept.get(one.filename, one) for one in before.files),
        left_empty_by=rules,
        unmet=unmet_pins(shown, mirror.choice),
    )


def _are_all_hidden(mirror: Mirror, shown: Page) -> bool:
    """Return True if a page hides all files because hashes are missing."""
    return (
        mirror.settings.files.missing == "hide"
        and mirror.copies_files_of(shown.name)
        and bool(shown.files)
        and all(strongest(file.hashes) is None for file in shown.files)
    )


def _note_unchosen(mirror: Mirror, name: str, offered: OfferedFiles) -> None:
    """Log, once, why a page lists none of a project's files.

    With ``exclude`` the configuration itself says why.
    """
    rules = [str(rule) for rule in offered.left_empty_by if rule is not FileRule.PROJECTS]
    about = (*rules, *offered.unmet, *(["files.missing"] if offered.unhashed else ()))
    if not mirror.state.package_files.note_unchosen(name, ", ".join(about)) or not about:
        return
    mirror.totals.unchosen += 1
    if mirror.totals.unchosen > UNCHOSEN_NAMED:
        return
    if offered.unmet:
        others = [rule for rule in rules if rule != FileRule.LOCK_FILES]
        by = f" ({' and '.join(others)})" if others else ""
        log.warning(
            "%s: no file is offered of %s, which files.lock_files pin%s; builds from these lock "
            "files fail. Lock again, or change the rules",
            name,
            ", ".join(offered.unmet),
            by,
            extra={"project": name},
        )
    elif offered.unhashed:
        log.warning(
            "%s: none of its %d files has a hash to check a copy with, so its page lists none "
            '(files.missing = "hide"); let files.projects link it to offer upstream\'s files',
            name,
            offered.unhashed,
            extra={"project": name},
        )
    else:
        log.warning(
            "%s: none of its %d files is chosen, so its page lists none: %s; change that, or name "
            "the project in files.projects",
            name,
            len(offered.chosen_from),
            " and ".join(rules),
            extra={"project": name},
        )
