"""Values: what the audit finds about a pin."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from enum import StrEnum

from msgspec import Struct

from yanksync.core.model import File, Page
from yanksync.core.names import NormalizedName
from yanksync.core.pins import Pin
from yanksync.core.versions import same_version
from yanksync.state.views.history_rows import HistoryRow


class FindingKind(StrEnum):
    """What is wrong with a pin.

    ``--fail-on`` and every format use these words.
    """

    YANKED = "yanked"
    REMOVED = "removed"
    QUARANTINED = "quarantined"
    HASH_MISMATCH = "hash-mismatch"
    PROJECT_GONE = "project-gone"
    PROJECT_RECREATED = "project-recreated"
    TOO_YOUNG = "too-young"
    OVERRIDDEN = "overridden"
    UNKNOWN = "unknown"


MEANINGS = {
    FindingKind.YANKED: "The pinned release, or a file of it that the pin allows, is yanked.",
    FindingKind.REMOVED: "The index has no file of the pinned version, or not all that are pinned.",
    FindingKind.QUARANTINED: "The project or the pinned release is quarantined.",
    FindingKind.HASH_MISMATCH: "A pinned hash is not among those of the release's files.",
    FindingKind.PROJECT_GONE: "The index does not have the project.",
    FindingKind.PROJECT_RECREATED: "The project was removed and created again.",
    FindingKind.TOO_YOUNG: "Cooldown hides or marks files of the pinned release on the mirror.",
    FindingKind.OVERRIDDEN: "A rule of the mirror hides or marks files of the pinned release.",
    FindingKind.UNKNOWN: "The mirror does not hold the project, so the pin was not judged.",
}
"""One sentence for each kind, for rules and documentation."""


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that is wrong with a pin."""

    kind: FindingKind
    reason: str | None = None  # the exact text; "": none was given; None: no reason exists
    since: float | None = None  # UTC seconds; None: the source does not know
    files: tuple[str, ...] = ()  # only these; none: the whole release
    hashes: tuple[str, ...] = ()  # pinned hashes that no file has
    rule: str | None = None  # rule of the mirror's operator; None: upstream did it
    until: float | None = None  # UTC seconds: the end of a rule's effect; None: not known


class PinVerdict(Struct, frozen=True, kw_only=True):
    """One pin, what is wrong with it, and a replacement."""

    pin: Pin
    findings: tuple[Finding, ...] = ()  # none: the pin is fine
    nearest: str | None = None  # a version that is not withdrawn; None also if the pin is fine
    ignored: bool = False  # the user asked for that


class RuledFile(Struct, frozen=True, kw_only=True):
    """A file that the mirror's own rules hide, or mark as yanked."""

    filename: str
    kind: FindingKind  # TOO_YOUNG or OVERRIDDEN
    rule: str  # as the configuration names it
    reason: str  # text of the operator or the advisory
    until: float | None  # UTC seconds; None: until the rules change


class KeptFile(Struct, frozen=True, kw_only=True):
    """A file that upstream removed, but the mirror still offers."""

    file: File
    version: str | None
    until: float | None  # UTC seconds; None: without end


class ProjectFacts(Struct, frozen=True, kw_only=True):
    """What a source says about one project."""

    name: NormalizedName
    page: Page | None = None
    gone: bool = False  # the source does not have the project
    events: tuple[HistoryRow, ...] = ()  # oldest first; empty if the source has no history
    ruled: tuple[RuledFile, ...] = ()
    kept: tuple[KeptFile, ...] = ()


class Ignore(Struct, frozen=True):
    """A pin whose findings do not count, perhaps up to a day."""

    project: NormalizedName
    version: str
    until: date | None = None  # the last day

    def covers(self, pin: Pin, today: date) -> bool:
        """Return whether the findings of ``pin`` are ignored."""
        if pin.project != self.project or not same_version(pin.version, self.version):
            return False
        return self.until is None or today <= self.until


class AuditReport(Struct, frozen=True, kw_only=True):
    """Everything that one audit found, in the order of the files."""

    source: str  # the source of the answers, for people
    verdicts: tuple[PinVerdict, ...]
    skipped: int  # requirements and packages without an exact version of an index
    fail_on: frozenset[FindingKind]

    def counts(self, verdict: PinVerdict) -> bool:
        """Return whether a verdict makes the command fail."""
        return not verdict.ignored and any(one.kind in self.fail_on for one in verdict.findings)

    @property
    def found(self) -> tuple[PinVerdict, ...]:
        """The verdicts with findings."""
        return tuple(one for one in self.verdicts if one.findings)

    @property
    def failures(self) -> int:
        """The number of verdicts that make the command fail."""
        return sum(map(self.counts, self.verdicts))


def with_ignores(
    verdicts: Collection[PinVerdict], ignores: Collection[Ignore], today: date
) -> tuple[PinVerdict, ...]:
    """Return ``verdicts``, marked where one of ``ignores`` covers the pin."""
    return tuple(
        PinVerdict(pin=one.pin, findings=one.findings, nearest=one.nearest, ignored=True)
        if one.findings and any(ignore.covers(one.pin, today) for ignore in ignores)
        else one
        for one in verdicts
    )
