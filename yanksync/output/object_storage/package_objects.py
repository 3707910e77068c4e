"""Copies of package files in a bucket.

A file is received in a directory of this machine, checked there, and put as one object. Until then
the bucket has nothing of it. Large files are put part by part. If the process dies during that, its
parts stay in the storage, invisible; a lifecycle rule of the bucket can delete them.

These puts and deletions have no condition, unlike those of pages
(:mod:`yanksync.output.object_storage.conditional_writes`). The path of a copy follows from its
hash, so two runs put the same bytes. A run that lost its lease is stopped before each request. If
it was stopped just after that check and deletes a copy later, ``verify`` finds the copy missing,
and it is copied again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from yanksync.core.errors import PublishError
from yanksync.core.layout import PACKAGES, package_headers
from yanksync.core.package_files.paths import metadata_path
from yanksync.output.object_storage.bucket import BucketClient, ObjectHeaders
from yanksync.output.object_storage.conditional_writes import ConditionalWrites
from yanksync.output.object_storage.other_objects import spooled
from yanksync.output.object_storage.published_objects import publish_errors
from yanksync.output.package_store import IncomingFile, PackageEntry

_Result = TypeVar("_Result")
_ALTERED = "altered/"
_PUTS = 8  # uploads at the same time: each has up to three parts in memory
_HEADS = 32  # simultaneous requests that carry no file
_OUT_OF_SERVICE = ObjectHeaders(type="application/octet-stream", cache="no-store")


class IncomingFiles(Protocol):
    """The directory where files are received before they are put."""

    def place(self, path: str) -> str:
        """Return where the file for ``path`` is received."""

    def receive(self, path: str) -> IncomingFile:
        """Open the file for ``path``."""

    def drop(self, path: str) -> None:
        """Delete a received file."""

    def parts(self) -> Sequence[str]:
        """Return the paths of files that can be continued."""

    def keep(self, paths: Collection[str]) -> None:
        """Delete received files, except the parts of ``paths``."""

    def free_space(self) -> int:
        """Return the free bytes of the file system."""


class ObjectPackages:
    """The copies below an output in object storage."""

    def __init__(
        self,
        bucket: BucketClient,
        incoming: IncomingFiles,
        withheld: BucketClient | None = None,
        writes: ConditionalWrites | None = None,
    ) -> None:
        """``withheld`` is the place of copies that are out of service.

        None: such copies are deleted.
        """
        self._bucket = bucket
        self._incoming = incoming
        self._withheld = withheld
        self._writes = writes

    def receive(self, path: str) -> IncomingFile:
        """Open the file for ``path``."""
        return self._incoming.receive(path)

    def incoming(self) -> Sequence[str]:
        """Return the paths of parts that a later download can continue."""
        return self._incoming.parts()

    def keep_incoming(self, paths: Collection[str]) -> None:
        """Delete received files, except the parts of ``paths``."""
        self._incoming.keep(paths)

    def free_space(self) -> int | None:
        """Return the free bytes where files are received."""
        return self._incoming.free_space()

    @publish_errors()
    def publish_packages(self, paths: Sequence[str]) -> None:
        """Put received files, each in one step."""
        self._begin()
        _each(self._put, paths, _PUTS)

    def _put(self, path: str) -> None:
        self._bucket.upload(path, Path(self._incoming.place(path)), _headers(path))
        self._incoming.drop(path)

    @publish_errors()
    def withhold(self, paths: Sequence[str]) -> None:
        """Move copies out of the output.

        Without a place for them, they are deleted.
        """
        self._begin()
        both = _with_metadata(paths)
        if self._withheld is not None:
            _each(self._keep, both, _PUTS)
        self._bucket.delete(both)

    def _keep(self, path: str, below: str = "") -> None:
        assert self._withheld is not None
        _copy(self._bucket, path, self._withheld, below + _kept(path), _OUT_OF_SERVICE)

    @publish_errors()
    def put_back(self, paths: Sequence[str]) -> None:
        """Move withheld copies to their places; missing ones are no error."""
        if self._withheld is None:
            return
        self._begin()
        both = _with_metadata(paths)
        _each(self._return, both, _PUTS)
        self._withheld.delete([_kept(path) for path in both])

    def _return(self, path: str) -> None:
        assert self._withheld is not None
        _copy(self._withheld, _kept(path), self._bucket, path, _headers(path))

    @publish_errors()
    def delete_withheld(self, paths: Sequence[str]) -> None:
        """Delete withheld copies, altered ones, too; missing ones are no error."""
        if self._withheld is not None:
            self._begin()
            kept = [_kept(path) for path in _with_metadata(paths)]
            self._withheld.delete([*kept, *(_ALTERED + path for path in kept)])

    @publish_errors()
    def package_entries(self, paths: Sequence[str]) -> Mapping[str, PackageEntry]:
        """Return what is at these paths; missing ones are left out."""
        sizes = zip(paths, _each(self._bucket.size, paths, _HEADS), strict=True)
        return {path: PackageEntry(path, size) for path, size in sizes if size is not None}

    def package_chunks(self, path: str) -> Iterator[bytes]:
        """Yield a copy's bytes. Raises :class:`FileNotFoundError` if it is missing."""
        return _chunks(self._bucket, path)

    def withheld_chunks(self, path: str) -> Iterator[bytes]:
        """Yield a withheld copy's bytes; see :meth:`package_chunks`."""
        if self._withheld is None:
            raise FileNotFoundError(path)
        return _chunks(self._withheld, _kept(path))

    def packages(self) -> Iterator[str]:
        """Yield the paths of all objects below ``packages/``."""
        with publish_errors():
            for listed in self._bucket.list(PACKAGES):
                yield listed.key

    @publish_errors()
    def lacking(self, paths: Iterable[str]) -> set[str]:
        """Return those of ``paths`` that lack a served or withheld copy.

        If there is no place for withheld ones, they are deleted, and all count as present.
        """
        kept = self._withheld
        if kept is None:
            return set()
        gone = [path for path in paths if self._bucket.size(path) is None]
        return {path for path in gone if kept.size(_kept(path)) is None}

    @publish_errors()
    def set_aside(self, paths: Sequence[str]) -> str:
        """Take altered files out of service; return where they are now."""
        self._begin()
        if self._withheld is not None:
            _each(partial(self._keep, below=_ALTERED), paths, _PUTS)
        self._bucket.delete(paths)
        return "" if self._withheld is None else f"{self._withheld.location}/{_ALTERED}".rstrip("/")

    @publish_errors()
    def delete_packages(self, paths: Sequence[str]) -> None:
        """Delete objects below ``packages/``."""
        self._begin()
        self._bucket.delete(paths)

    def reset_package_modes(self, paths: Sequence[str]) -> None:
        """Ignore the call: objects have no modes."""

    def _begin(self) -> None:
        """Note that the output changes, so that the state is stored."""
        if self._writes is not None:
            self._writes.has_written = True


