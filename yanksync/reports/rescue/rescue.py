"""Looks for a release in all places, and copies verified files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace

from yanksync.reports.rescue.contents import examine
from yanksync.reports.rescue.copies import copy_verified
from yanksync.reports.rescue.findings import Found, Outcome, Place, RescueReport, Wanted
from yanksync.reports.rescue.search import candidates


def rescue(wanted: Wanted, places: Iterable[Place], target: Path) -> RescueReport:
    """Look for ``wanted`` in ``places``; copy verified files to ``target``."""
    searched: list[Place] = []
    found: list[Found] = []
    for place in places:
        here, files = _search(place, wanted)
        searched.append(here)
        found += files
    verified = [one for one in found if one.outcome is Outcome.VERIFIED]
    return RescueReport(
        wanted=wanted,
        target=str(target),
        places=tuple(searched),
        copies=copy_verified(verified, target),
        others=tuple(one for one in found if one.outcome is not Outcome.VERIFIED),
    )


def _search(place: Place, wanted: Wanted) -> tuple[Place, list[Found]]:
    """Return the candidates of a place, and how much was examined."""
    if place.path is None:
        return place, []
    if not os.path.isdir(place.path):
        return replace(place, problem="there is no such directory"), []
    unreadable: list[OSError] = []
    found, examined = [], 0
    for candidate in candidates(place.path, wanted, unreadable.append):
        examined += 1
        one = examine(candidate, wanted)
        if one is not None:
            found.append(one)
    return replace(place, examined=examined, unreadable=len(unreadable)), found
