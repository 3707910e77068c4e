"""Withdrawals by upstream that no pass could publish."""

from __future__ import annotations

from msgspec import Struct

from yanksync.core.model import HistoryAction
from yanksync.core.policies.cooldown import format_time
from yanksync.state.package_files.copy_counts import LACKING
from yanksync.state.sqlite.database import Database

_WORDS = {
    HistoryAction.YANK: "yanked",
    HistoryAction.REMOVE: "removed",
    HistoryAction.QUARANTINE: "quarantined",
}
_ACTIONS = ", ".join(f"'{action}'" for action in _WORDS)
# Where upstream has no serials, the event was seen since the page has been waiting.
_WITHOUT_SERIALS = (
    "published_serial IS NULL AND history.serial IS NULL AND timestamp >= CAST(since AS INTEGER)"
)


class UnpublishedWithdrawal(Struct, frozen=True, kw_only=True):
    """A withdrawal that the output lacks."""

    project: str  # normalised
    version: str | None = None  # None: the whole project
    file: str | None = None  # the one that was removed; None: all of the release
    action: str = "withdrawn"  # yanked, removed, quarantined; else files could not be moved
    at: int | None = None  # when upstream did it, or the files were to leave; UTC seconds
    files: int = 0  # copies of withdrawn files at their addresses
    problem: str = ""  # why it is not published

    def __str__(self) -> str:
        """Return the text for people."""
        subject = self.project if self.version is None else f"{self.project} {self.version}"
        if self.file is not None:
            subject = f"{subject}: {self.file}"
        when = "" if self.at is None else f" at {format_time(self.at)}"
        if self.action == "withdrawn":
            since = when.replace(" at ", " since ")
            return (
                f"{subject}: no page names {self.files} of its files{since}, but "
                f"their addresses still work: {self.problem}"
            )
        files = f", and {self.files} of its files are still served" if self.files else ""
        return (
            f"{subject} was {self.action} by upstream{when}; its page cannot be changed{files}: "
            f"{self.problem}"
        )


class UnpublishedWithdrawals:
    """Reads them from ``unpublished``, ``history`` and ``package_files``."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def read(self, problem: str | None, limit: int = 100) -> list[UnpublishedWithdrawal]:
        """Return the first ``limit``, longest first.

        ``problem`` is the error that ended the newest pass. None: it ended well, and only errors of
        single projects count.
        """
        rows = self._db.execute(
            f"""SELECT name, coalesce(problem, ?1),
                sort IN ('explained', 'unexplained') AS goes,
                listed AND (quarantined OR word IS NOT NULL) AS stands,
                (SELECT history.id FROM history WHERE project = name
                    AND (place > published_serial OR {_WITHOUT_SERIALS})
                    AND published IS NULL AND action IN ({_ACTIONS})
                    AND era = coalesce((SELECT value FROM meta WHERE key = 'era'), 0)
                    ORDER BY place DESC, history.id DESC LIMIT 1) AS newest
            FROM unpublished CROSS JOIN projects USING (id)
            WHERE held IS NULL AND json_digest IS NOT NULL
                AND (problem IS NOT NULL OR ?1 IS NOT NULL)
                AND (goes OR stands OR newest IS NOT NULL)
            ORDER BY since, name LIMIT ?2""",
            (problem, limit),
        )
        found = [self._withdrawal(*row) for row in rows]
        if problem is not None:
            found += self._unmoved({one.project for one in found}, problem)
        return found if limit < 0 else found[:limit]

    def _withdrawal(
        self, name: str, problem: str, goes: int, stands: int, newest: int | None
    ) -> UnpublishedWithdrawal:
        """Return what to say of a project.

        ``newest`` is the row of its newest event.
        """
        statuses = "'served', 'leaving'" if goes or stands else "'leaving'"
        files = self._db.count(
            f"""SELECT count(*) FROM package_files WHERE project = ? AND size IS NOT NULL
            AND NOT kept AND status IN ({statuses})""",
            (name,),
        )
        event = self._db.first_row(
            "SELECT version, file, action, timestamp FROM history WHERE id = ?", (newest,)
        )
        action = "quarantined" if stands else "removed" if goes else "withdrawn"
        version, file, at = None, None, None
        if event is not None:
            version, file, kind, at = event
            action = _WORDS[HistoryAction(kind)]
        return UnpublishedWithdrawal(
            project=name,
            version=version,
            file=file,
            action=action,
            at=at,
            files=files,
            problem=problem,
        )

    def _unmoved(self, told: set[str], problem: str) -> list[UnpublishedWithdrawal]:
        """Return unmoved copies that no page names."""
        rows = self._db.execute(
            """SELECT project, count(*), max(cause), min(since) FROM package_files
            WHERE status = 'leaving' AND size IS NOT NULL AND problem IS NOT ?
            GROUP BY project ORDER BY min(since), project""",
            (LACKING,),
        )
        return [
            UnpublishedWithdrawal(
                project=name, at=int(since), files=count, problem=f"{cause}, but {problem}"
            )
            for name, count, cause, since in rows
            if name not in told
        ]
