"""Changes of files in the output that hooks must still get.

There is one row for each hook and project, however often its files changed since the last delivery.
One transaction notes the files as published and writes the row, so a run that dies in between loses
nothing. The row is deleted when the hook has accepted it. So each change is delivered once or more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from yanksync.core.layout import LIST_KEY
from yanksync.core.names import NormalizedName
from yanksync.state.project_rows import copies_in
from yanksync.state.sqlite.database import Database

LEGACY = "legacy"
"""Stands among the codecs of compressed copies for the form that followers read."""


class OutputChange(Struct, frozen=True):
    """A project whose files changed, or the list of projects."""

    project: NormalizedName | None  # None: the list
    before: frozenset[str]  # codecs of the copies that may have been there, and LEGACY
    now: tuple[str, ...] | None  # the present compressed copies; None: no page
    legacy: bool = False  # the form for followers is published now


class HookQueue:
    """The table ``outbox``."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, hooks: Sequence[str], changes: Iterable[tuple[str, Iterable[str]]]) -> None:
        """Note changes for ``hooks``: (project or :data:`LIST_KEY`, codecs before)."""
        self._db.execute_many(
            """INSERT INTO outbox (hook, project, before) VALUES (?, ?, ?)
            ON CONFLICT (hook, project) DO UPDATE SET before =
                CASE WHEN instr(before, excluded.before) THEN before
                ELSE before || ' ' || excluded.before END""",
            ((hook, project, " ".join(before)) for project, before in changes for hook in hooks),
        )

    def counts(self) -> dict[str, int]:
        """Return how many changes wait, for each hook with any."""
        rows = self._db.execute("SELECT hook, count(*) FROM outbox GROUP BY hook")
        return {row[0]: int(row[1]) for row in rows}

    def keep_only(self, hooks: Sequence[str]) -> None:
        """Forget changes for hooks that are no longer configured."""
        for hook in self.counts():
            if hook not in hooks:
                self._db.execute("DELETE FROM outbox WHERE hook = ?", (hook,))

    def take(self, hook: str, limit: int) -> tuple[list[str], int]:
        """Return the ``limit`` oldest projects (or :data:`LIST_KEY`) that wait for ``hook``.

        Pass the returned number to :meth:`taken` when the hook has accepted them.
        """
        rows = self._db.execute(
            "SELECT project, id FROM outbox WHERE hook = ? ORDER BY id LIMIT ?", (hook, limit)
        )
        return [row[0] for row in rows], rows[-1][1] if rows else 0

    def taken(self, hook: str, upto: int | None = None) -> None:
        """Remove what ``hook`` has accepted: up to ``upto``, or all."""
        self._db.execute(
            "DELETE FROM outbox WHERE hook = ?1 AND (?2 IS NULL OR id <= ?2)", (hook, upto)
        )

    def changes(
        self, hook: str, list_copies: Sequence[str], *, list_legacy: bool = False
    ) -> Iterator[OutputChange]:
        """Yield the changes for ``hook``, oldest first, as published now."""
        rows = self._db.stream(
            """SELECT project, before, json_digest IS NOT NULL, codecs, legacy_digest IS NOT NULL
            FROM outbox
            LEFT JOIN projects ON projects.name = outbox.project WHERE hook = ?
            ORDER BY outbox.project = '', outbox.id""",
            (hook,),
        )
        for project, before, stands, codecs, legacy in rows:
            now: tuple[str, ...] | None = tuple(list_copies)
            if project != LIST_KEY:
                now = copies_in(codecs, legacy=bool(legacy)) if stands else None
            followed = list_legacy if project == LIST_KEY else bool(legacy)
            yield OutputChange(project or None, frozenset(str(before).split()), now, followed)
