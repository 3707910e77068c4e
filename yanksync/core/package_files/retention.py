"""Decides which files stay although upstream removed them (pure).

The cause of the removal decides, but it is not always known. The journal leaves open whether an
owner or an administrator removed a file. Malware is removed early or after a quarantine, so such
files are not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from yanksync.core import layout
from yanksync.core.model import File, HistoryAction, Page, Yank
from yanksync.core.package_files.copies import CopyStatus, PackageFile, copied_file
from yanksync.core.policies.cooldown import format_time, parse_time
from yanksync.core.policies.yanked import offered_page
from yanksync.core.versions import VersionFinder, same_version

_DAY = 86400.0
YOUNG = 14 * _DAY
"""Seconds. A file that is removed within this time of its upload is not kept."""

_REMOVED = "removed upstream on "
_DEPTH = layout.DELETED_ROOT.count("/") + 2  # directories between the output and its pages
_SKEW = 3600.0  # seconds by which upstream's times may differ; its journal runs back minutes
_TURNS = (
    HistoryAction.QUARANTINE,
    HistoryAction.UNQUARANTINE,
    HistoryAction.REMOVE,
    HistoryAction.RETURN,
)


class Refusal(StrEnum):
    """Why a removed file is not kept."""

    QUARANTINED = "it is under quarantine"
    WAS_QUARANTINED = "it was under quarantine"
    CREATED_AGAIN = "its project was removed and has since been created again"
    YOUNG = "it was removed within 14 days of its upload"
    REMOVE = 'mirror.deleted is "remove"'
    PROJECT_REMOVED = 'its project was removed, and files.deleted_projects is "remove"'
    OVER = "files.keep_days are over"


class RetentionPolicy(Struct, frozen=True, kw_only=True):
    """What the mirror does with files that upstream removed."""

    on_pages: bool = False  # mirror.deleted = "yank": the pages of projects offer them
    in_index: bool = False  # files.deleted_index: the index of deleted files offers them
    keep_days: int = 0  # 0: without end
    deleted_projects: bool = False  # also files of removed projects

    @property
    def text(self) -> str:
        """The policy as a text, to notice a change."""
        return f"{self.on_pages:d}{self.in_index:d}{self.deleted_projects:d} {self.keep_days}"


class Withdrawal(Struct, frozen=True):
    """A row of a project's history."""

    action: HistoryAction
    version: str | None  # None: the whole project
    file: str | None  # a single removed file, else None
    time: float  # UTC seconds


class Removal(Struct, frozen=True, kw_only=True):
    """Facts about a file that upstream no longer has."""

    seen: float  # UTC seconds of the pass that saw it
    happened: float  # when upstream removed it, by the history
    uploaded: float
    is_quarantined: bool = False  # its release is in quarantine now
    was_quarantined: bool = False  # ever: its project or its release
    project_removed: bool = False  # the project is not there now
    created_again: bool = False  # the project is there, and was removed since the upload
    restored: bool = False  # a person asked for it


def judge(removal: Removal, policy: RetentionPolicy, now: float) -> Refusal | None:
    """Return why a removed file is not kept; None: it is kept."""
    if removal.is_quarantined:
        return Refusal.QUARANTINED
    if removal.created_again:
        return Refusal.CREATED_AGAIN
    if removal.restored:
        return None
    if removal.was_quarantined:
        return Refusal.WAS_QUARANTINED
    if removal.happened - removal.uploaded <= YOUNG:
        return Refusal.YOUNG
    if not (policy.on_pages or policy.in_index):
        return Refusal.REMOVE
    if removal.project_removed and not policy.deleted_projects:
        return Refusal.PROJECT_REMOVED
    if policy.keep_days and now - removal.seen >= policy.keep_days * _DAY:
        return Refusal.OVER
    return None


