"""Downloads one package file and its metadata, and checks both.

This module does not use the state.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from yanksync.core.errors import UpstreamError, YanksyncError
from yanksync.core.package_files.copies import CopyStatus, PackageFile, metadata_hash
from yanksync.core.package_files.paths import metadata_path, strongest
from yanksync.output.package_store import PackageStore
from yanksync.sync.package_files.limits import LimitReached
from yanksync.sync.package_files.transfer import Transfers, Wanted


class Received(Struct, frozen=True):
    """The result of one download."""

    size: int  # bytes of the copy
    has_metadata: bool  # the metadata is, or will be, beside the file
    paths: tuple[str, ...] = ()  # to publish; the metadata comes first
    put_back: bool = False  # the withheld copy is right
    was_altered: bool = False  # the withheld copy has other bytes than the file
    metadata_problem: str | None = None  # why the metadata is not here


class CopyUnreadable(YanksyncError):
    """The only copy of a file cannot be read now."""


class Downloader:
    """Downloads files. Safe for use by many threads."""

    def __init__(self, store: PackageStore, transfers: Transfers, most_metadata: int) -> None:
        """``most_metadata``: bytes."""
        self._store, self._transfers = store, transfers
        self._most_metadata = most_metadata

    def fetch(self, copy: PackageFile) -> Received:
        """Download a file and its metadata.

        A right copy that is here already is used instead. Raises the errors of
        :meth:`Transfers.receive`, and :class:`CopyUnreadable`.
        """
        best = strongest(copy.file.hashes)
        assert best is not None  # only such files are wanted
        wanted = Wanted(copy.path, copy.file.url, *best, size=copy.file.size)
        size, put_back, was_altered = self._size_in_place(copy, wanted), False, False
        if size is None and copy.size is not None:
            size = self._checked(self._store.withheld_chunks, wanted, is_only=copy.kept)
            put_back = size is not None
            was_altered = not put_back and self._is_withheld(wanted)
        paths = []
        if size is None:
            size = self._receive(wanted)
            paths.append(copy.path)
        metadata = self._wanted_metadata(copy)
        found = Received(size, False, tuple(paths), put_back, was_altered)
        if metadata is None:
            return found
        try:
            if not self._is_there(metadata, put_back=put_back):
                self._receive(metadata)
                paths.insert(0, metadata.path)
        except (UpstreamError, LimitReached) as error:
            return replace(found, metadata_problem=str(error))
        return replace(found, has_metadata=True, paths=tuple(paths))

    def _is_withheld(self, wanted: Wanted) -> bool:
        try:
            next(self._store.withheld_chunks(wanted.path), None)
        except OSError:
            return False
        return True

    def _size_in_place(self, copy: PackageFile, wanted: Wanted) -> int | None:
        """Return the size of a right copy in place, or None."""
        if copy.status is CopyStatus.SERVED:
            return copy.size
        found = self._store.package_entries([copy.path]).get(copy.path)
        if found is None or not found.is_file or found.size != (wanted.size or found.size):
            return None
        return self._checked(self._store.package_chunks, wanted, is_only=copy.kept)

    def _wanted_metadata(self, copy: PackageFile) -> Wanted | None:
        best = metadata_hash(copy.file)
        if best is None:
            return None
        url = f"{copy.file.url}.metadata"
        return Wanted(metadata_path(copy.path), url, *best, most=self._most_metadata)

    def _is_there(self, wanted: Wanted, *, put_back: bool) -> bool:
        if put_back:
            return self._checked(self._store.withheld_chunks, wanted) is not None
        if wanted.path not in self._store.package_entries([wanted.path]):
            return False
        return self._checked(self._store.package_chunks, wanted) is not None

    def _checked(
        self,
        chunks: Callable[[str], Iterator[bytes]],
        wanted: Wanted,
        *,
        is_only: bool = False,
    ) -> int | None:
        """Return the size of what is at a path.

        None: it is missing or wrong. With ``is_only`` no other copy can be had, so what cannot be
        read now raises :class:`CopyUnreadable`.
        """
        found, size = wanted.new_hash(), 0
        try:
            for chunk in chunks(wanted.path):
                self._transfers.check_stop()
                found.update(chunk)
                size += len(chunk)
        except OSError as error:
            is_there = not isinstance(error, FileNotFoundError) and error.errno != errno.ELOOP
            if is_only and is_there:
                why = f"its only copy cannot be read: {error.strerror or error}"
                raise CopyUnreadable(why) from error
            return None
        return size if found.hexdigest() == wanted.digest else None

    def _receive(self, wanted: Wanted) -> int:
        with self._store.receive(wanted.path) as incoming:
            self._transfers.receive(incoming, wanted)
            return incoming.size
