"""Holds in a file what a bundle removes: it may be much."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import IO

from yanksync.bundle.archive import Damaged
from yanksync.core.bundles.header import decode_removed
from yanksync.core.bundles.members import is_deleted_index, is_package, page_name
from yanksync.core.names import NormalizedName

_LONGEST = 1 << 13  # bytes of a line
_BLOCK = 1 << 16  # bytes of lines that are decoded together


class RemovedPaths:
    """The paths of the member ``removed.ndjson``."""

    def __init__(self, file: IO[bytes]) -> None:
        """``file`` is an empty one."""
        self._file = file
        self.pages = 0  #: how many pages are removed
        self.files = 0  #: how many package files, without their metadata

    def read(self, chunks: Iterable[bytes]) -> None:
        """Take the member. Raises :class:`Damaged` for what no bundle removes."""
        for chunk in chunks:
            self._file.write(chunk)
        self._file.seek(0)
        while line := self._file.readline(_LONGEST):
            path = _decoded(line)
            if page_name(path) is not None:
                self.pages += 1
            elif is_package(path):
                self.files += not path.endswith(".metadata")
            elif not is_deleted_index(path):
                raise Damaged(f"it removes what no bundle removes: {path!r}")

    def projects(self) -> Iterator[NormalizedName]:
        """Yield the projects whose pages are removed."""
        return (name for name in map(page_name, self._paths()) if name is not None)

    def packages(self) -> Iterator[str]:
        """Yield the paths of package files and their metadata."""
        return self._those(is_package)

    def deleted_index(self) -> Iterator[str]:
        """Yield the directories of the index of deleted files."""
        return self._those(is_deleted_index)

    def _those(self, is_meant: Callable[[str], bool]) -> Iterator[str]:
        return filter(is_meant, self._paths())

    def _paths(self) -> Iterator[str]:
        place = 0
        while True:
            self._file.seek(place)  # another reader may have moved it
            lines = self._file.readlines(_BLOCK)
            if not lines:
                return
            place = self._file.tell()
            yield from map(_decoded, lines)


def _decoded(line: bytes) -> str:
    try:
        return decode_removed(line)
    except ValueError as error:
        raise Damaged(f"what was removed cannot be read ({error})") from error
