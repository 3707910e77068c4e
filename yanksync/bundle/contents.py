"""What a bundle has, by number."""

from __future__ import annotations

from msgspec import Struct


class BundleContents(Struct, frozen=True, kw_only=True):
    """What a bundle has."""

    cursor: int
    since: int  # the cursor of the earlier bundle; 0: it has everything
    pages: int = 0
    files: int = 0  # package files, without their metadata
    removed_pages: int = 0  # 0 if it has everything: what it lacks is removed
    removed_files: int = 0
    bytes: int = 0  # of the whole bundle
