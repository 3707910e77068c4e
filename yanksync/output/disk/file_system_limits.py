"""Logs once in a run what a file system refuses without harm."""

from __future__ import annotations

import logging

log = logging.getLogger("yanksync")


class FileSystemRefusals:
    """The refusals of the file system below ``root`` so far."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._logged: set[str] = set()

    @property
    def any(self) -> bool:
        """Whether it has refused anything."""
        return bool(self._logged)

    def unsynced(self, error: OSError | None, what: str) -> None:
        """Log that ``what`` cannot be synced, if there is an error."""
        if error is not None:
            self._log(
                f"the file system cannot sync {what} ({error.strerror}). Pages are published all "
                "the same. After a power failure, run 'yanksync verify --repair'"
            )

    def undated(self, error: OSError | None) -> None:
        """Log that times cannot be set, if there is an error."""
        if error is not None:
            self._log(
                f"the file system does not let the times of files be set ({error.strerror}). Pages "
                "are published with the time of their writing, and nothing is lost. To give a page "
                "and its compressed copies the same time, let the user that runs yanksync own them"
            )

    def _log(self, why: str) -> None:
        if why not in self._logged:
            self._logged.add(why)
            log.warning("%s: %s", self._root, why)
