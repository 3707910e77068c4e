"""Values: how another index differs from the state."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from msgspec import Struct

from yanksync.core.names import NormalizedName


class DifferenceKind(StrEnum):
    """How a project differs."""

    MARK_MISSING = "mark-missing"
    MARK_EXTRA = "mark-extra"
    REASON_LOST = "reason-lost"
    REASON_DIFFERS = "reason-differs"
    REMOVED_OFFERED = "removed-offered"
    QUARANTINED_OFFERED = "quarantined-offered"
    HASH_MISMATCH = "hash-mismatch"
    PROJECT_MISSING = "project-missing"
    UNCHECKED = "unchecked"
    FILE_MISSING = "file-missing"
    FILE_UNKNOWN = "file-unknown"
    BEHIND = "behind"
    AHEAD = "ahead"


NOTES = frozenset(
    {
        DifferenceKind.FILE_MISSING,  # an index may have only a part, or be minutes behind
        DifferenceKind.FILE_UNKNOWN,  # a private file, or one that the state has not seen yet
        DifferenceKind.BEHIND,  # each withdrawal that it lacks is a separate finding
        DifferenceKind.AHEAD,
    }
)
"""Those that are no finding: the exit code stays 0."""


class Difference(Struct, frozen=True, kw_only=True):
    """One difference between the page of an index and the state's."""

    kind: DifferenceKind
    project: NormalizedName
    version: str | None = None  # None: the whole project, or several versions
    files: tuple[str, ...] = ()  # none: all files of the version or project
    reason: str | None = None  # the state's, exact; None: none, or not known
    index_reason: str | None = None  # what the index gives
    since: int | None = None  # UTC seconds: when upstream did it; None: not in the history
    serial: int | None = None  # of the state's page
    index_serial: int | None = None  # of the index's page
    problem: str | None = None  # why it was not compared

    @property
    def is_note(self) -> bool:
        """Whether this difference leaves the exit code 0."""
        return self.kind in NOTES


@dataclass
class Comparison:
    """The result of a comparison."""

    expected: int  # projects to compare
    serial: int | None = None  # up to which the state followed upstream
    index_serial: int | None = None  # of the whole index; None: not known
    behind_since: int | None = None  # UTC seconds of the first event it has not seen
    compared: int = 0
    kinds: Counter[DifferenceKind] = field(default_factory=Counter)
    oldest: int | None = None  # UTC seconds of the oldest withdrawal it does not show
    problem: str | None = None  # why it ended early

    @property
    def findings(self) -> int:
        """How many differences make the command fail."""
        return sum(count for kind, count in self.kinds.items() if kind not in NOTES)

    def count(self, difference: Difference) -> None:
        """Take in one difference."""
        self.kinds[difference.kind] += 1
        if difference.kind in _WITHDRAWALS and difference.since is not None:
            self.oldest = min(difference.since, self.oldest or difference.since)


_WITHDRAWALS = frozenset(
    {
        DifferenceKind.MARK_MISSING,
        DifferenceKind.REMOVED_OFFERED,
        DifferenceKind.QUARANTINED_OFFERED,
    }
)
