"""Values: what a check should do, and its result."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from msgspec import Struct

from yanksync.core.layout import PACKAGES
from yanksync.output.comparison import DIFFERENCES, NOTES, Finding, FindingKind

SAVED = 5.0
"""Seconds of reading that a killed run does again."""

GOES_ON = (
    "the last run that read package files was interrupted: this one goes on behind {} of {} files"
)
"""What is said of the files that such a run has read."""


class FileCheck(Struct, frozen=True, kw_only=True):
    """How copies of package files are checked."""

    read: bool = False  # compare their bytes, too, not only sizes
    rate: int | None = None  # bytes per second; None: no limit
    may_write: bool = True  # False: altered copies stay in service


@dataclass
class CheckSummary:
    """The result of a check."""

    projects: int = 0  # compared with the output
    files: int = 0  # package files that were checked
    kinds: Counter[FindingKind] = field(default_factory=Counter)
    corrected: int = 0  # findings that a repair has corrected
    uncorrected: int = 0  # findings that it has not

    @property
    def differences(self) -> int:
        """Count the findings that are differences."""
        return sum(self.kinds[kind] for kind in DIFFERENCES)

    @property
    def unchecked(self) -> int:
        """Count the findings that could not be checked."""
        return self.kinds[FindingKind.UNCHECKED]

    @property
    def notes(self) -> dict[str, int]:
        """Count the notes."""
        return {str(kind): self.kinds[kind] for kind in NOTES}


def is_about_files(finding: Finding) -> bool:
    """Return whether a finding is about a package file."""
    return finding.path.startswith(f"{PACKAGES}/")
