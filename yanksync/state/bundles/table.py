"""The table of bundles, and of changes since each of them."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from yanksync.core.names import NormalizedName
from yanksync.core.package_files.copies import PackageFile
from yanksync.state.package_files.table import PackageFileTable
from yanksync.state.sqlite.database import Database

_EVERYTHING = 0
_BATCH = 500


class MadeBundle(Struct, frozen=True):
    """A bundle that was made."""

    cursor: int
    token: str
    list: str | None = None  # digest of the list of projects that it has
    log: str | None = None  # the log of withdrawals that it has
    event: int | None = None  # the newest event that it has


class PublishedPage(Struct, frozen=True):
    """A page as the state knows it."""

    project: NormalizedName
    json: bytes | None  # its digest; None: nothing is published
    html: bytes | None


class BundleTable:
    """The tables ``bundles`` and ``output_changes``."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def newest(self) -> int:
        """Return the cursor of the newest bundle; 0: there is none."""
        return self._db.count("SELECT coalesce(max(cursor), 0) FROM bundles")

    def get(self, cursor: int) -> MadeBundle | None:
        """Return the bundle with this cursor."""
        row = self._db.first_row(
            "SELECT cursor, token, list, log, event FROM bundles WHERE cursor = ?",
            (cursor,),
        )
        return None if row is None else MadeBundle(*row)

    def add(self, bundle: MadeBundle) -> None:
        """Note a bundle; later changes belong to the next one."""
        self._db.execute(
            "INSERT INTO bundles VALUES (?, ?, ?, ?, ?)",
            (bundle.cursor, bundle.token, bundle.list, bundle.log, bundle.event),
        )

    def pages(self, since: int) -> Iterator[PublishedPage]:
        """Yield the pages that changed since a bundle; 0: all."""
        if since == _EVERYTHING:
            rows = self._db.stream(
                """SELECT name, json_digest, html_digest FROM projects
                WHERE json_digest IS NOT NULL ORDER BY name"""
            )
        else:
            rows = self._db.stream(
                """SELECT change.name, json_digest, html_digest FROM output_changes AS change
                LEFT JOIN projects USING (name)
                WHERE kind = 'page' AND bundle > ? ORDER BY change.name""",
                (since,),
            )
        return (PublishedPage(*row) for row in rows)

    def files(self, since: int) -> Iterator[tuple[str, PackageFile | None]]:
        """Yield the places of copies that changed since a bundle; 0: all.

        Each comes with the copy that is served there; None: there is none.
        """
        table, after = PackageFileTable(self._db), ""
        while paths := self._paths(since, after):
            after = paths[-1]
            served = table.served_at(paths)
            yield from ((path, served.get(path)) for path in paths)

    def deleted_index(self, since: int) -> list[str]:
        """Return the projects with changed pages in the index of deleted files.

        "" is its list. A cursor of 0 means all.
        """
        if since == _EVERYTHING:
            rows = self._db.execute("SELECT project FROM deleted_pages ORDER BY project")
        else:
            rows = self._db.execute(
                """SELECT name FROM output_changes WHERE kind = 'deleted' AND bundle > ?
                ORDER BY name""",
                (since,),
            )
        return [row[0] for row in rows]

    def _paths(self, since: int, after: str) -> list[str]:
        if since == _EVERYTHING:
            rows = self._db.execute(
                """SELECT path FROM package_files WHERE status = 'served' AND path > ?
                ORDER BY path LIMIT ?""",
                (after, _BATCH),
            )
        else:
            rows = self._db.execute(
                """SELECT name FROM output_changes WHERE kind = 'file' AND bundle > ? AND name > ?
                ORDER BY name LIMIT ?""",
                (since, after, _BATCH),
            )
        return [row[0] for row in rows]
