"""The state: one SQLite file with everything a mirror knows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from yanksync.core.model import PageChange
from yanksync.core.names import NormalizedName
from yanksync.core.project_state import Presence, PublishReason
from yanksync.core.rules.averted import HiddenReleases
from yanksync.core.rules.fetch_plan import DAY
from yanksync.core.rules.lost_file import Observation
from yanksync.core.rules.transitions import Effects
from yanksync.state.change_tracking import ChangeTracker
from yanksync.state.counters import Counters
from yanksync.state.etags import EtagTable
from yanksync.state.facts import Facts
from yanksync.state.history import History
from yanksync.state.history_times import HistoryTimes
from yanksync.state.list_import import ListImport
from yanksync.state.lost_files import LostFileTable, RemovedFileTable
from yanksync.state.policy.file_times import FileTimesTable
from yanksync.state.project_rows import ProjectRow
from yanksync.state.projects import Projects
from yanksync.state.queues.fetch import FetchQueue
from yanksync.state.queues.hooks import HookQueue
from yanksync.state.queues.publish import PublishQueue, QueuedProject
from yanksync.state.queues.unconfirmed_serials import UnconfirmedSerials
from yanksync.state.runs import Runs
from yanksync.state.sqlite.database import Database
from yanksync.state.views.history_rows import HistoryRows

if TYPE_CHECKING:
    from yanksync.state.bundles.received import ReceivedTable
    from yanksync.state.bundles.table import BundleTable
    from yanksync.state.package_files.checks import CopyChecks
    from yanksync.state.package_files.kept import KeptFiles
    from yanksync.state.package_files.table import PackageFileTable
    from yanksync.state.policy.forgotten import ForgottenTable
    from yanksync.state.queues.notifications import NotifyQueue
    from yanksync.state.views.comparable import Comparable
    from yanksync.state.views.timeline import Timeline
    from yanksync.state.views.unpublished_withdrawals import UnpublishedWithdrawals
    from yanksync.state.withdrawals.event_log import EventLog


class State:
    """The opened state; a context manager."""

    def __init__(self, path: Path, *, create: bool = True, read_only: bool = False) -> None:
        """Open the database at ``path``, which is made or upgraded when ``create``.

        ``read_only``: only read it, without the right to write. Raises
        :class:`yanksync.core.errors.StateError`.
        """
        if read_only:
            from yanksync.state.sqlite.reading import ReadOnlyDatabase  # start-up: no pass needs it

            self._db: Database = ReadOnlyDatabase(path)
        else:
            self._db = Database(path, create=create)
        self.path = path
        self.facts = Facts(self._db)
        self.projects = Projects(self._db)
        self.fetch_queue = FetchQueue(self._db)
        self.publish_queue = PublishQueue(self._db)
        self.lost_files = LostFileTable(self._db)
        self.removed_files = RemovedFileTable(self._db)
        self.file_times = FileTimesTable(self._db)
        self.unconfirmed_serials = UnconfirmedSerials(self._db)
        self.history = History(self._db)
        self.history_times = HistoryTimes(self._db)
        self.history_rows = HistoryRows(self._db)
        self.list_import = ListImport(self._db)
        self.runs = Runs(self._db)
        self.etags = EtagTable(self._db)
        self.changes = ChangeTracker(self._db)
        self.counters = Counters(self._db)
        self.hook_queue = HookQueue(self._db)

    @cached_property
    def event_log(self) -> EventLog:
        """The events of the log of withdrawals."""
        from yanksync.state.withdrawals.event_log import EventLog  # start-up: few mirrors have one

        return EventLog(self._db)

    @cached_property
    def notify_queue(self) -> NotifyQueue:
        """The events that targets of notifications do not have yet."""
        from yanksync.state.queues.notifications import NotifyQueue  # start-up: few mirrors notify

        return NotifyQueue(self._db)

    @cached_property
    def package_files(self) -> PackageFileTable:
        """The copies of package files."""
        from yanksync.state.package_files.table import (
            PackageFileTable,  # start-up: few mirrors copy files
        )

        return PackageFileTable(self._db)

    @cached_property
    def forgotten(self) -> ForgottenTable:
        """The projects that were forgotten."""
        from yanksync.state.policy.forgotten import ForgottenTable  # start-up: it is seldom needed

        return ForgottenTable(self._db)

    @cached_property
    def bundles(self) -> BundleTable:
        """The bundles that were made, and later changes."""
        from yanksync.state.bundles.table import BundleTable  # start-up: no pass needs it

        return BundleTable(self._db)

    @cached_property
    def received(self) -> ReceivedTable:
        """The files that bundles brought to an output."""
        from yanksync.state.bundles.received import ReceivedTable  # start-up: no pass needs it

        return ReceivedTable(self._db)

    @cached_property
    def kept_files(self) -> KeptFiles:
        """The copies of files that upstream removed."""
        from yanksync.state.package_files.kept import KeptFiles  # start-up: few mirrors copy files

        return KeptFiles(self._db)

    @cached_property
    def copy_checks(self) -> CopyChecks:
        """The copies of package files, to be checked."""
        from yanksync.state.package_files.checks import CopyChecks  # start-up: few copy files

        return CopyChecks(self._db)

    @cached_property
    def comparable(self) -> Comparable:
        """The projects for a comparison with another index."""
        from yanksync.state.views.comparable import Comparable  # start-up: no pass needs it

        return Comparable(self._db)

    @cached_property
    def unpublished_withdrawals(self) -> UnpublishedWithdrawals:
        """The withdrawals that the output lacks."""
        from yanksync.state.views.unpublished_withdrawals import (
            UnpublishedWithdrawals,  # start-up: an empty pass needs it not
        )

        return UnpublishedWithdrawals(self._db)

    @cached_property
    def timeline(self) -> Timeline:
        """The times of events of a project."""
        from yanksync.state.views.timeline import Timeline  # start-up: no pass needs it

        return Timeline(self._db)

    def __enter__(self) -> State:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def empty_log(self) -> None:
        """Remove erased data from the log of the database, too."""
        self._db.empty_log()

    def transaction(self) -> AbstractContextManager[None]:
        """Everything inside is committed together or not at all."""
        return self._db.transaction()

    def rolled_back(self) -> AbstractContextManager[None]:
        """Roll back everything inside (``--dry-run``)."""
        return self._db.rolled_back()

    def backup(self, target: Path) -> None:
        """Write a consistent copy to ``target``, which must not exist."""
        self._db.backup(target)

    def apply(
        self,
        row: ProjectRow,
        effects: Effects,
        at: Observation,
        *,
        since: float | None = None,
        due: float | None = None,
        approved: bool = False,
        hidden: HiddenReleases | None = None,
    ) -> None:
        """Apply :func:`yanksync.core.rules.transitions.transition` to a project.

        ``since`` is the start of the read that brought the event, and ``due`` the time of the next
        recheck. ``approved``: a person has approved a removal. ``hidden`` are the releases that
        cooldown hid.
        """
        name = row.name
        if effects.presence is Presence.REMOVED:
            self.projects.remove(name, effects.tombstone)
        elif effects.presence is Presence.UNKNOWN:
            self.projects.set_unknown(name)
        if effects.quarantine is not None:
            self.projects.quarantine_at_once(name, effects.quarantine)
        if effects.confirmed:
            self.projects.mark_checked(name, at.now, due)
        if effects.may_return is not None:
            self.projects.set_recheck(name, at.now + DAY if effects.may_return else None)
        if effects.publish is not None:
            since = at.now if since is None else since
            self.publish_queue.add(row.id, effects.publish, since, approved=approved)
        if effects.write_started:
            self.publish_queue.mark_writing([row.id])
        if effects.history is not None:
            change = PageChange(action=effects.history)
            self.history.add_observed(name, (change,), at.now, low=row.serial, hidden=hidden)
        self._change_wait(name, effects, at)

    def _change_wait(self, name: str, effects: Effects, at: Observation) -> None:
        if effects.answered:
            # The fetch may not be over, because the journal may have named a higher serial by now
            # (R2).
            self.fetch_queue.reached(name, effects.reached)
        elif effects.unconfirmed is not None:
            self.fetch_queue.mark_unconfirmed(name, effects.unconfirmed, effects.problem or "", at)
            self.projects.postpone(name, at.now + DAY)
        elif effects.problem is not None:
            self.fetch_queue.problem(name, effects.problem)

    def start_over(self) -> None:
        """Lower every floor and tombstone: upstream was put back or replaced (R14).

        The published pages and the history stay. The digests are void, because this state may have
        been restored unnoticed, too. A page has serial 0 until this upstream has confirmed it.
        """
        self.history.start_epoch()
        self._db.execute("DELETE FROM pending")
        self._db.execute("DELETE FROM ahead")
        self._db.execute(
            """UPDATE projects SET
                serial = CASE WHEN presence = 'present' OR serial IS NOT NULL THEN 0 END,
                entry = NULL, entry_serial = NULL, word = NULL, etag = NULL, listed_at = NULL,
                published_serial = NULL,
                json_digest = CASE WHEN json_digest IS NULL THEN NULL ELSE x'' END"""
        )
        self._db.execute("UPDATE unpublished SET dirty = 1")
        for project, lost in self.lost_files.of_all().items():
            self.lost_files.put(project, [replace(one, low=one.low and 0) for one in lost])

    def distrust_output(self) -> None:
        """Void all digests: the content of the output is unknown."""
        self._db.execute(
            """INSERT INTO unpublished (id, sort, since, dirty)
            SELECT id, 'page', 0, 1 FROM projects
            WHERE presence = 'present' OR presence = 'gone' AND name IN (
                SELECT project FROM package_files WHERE kept)
            ON CONFLICT (id) DO NOTHING"""
        )
        self._db.execute("UPDATE unpublished SET dirty = 1")  # including waiting removals
        self._db.execute("UPDATE deleted_pages SET digest = NULL")

    def note_absent(self, ids: Sequence[int]) -> None:
        """Record that the projects ``ids`` have no published files."""
        chosen = (json.dumps(ids),)
        where = "id IN (SELECT value FROM json_each(?))"
        if (
            self._db.first_row(f"SELECT 1 FROM projects WHERE listed AND {where}", chosen)
            is not None
        ):
            self.projects.list_changed()
        self._db.execute(
            f"""UPDATE projects SET json_digest = NULL, html_digest = NULL, legacy_digest = NULL,
                codecs = NULL, listed = 0, published_serial = NULL WHERE {where}""",
            chosen,
        )

    def unsure_removals(self) -> list[tuple[NormalizedName, QueuedProject]]:
        """Return the removals by name."""
        rows = self._db.execute(
            """SELECT name, id, sort FROM unpublished CROSS JOIN projects USING (id)
            WHERE dirty AND sort IN ('explained', 'unexplained') AND presence <> 'present'"""
        )
        return [(row[0], QueuedProject(row[1], PublishReason(row[2]), True)) for row in rows]

    def drop_unselected(self, left_out: Sequence[str], now: float) -> None:
        """Remove the projects that the configuration no longer selects."""
        self._db.execute("UPDATE unpublished SET sort = 'page' WHERE sort = 'excluded'")
        self._db.execute_many("DELETE FROM pending WHERE name = ?", ((name,) for name in left_out))
        self._db.execute_many(
            """INSERT INTO unpublished (id, sort, since)
            SELECT id, 'excluded', ?2 FROM projects WHERE name = ?1
            ON CONFLICT (id) DO UPDATE SET sort = 'excluded', held = NULL""",
            ((name, now) for name in left_out),
        )
