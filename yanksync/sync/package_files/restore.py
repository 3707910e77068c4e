"""Brings files back that are out of service and not deleted yet."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from yanksync.config.settings import Settings, YankedPolicy
from yanksync.core.names import normalize
from yanksync.core.package_files.copies import CopyStatus, LeaveCause, PackageFile
from yanksync.core.package_files.retention import ProjectHistory, Refusal, judge
from yanksync.core.project_state import Presence
from yanksync.mirror.open_mirror import any_package_store
from yanksync.state.state import State
from yanksync.sync.package_files.retention import retention_policy

_OURS = {
    LeaveCause.REPLACED: "upstream has another file of this name",
    LeaveCause.UNSELECTED: "mirror.projects and mirror.exclude leave its project out",
    LeaveCause.UNCHOSEN: "a rule of [files] leaves it out; it comes back when the rule allows it",
    LeaveCause.HIDDEN: "a rule of this mirror hides it; it comes back when the rule allows it",
    LeaveCause.LINKED: 'mirror.files was "link"; it comes back with "copy"',
    LeaveCause.ALTERED: "its bytes were altered on the disk, and upstream has removed the file",
}
_OMITTED = 'a restored file is marked yanked, and mirror.yanked = "omit" leaves it out'
_FORCED = "it was under quarantine; --force restores it all the same"
_NOWHERE = "files.withheld names no place, so its bytes are gone"
_LACKING = (
    "it is not in files.withheld ({}) now; mount that directory if it is not mounted, or move the "
    "files there from an earlier one"
)
_WAITS = "it is under quarantine; it comes back when upstream clears that"


class Restorable(Struct, frozen=True):
    """A file that is out of service."""

    copy: PackageFile  # as it will be when it is restored
    delete_at: float | None  # UTC seconds; None: it stays
    refused: str | None = None  # why it is not restored


def find_restorable(
    state: State, settings: Settings, names: Collection[str], *, force: bool
) -> list[Restorable]:
    """Return the files that are out of service.

    ``names`` are projects and files; all when it is empty. ``force``: files that were under
    quarantine are restored, too.
    """
    found: dict[str, list[PackageFile]] = {}
    for copy in state.package_files.out_of_service():
        if not names or is_named(copy, names):
            found.setdefault(copy.project, []).append(copy)
    all_found = [
        one
        for project, copies in found.items()
        for one in _of_project(state, settings, project, copies, force=force)
    ]
    return _without_lacking(settings, all_found)


def _without_lacking(settings: Settings, found: Sequence[Restorable]) -> list[Restorable]:
    """Return ``found`` with files refused that are not there now."""
    paths = [one.copy.path for one in found if one.refused is None]
    if not paths or not isinstance(settings.withheld, Path):  # storage is never unmounted
        return list(found)
    lacking = any_package_store(settings).lacking(paths)
    why = _LACKING.format(settings.withheld)
    return [
        replace(one, refused=why) if one.refused is None and one.copy.path in lacking else one
        for one in found
    ]


def is_named(copy: PackageFile, names: Collection[str]) -> bool:
    """Return True if one of ``names`` means this file or its project."""
    return copy.file.filename in names or any(copy.project == normalize(one) for one in names)


def _of_project(
    state: State, settings: Settings, project: str, copies: Sequence[PackageFile], *, force: bool
) -> Iterator[Restorable]:
    row = next(iter(state.projects.get([project]).values()), None)
    history = ProjectHistory(project, state.kept_files.withdrawals(project))
    omits = settings.mirror.yanked is YankedPolicy.OMIT
    for copy in copies:
        is_present = row is not None and row.presence is Presence.PRESENT
        removal = history.removal(copy, copy.since, is_present=is_present)
        wanted = replace(
            copy,
            status=CopyStatus.WANTED,
            kept=True,
            restored=True,
            removed_at=removal.seen,
            removed_on=removal.happened,
        )
        why = None if copy.cause is None else _OURS.get(copy.cause)
        if row is None:
            why = why or _OURS[LeaveCause.UNSELECTED]
        elif row.quarantined or removal.is_quarantined:
            why = _WAITS
        refusal = judge(replace(removal, restored=True), retention_policy(settings), removal.seen)
        if why is None and refusal is Refusal.CREATED_AGAIN:
            why = str(refusal)
        if why is None and removal.was_quarantined and not force:
            why = _FORCED
        if settings.withheld is None:
            why = _NOWHERE
        yield Restorable(wanted, copy.delete_at, why or (_OMITTED if omits else None))


def restore(state: State, found: Sequence[Restorable]) -> None:
    """Let the next pass put these files back, except refused ones."""
    with state.transaction():
        state.kept_files.restore([one.copy for one in found if one.refused is None])