class ProjectHistory:
    """What the history of a project says of its files."""

    def __init__(self, project: str, rows: Sequence[Withdrawal]) -> None:
        """``rows``: oldest first."""
        self._rows = rows
        versions = {row.version for row in rows if row.version is not None}
        self._of_rows = VersionFinder(project, versions)
        self._of_names = VersionFinder(project, None)

    def removal(self, copy: PackageFile, now: float, *, is_present: bool) -> Removal:
        """Return what is known of the removal of ``copy``.

        ``is_present``: upstream has the project.
        """
        filename = copy.file.filename
        uploaded = parse_time(copy.file.upload_time)
        since = float("-inf") if uploaded is None else uploaded - _SKEW
        rows = [row for row in self._rows if row.time >= since and self._concerns(row, filename)]
        turns = [row for row in rows if row.action in _TURNS and row.file is None]
        removals = [row for row in rows if row.action is HistoryAction.REMOVE]
        seen = now if copy.removed_at is None else copy.removed_at
        known = [row.time for row in removals if row.time <= seen]
        return Removal(
            seen=seen,
            happened=max(known, default=seen) if copy.removed_on is None else copy.removed_on,
            uploaded=copy.added if uploaded is None else uploaded,
            is_quarantined=_is_quarantined(turns),
            was_quarantined=copy.was_quarantined
            or any(row.action is HistoryAction.QUARANTINE for row in rows),
            project_removed=not is_present,
            created_again=is_present
            and any(row.version is None and row.file is None for row in removals),
            restored=copy.restored,
        )

    def _concerns(self, row: Withdrawal, filename: str) -> bool:
        if row.file is not None:
            return row.file == filename
        if row.version is None:
            return True
        version = self._of_rows.version_of(filename)
        if version is None:  # a name without a version may belong to any release
            return self._of_names.version_of(filename) is None
        return same_version(row.version, version)


def _is_quarantined(turns: Sequence[Withdrawal]) -> bool:
    """Return True if the newest of these events quarantined the release.

    A quarantine of the project shows on its page.
    """
    return bool(turns) and turns[-1].action is HistoryAction.QUARANTINE and bool(turns[-1].version)


def kept_file(copy: PackageFile) -> File:
    """Return a kept file as pages offer it: yanked, with a reason."""
    removed = copy.removed_at if copy.removed_on is None else copy.removed_on
    reason = f"{_REMOVED}{format_time(removed or 0.0)[:10]}"
    before = "" if copy.file.yanked is None else copy.file.yanked.reason
    if before.startswith(_REMOVED):  # the state was lost, and this is the mirror's own page
        reason = before
    elif before:
        reason += f"; yanked before: {before}"
    # Upstream's attestations disappear together with the file.
    return replace(copy.file, yanked=Yank(reason), provenance=None)


def with_kept_files(page: Page, copies: Iterable[PackageFile]) -> Page:
    """Return ``page`` with the kept files."""
    kept = [kept_file(one) for one in copies if one.kept]
    if not kept or page.quarantined:
        return page
    versions = page.versions
    if versions is not None:
        listed, named = VersionFinder(page.name, versions), VersionFinder(page.name, None)
        own = (listed.version_of(one.filename) or named.version_of(one.filename) for one in kept)
        versions = tuple(dict.fromkeys((*versions, *(one for one in own if one is not None))))
    return replace(page, files=(*page.files, *kept), versions=versions)


def without_kept_files(
    shown: Page,
    copies: Iterable[PackageFile],
    listed: Collection[str] | None,
    stays: Callable[[PackageFile], bool],
) -> Page:
    """Return the published part of ``shown``, which has all kept files.

    A kept file stays on the page if ``stays`` allows it, as long as its copy is at its path.
    ``listed`` are the versions on upstream's page.
    """
    going = {
        one.file.filename
        for one in copies
        if one.kept and not (one.status is CopyStatus.SERVED and stays(one))
    }
    files = tuple(one for one in shown.files if one.filename not in going)
    if len(files) == len(shown.files):
        return shown
    versions = shown.versions
    if versions is not None:
        finder = VersionFinder(shown.name, versions)
        left = {finder.version_of(one.filename) for one in files}.union(listed or ())
        versions = tuple(one for one in versions if one in left)
    return replace(shown, files=files, versions=versions)


def deleted_page(project: str, copies: Iterable[PackageFile]) -> Page | None:
    """Return a page of the index of deleted files, or None."""
    kept = [one for one in copies if one.kept and one.status is CopyStatus.SERVED]
    if not kept:
        return None
    page = offered_page(with_kept_files(Page(name=project, versions=()), kept), "mark")
    places = {one.file.filename: one for one in kept}
    files = tuple(copied_file(one, places[one.filename], _DEPTH) for one in page.files)
    return replace(page, files=files)
