"""Decides which removed files stay, before pages are rendered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from yanksync.config.settings import Settings
from yanksync.core.model import File
from yanksync.core.names import NormalizedName
from yanksync.core.package_files.copies import (
    OUT,
    CopyStatus,
    LeaveCause,
    PackageFile,
    is_same_file,
)
from yanksync.core.package_files.retention import (
    ProjectHistory,
    Refusal,
    RetentionPolicy,
    judge,
)
from yanksync.core.project_state import Presence, PublishReason
from yanksync.core.versions import VersionFinder, same_version
from yanksync.mirror.context import Mirror, log
from yanksync.state.facts import AppliedConfig
from yanksync.state.state import State
from yanksync.sync.recovery.published_state import PublishTask

_DAY = 86400.0
_QUARANTINES = (Refusal.QUARANTINED, Refusal.WAS_QUARANTINED)


def retention_policy(settings: Settings) -> RetentionPolicy:
    """Return the configured policy for files that upstream removed."""
    files = settings.files
    return RetentionPolicy(
        on_pages=settings.mirror.deleted == "yank",
        in_index=files.deleted_index,
        keep_days=files.keep_days,
        deleted_projects=files.deleted_projects == "yank",
    )


def queue_changed(mirror: Mirror) -> None:
    """Queue the pages whose kept files may go.

    This happens when their time is over, or when the policy has changed.
    """
    state, policy, now = mirror.state, retention_policy(mirror.settings), mirror.now()
    names = []
    if policy.keep_days:
        names = state.kept_files.projects(now - policy.keep_days * _DAY)
    is_new = state.facts.config.retention != policy.text
    if is_new:
        names = state.kept_files.projects()
    if not (names or is_new):
        return
    with state.transaction():
        for row in state.projects.get(names).values():
            state.publish_queue.add_page(row.id, now)
        state.facts.change(AppliedConfig, retention=policy.text)


def decide(mirror: Mirror, tasks: Sequence[PublishTask]) -> list[PublishTask]:
    """Return ``tasks`` with decisions about copies that upstream's page lacks.

    The decision to keep a copy is noted before a page shows it. A removal is noted with the page.
    """
    policy, noted, decided = retention_policy(mirror.settings), [], []
    for task in tasks:
        copies = tuple(_decided(mirror, task, policy))
        noted += [
            new
            for old, new in zip(task.copies, copies, strict=True)
            if (new.kept and not old.kept) or (new.removed_at is None and old.removed_at)
        ]
        decided.append(replace(task, copies=copies))
    if noted:
        with mirror.state.transaction():
            mirror.state.kept_files.note(noted)
    return decided


def _decided(mirror: Mirror, task: PublishTask, policy: RetentionPolicy) -> Iterator[PackageFile]:
    page, row = task.page, task.row
    is_excluded = task.queued.reason is PublishReason.EXCLUDED
    if is_excluded or (page is not None and page.quarantined):
        for copy in task.copies:
            is_over = is_excluded and _waits_for_quarantine(copy)
            yield replace(copy, kept=False, cause=None if is_over else copy.cause)
        return
    on_page: dict[str, File] = {}
    if page is not None:
        on_page = {file.filename: file for file in page.files}
    history = None
    for copy in task.copies:
        file = on_page.get(copy.file.filename)
        if file is not None and is_same_file(copy.file, file):
            yield _returned(copy)
        elif file is None and (_can_stay(copy) or _waits_for_quarantine(copy)):
            if history is None:
                rows = mirror.state.kept_files.withdrawals(row.name)
                history = ProjectHistory(row.name, rows)
            is_present = row.presence is Presence.PRESENT
            yield _judged(copy, history, policy, mirror.now(), is_present=is_present)
        else:
            yield replace(copy, kept=False)


def _can_stay(copy: PackageFile) -> bool:
    if copy.size is None:
        return False
    hidden = copy.kept and copy.cause in (LeaveCause.HIDDEN, LeaveCause.UNCHOSEN)
    return hidden or copy.status in (CopyStatus.SERVED, CopyStatus.WANTED)


def _waits_for_quarantine(copy: PackageFile) -> bool:
    return copy.cause is LeaveCause.QUARANTINED and copy.status is not CopyStatus.WANTED


def _returned(copy: PackageFile) -> PackageFile:
    if copy.removed_at is None and not copy.kept:
        return copy
    return replace(copy, kept=False, restored=False, removed_at=None, removed_on=None)


def _judged(
    copy: PackageFile,
    history: ProjectHistory,
    policy: RetentionPolicy,
    now: float,
    *,
    is_present: bool,
) -> PackageFile:
    """Return ``copy`` with the decision.

    Its cause says whether it leaves because of a quarantine.
    """
    removal = history.removal(copy, now, is_present=is_present)
    refusal = judge(removal, policy, now)
    waits = _waits_for_quarantine(copy)
    if waits or refusal is not None:
        cause = LeaveCause.QUARANTINED if refusal is Refusal.QUARANTINED else None
        was = copy.was_quarantined or refusal in _QUARANTINES
        if refusal not in (None, Refusal.REMOVE) and not waits:
            _log(copy, f"it leaves the mirror: {refusal}")
        return replace(copy, kept=False, cause=cause, was_quarantined=was)
    if not copy.kept:
        _log(copy, "it is kept")
    return replace(copy, kept=True, removed_at=removal.seen, removed_on=removal.happened)


def _log(copy: PackageFile, what: str) -> None:
    log.info(
        "%s: upstream has no %s any more: %s",
        copy.project,
        copy.file.filename,
        what,
        extra={"project": copy.project},
    )


def why_not_kept(
    state: State, settings: Settings, copies: Sequence[PackageFile], version: str | None
) -> str | None:
    """Return why a copy is out of service; None: there is none.

    ``copies`` belong to one project; with a ``version`` only copies of that release count.
    """
    for copy in copies:
        named = VersionFinder(copy.project, None).version_of(copy.file.filename)
        if copy.status not in OUT or copy.size is None:
            continue
        if version is not None and (named is None or not same_version(named, version)):
            continue
        history = ProjectHistory(copy.project, state.kept_files.withdrawals(copy.project))
        row = state.projects.get([NormalizedName(copy.project)]).get(NormalizedName(copy.project))
        is_present = row is not None and row.presence is Presence.PRESENT
        removal = history.removal(copy, copy.since, is_present=is_present)
        refusal = judge(removal, retention_policy(settings), copy.since)
        if refusal is not None:
            return str(refusal)
    return None
