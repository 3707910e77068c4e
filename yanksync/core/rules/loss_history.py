"""Decides what the history says of lost files (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from yanksync.core.model import HistoryAction, Page, PageChange
from yanksync.core.rules.lost_file import LostFile
from yanksync.core.versions import VersionKey, file_versions, version_key


class EarliestExplanation:
    """The serial after which a journal entry may explain a change.

    This is the serial of the page before. If that page had lost a file already, it is the serial of
    the last page with the file. None: any entry may explain it.
    """

    def __init__(self, lost: Iterable[LostFile], serial: int | None) -> None:
        self._serial = serial
        self._files: dict[str, int | None] = {}
        self._homeless: dict[str, int | None] = {}  # of files that belong to no version
        self._versions: dict[VersionKey, int | None] = {}
        for one in lost:
            self._files[one.file.filename] = one.low
            if one.version is None:
                self._homeless[one.file.filename] = one.low
            else:
                key = version_key(one.version)
                self._versions[key] = _lower(self._versions.get(key, one.low), one.low)

    def serial_for(self, change: PageChange) -> int | None:
        """Return the serial for one change."""
        low = self._serial
        names = self._files if change.version is None else self._homeless
        for name in (change.file, *change.files):
            if name is not None and name in names:
                low = _lower(low, names[name])
        if change.version is not None:
            low = _lower(low, self._versions.get(version_key(change.version), low))
        return low


def _lower(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else min(one, other)


def removal_changes(page: Page, lost: Iterable[LostFile]) -> tuple[PageChange, ...]:
    """Return the changes for the history when vanished files are released.

    ``page`` is the page that is published without them.
    """
    left = set(file_versions(page))
    changes: dict[tuple[str | None, str | None], PageChange] = {}
    for one in lost:
        if one.vanished:
            whole = one.version is not None and one.version not in left
            file = None if whole else one.file.filename
            change = PageChange(action=HistoryAction.REMOVE, version=one.version, file=file)
            changes[one.version, file] = change
    return tuple(changes.values())
