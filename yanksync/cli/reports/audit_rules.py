"""The mirror's own rules and kept files, for ``audit``."""

from __future__ import annotations

from yanksync.config.settings import Settings
from yanksync.core.names import NormalizedName
from yanksync.core.package_files.copies import CopyStatus
from yanksync.core.versions import VersionFinder
from yanksync.mirror.offers import recorded_offers
from yanksync.reports.audit.findings import FindingKind, KeptFile, RuledFile
from yanksync.reports.audit.state_source import Kept, Rules
from yanksync.state.state import State
from yanksync.sync.policy.explain import offering

_DAY = 86400.0


def rulings(state: State) -> Rules:
    """Return a function for the files that the operator's rules concern."""
    offers = recorded_offers(state.facts)

    def ruled(name: NormalizedName) -> list[RuledFile]:
        offered = offering(state, state.projects.get([name])[name], offers=offers)
        return [
            RuledFile(
                filename=one.file,
                kind=_kind_of_rule(one.rule),
                rule=str(one.rule),
                reason=one.reason,
                until=one.until,
            )
            for one in (() if offered is None else offered.rulings)
        ]

    return ruled


def _kind_of_rule(rule: str) -> FindingKind:
    cooldown = rule.startswith("cooldown.")
    return FindingKind.TOO_YOUNG if cooldown else FindingKind.OVERRIDDEN


def kept_files(state: State, settings: Settings) -> Kept:
    """Return a function for kept files that upstream removed."""

    def kept(name: NormalizedName) -> list[KeptFile]:
        if not settings.copies_files:
            return []
        days, versions = settings.files.keep_days, VersionFinder(name, None)
        return [
            KeptFile(
                file=one.file,
                version=versions.version_of(one.file.filename),
                until=None if one.restored or not days else (one.removed_at or 0.0) + days * _DAY,
            )
            for one in state.package_files.by_project([name]).get(name, ())
            if one.kept
            and one.status is CopyStatus.SERVED
            and (one.restored or settings.mirror.deleted == "yank")
        ]

    return kept
