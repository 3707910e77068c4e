"""The settings of section ``[files]``: which package files are copied, and how."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

if TYPE_CHECKING:
    from yanksync.config.settings import Bucket


class FilesSettings(Struct, frozen=True, kw_only=True):
    """Section ``[files]``; it has an effect with ``mirror.files = "copy"``."""

    missing: Literal["link", "hide"] = "link"  # how a page shows a file without a copy
    downloads: int = 10  # simultaneous ones
    downloads_per_host: int = 10
    bandwidth: int = 0  # bytes per second; 0: no limit
    budget: int = 0  # bytes of all copies together; 0: no limit
    free_space: int = 1 << 30  # bytes that stay free on the disk
    grace: float = 7 * 86400.0  # seconds from leaving the mirror to being deleted
    keep_days: int = 0  # days that removed files are kept; 0: without end
    deleted_projects: Literal["remove", "yank"] = "remove"  # what happens to their files
    deleted_index: bool = False  # whether an index of the kept files alone is published
    withheld: Path | Bucket | None = None  # place of files that are out of service; see Settings
    # The choice of files. Patterns match normalised names, and the first match counts.
    projects: tuple[tuple[str, Literal["copy", "link", "exclude"]], ...] = ()
    newest: int = 0  # releases; 0: all
    newest_by: Literal["version", "time"] = "version"
    newest_per: Literal["project", "minor"] = "project"
    prereleases: bool = True
    prerelease_projects: tuple[tuple[str, bool], ...] = ()
    platforms: tuple[str, ...] = ()  # patterns, in lower case; none: all
    pythons: tuple[str, ...] = ()  # such as cp313; none: all
    sdists: bool = True
    max_size: int = 0  # bytes of one file; 0: no limit
    max_age: float = 0.0  # seconds since the upload; 0: no limit
    lock_files: tuple[Path, ...] = ()  # absolute once loaded

    @property
    def changed_keys(self) -> tuple[str, ...]:
        """The configured keys that have an effect only with copies.

        ``grace`` and ``withheld`` also apply to copies that a mirror gives up.
        """
        default = FilesSettings()
        return tuple(
            f"files.{name}"
            for name in self.__struct_fields__
            if name not in ("grace", "withheld") and getattr(self, name) != getattr(default, name)
        )
