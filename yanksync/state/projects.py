"""The facts of the state about each project.

These are its page, its serial, and its published forms.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from yanksync.core.model import ListedProject
from yanksync.core.names import NormalizedName
from yanksync.core.project_state import Presence
from yanksync.core.rules.journal_entries import EntryKind
from yanksync.state.project_rows import (
    COLUMNS,
    ProjectRow,
    RecordedPage,
    StoredPage,
    project_from_row,
)
from yanksync.state.sqlite.database import Database

# A page that certainly is published: writing it was finished, and its digest is not void.
_WRITTEN = """coalesce(json_digest > x'', 0) AND NOT EXISTS
    (SELECT 1 FROM unpublished u WHERE u.id = p.id AND u.dirty)"""


class Projects:
    """The tables ``projects`` and ``pages``."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def get(self, names: Iterable[str]) -> dict[NormalizedName, ProjectRow]:
        """Return the rows of those of ``names`` that exist."""
        rows = self._db.execute(
            f"SELECT {COLUMNS} FROM projects WHERE name IN (SELECT value FROM json_each(?))",
            (json.dumps(list(names)),),
        )
        return {row[1]: project_from_row(row) for row in rows}

    def by_id(self, ids: Sequence[int]) -> list[ProjectRow]:
        """Return the rows of these ids."""
        rows = self._db.execute(
            f"SELECT {COLUMNS} FROM projects WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(ids),),
        )
        return [project_from_row(row) for row in rows]

    def next_batch(self, id_: int, limit: int) -> list[ProjectRow]:
        """Return up to ``limit`` held or published projects above an id."""
        rows = self._db.execute(
            f"""SELECT {COLUMNS} FROM projects WHERE id > ?
            AND (presence = 'present' OR json_digest IS NOT NULL) ORDER BY id LIMIT ?""",
            (id_, limit),
        )
        return [project_from_row(row) for row in rows]

    def beginning(self, start: str, limit: int) -> list[NormalizedName]:
        """Return up to ``limit`` mirrored names that begin with ``start``."""
        rows = self._db.execute(
            """SELECT name FROM projects WHERE name >= ?1 AND name < ?1 || char(0x10ffff)
            AND presence = 'present' ORDER BY name LIMIT ?2""",
            (start, limit),
        )
        return [NormalizedName(row[0]) for row in rows]

    def similar(self, name: str) -> list[NormalizedName]:
        """Return mirrored projects with names like ``name``."""
        rows = self._db.execute(
            """SELECT name FROM projects WHERE presence = 'present'
            AND length(name) BETWEEN ?1 - 2 AND ?1 + 2 AND substr(name, 1, 1) IN (?2, ?3)""",
            (len(name), name[:1], name[1:2]),
        )
        return [NormalizedName(row[0]) for row in rows]

    def present(self, names: Iterable[str]) -> set[NormalizedName]:
        """Return those of ``names`` with a page in the state."""
        rows = self._db.execute(
            "SELECT name FROM projects WHERE presence = 'present' "
            "AND name IN (SELECT value FROM json_each(?))",
            (json.dumps(list(names)),),
        )
        return {row[0] for row in rows}

    def add(self, rows: Iterable[tuple[str, str]]) -> None:
        """Add new projects, as (name, display name).

        Known ones do not change.
        """
        self._db.execute_many(
            "INSERT OR IGNORE INTO projects (name, display, presence) VALUES (?, ?, 'new')", rows
        )

    def update_display_names(self, rows: Iterable[tuple[str, str]]) -> None:
        """Set display names, and mark the list if one changed."""
        for name, display in rows:
            changed = self._db.execute(
                "UPDATE projects SET display = ?2 WHERE name = ?1 AND display <> ?2 "
                "RETURNING listed",
                (name, display),
            )
            if changed and changed[0][0]:
                self.list_changed()

    def list_changed(self) -> None:
        """Mark the published list of projects as outdated."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('list_changed', 1)")

    def note_entry(self, name: str, kind: EntryKind, serial: int) -> None:
        """Remember the newest page-changing entry of a project."""
        self._db.execute(
            "UPDATE projects SET entry = ?2, entry_serial = ?3 "
            "WHERE name = ?1 AND coalesce(entry_serial, -1) < ?3",
            (name, kind, serial),
        )

    def record(self, name: str, page: RecordedPage) -> int:
        """Make ``page`` the held one; return the project's id."""
        stored = page.stored
        row = self._db.first_row(
            """UPDATE projects SET presence = 'present', serial = ?2, quarantined = ?3, etag = ?4,
                yanked = ?5, checked = ?6, recorded_at = ?6, due = ?7, listed_at = NULL,
                word = NULL
            WHERE name = ?1 RETURNING id""",
            (name, page.serial, page.quarantined, page.etag, page.yanked, page.checked, page.due),
        )
        self._db.execute(
            "INSERT OR REPLACE INTO pages VALUES (?, ?, ?, ?, ?)",
            (row[0], stored.content_type, stored.url, stored.header_serial, stored.body),
        )
        return int(row[0])

    def quarantine_at_once(self, name: str, serial: int) -> None:
        """Quarantine a project by the journal's entry ``serial`` (R9)."""
        self._db.execute(
            "UPDATE projects SET quarantined = 1, word = ?2 WHERE name = ?1", (name, serial)
        )

    def remove(self, name: str, tombstone: int | None) -> None:
        """Mark a project as removed.

        A page must have a higher serial than ``tombstone`` (R3).
        """
        self._db.execute(
            """UPDATE projects SET presence = 'gone', serial = coalesce(?2, serial), etag = NULL,
                quarantined = 0, word = NULL, yanked = 0, due = NULL WHERE name = ?1""",
            (name, tombstone),
        )

    def set_unknown(self, name: str) -> None:
        """Mark a configured project that upstream never had."""
        self._db.execute(
            "UPDATE projects SET presence = 'unknown', due = NULL WHERE name = ?", (name,)
        )

    def mark_delisted(self, name: str, serial: int) -> None:
        """Note that the list of ``serial`` does not have a project."""
        self._db.execute("UPDATE projects SET listed_at = ? WHERE name = ?", (serial, name))

    def mark_checked(self, name: str, checked: float, due: float | None) -> None:
        """Note that upstream confirmed the held page."""
        self._db.execute(
            "UPDATE projects SET checked = ?2, due = ?3, listed_at = NULL WHERE name = ?1",
            (name, checked, due),
        )

    def set_recheck(self, name: str, due: float | None) -> None:
        """Let the recheck ask for a project at ``due``; None: never."""
        self._db.execute("UPDATE projects SET due = ? WHERE name = ?", (due, name))

    def postpone(self, name: str, due: float) -> None:
        """Let the recheck ask at ``due`` for a project that it knows."""
        self._db.execute(
            """UPDATE projects SET due = ?
            WHERE name = ? AND (presence = 'present' OR due IS NOT NULL)""",
            (due, name),
        )

    def due_for_recheck(self, now: float, horizon: float, limit: int) -> list[NormalizedName]:
        """Return up to ``limit`` projects due for the recheck, oldest first.

        A time after ``horizon`` comes from a clock that was set back since, or from a longer
        recheck, so it is due, too. Pending projects are left out, because they are fetched anyway.
        """
        found: list[NormalizedName] = []
        for where, bound in (("due <= ?1", now), ("due > ?1", horizon)):
            if len(found) < limit:
                rows = self._db.execute(
                    f"""SELECT name FROM projects WHERE {where} AND name NOT IN
                    (SELECT name FROM pending) ORDER BY due LIMIT ?2""",
                    (bound, limit - len(found)),
                )
                found += [row[0] for row in rows]
        return found

    def schedule_rechecks(self, period: float) -> None:
        """Spread the first recheck of held pages over ``period``."""
        self._db.execute(
            """UPDATE projects SET due = checked
                + ?1 * (0.5 + (id * 2654435761 & 4294967295) / 8589934592.0)
            WHERE presence = 'present' AND due IS NULL AND checked IS NOT NULL""",
            (period,),
        )

    def page(self, project: int) -> StoredPage | None:
        """Return the held page of a project, by id."""
        row = self._db.first_row(
            "SELECT body, media, url, header_serial FROM pages WHERE id = ?", (project,)
        )
        if row is None:
            return None
        return StoredPage(body=row[0], content_type=row[1], url=row[2], header_serial=row[3])

    def page_sizes(self, projects: Sequence[int]) -> dict[int, int]:
        """Return the bytes of held pages, compressed as they are, by id."""
        rows = self._db.execute(
            "SELECT id, length(body) FROM pages WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(projects),),
        )
        return dict(rows)

    def published(self) -> int:
        """Return how many projects are published."""
        return self._db.count("SELECT count(*) FROM projects WHERE json_digest IS NOT NULL")

    def note_published(self, rows: Iterable[tuple[str, int | None]]) -> None:
        """Note published pages, as (name, serial), which another state may have written."""
        self._db.execute_many(
            """INSERT INTO projects (name, display, presence, serial, json_digest, html_digest,
                codecs, listed, published_serial)
            VALUES (?1, ?1, 'new', ?2, x'', x'', '', 1, ?2)
            ON CONFLICT (name) DO UPDATE SET
                presence = CASE presence WHEN 'unknown' THEN 'new' ELSE presence END,
                serial = CASE WHEN presence IN ('new', 'unknown') THEN ?2 ELSE serial END,
                listed = CASE WHEN json_digest IS NULL THEN 1 ELSE listed END,
                published_serial = coalesce(max(published_serial, ?2), ?2, published_serial),
                json_digest = coalesce(json_digest, x''), html_digest = coalesce(html_digest, x''),
                codecs = coalesce(codecs, '')""",
            rows,
        )

    def newest_published(self) -> tuple[NormalizedName, int] | None:
        """Return the published project with the highest serial, or None."""
        row = self._db.first_row(
            """SELECT name, published_serial FROM projects WHERE published_serial IS NOT NULL
            ORDER BY published_serial DESC LIMIT 1"""
        )
        return None if row is None else (row[0], row[1])

    def other_published(self, names: Sequence[str], limit: int) -> list[NormalizedName]:
        """Return up to ``limit`` other published projects.

        Removed projects and those of ``names`` are left out.
        """
        rows = self._db.execute(
            """SELECT name FROM projects WHERE presence <> 'gone' AND json_digest IS NOT NULL
            AND name NOT IN (SELECT value FROM json_each(?)) LIMIT ?""",
            (json.dumps(names), limit),
        )
        return [row[0] for row in rows]

    def forget_etags(self) -> None:
        """Forget all ETags, which belong to another upstream."""
        self._db.execute("UPDATE projects SET etag = NULL WHERE etag IS NOT NULL")

    def set_yanked(self, project: int, yanked: int) -> None:
        """Note how many versions have a published yanked file."""
        self._db.execute("UPDATE projects SET yanked = ? WHERE id = ?", (yanked, project))

    def published_names(self) -> Iterator[NormalizedName]:
        """Yield the names of the published projects, in order."""
        rows = self._db.stream(
            "SELECT name FROM projects WHERE json_digest IS NOT NULL ORDER BY name"
        )
        return (row[0] for row in rows)

    def count_offering(self, names: Iterable[str] | None = None) -> int:
        """Count published projects that are not quarantined.

        Of all, or of ``names``.
        """
        return self._db.count(
            """SELECT count(*) FROM projects WHERE json_digest IS NOT NULL AND NOT quarantined
            AND (?1 IS NULL OR name IN (SELECT value FROM json_each(?1)))""",
            (None if names is None else json.dumps(list(names)),),
        )

    def published_ids(self, limit: int) -> list[int]:
        """Return up to ``limit`` of the published projects."""
        rows = self._db.execute(
            "SELECT id FROM projects WHERE json_digest IS NOT NULL LIMIT ?", (limit,)
        )
        return [row[0] for row in rows]

    def any_written(self) -> bool:
        """Return True if a page is published, completely and without doubt."""
        return bool(self._db.count(f"SELECT EXISTS (SELECT 1 FROM projects p WHERE {_WRITTEN})"))

    def written(self) -> int:
        """Return how many projects are published, without unfinished ones."""
        return self._db.count(f"SELECT count(*) FROM projects p WHERE {_WRITTEN}")

    def being_written(self, names: Iterable[str]) -> dict[str, bool]:
        """Return those of ``names`` whose publishing began, and if it ended."""
        rows = self._db.execute(
            f"""SELECT name, {_WRITTEN} FROM projects p LEFT JOIN unpublished USING (id)
            WHERE name IN (SELECT value FROM json_each(?))
            AND (json_digest IS NOT NULL OR coalesce(dirty, 0))""",
            (json.dumps(list(names)),),
        )
        return {row[0]: bool(row[1]) for row in rows}

    def progress(self) -> tuple[int, int]:
        """Return the published and all projects of a first build."""
        row = self._db.first_row(
            f"""SELECT coalesce(sum(presence = 'present' AND {_WRITTEN}), 0), count(*)
            FROM projects p WHERE presence = 'present' OR name IN (SELECT name FROM pending)"""
        )
        return int(row[0]), int(row[1])

    def any(self) -> bool:
        """Return whether any project is known."""
        return self._db.first_row("SELECT 1 FROM projects LIMIT 1") is not None

    def yanked_versions(self) -> int:
        """Return how many versions have at least one yanked file."""
        return self._db.count(
            """SELECT coalesce(sum(yanked), 0) FROM projects
            WHERE presence = 'present' AND NOT quarantined"""
        )

    def quarantined_by_journal(self) -> list[NormalizedName]:
        """Return the projects that the journal withdrew without a page yet."""
        rows = self._db.execute(
            "SELECT name FROM projects WHERE word IS NOT NULL AND presence = 'present' "
            "ORDER BY name"
        )
        return [row[0] for row in rows]

    def listing(self, *, revisions: bool = False) -> Iterator[ListedProject]:
        """Yield the projects that the published list shows, by name."""
        more = ", revision" if revisions else ""
        rows = self._db.stream(
            f"SELECT name, display, published_serial{more} FROM projects INDEXED BY projects_list "
            "WHERE listed ORDER BY name"
        )
        return (ListedProject(*row) for row in rows)

    def names(self, presence: Presence) -> Iterator[NormalizedName]:
        """Yield the names of the projects of one presence, in order."""
        rows = self._db.stream(
            "SELECT name FROM projects WHERE presence = ? ORDER BY name", (presence,)
        )
        return (row[0] for row in rows)
