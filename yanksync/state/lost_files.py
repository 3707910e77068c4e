"""The files that upstream's page lacks.

Some stay published, and some are gone.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from yanksync.core.model import File, Hashes
from yanksync.core.names import NormalizedName
from yanksync.core.rules.lost_file import LostFile
from yanksync.state.sqlite.database import Database
from yanksync.state.texts import plain_text

# If the removal of a project waits, the project is judged as a whole, with its files.
_THERE = "EXISTS (SELECT 1 FROM projects WHERE id = project AND presence = 'present')"


class LostFileTable:
    """The table ``lost_files``."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def by_project(self, ids: Sequence[int]) -> dict[int, tuple[LostFile, ...]]:
        """Return the lost files by project id."""
        rows = self._db.execute(
            """SELECT project, lost FROM lost_files
            WHERE project IN (SELECT value FROM json_each(?)) ORDER BY project, filename""",
            (json.dumps(ids),),
        )
        found: dict[int, list[LostFile]] = defaultdict(list)
        for project, text in rows:
            found[project].append(_load(text))
        return {project: tuple(lost) for project, lost in found.items()}

    def one(self, project: int) -> tuple[LostFile, ...]:
        """Return the lost files of one project."""
        return self.by_project([project]).get(project, ())

    def put(self, project: int, lost: Iterable[LostFile]) -> None:
        """Make these the lost files of a project."""
        self._db.execute("DELETE FROM lost_files WHERE project = ?", (project,))
        self._db.execute_many(
            "INSERT INTO lost_files VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    project,
                    plain_text(one.file.filename),
                    one.vanished,
                    one.confirmed,
                    one.approved,
                    one.held is not None,
                    _dump(one),
                )
                for one in lost
            ),
        )

    def any(self) -> bool:
        """Return whether there are lost files."""
        return self._db.first_row("SELECT 1 FROM lost_files") is not None

    def of_all(self) -> dict[int, tuple[LostFile, ...]]:
        """Return all lost files, by project id."""
        return self.by_project(
            [row[0] for row in self._db.execute("SELECT project FROM lost_files")]
        )

    def named(self) -> dict[NormalizedName, int]:
        """Return the ids of projects with lost files, by name."""
        rows = self._db.execute(
            "SELECT name, id FROM projects WHERE id IN (SELECT project FROM lost_files)"
        )
        return {row[0]: row[1] for row in rows}

    def to_judge(self) -> list[int]:
        """Return the projects with vanished files that are not approved."""
        rows = self._db.execute(
            f"SELECT DISTINCT project FROM lost_files WHERE vanished AND NOT approved AND {_THERE}"
        )
        return [row[0] for row in rows]

    def confirmed(self) -> list[int]:
        """Return those of :meth:`to_judge` that a second page confirmed."""
        rows = self._db.execute(
            f"""SELECT DISTINCT project FROM lost_files
            WHERE vanished AND confirmed AND NOT approved AND {_THERE}"""
        )
        return [row[0] for row in rows]

    def rehashed(self) -> list[int]:
        """Return the projects with a file whose hash changed."""
        rows = self._db.execute(
            f"""SELECT DISTINCT project FROM lost_files
            WHERE NOT vanished AND confirmed AND NOT approved AND {_THERE}"""
        )
        return [row[0] for row in rows]

    def approved(self) -> list[int]:
        """Return the held projects with approved files."""
        rows = self._db.execute(
            f"SELECT DISTINCT project FROM lost_files WHERE approved AND {_THERE}"
        )
        return [row[0] for row in rows]

    def hold(self, ids: Iterable[int], why: str, now: float, *, vanished: bool) -> None:
        """Hold the vanished files of these projects, or the changed hashes."""
        for project, lost in self.by_project(list(ids)).items():
            found = tuple(
                replace(one, held=why, held_since=now)
                if not one.approved
                and one.held is None
                and one.vanished is vanished
                and (vanished or one.hashes is not None)
                else one
                for one in lost
            )
            if found != lost:  # files that are held already must not cause a write in every pass
                self.put(project, found)

    def held(self) -> list[tuple[NormalizedName, LostFile]]:
        """Return the files that a guard holds, by project and name."""
        rows = self._db.execute(
            """SELECT name, lost FROM lost_files CROSS JOIN projects ON id = project
            WHERE lost_files.held AND NOT approved ORDER BY name, filename"""
        )
        return [(row[0], _load(row[1])) for row in rows]

    def held_groups(self) -> tuple[int, int]:
        """Count projects with held vanished files, and with held hashes."""
        row = self._db.first_row(
            """SELECT count(DISTINCT CASE WHEN vanished THEN project END),
                count(DISTINCT CASE WHEN NOT vanished THEN project END)
            FROM lost_files WHERE held AND NOT approved"""
        )
        return int(row[0]), int(row[1])

    def approve(self, names: Sequence[str] | None, *, vanished: bool) -> None:
        """Release held files once: vanished ones, or changed hashes.

        None: the files of all projects.
        """
        rows = self._db.execute(
            """SELECT DISTINCT id FROM lost_files CROSS JOIN projects ON id = project
            WHERE lost_files.held AND NOT approved AND vanished = ?2
            AND (?1 IS NULL OR name IN (SELECT value FROM json_each(?1)))""",
            (None if names is None else json.dumps(names), vanished),
        )
        for (project,) in rows:
            self.put(
                project,
                [
                    one
                    if one.held is None or one.vanished is not vanished
                    else replace(one, held=None, approved=True)
                    for one in self.one(project)
                ],
            )


class RemovedFile(Struct, frozen=True):
    """A file that upstream's page no longer has."""

    filename: str
    hashes: Hashes


class RemovedFileTable:
    """The table ``removed_files``. A file that returned may still be in it."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def of(self, project: int) -> tuple[RemovedFile, ...]:
        """Return the removed files of a project, by name."""
        rows = self._db.execute(
            "SELECT filename, hashes FROM removed_files WHERE project = ? ORDER BY filename",
            (project,),
        )
        return tuple(
            RemovedFile(name, tuple((one, digest) for one, digest in json.loads(text)))
            for name, text in rows
        )

    def add(self, project: int, files: Iterable[File]) -> None:
        """Remember files of a project; the last one of each name counts."""
        self._db.execute_many(
            "INSERT OR REPLACE INTO removed_files VALUES (?, ?, ?)",
            ((project, one.filename, json.dumps(one.hashes)) for one in files),
        )


def _dump(lost: LostFile) -> str:
    # The json module writes this, because names and reasons may have lone surrogates, which msgspec
    # refuses.
    return json.dumps(msgspec.to_builtins(lost))


def _load(text: str) -> LostFile:
    return msgspec.convert(json.loads(text), type=LostFile)
