"""Finds the journal entries that are about lost files (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from yanksync.core.model import Yank
from yanksync.core.rules.journal_entries import EntryKind, JournalEvent
from yanksync.core.rules.lost_file import LostFile, with_mark
from yanksync.core.versions import VersionKey, version_key


class LossEntries:
    """Finds the journal entries about lost files.

    It keeps the newest entry of each sort, which is the last one.
    """

    def __init__(self, events: Iterable[JournalEvent]) -> None:
        self._remade: int | None = None
        self._project: int | None = None
        self._files: dict[str, int] = {}
        self._releases: dict[VersionKey, int] = {}
        self._marks: dict[VersionKey, JournalEvent] = {}
        for event in events:
            self._add(event, event.entry.serial)

    def _add(self, event: JournalEvent, serial: int) -> None:
        version = event.entry.version
        key = None if version is None else version_key(version)
        if event.removes:
            if event.kind is EntryKind.REMOVE_PROJECT:
                self._remade = serial
            if key is None:
                self._project = serial
            else:
                self._releases[key] = serial
            if event.file is not None:
                self._files[event.file] = serial
        elif event.kind in (EntryKind.YANK, EntryKind.UNYANK) and key is not None:
            self._marks[key] = event

    def explain(self, lost: LostFile, *, vanished: bool) -> bool:
        """Return True if an entry since the last page explains the loss.

        The last page means the last page with the file.

        No entry explains another hash, except that the project was removed and created again.
        """
        if not vanished:
            return _is_since(self._remade, lost)
        return any(_is_since(serial, lost) for serial in self._removals(lost))

    def remove_after(self, serial: int | None, lost: LostFile) -> bool:
        """Return whether an entry after the page of ``serial`` removes the file."""
        removals = self._removals(lost)
        return serial is not None and any(one is not None and one > serial for one in removals)

    def _removals(self, lost: LostFile) -> tuple[int | None, ...]:
        """Return the newest entries that remove file, release and project."""
        release = None if lost.version is None else self._releases.get(version_key(lost.version))
        return self._project, self._files.get(lost.file.filename), release

    def mark(self, lost: LostFile) -> JournalEvent | None:
        """Return the newest yank or unyank of the file's release since."""
        if lost.version is None:
            return None
        event = self._marks.get(version_key(lost.version))
        return event if event is not None and _is_since(event.entry.serial, lost) else None

    def marked(self, lost: LostFile, mark: Yank | None) -> LostFile:
        """Return ``lost`` with the mark that the newest entry gives it.

        ``mark`` is the mark of its release. A file that is only remembered needs none.
        """
        event = self.mark(lost)
        if event is None or not lost.shown:
            return lost
        if event.kind is EntryKind.YANK:
            # The entry has no reason, so the reason of the page, or the earlier one, stays.
            return lost if lost.file.yanked is not None else with_mark(lost, mark or Yank())
        return with_mark(lost, None) if lost.vanished and mark is None else lost


def _is_since(serial: int | None, lost: LostFile) -> bool:
    return serial is not None and (lost.low is None or serial > lost.low)
