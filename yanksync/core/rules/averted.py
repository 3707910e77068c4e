"""Finds releases that cooldown hid when upstream withdrew them (pure)."""

from __future__ import annotations

from msgspec import Struct

from yanksync.core.model import Page
from yanksync.core.policies.cooldown import HiddenBy
from yanksync.core.policies.offer import Offer
from yanksync.core.versions import file_versions, same_version

Releases = tuple[tuple[str, tuple[str, ...]], ...]
"""Files by version."""


class HiddenReleases(Struct, frozen=True):
    """The releases of a project that cooldown hides."""

    files: Releases = ()
    partly: tuple[str, ...] = ()  # versions that also have offered files
    offers_more: bool = False  # a file of any release is offered


class Averted(Struct, frozen=True):
    """The part of a withdrawal that concerns files never offered."""

    releases: Releases
    is_all: bool  # nothing else was withdrawn

    @property
    def count(self) -> int:
        """The number of these files."""
        return sum(len(files) for _, files in self.releases)


def hidden_releases(page: Page, offer: Offer) -> HiddenReleases | None:
    """Return what cooldown hides of a recorded ``page``; None: nothing."""
    hidden: dict[str, list[str]] = {}
    for one in offer.rulings:
        if one.hidden and one.version is not None and isinstance(one.rule, HiddenBy):
            hidden.setdefault(one.version, []).append(one.file.filename)
    if not hidden:
        return None
    away = {one.file.filename for one in offer.rulings if one.hidden}
    offered = {
        version
        for file, version in zip(page.files, file_versions(page), strict=True)
        if file.filename not in away
    }
    return HiddenReleases(
        files=tuple((version, tuple(files)) for version, files in hidden.items()),
        partly=tuple(version for version in hidden if version in offered),
        offers_more=bool(offered),
    )


def averted_part(
    hidden: HiddenReleases | None, version: str | None, file: str | None
) -> Averted | None:
    """Return the averted part of a withdrawal, or None.

    It concerns a ``file``, a whole release, or without a ``version`` the project.
    """
    if hidden is None:
        return None
    found: Releases
    if file is not None:
        found = tuple((one, (file,)) for one, files in hidden.files if file in files)
        return Averted(found, is_all=True) if found else None
    if version is None:
        return Averted(hidden.files, is_all=not hidden.offers_more)
    found = tuple(one for one in hidden.files if same_version(one[0], version))
    is_all = not any(same_version(one, version) for one in hidden.partly)
    return Averted(found, is_all=is_all) if found else None
