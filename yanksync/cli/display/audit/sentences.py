"""Explains findings, in the same words for every format."""

from __future__ import annotations

from yanksync.cli.display.report_rows import rfc3339, rfc3339_end
from yanksync.core.pins import Pin, PinOperator
from yanksync.reports.audit.findings import Finding, FindingKind, PinVerdict

_WORDS = {
    FindingKind.YANKED: "is yanked",
    FindingKind.REMOVED: "is not on the index",
    FindingKind.QUARANTINED: "is quarantined",
    FindingKind.HASH_MISMATCH: "has a pinned hash that is not among its files",
    FindingKind.PROJECT_GONE: "is of a project that is not on the index",
    FindingKind.PROJECT_RECREATED: "is of a project that was removed and created again",
    FindingKind.TOO_YOUNG: "is too young for this mirror",
    FindingKind.OVERRIDDEN: "is ruled out by this mirror",
    FindingKind.UNKNOWN: "was not judged: the mirror does not hold the project",
}


def pin_text(pin: Pin) -> str:
    """Return a pin as a requirement."""
    operator = "==" if pin.operator is PinOperator.LOCKED else pin.operator.value
    return f"{pin.project}{operator}{pin.version}"


def place_text(pin: Pin) -> str:
    """Return the file and line of a pin."""
    if not pin.path:
        return "installed"
    return pin.path if pin.line is None else f"{pin.path}:{pin.line}"


def reason_text(finding: Finding) -> str:
    """Return the reason, with the files, hashes or rule it concerns."""
    only = ", ".join(finding.files or finding.hashes)
    until = "" if finding.until is None else f" until {rfc3339_end(finding.until)}"
    rule = f"{finding.rule}{until}" if finding.rule else ""
    parts = (only and f"({only})", f"{rule}:" if rule and finding.reason else rule, finding.reason)
    return " ".join(part for part in parts if part)


def sentence(verdict: PinVerdict, finding: Finding) -> str:
    """Return one finding as a sentence, with upstream's reason unchanged."""
    since = "" if finding.since is None else f" since {rfc3339(finding.since)}"
    why = reason_text(finding)
    nearest = "" if verdict.nearest is None else f"; nearest: {verdict.nearest}"
    text = f"{pin_text(verdict.pin)} {_WORDS[finding.kind]}{since}"
    return f"{text}: {why}{nearest}" if why else text + nearest
