"""The ETags of published objects, for a state in object storage."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from yanksync.state.sqlite.database import Database

Etags = dict[str, str | None]
"""By file name; None: unknown, because a put failed."""


class EtagTable:
    """The table ``tags``. The list of projects is :data:`yanksync.core.layout.LIST_KEY`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def of(self, names: Iterable[str]) -> dict[str, Etags]:
        """Return the ETags of each of ``names``; empty for missing ones."""
        found: dict[str, Etags] = {name: {} for name in names}
        rows = self._db.execute(
            "SELECT project, file, etag FROM tags "
            "WHERE project IN (SELECT value FROM json_each(?))",
            (json.dumps(list(found)),),
        )
        for project, file, etag in rows:
            found[project][file] = etag
        return found

    def put(self, tags: Mapping[str, Etags]) -> None:
        """Store these ETags; equal ones cause no write."""
        known = self.of(tags)
        changed = {name: found for name, found in tags.items() if known[name] != found}
        rows = ((name, *tag) for name, found in changed.items() for tag in found.items())
        with self._db.transaction():
            self._db.execute_many("DELETE FROM tags WHERE project = ?", zip(changed, strict=True))
            self._db.execute_many("INSERT INTO tags VALUES (?, ?, ?)", rows)

    def names(self) -> set[str]:
        """Return the projects with ETags."""
        return {row[0] for row in self._db.execute("SELECT DISTINCT project FROM tags")}