def _each(work: Callable[[str], _Result], paths: Sequence[str], threads: int) -> list[_Result]:
    with ThreadPoolExecutor(min(threads, len(paths)) or 1, "packages") as pool:
        return list(pool.map(work, paths))


def _copy(
    source: BucketClient, key: str, target: BucketClient, to: str, headers: ObjectHeaders
) -> None:
    """Copy an object by way of this machine.

    The two may be in different buckets.
    """
    found = source.get(key)
    if found is None:
        return
    try:
        with spooled(found.chunks) as file:
            target.upload(to, file, headers)
    except OSError as error:
        why = f"no room for a copy: {error.strerror}"
        raise PublishError(tempfile.gettempdir(), why) from error


def _chunks(bucket: BucketClient, key: str) -> Iterator[bytes]:
    with publish_errors():
        found = bucket.get(key)
        if found is None:
            raise FileNotFoundError(key)
        yield from found.chunks


def _headers(path: str) -> ObjectHeaders:
    said = package_headers(path)
    return ObjectHeaders(type=said.content_type, cache=said.cache)


def _kept(path: str) -> str:
    return path.removeprefix(f"{PACKAGES}/")


def _with_metadata(paths: Sequence[str]) -> list[str]:
    return [one for path in paths for one in (path, metadata_path(path))]
