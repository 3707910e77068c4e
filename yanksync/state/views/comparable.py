"""Chooses the projects for a comparison with another index."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from yanksync.core.names import NormalizedName
from yanksync.state.sqlite.database import Database

_BATCH = 200

# A yank from before the mirror began has no row in the history.
_WHERE = """presence IN ('present', 'gone') AND (?1 OR yanked OR quarantined OR presence = 'gone'
    OR EXISTS (SELECT 1 FROM history WHERE history.project = projects.name))"""


class Selection(Struct, frozen=True):
    """The selected projects."""

    all: bool = False  # False: only those with withdrawals
    sample: int | None = None  # number of random ones among them


class Comparable:
    """Reads the tables ``projects`` and ``history`` for a comparison."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def count(self, selection: Selection) -> int:
        """Return how many projects are selected."""
        found = self._db.count(f"SELECT count(*) FROM projects WHERE {_WHERE}", (selection.all,))
        return found if selection.sample is None else min(found, selection.sample)

    def names(self, selection: Selection) -> Iterator[NormalizedName]:
        """Yield the names, in order; between batches the state can change."""
        if selection.sample is not None:
            yield from self._sample(selection)
            return
        after = ""
        while rows := self._db.execute(
            f"SELECT name FROM projects WHERE name > ?2 AND {_WHERE} ORDER BY name LIMIT ?3",
            (selection.all, after, _BATCH),
        ):
            yield from (NormalizedName(row[0]) for row in rows)
            after = rows[-1][0]

    def _sample(self, selection: Selection) -> Iterator[NormalizedName]:
        rows = self._db.execute(
            f"""SELECT name FROM (SELECT name FROM projects WHERE {_WHERE}
            ORDER BY random() LIMIT ?2) ORDER BY name""",
            (selection.all, selection.sample),
        )
        return (NormalizedName(row[0]) for row in rows)

    def first_after(self, serial: int) -> int | None:
        """Return the time of the first event after ``serial``; None: no event."""
        row = self._db.first_row(
            """SELECT timestamp FROM history WHERE serial > ?1
            AND era = (SELECT coalesce(max(value), 0) FROM meta WHERE key = 'era')
            AND place > ?1 ORDER BY place LIMIT 1""",
            (serial,),
        )
        return None if row is None else int(row[0])
