"""Records when files were added.

The time comes from a journal entry, or from the first page with the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from yanksync.core.model import Page
from yanksync.core.names import NormalizedName
from yanksync.core.policies.cooldown import FileTimes
from yanksync.core.project_state import Presence
from yanksync.core.rules.file_additions import added_file, with_page, without_page
from yanksync.core.rules.journal_entries import EntryKind, JournalEvent
from yanksync.mirror.context import Mirror
from yanksync.state.policy.file_times import NO_ROW, TimesRow
from yanksync.state.project_rows import ProjectRow


def note_entries(
    mirror: Mirror, events: Sequence[JournalEvent], rows: Mapping[NormalizedName, ProjectRow]
) -> None:
    """Record when files were added, and which projects begin again.

    Use it inside a transaction.

    ``rows`` are the projects before these entries.
    """
    state = mirror.state
    added: dict[NormalizedName, dict[str, float]] = {}
    restarted: dict[NormalizedName, None] = {}
    for event in events:
        row, name = rows[event.name], event.name
        file = added_file(event)
        if file is not None:
            added.setdefault(name, {})[file] = float(event.entry.timestamp)
        elif _begins_again(event, row, removed=name in restarted):
            added.pop(name, None)
            restarted[name] = None
    state.file_times.restart(rows[name].id for name in restarted)
    known = state.file_times.get([rows[name].id for name in added])
    for name, files in added.items():
        row = rows[name]
        old = known.get(row.id, NO_ROW)
        if any(old.added.get(file) != moment for file, moment in files.items()):
            state.file_times.put(row.id, replace(old, added={**old.added, **files}))
            if row.presence is Presence.PRESENT and not mirror.offers.is_off:
                state.publish_queue.add_page(row.id, mirror.now())  # its page may have them already


def _begins_again(event: JournalEvent, row: ProjectRow, *, removed: bool) -> bool:
    if row.serial is not None and event.entry.serial <= row.serial:
        return False  # the held page is newer
    if event.kind is EntryKind.CREATE:
        return removed or row.presence is not Presence.PRESENT
    return event.kind is EntryKind.REMOVE_PROJECT


class TimesRecorder:
    """The file times of the projects in one batch of answers.

    It works inside the transaction of the batch.
    """

    def __init__(self, mirror: Mirror, now: float) -> None:
        self._state = mirror.state
        self._now = now
        self._rows: dict[int, TimesRow] = {}

    def load(self, projects: Sequence[int]) -> None:
        """Read what the state has of these projects."""
        self._rows.update(self._state.file_times.get(projects))

    def of(self, row: ProjectRow) -> FileTimes:
        """Return the known times of a project's files."""
        return self._rows.get(row.id, NO_ROW).times

    def page(self, row: ProjectRow, before: Page | None, page: Page) -> None:
        """Record which files of ``page`` are new or gone."""
        known = self._rows.get(row.id, NO_ROW)
        all_new = known.is_new or row.presence is Presence.REMOVED
        times = with_page(known.times, before, page, self._now, all_new=all_new)
        self._put(row, known, times)

    def vanished(self, row: ProjectRow, before: Page | None, *, explained: bool) -> None:
        """Record that the page is gone.

        If that is ``explained``, its files are forgotten.
        """
        if explained:
            self._rows.pop(row.id, None)
            self._state.file_times.restart([row.id])
        elif before is not None:
            known = self._rows.get(row.id, NO_ROW)
            self._put(row, known, without_page(known.times, before))

    def appears_later(self, row: ProjectRow) -> None:
        """Record a project that upstream does not have yet.

        All its files will be new.
        """
        if row.id not in self._rows:
            self._state.file_times.restart([row.id])

    def _put(self, row: ProjectRow, known: TimesRow, times: FileTimes) -> None:
        if times is not known.times and (times.added, times.earliest) != (
            known.added,
            known.earliest,
        ):
            new = replace(known, added=times.added, earliest=times.earliest)
            self._rows[row.id] = new
            self._state.file_times.put(row.id, new)
