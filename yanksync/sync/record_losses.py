"""Records the files that upstream's pages lost.

They stay published until the loss is decided (R8).
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from yanksync.core.model import Page
from yanksync.core.policies.cooldown import FileTimes
from yanksync.core.project_state import Presence
from yanksync.core.rules.journal_entries import JournalEvent
from yanksync.core.rules.lost_file import LostFile, Observation
from yanksync.core.rules.lost_files import confirm_lost, find_lost_files
from yanksync.mirror.context import Mirror, log
from yanksync.state.project_rows import ProjectRow
from yanksync.sync.published_page import held_page


class LossRecorder:
    """The lost files of the projects in one batch of answers.

    It works inside the transaction of the batch.
    """

    def __init__(self, mirror: Mirror, observation: Observation) -> None:
        self._mirror = mirror
        self._state = mirror.state
        self._observation = observation
        self._lost: dict[int, tuple[LostFile, ...]] = {}  # by project

    def load(self, projects: Sequence[int]) -> None:
        """Read what the state has of these projects."""
        self._lost.update(self._state.lost_files.by_project(projects))

    def of(self, row: ProjectRow) -> tuple[LostFile, ...]:
        """Return the files that the project had lost before."""
        return self._lost.get(row.id, ())

    def events(self, row: ProjectRow) -> tuple[JournalEvent, ...]:
        """Return the journal entries since the pages that had the files."""
        lows = [row.serial, *(one.low for one in self.of(row))]
        lowest = None if None in lows else min(low for low in lows if low is not None)
        return self._state.history.events(row.name, lowest)

    def found(
        self,
        row: ProjectRow,
        before: Page | None,
        page: Page,
        events: Sequence[JournalEvent],
        times: FileTimes,
    ) -> tuple[LostFile, ...]:
        """Return the files that stay published although ``page`` takes them away (R8).

        ``times`` are the times of the files of ``before``.
        """
        held = None if before is None else replace(before, serial=row.minimum_serial)
        hidden = () if before is None else self._mirror.offers.published.hidden(before, times)
        return find_lost_files(held, self.of(row), page, events, self._observation, hidden)

    def remember(self, row: ProjectRow, before: Page | None, shown: Page) -> None:
        """Record the files that ``shown`` takes away.

        ``before`` is the page that was published; None: there is none, or the project was removed.
        """
        if before is None and row.presence is not Presence.NEW:
            before = held_page(self._mirror, row)  # the page of the removed project
        known = () if before is None else before.files
        known += tuple(one.file for one in self.of(row))
        left = {(file.filename, file.hashes) for file in shown.files} if known else ()
        gone = [file for file in known if (file.filename, file.hashes) not in left]
        if gone:
            self._state.removed_files.add(row.id, gone)

    def confirm(self, row: ProjectRow) -> None:
        """Record that upstream's page still lacks the files (R7)."""
        if lost := self.of(row):
            self.keep(row, [confirm_lost(one, self._observation) for one in lost])

    def keep(self, row: ProjectRow, lost: Sequence[LostFile]) -> None:
        """Store what is lost.

        A page with unconfirmed losses is fetched again (R7).
        """
        before = self.of(row)
        if before != tuple(lost):
            self._state.lost_files.put(row.id, lost)
            self._lost[row.id] = tuple(lost)
        known = {(one.file.filename, one.hashes) for one in before}
        new = [
            one
            for one in lost
            if one.hashes is not None and (one.file.filename, one.hashes) not in known
        ]
        self._report_new_hashes(row, [one for one in new if one.shown])
        self._report_new_hashes(row, [one for one in new if not one.shown])
        vanished = [one for one in lost if one.vanished and not one.confirmed]
        if vanished:
            self._recheck_later(row, vanished)

    def _report_new_hashes(self, row: ProjectRow, rehashed: Sequence[LostFile]) -> None:
        """Log files that have another hash.

        Either all of them are published, or none.
        """
        if not rehashed:
            return
        have = "the file has" if len(rehashed) == 1 else "the files have"
        stays = "what was published stays" if rehashed[0].shown else "nothing of that is published"
        why = (
            f"{first_and_count([one.file.filename for one in rehashed])}: {have} another hash than "
            f"before; "
            f"{stays} until a person approves the change, see 'yanksync holds'"
        )
        if self._mirror.totals.first_time(f"{row.name} {why}"):
            log.error("%s: %s", row.name, why, extra={"project": row.name})

    def _recheck_later(self, row: ProjectRow, lost: Sequence[LostFile]) -> None:
        """Fetch the page again ``guard.confirm_after`` after the first loss."""
        since = min(one.since for one in lost)
        why = (
            f"{first_and_count([one.file.filename for one in lost])}: missing on upstream's page, "
            f"and nothing explains it; it stays published, and the page is asked for again in a "
            f"later pass"
        )
        if self._mirror.totals.first_time(f"{row.name} {why}"):
            log.warning("%s: %s", row.name, why, extra={"project": row.name})
        moment = since + self._observation.confirm_after
        self._state.fetch_queue.confirm_at(row.name, why, since, moment, run=self._mirror.run)


def first_and_count(names: Sequence[str]) -> str:
    """Return the first of ``names`` and how many more there are."""
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
