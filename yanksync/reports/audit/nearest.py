"""Finds a version that could replace a withdrawn one (pure)."""

from __future__ import annotations

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from yanksync.core.model import File, Page
from yanksync.core.pins import Pin
from yanksync.core.versions import files_by_version


def nearest_version(pin: Pin, page: Page, python: str) -> str | None:
    """Return the best replacement for a withdrawn version, or None.

    It has a file that is not yanked and allows ``python``. A pre-release is returned only if the
    pin is a pre-release, too.
    """
    pinned, interpreter = _parsed(pin.version), _parsed(python)
    if pinned is None or page.quarantined:
        return None
    later: list[tuple[Version, str]] = []
    earlier: list[tuple[Version, str]] = []
    for text, files in files_by_version(page):
        version = None if text is None else _parsed(text)
        if text is None or version is None or pin.allows(text) or version == pinned:
            continue
        if (version.epoch, version.major) != (pinned.epoch, pinned.major):
            continue
        if version.is_prerelease and not pinned.is_prerelease:
            continue
        if any(_fits(file, interpreter) for file in files):
            (later if version > pinned else earlier).append((version, text))
    if later:
        return min(later)[1]
    return max(earlier)[1] if earlier else None


def _fits(file: File, python: Version | None) -> bool:
    """Return whether an installer takes a file by itself.

    A specifier that cannot be read does not exclude the file.
    """
    if file.yanked is not None:
        return False
    if file.requires_python is None or python is None:
        return True
    try:
        return SpecifierSet(file.requires_python).contains(python, prereleases=True)
    except InvalidSpecifier:
        return True


def _parsed(text: str) -> Version | None:
    try:
        return Version(text)
    except (InvalidVersion, ValueError):
        return None
