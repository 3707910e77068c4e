"""Overrides and malware advisories, and what they match (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct

from yanksync.core.names import normalize
from yanksync.core.versions import same_version, version_key

_DISTRIBUTION = (
    r"\.(?:whl|egg|zip|exe|msi|rpm|deb|dmg|tar|tgz|tbz2?|tar\.(?:gz|bz2|xz|lz|lzma|zst|Z))\Z"
)
_ORDER = {"fixed": 0, "introduced": 1, "last_affected": 2}  # of events at one version


class Action(StrEnum):
    """What an override does with the files that it matches."""

    ALLOW = "allow"  # no cooldown
    YANK = "yank"  # marked yanked, with the reason
    HIDE = "hide"  # left out


class Match(Struct, frozen=True):
    """What an override matches: exactly one project, release or file."""

    project: str | None = None  # normalised; None: any, the file's name is matched
    version: str | None = None  # equality under PEP 440
    file: str | None = None

    def matches_file(self, version: str | None, filename: str) -> bool:
        """Return whether this file of the matched project is matched."""
        if self.file is not None:
            return self.file == filename
        if self.version is None:
            return True
        return version is not None and same_version(self.version, version)


class Override(Struct, frozen=True, kw_only=True):
    """One ``[[override]]`` table."""

    text: str  # its ``match``, as it was written
    match: Match
    action: Action
    reason: str = ""
    until: float | None = None  # the first moment at which it no longer applies

    def applies(self, cutoff: float) -> bool:
        """Return whether it has not expired."""
        return self.until is None or cutoff < self.until


class Advisory(Struct, frozen=True):
    """Versions of one project that an advisory names as malware."""

    id: str
    versions: tuple[str, ...] = ()
    ranges: tuple[tuple[tuple[str, str], ...], ...] = ()  # events in their order: (kind, version)


class Verdict(Struct, frozen=True):
    """The decision of overrides and advisories about one file."""

    hidden_by: str | None = None  # the match of an override or the id of an advisory
    reason: str = ""  # why it is hidden or marked yanked
    yanked_by: str | None = None  # the match of the override that marks it
    allowed: bool = False  # no cooldown applies
    until: float | None = None  # the end of the override that hides or marks it


NO_VERDICT = Verdict()


def parse_match(text: str) -> Match:
    """Return what ``text`` matches. Raises :class:`ValueError`."""
    name, separator, version = text.partition("==")
    if separator:
        project, version = normalize(name.strip()), version.strip()
        if project is None or not version:
            raise ValueError(f"{text!r} names no release, like demo==1.0")
        if version.startswith("=") or "*" in version:
            raise ValueError(f"{text!r} must be one release, like demo==1.0, without === and *")
        return Match(project, version)
    if re.search(_DISTRIBUTION, text) is not None:
        if "/" in text or "\\" in text:
            raise ValueError(f"{text!r} must be a file name without a path")
        return Match(file=text)
    project = normalize(text.strip())
    if project is None:
        raise ValueError(f"{text!r} is neither a project, a release (name==version) nor a file")
    return Match(project)


def decide(
    overrides: Iterable[Override],
    advisories: Sequence[Advisory],
    versions: Sequence[str | None],
    filenames: Sequence[str],
) -> Sequence[Verdict]:
    """Return the decision about each file of a project.

    ``overrides`` are overrides of the project, or of a file of any project, that have not expired.
    """
    named = list(overrides)
    return [
        _verdict(
            [one for one in named if one.match.matches_file(version, filename)],
            [one for one in advisories if names_version(one, version)],
        )
        for version, filename in zip(versions, filenames, strict=True)
    ]


def _verdict(overrides: Sequence[Override], advisories: Sequence[Advisory]) -> Verdict:
    """Return the strongest decision: hide and advisories, then yank, then allow."""
    by_action: dict[Action, list[Override]] = {}
    for one in overrides:
        by_action.setdefault(one.action, []).append(one)
    for one in by_action.get(Action.HIDE, ()):
        return Verdict(hidden_by=one.text, reason=one.reason, until=one.until)
    allowed = by_action.get(Action.ALLOW, [])
    if advisories and not any(one.match.version is not None for one in allowed):
        return Verdict(hidden_by=advisories[0].id, reason=advisories[0].id)
    if Action.YANK in by_action:
        marks = by_action[Action.YANK]
        reason = joined(one.reason for one in marks)
        return Verdict(reason=reason, yanked_by=marks[0].text, until=marks[0].until)
    return Verdict(allowed=True) if allowed else NO_VERDICT


def joined(reasons: Iterable[str]) -> str:
    """Return several reasons as one text, each once, in their order."""
    return "; ".join(dict.fromkeys(reason for reason in reasons if reason))


def names_version(advisory: Advisory, version: str | None) -> bool:
    """Return True if an advisory names ``version``.

    Its versions and its ranges both count.

    None is the version of a file without a release. Only an advisory about every version names such
    a file.
    """
    if version is not None and any(same_version(one, version) for one in advisory.versions):
        return True
    return any(_in_range(events, version) for events in advisory.ranges)


def _in_range(events: Sequence[tuple[str, str]], version: str | None) -> bool:
    """Return whether OSV's algorithm finds ``version`` in one range."""
    key = None if version is None else version_key(version)
    if key is None or isinstance(key, str):  # PEP 440 does not order it
        return bool(events) and all(one == ("introduced", "0") for one in events)
    affected = False
    for kind, bound in _sorted_events(events):
        if kind == "introduced":
            affected = affected or bound <= key
        elif kind == "fixed":
            affected = affected and key < bound
        elif kind == "last_affected":
            affected = affected and key <= bound
    return affected


def _sorted_events(events: Iterable[tuple[str, str]]) -> list[tuple[str, Any]]:
    """Return events in the order of their versions.

    "0" is before every version, as ().
    """
    known: list[tuple[str, Any]] = []
    for kind, text in events:
        key = () if text == "0" else version_key(text)
        if not isinstance(key, str) and kind in _ORDER:
            known.append((kind, key))
    return sorted(known, key=lambda one: (one[1], _ORDER[one[0]]))
