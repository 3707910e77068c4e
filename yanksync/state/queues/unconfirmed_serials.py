"""Pages that were ahead of the journal, until it confirms them."""

from __future__ import annotations

from yanksync.core.names import NormalizedName
from yanksync.state.sqlite.database import Database


class UnconfirmedSerials:
    """The table ``ahead``: the highest unconfirmed serial of each project."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, project: str, serial: int) -> None:
        """Record a page at ``serial``, which the journal has not reached."""
        self._db.execute("INSERT OR REPLACE INTO ahead VALUES (?, ?)", (project, serial))

    def upto(self, serial: int) -> list[tuple[NormalizedName, int]]:
        """Return the projects with a serial up to ``serial``."""
        rows = self._db.execute("SELECT project, serial FROM ahead WHERE serial <= ?", (serial,))
        return [(row[0], row[1]) for row in rows]

    def confirm(self, serial: int) -> None:
        """Forget serials up to ``serial``: the journal has them."""
        self._db.execute("DELETE FROM ahead WHERE serial <= ?", (serial,))
