"""Takes unnamed copies out of service, and deletes them later."""

from __future__ import annotations

from collections.abc import Sequence

from yanksync.config.durations import format_duration
from yanksync.core.errors import PublishError
from yanksync.core.package_files.copies import WITHDRAWALS, LeaveCause, PackageFile
from yanksync.core.package_files.paths import metadata_path
from yanksync.core.rules.fetch_plan import DAY
from yanksync.core.rules.removal_guard import SELECTION_FLOOR, removal_limit
from yanksync.mirror.context import Mirror, log
from yanksync.state.facts import AppliedConfig, PackageCheck
from yanksync.sync.package_files.deleted_index import publish_deleted_index

_BATCH = 500


def take_out(mirror: Mirror) -> None:
    """Move all copies that no page names out of the output.

    If a copy cannot be moved, the others still are. The failure is logged, the pass ends with 1,
    and a later pass tries again. A copy that is nowhere leaves when it is back, because its file
    system may only be unmounted. Raises :class:`yanksync.core.errors.PublishError` for the index of
    deleted files.
    """
    table = mirror.state.package_files
    if mirror.settings.files.deleted_index:
        publish_deleted_index(mirror)  # its pages name files, too
    after = 0
    while leaving := table.leaving(_BATCH, after):
        after = leaving[-1].id
        copies = _withheld(mirror, _without_lacking(mirror, leaving))
        begun = [one for one in copies if one.size is None]
        mirror.packages.delete_withheld([one.path for one in begun])
        with mirror.state.transaction():
            table.mark_withheld({one.id: _delete_at(mirror, one) for one in copies})
            table.forget(one.id for one in begun)
        moved = [one for one in copies if one.size is not None]
        mirror.totals.files_unchosen += sum(one.cause is LeaveCause.UNCHOSEN for one in moved)
        _log(moved)


def _without_lacking(mirror: Mirror, leaving: Sequence[PackageFile]) -> list[PackageFile]:
    """Return the copies of ``leaving`` that are somewhere; log, once, the others."""
    lacking = mirror.packages.lacking(one.path for one in leaving if one.is_somewhere)
    if lacking and (count := mirror.state.copy_checks.note_lacking(lacking)):
        log.warning(
            "%d package files must leave, and are neither below %s/packages nor in files.withheld "
            "(%s). If a file system is not mounted, mount it, and the next run takes them out of "
            "service; if they were deleted, 'yanksync verify --repair' forgets them",
            count,
            mirror.settings.mirror.output,
            mirror.settings.withheld,
        )
    return [one for one in leaving if one.path not in lacking]


def _withheld(mirror: Mirror, copies: Sequence[PackageFile]) -> Sequence[PackageFile]:
    """Move copies out of the output; return those that could be moved."""
    if not copies:
        return copies
    try:
        mirror.packages.withhold([one.path for one in copies])
    except PublishError as error:
        if len(copies) > 1:
            return [one for copy in copies for one in _withheld(mirror, [copy])]
        if not (error.is_full and _delete_withdrawn(mirror, copies[0], error)):
            _report_unmoved(mirror, copies[0], error)
        return []
    return copies


def _delete_withdrawn(mirror: Mirror, copy: PackageFile, error: PublishError) -> bool:
    """Delete a withdrawn copy if there is no room to keep it.

    It may be malware, and must not stay installable. Returns False if it is still served.
    """
    if copy.cause not in WITHDRAWALS:
        return False
    try:
        mirror.packages.delete_packages([copy.path, metadata_path(copy.path)])
    except PublishError:
        return False
    with mirror.state.transaction():
        mirror.state.package_files.forget([copy.id])
    log.warning(
        "%s: %s: deleted, as there is no room to keep it out of service (files.withheld): %s",
        copy.project,
        copy.path,
        error,
        extra={"project": copy.project},
    )
    return True


def _report_unmoved(mirror: Mirror, copy: PackageFile, error: PublishError) -> None:
    """Log a copy that is still served, once in a run."""
    totals = mirror.totals
    totals.problem = totals.problem or str(error)
    if totals.first_time(f"unmoved {copy.path}"):
        totals.causes[error.cause] += 1
        log.error(
            "%s: %s: it has to leave, but its address still works: %s; the next run tries again",
            copy.project,
            copy.path,
            error,
            extra={"project": copy.project},
        )


def _delete_at(mirror: Mirror, copy: PackageFile) -> float | None:
    if copy.cause is LeaveCause.QUARANTINED and copy.removed_at is None:
        return None  # it may be cleared
    return mirror.now() + mirror.settings.files.grace


def report_unchosen(mirror: Mirror) -> None:
    """Log that changed rules of ``[files]`` took many copies away.

    No guard holds this change: the copies are kept for ``files.grace``, and come back with the old
    rules.
    """
    gone, totals = mirror.totals.files_unchosen, mirror.totals
    if gone <= SELECTION_FLOOR:
        return
    before = mirror.state.package_files.counts().served + gone
    limit = removal_limit(SELECTION_FLOOR, mirror.settings.guard.selection, before)
    if gone > limit and totals.first_time("unchosen files"):
        log.warning(
            "%d of %d package files are out of service, as the rules of [files] leave them out "
            "now. They are kept for files.grace (%s): put the rules back until then, and the next "
            "run offers them again, without a download",
            gone,
            before,
            format_duration(mirror.settings.files.grace),
        )


def _log(copies: Sequence[PackageFile]) -> None:
    for one in copies:
        log.info(
            "%s: %s: not served any more: %s",
            one.project,
            one.file.filename,
            one.cause,
            extra={"project": one.project},
        )


def delete_expired(mirror: Mirror) -> None:
    """Delete withheld copies whose time is over.

    Missing copies are deleted on a later day: ``files.withheld`` may be another one, or not be
    mounted. Raises as :func:`take_out`.
    """
    checks, now, late = mirror.state.copy_checks, mirror.now(), 0
    while copies := checks.to_delete(now, _BATCH):
        lacking = mirror.packages.lacking(one.path for one in copies if one.is_somewhere)
        gone = [one for one in copies if one.path not in lacking]
        with mirror.state.transaction():
            checks.postpone((one.id for one in copies if one.path in lacking), now + DAY)
            checks.begin_deletion(one.id for one in gone)
        mirror.packages.delete_withheld([one.path for one in gone])
        with mirror.state.transaction():
            checks.forget(one.id for one in gone)
        late += len(lacking)
        if gone:
            log.info("%d package files deleted: their time out of service is over", len(gone))
    if late:
        log.warning(
            "%d package files are not in files.withheld (%s), where they were to be deleted now; "
            "yanksync looks again in a day. If its file system is not mounted, mount it; if they "
            "were deleted, 'yanksync verify --repair' forgets them",
            late,
            mirror.settings.withheld,
        )


def give_up_copies(mirror: Mirror) -> None:
    """Let all copies leave, because pages link to upstream's files.

    A copy stays while its page waits to be published, because the published page may name it.
    Raises the errors of :func:`take_out`.
    """
    facts, now = mirror.state.facts, mirror.now()
    if facts.recovery.serial is not None:  # pages that the state does not know may name copies
        return
    with mirror.state.transaction():
        ends = now + mirror.settings.files.grace
        if not mirror.state.package_files.give_up(LeaveCause.LINKED, now, ends):
            facts.change(AppliedConfig, has_copies=None)
            facts.write(PackageCheck())  # no repair will delete what is held
    take_out(mirror)
    delete_expired(mirror)
    mirror.packages.keep_incoming(())
