"""Projects that are recorded but not published, and held ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from msgspec import Struct

from yanksync.core.model import PublishedForms
from yanksync.core.names import NormalizedName
from yanksync.core.project_state import PublishReason
from yanksync.core.rules.lost_files import unpublished
from yanksync.core.rules.removal_guard import GuardDecision, RemovalCounts
from yanksync.state.lost_files import LostFileTable
from yanksync.state.sqlite.database import Database


class QueuedProject(Struct, frozen=True):
    """A project to publish."""

    id: int
    reason: PublishReason
    write_started: bool  # writing was begun before: the stored digests are void
    approved: bool = False  # a person has approved it


class HeldPublication(Struct, frozen=True, kw_only=True):
    """A project whose removal a guard holds."""

    name: NormalizedName
    reason: str
    why: str
    since: float


class FailedPublication(Struct, frozen=True, kw_only=True):
    """A project whose files could not be written."""

    name: NormalizedName
    since: float  # UTC seconds: start of the read of the unpublished change
    problem: str


class PublishQueue:
    """The table ``unpublished``, and the digests of published files."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(
        self, project: int, reason: PublishReason, since: float, *, approved: bool = False
    ) -> None:
        """Queue a project whose recorded state is newer than its pages.

        A guard may have held an earlier state of it. The new state is judged again, unless a person
        has ``approved`` it already.
        """
        self._db.execute(
            """INSERT INTO unpublished (id, sort, since, approved) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (id) DO UPDATE SET sort = excluded.sort, held = NULL, held_since = NULL,
                approved = max(excluded.approved,
                    CASE WHEN sort = excluded.sort THEN approved ELSE 0 END)""",
            (project, reason, since, approved),
        )

    def add_page(self, project: int, since: float) -> None:
        """Queue a project's page, unless the project is queued already."""
        self._db.execute(
            "INSERT OR IGNORE INTO unpublished (id, sort, since) VALUES (?, 'page', ?)",
            (project, since),
        )

    def add_all(self, since: float) -> None:
        """Queue every project that is or should be published."""
        self._db.execute(
            """INSERT OR IGNORE INTO unpublished (id, sort, since)
            SELECT id, 'page', ? FROM projects
            WHERE presence = 'present' OR presence = 'gone' AND name IN (
                SELECT project FROM package_files WHERE kept)""",
            (since,),
        )

    def reason(self, project: int) -> PublishReason | None:
        """Return what publishing a project would do; None: it is published."""
        row = self._db.first_row("SELECT sort FROM unpublished WHERE id = ?", (project,))
        return None if row is None else PublishReason(row[0])

    def take(self, limit: int, after: int = 0) -> list[QueuedProject]:
        """Return up to ``limit`` queued projects with ids above ``after``.

        Held ones are left out.
        """
        rows = self._db.execute(
            """SELECT id, sort, dirty, approved FROM unpublished WHERE held IS NULL AND id > ?
            ORDER BY id LIMIT ?""",
            (after, limit),
        )
        return [
            QueuedProject(row[0], PublishReason(row[1]), bool(row[2]), bool(row[3])) for row in rows
        ]

    def quarantined(self) -> list[QueuedProject]:
        """Return the quarantined projects that still offer files."""
        rows = self._db.execute(
            """SELECT id, sort, dirty FROM unpublished CROSS JOIN projects USING (id)
            WHERE sort = 'page' AND held IS NULL AND listed AND (quarantined OR word IS NOT NULL)"""
        )
        return [QueuedProject(row[0], PublishReason(row[1]), bool(row[2])) for row in rows]

    def quarantined_by_journal(self) -> list[QueuedProject]:
        """Return the projects quarantined by the journal that still offer files.

        No guard holds a quarantine (R8).
        """
        rows = self._db.execute(
            """SELECT id, sort, dirty FROM unpublished CROSS JOIN projects USING (id)
            WHERE sort = 'page' AND held IS NULL AND word IS NOT NULL"""
        )
        return [QueuedProject(row[0], PublishReason(row[1]), bool(row[2])) for row in rows]

    def queued(self, ids: Sequence[int]) -> list[QueuedProject]:
        """Return the queued projects of ``ids``."""
        rows = self._db.execute(
            """SELECT id, sort, dirty FROM unpublished
            WHERE held IS NULL AND id IN (SELECT value FROM json_each(?))""",
            (json.dumps(ids),),
        )
        return [QueuedProject(row[0], PublishReason(row[1]), bool(row[2])) for row in rows]

    def waiting(self, ids: Sequence[int]) -> dict[int, str | None]:
        """Return the queued ones of ``ids``, with the reason of a hold.

        The pages of all other projects are published as the state has them.
        """
        rows = self._db.execute(
            "SELECT id, held FROM unpublished WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(ids),),
        )
        return {row[0]: row[1] for row in rows}

    def held_with_known_digests(self, ids: Sequence[int]) -> frozenset[int]:
        """Return those of ``ids`` that are held with known digests."""
        rows = self._db.execute(
            """SELECT id FROM unpublished CROSS JOIN projects USING (id)
            WHERE held IS NOT NULL AND NOT dirty AND json_digest IS NOT x''
            AND id IN (SELECT value FROM json_each(?))""",
            (json.dumps(ids),),
        )
        return frozenset(row[0] for row in rows)

    def held_without_legacy_json(self) -> list[int]:
        """Return the held projects without the older JSON form.

        Only those with valid stored digests.
        """
        rows = self._db.execute(
            """SELECT id FROM unpublished CROSS JOIN projects USING (id)
            WHERE held IS NOT NULL AND NOT dirty AND json_digest IS NOT NULL
            AND json_digest IS NOT x'' AND legacy_digest IS NULL"""
        )
        return [row[0] for row in rows]

    def set_legacy_digests(self, rows: Iterable[tuple[int, bytes, Sequence[str]]]) -> None:
        """Record the older JSON form, as (id, its digest, all copies)."""
        self._db.execute_many(
            "UPDATE projects SET legacy_digest = ?, codecs = ? WHERE id = ?",
            ((digest, " ".join(copies), id_) for id_, digest, copies in rows),
        )

    def mark_writing(self, ids: Iterable[int]) -> None:
        """Record that writing begins: the digests of ``ids`` are void."""
        self._db.execute_many(
            "UPDATE unpublished SET dirty = 1 WHERE id = ?", [(id_,) for id_ in ids]
        )

    def mark_published(
        self,
        rows: Sequence[tuple[int, PublishedForms, bool, int | None]],
        now: float | None = None,
    ) -> None:
        """Record published projects, as (id, forms, in the list, serial).

        ``now`` is when; None: another program or state did it.
        """
        before = {
            row[0]: (bool(row[1]), row[2], row[3])
            for row in self._db.execute(
                """SELECT id, listed, published_serial, json_digest FROM projects
                WHERE id IN (SELECT value FROM json_each(?))""",
                (json.dumps([row[0] for row in rows]),),
            )
        }
        self._note_list(
            any(before[id_][0] != listed for id_, _, listed, _ in rows),
            any(before[id_][1] != serial for id_, _, _, serial in rows)
            or (
                any(before[id_][2] != forms.json for id_, forms, _, _ in rows)
                and self._has_revisions()
            ),
        )
        self._db.execute_many(
            """UPDATE projects SET json_digest = ?, html_digest = ?, legacy_digest = ?, codecs = ?,
                listed = ?, published_serial = ?, revision = revision + (json_digest IS NOT ?1),
                published_at = CASE WHEN json_digest IS ?1 THEN published_at ELSE ? END
                WHERE id = ?""",
            [
                (
                    forms.json,
                    forms.html,
                    forms.legacy,
                    " ".join(forms.copies),
                    listed,
                    serial,
                    now,
                    id_,
                )
                for id_, forms, listed, serial in rows
            ],
        )
        self._db.execute_many("DELETE FROM unpublished WHERE id = ?", [(row[0],) for row in rows])

    def removed(self, ids: Sequence[int], *, forget: bool) -> None:
        """Record removed projects; ``forget`` drops all facts about them.

        Hashes that were in doubt stay remembered.
        """
        lost = LostFileTable(self._db)
        for id_ in ids:
            row = self._db.first_row("SELECT listed FROM projects WHERE id = ?", (id_,))
            self._note_list(bool(row[0]), False)
            self._db.execute("DELETE FROM unpublished WHERE id = ?", (id_,))
            self._db.execute("DELETE FROM pages WHERE id = ?", (id_,))
            self._db.execute(
                "UPDATE file_times SET changes_at = NULL, waiting = 0 WHERE project = ?", (id_,)
            )
            kept = unpublished(lost.one(id_))
            if forget:
                rows = self._db.execute(
                    "DELETE FROM projects WHERE id = ? RETURNING id, name, display, 'new'", (id_,)
                )
                if kept:
                    new = "INSERT INTO projects (id, name, display, presence) VALUES (?, ?, ?, ?)"
                    self._db.execute_many(new, rows)
            else:
                self._db.execute(
                    """UPDATE projects SET json_digest = NULL, html_digest = NULL,
                        legacy_digest = NULL, codecs = NULL, listed = 0, published_serial = NULL
                    WHERE id = ?""",
                    (id_,),
                )
            lost.put(id_, kept)

    def _has_revisions(self) -> bool:
        """Return whether the list has revisions in addition to serials."""
        return self._db.first_row("SELECT 1 FROM meta WHERE key = 'offer_digest'") is not None

    def _note_list(self, changed: bool, serials: bool) -> None:
        if changed:
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('list_changed', 1)")
        elif serials:
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('list_serials', 1)")

    def problem(self, project: int, why: str) -> None:
        """Note why a project could not be published."""
        self._db.execute("UPDATE unpublished SET problem = ? WHERE id = ?", (why, project))

    def blocked(self, limit: int) -> list[FailedPublication]:
        """Return the first ``limit`` projects that could not be published, longest first."""
        rows = self._db.execute(
            """SELECT name, since, problem FROM unpublished CROSS JOIN projects USING (id)
            WHERE problem IS NOT NULL AND held IS NULL ORDER BY since, name LIMIT ?""",
            (limit,),
        )
        return [FailedPublication(name=row[0], since=row[1], problem=row[2]) for row in rows]

    def removals(self) -> RemovalCounts:
        """Return how many removals wait for a judgement or for a person."""
        row = self._db.first_row(
            """SELECT coalesce(sum(sort = 'explained'), 0), coalesce(sum(sort = 'unexplained'), 0)
            FROM unpublished WHERE NOT approved AND sort IN ('explained', 'unexplained')"""
        )
        return RemovalCounts(int(row[0]), int(row[1]))

    def approved(self) -> bool:
        """Return True if something approved is not published yet."""
        return self._db.first_row("SELECT 1 FROM unpublished WHERE approved") is not None

    def held_and_unconfirmed(self) -> list[NormalizedName]:
        """Return the first thousand held and unconfirmed projects."""
        rows = self._db.execute(
            """SELECT name FROM unpublished CROSS JOIN projects USING (id)
            WHERE sort = 'unexplained' AND held IS NOT NULL LIMIT 1000"""
        )
        return [row[0] for row in rows]

    def hold(self, decision: GuardDecision, now: float) -> None:
        """Hold removals by ``decision``, except approved ones."""
        for reason, why in (
            (PublishReason.EXPLAINED, decision.explained),
            (PublishReason.UNEXPLAINED, decision.unexplained),
        ):
            if why is not None:
                self._db.execute(
                    """UPDATE unpublished SET held = ?, held_since = coalesce(held_since, ?)
                    WHERE sort = ? AND NOT approved""",
                    (why, now, reason),
                )

    def holds(self) -> list[HeldPublication]:
        """Return what is held, oldest first."""
        rows = self._db.execute(
            """SELECT name, sort, held, held_since FROM unpublished
            CROSS JOIN projects USING (id) WHERE held IS NOT NULL ORDER BY held_since, name"""
        )
        return [
            HeldPublication(name=row[0], reason=row[1], why=row[2], since=row[3]) for row in rows
        ]

    def approve(self, names: Sequence[str] | None) -> list[NormalizedName]:
        """Release held removals once; None: all. Return the names."""
        rows = self._db.execute(
            """UPDATE unpublished SET held = NULL, approved = 1 WHERE held IS NOT NULL
            AND (?1 IS NULL OR id IN (SELECT id FROM projects
                WHERE name IN (SELECT value FROM json_each(?1)))) RETURNING id""",
            (None if names is None else json.dumps(names),),
        )
        ids = json.dumps([row[0] for row in rows])
        found = self._db.execute(
            "SELECT name FROM projects WHERE id IN (SELECT value FROM json_each(?)) ORDER BY name",
            (ids,),
        )
        return [row[0] for row in found]

    def ids(self, *sorts: PublishReason) -> list[int]:
        """Return the projects queued for one of these reasons."""
        rows = self._db.execute(
            "SELECT id FROM unpublished WHERE sort IN (SELECT value FROM json_each(?))",
            (json.dumps(sorts),),
        )
        return [row[0] for row in rows]

    def names(self, reason: PublishReason) -> list[NormalizedName]:
        """Return the names queued for this reason, without held ones."""
        rows = self._db.execute(
            "SELECT name FROM unpublished CROSS JOIN projects USING (id) "
            "WHERE sort = ? AND held IS NULL ORDER BY name",
            (reason,),
        )
        return [row[0] for row in rows]

    def counts(self) -> tuple[int, int]:
        """Return how many are unpublished, and how many a guard holds."""
        row = self._db.first_row(
            """SELECT coalesce(sum(held IS NULL), 0), coalesce(sum(held IS NOT NULL), 0)
            FROM unpublished"""
        )
        return int(row[0]), int(row[1])

    def oldest(self) -> float | None:
        """Return the time of the oldest read with an unpublished project."""
        row = self._db.first_row("SELECT min(since) FROM unpublished WHERE held IS NULL")
        return None if row[0] is None else float(row[0])
