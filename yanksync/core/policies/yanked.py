"""Decides what a page offers, in the order of both forms (pure)."""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from yanksync.core.model import Page, ProjectStatus
from yanksync.core.versions import file_versions, sort_key


def offered_page(page: Page, yanked: Literal["mark", "omit"]) -> Page:
    """Return the page as the mirror offers it; both renderers take this.

    Args:
        page: the page as recorded.
        yanked: PEP 592's two ways for a mirror: pass the mark on, or leave yanked files out.

    Returns:
        A page whose files are in order of version, then name, and its versions in that order.
        Quarantined projects offer nothing (PEP 792). With "omit" a version is dropped
        only when files of it were omitted and none remains.
    """
    if page.quarantined:
        return replace(page, files=(), versions=())
    homes = list(zip(file_versions(page), page.files, strict=True))
    keys = {version: sort_key(version) for version in {version for version, _ in homes}}
    # By version, files without one first, and then by name.
    homes.sort(key=lambda home: (*keys[home[0]], home[1].filename))
    versions = page.versions
    if yanked == "omit":
        kept = [home for home in homes if home[1].yanked is None]
        if len(kept) != len(homes):
            gone = {version for version, _ in homes} - {version for version, _ in kept}
            versions = versions and tuple(one for one in versions if one not in gone)
            homes = kept
    if versions is not None:
        versions = tuple(sorted(set(versions), key=sort_key))
    return replace(page, files=tuple([file for _, file in homes]), versions=versions)


def has_default_status(page: Page) -> bool:
    """Return True if the status is the default of PEP 792."""
    return page.status == ProjectStatus.ACTIVE and page.status_reason is None
