"""How many copies there are, and which files could not be copied."""

from __future__ import annotations

from msgspec import Struct

from yanksync.state.sqlite.database import Database

LACKING = "it is neither below packages/ nor in files.withheld"
"""The problem of a copy that must leave the output and is not there."""


class CopyCounts(Struct, frozen=True):
    """How many copies there are, and how many bytes they take."""

    served: int = 0
    served_bytes: int = 0
    wanted: int = 0
    wanted_bytes: int = 0  # only of files whose size upstream gives
    failing: int = 0  # wanted files that could not be copied
    lacking_metadata: int = 0  # served files whose metadata could not be copied
    withheld: int = 0  # out of service
    withheld_bytes: int = 0

    @property
    def taken(self) -> int:
        """How many bytes all copies take."""
        return self.served_bytes + self.withheld_bytes

    @property
    def outstanding(self) -> int:
        """How many files are still to be copied, or lack their metadata."""
        return self.wanted + self.lacking_metadata


class FailingFile(Struct, frozen=True):
    """A file that could not be copied, or its metadata."""

    project: str
    filename: str
    problem: str
    next_try: float  # UTC seconds


def count_copies(db: Database) -> CopyCounts:
    """Count all copies. It reads every row.

    A copy that must leave and is still there counts as served.
    """
    served = f"status = 'served' OR status = 'leaving' AND problem IS NOT '{LACKING}'"
    outside = f"status = 'withheld' OR status = 'leaving' AND problem IS '{LACKING}'"
    row = db.first_row(
        f"""SELECT count(*) FILTER (WHERE {served}),
            coalesce(sum(size) FILTER (WHERE {served}), 0),
            count(*) FILTER (WHERE status = 'wanted'),
            coalesce(sum(json_extract(file, '$.size')) FILTER (WHERE status = 'wanted'), 0),
            count(*) FILTER (WHERE status = 'wanted' AND problem IS NOT NULL),
            count(*) FILTER (WHERE status = 'served' AND next_try > 0),
            count(*) FILTER (WHERE {outside}),
            coalesce(sum(size) FILTER (WHERE {outside}), 0)
        FROM package_files"""
    )
    return CopyCounts(*row)


def count_outstanding(db: Database) -> CopyCounts:
    """Count only the files that are still to be copied."""
    wanted = db.first_row(
        """SELECT count(*), coalesce(sum(json_extract(file, '$.size')), 0), count(problem)
        FROM package_files WHERE status = 'wanted'"""
    )
    lacking = db.first_row(
        "SELECT count(*) FROM package_files WHERE status = 'served' AND next_try > 0"
    )
    return CopyCounts(
        wanted=wanted[0],
        wanted_bytes=wanted[1],
        failing=wanted[2],
        lacking_metadata=lacking[0],
    )


def failing_files(db: Database, limit: int) -> list[FailingFile]:
    """Return the first files that could not be copied."""
    found = []
    for where in ("status = 'wanted'", "status = 'served' AND next_try > 0"):
        found += db.execute(
            f"""SELECT project, json_extract(file, '$.filename'), problem, next_try
            FROM package_files WHERE {where} AND problem IS NOT NULL ORDER BY id LIMIT ?""",
            (limit,),
        )
    return [FailingFile(*row) for row in found[:limit]]
