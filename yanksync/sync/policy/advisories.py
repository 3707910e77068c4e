"""Decides which advisories count.

The newest ones count, unless they would bring too many releases back (R8).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec
from msgspec import Struct

from yanksync.core.errors import InvalidAnswer
from yanksync.core.model import Page
from yanksync.core.policies.overrides import Advisory, names_version
from yanksync.core.project_state import Presence
from yanksync.core.rules.removal_guard import removal_limit
from yanksync.core.versions import file_versions
from yanksync.mirror.context import Mirror
from yanksync.mirror.offers import Advisories, recorded_advisories
from yanksync.output.digests import digest_of
from yanksync.state.facts import AdvisoryChange
from yanksync.sync.published_page import recorded_page

HELD = "advisories"
"""How a hold of changed advisories is named."""

_FEW = 200  # files: so many are compared in every pass
_INTERVAL = 900.0  # seconds between comparisons of more files
_FLOOR, _PERCENT = 3, 10.0  # releases that a change may bring back; percent of the hidden ones


class LoadedAdvisories(Struct, frozen=True):
    """The advisories to render with."""

    digest: str | None = None  # None: there are none
    read: Callable[[], Advisories] | None = None
    text: str | None = None  # to record; None: it is recorded
    stamp: str | None = None

    def store(self, mirror: Mirror) -> None:
        """Record them as those that pages are rendered with."""
        facts = mirror.state.facts
        if self.digest is None:
            facts.put(advisories=None)
            facts.change(AdvisoryChange, digest=None, stamp=None, places=None, looked=None)
        elif self.text is not None:
            facts.put(advisories=self.text)
            facts.change(
                AdvisoryChange, digest=self.digest, stamp=self.stamp, held=None, approved=None
            )


def load_advisories(mirror: Mirror) -> LoadedAdvisories:
    """Return the advisories; unchanged files are not read again.

    Raises :class:`yanksync.core.errors.ConfigError`.
    """
    facts, paths = mirror.state.facts, mirror.settings.mirror.advisories
    mirror.totals.held.pop(HELD, None)
    recorded = facts.advisories.digest
    if not paths and recorded is None:
        return LoadedAdvisories()
    known = LoadedAdvisories(recorded, partial(recorded_advisories, facts))
    stamp = None
    found: dict[str, tuple[Advisory, ...]] = {}
    if paths:
        from yanksync.mirror.advisory_files import read_advisories, stamp_of_places  # start-up

        places = stamp_of_places(paths)
        if _was_just_compared(mirror, places):
            return known
        stamp = _compare_files(mirror, paths, places)
        if stamp == facts.advisories.stamp:
            _release(mirror)
            return known
        found = read_advisories(paths)
    text = msgspec.json.encode(found)
    digest = digest_of((text,)).hex() if paths else None
    if digest == recorded:
        facts.change(AdvisoryChange, stamp=stamp)
        _release(mirror)
        return known
    if recorded is not None and facts.advisories.approved != (digest or "none"):
        why = _too_many_back(mirror, recorded_advisories(facts), found)
        if why is not None:
            _hold(mirror, why, digest)
            return known
    _release(mirror)
    return LoadedAdvisories(digest, (lambda: found) if paths else None, text.decode(), stamp)


def _was_just_compared(mirror: Mirror, places: str) -> bool:
    """Return True if many files were compared a short while ago.

    Comparing a file costs a disk access.
    """
    known = mirror.state.facts.advisories
    if known.looked is None or known.held is not None or known.places != places:
        return False
    return known.looked <= mirror.now() < known.looked + _INTERVAL


def _compare_files(mirror: Mirror, paths: Sequence[Path], places: str) -> str:
    """Return the stamp of all files, and note the time."""
    from yanksync.mirror.advisory_files import stamp_of  # start-up

    found = stamp_of(paths)
    looked = mirror.now() if found.count > _FEW else None
    mirror.state.facts.change(AdvisoryChange, places=places, looked=looked)
    return found.text


def _too_many_back(mirror: Mirror, old: Advisories, new: Advisories) -> str | None:
    """Return why a change of advisories must wait for a person.

    None: it need not wait.
    """
    hidden = back = 0
    for row in mirror.state.projects.get(old).values():
        if row.presence is not Presence.PRESENT:
            continue
        try:
            page = recorded_page(mirror, row)
        except InvalidAnswer:
            continue
        before = _named(page, old[row.name])
        hidden += len(before)
        back += len(before - _named(page, new.get(row.name, ())))
    if back <= removal_limit(_FLOOR, _PERCENT, hidden):
        return None
    return f"changed advisories would bring back {back} of {hidden} hidden releases"


def _named(page: Page, advisories: tuple[Advisory, ...]) -> set[str | None]:
    versions = set(file_versions(page))
    return {
        version
        for version in versions
        if any(names_version(advisory, version) for advisory in advisories)
    }


def _hold(mirror: Mirror, why: str, digest: str | None) -> None:
    facts = mirror.state.facts
    since = facts.advisories.held_since or mirror.now()
    facts.change(AdvisoryChange, held=why, held_since=since, wanted=digest or "none")
    mirror.totals.held[HELD] = (
        f"{why}; the earlier advisories stay in force until you approve; see 'yanksync holds'"
    )


def _release(mirror: Mirror) -> None:
    facts = mirror.state.facts
    facts.change(AdvisoryChange, wanted=None, held=None, held_since=None, approved=None)
