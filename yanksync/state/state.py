"""The state: one SQLite file with everything a mirror knows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from msgspec.structs import replace

from yanksync.core.names import NormalizedName
from yanksync.core.project_state import Sort
from yanksync.state.change_tracking import Touched
from yanksync.state.counters import Counters
from yanksync.state.database import Database
from yanksync.state.etags import TagTable
from yanksync.state.facts import Meta
from yanksync.state.history import History
from yanksync.state.list_import import Listed
from yanksync.state.lost_files import LostFiles
from yanksync.state.projects import Projects
from yanksync.state.queues.fetch import Pending
from yanksync.state.queues.hooks import Outbox
from yanksync.state.queues.publish import Awaiting, Unpublished
from yanksync.state.runs import Runs
from yanksync.state.unconfirmed_serials import Ahead


class State:
    """What a mirror remembers, opened. Use it as a context manager, or close it."""

    def __init__(self, path: Path, *, create: bool = True, look: bool = False) -> None:
        """Open the database at ``path``, which is made or upgraded when ``create``.

        ``look``: it is only read, which needs no right to write it. Raises
        :class:`yanksync.core.errors.StateError`.
        """
        self._db = Database(path, create=create, look=look)
        self.path = path
        self.meta = Meta(self._db)
        self.projects = Projects(self._db)
        self.pending = Pending(self._db)
        self.unpublished = Unpublished(self._db)
        self.lost = LostFiles(self._db)
        self.ahead = Ahead(self._db)
        self.history = History(self._db)
        self.listed = Listed(self._db)
        self.runs = Runs(self._db)
        self.tags = TagTable(self._db)
        self.change = Touched(self._db)
        self.counters = Counters(self._db)
        self.outbox = Outbox(self._db)

    def __enter__(self) -> State:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def transaction(self) -> AbstractContextManager[None]:
        """Everything inside is committed together or not at all."""
        return self._db.transaction()

    def rehearsal(self) -> AbstractContextManager[None]:
        """Nothing inside stays (``--dry-run``)."""
        return self._db.rehearsal()

    def backup(self, target: Path) -> None:
        """Write a consistent copy to ``target``, which must not exist."""
        self._db.backup(target)

    def start_over(self) -> None:
        """Lower every floor and tombstone: upstream was put back or replaced (R14).

        What is published and what the history says stays. The digests of what is published are
        void: this state may have been put back, too, unnoticed. A page has serial 0 until this
        upstream has confirmed it.
        """
        self.history.new_era()
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
        for project, lost in self.lost.of_all().items():
            self.lost.put(project, [replace(one, low=one.low and 0) for one in lost])

    def distrust_output(self) -> None:
        """Nothing is known of what stands in the output: the state was lost or put back."""
        self._db.execute(
            """INSERT INTO unpublished (id, sort, since, dirty)
            SELECT id, 'page', 0, 1 FROM projects WHERE presence = 'present'
            ON CONFLICT (id) DO NOTHING"""
        )
        self._db.execute("UPDATE unpublished SET dirty = 1")  # removals that wait, too

    def note_absent(self, ids: Sequence[int]) -> None:
        """Note that nothing of the projects ``ids`` is published, though they may be present."""
        chosen = (json.dumps(ids),)
        where = "id IN (SELECT value FROM json_each(?))"
        if self._db.one(f"SELECT 1 FROM projects WHERE listed AND {where}", chosen) is not None:
            self.projects.list_changed()
        self._db.execute(
            f"""UPDATE projects SET json_digest = NULL, html_digest = NULL, legacy_digest = NULL,
                codecs = NULL, listed = 0, published_serial = NULL WHERE {where}""",
            chosen,
        )

    def unsure_removals(self) -> list[tuple[NormalizedName, Awaiting]]:
        """Return the removals, by name, of projects that may not be published any more."""
        rows = self._db.execute(
            """SELECT name, id, sort FROM unpublished CROSS JOIN projects USING (id)
            WHERE dirty AND sort IN ('explained', 'unexplained') AND presence <> 'present'"""
        )
        return [(row[0], Awaiting(row[1], Sort(row[2]), True)) for row in rows]

    def narrow(self, left_out: Sequence[str], now: float) -> None:
        """Let go of projects that the configuration does not select any more, and only of those."""
        self._db.execute("UPDATE unpublished SET sort = 'page' WHERE sort = 'excluded'")
        self._db.many("DELETE FROM pending WHERE name = ?", ((name,) for name in left_out))
        self._db.many(
            """INSERT INTO unpublished (id, sort, since)
            SELECT id, 'excluded', ?2 FROM projects WHERE name = ?1
            ON CONFLICT (id) DO UPDATE SET sort = 'excluded', held = NULL""",
            ((name, now) for name in left_out),
        )
