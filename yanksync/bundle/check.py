"""Checks a whole bundle before anything of it becomes visible."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO

from msgspec import Struct
from msgspec.structs import replace

from yanksync.bundle.archive import Damaged, Member, read_members, spool
from yanksync.bundle.contents import BundleContents
from yanksync.bundle.removed import RemovedPaths
from yanksync.core import layout
from yanksync.core.bundles.header import (
    BundleHeader,
    decode_header,
    manifest_line,
)
from yanksync.core.bundles.members import FORMS, MemberKind, is_package
from yanksync.core.errors import BundleError
from yanksync.mirror.progress import Progress

_DAMAGED = "is damaged: {}. Nothing was changed; copy the bundle here again"


class CheckedBundle(Struct, kw_only=True):
    """A bundle whose members all have the digests of its manifest."""

    where: str
    file: IO[bytes]
    manifest: IO[bytes]  # a line for each member that was read
    header: BundleHeader
    size: int  # bytes of the whole bundle
    removed: RemovedPaths
    pages: int = 0
    files: int = 0  # metadata does not count

    @property
    def contents(self) -> BundleContents:
        """What the bundle has."""
        return BundleContents(
            cursor=self.header.cursor,
            since=self.header.since,
            pages=self.pages,
            files=self.files,
            removed_pages=self.removed.pages,
            removed_files=self.removed.files,
            bytes=self.size,
        )

    def package_sizes(self) -> Iterator[tuple[str, int]]:
        """Yield the path and the size of each package file."""
        self.manifest.seek(0)
        for line in self.manifest:
            member = json.loads(line)
            if is_package(member["path"]):
                yield member["path"], member["size"]

    def members(self) -> Iterator[tuple[Member, Iterator[bytes]]]:
        """Yield the members again, without header and manifest.

        Raises :class:`BundleError` at the end of a member that has changed since the check.
        """
        self.manifest.seek(0)
        try:
            for member, chunks in read_members(self.file):
                if member.kind is MemberKind.MANIFEST:
                    return
                expected = self.manifest.readline()
                if member.kind > MemberKind.REMOVED:
                    known = replace(member, sha256=json.loads(expected)["sha256"])
                    yield known, self._unchanged(member, chunks, expected)
        except Damaged as error:
            raise BundleError(self.where, f"was changed while it was applied: {error}") from error

    def _unchanged(
        self, member: Member, chunks: Iterator[bytes], expected: bytes
    ) -> Iterator[bytes]:
        digest = sha256()
        for chunk in chunks:
            digest.update(chunk)
            yield chunk
        if manifest_line(member.path, member.size, digest.hexdigest()) != expected:
            problem = f"was changed while it was applied: {member.path} has other bytes now"
            raise BundleError(self.where, problem)


@contextmanager
def checked_bundle(
    path: Path, accept: Callable[[BundleHeader], None], progress: Progress
) -> Iterator[CheckedBundle]:
    """Open a bundle, check all of it, and yield it.

    ``accept`` gets its header, and raises if the bundle must not be applied. Raises
    :class:`BundleError`.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(open(path, "rb"))
            manifest, removed = (stack.enter_context(spool()) for _ in range(2))
            check = _Check(str(path), file, manifest, RemovedPaths(removed), progress)
            yield check.run(accept)
        except Damaged as error:
            raise BundleError(str(path), _DAMAGED.format(error)) from error
        except OSError as error:
            problem = f"cannot be read: {error.strerror or error}. Nothing was changed"
            raise BundleError(str(path), problem) from error


class _Check:
    """Reads a bundle once."""

    def __init__(
        self,
        where: str,
        file: IO[bytes],
        manifest: IO[bytes],
        removed: RemovedPaths,
        progress: Progress,
    ) -> None:
        self._where, self._file, self._manifest = where, file, manifest
        self._removed, self._progress = removed, progress
        self._page: str | None = None  # the directory of a page whose JSON form must come next

    def run(self, accept: Callable[[BundleHeader], None]) -> CheckedBundle:
        size = self._file.seek(0, 2)
        self._progress.expect("checking the bundle, MiB", size >> 20)
        members = read_members(self._file)
        found = CheckedBundle(
            where=self._where,
            file=self._file,
            manifest=self._manifest,
            header=self._header(*next(members)),
            size=size,
            removed=self._removed,
        )
        accept(found.header)
        for member, chunks in members:
            self._pair(member)
            if member.kind is MemberKind.MANIFEST:
                self._compare(chunks)
            elif member.kind is MemberKind.REMOVED:
                self._removed.read(self._noted(member, chunks))
            else:
                for _ in self._noted(member, chunks):
                    pass
                self._count(found, member)
        return found

    def _noted(self, member: Member, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the bytes of a member, and note its line."""
        digest, mebibytes = sha256(), 0
        for number, chunk in enumerate(chunks):
            digest.update(chunk)
            yield chunk
            mebibytes = number
        self._progress.advance(mebibytes)
        self._manifest.write(manifest_line(member.path, member.size, digest.hexdigest()))

    def _header(self, member: Member, chunks: Iterator[bytes]) -> BundleHeader:
        body = b"".join(self._noted(member, chunks))
        try:
            return decode_header(body)
        except ValueError as error:
            raise Damaged(f"{member.path} is none that this version reads ({error})") from error

    def _pair(self, member: Member) -> None:
        """Check that the two forms of a page follow each other."""
        directory, _, filename = member.path.rpartition("/")
        is_page = member.kind is MemberKind.PAGE
        if self._page is not None and not (is_page and directory == self._page):
            raise Damaged(f"{self._page} has one form only")
        if is_page and (filename == FORMS[0]) == (self._page is not None):
            raise Damaged(f"{member.path} is not where it belongs")
        self._page = directory if is_page and self._page is None else None

    def _count(self, found: CheckedBundle, member: Member) -> None:
        if member.kind is MemberKind.PAGE:
            found.pages += member.path.endswith(f"/{layout.V1_JSON.filename}")
        elif member.kind is MemberKind.PACKAGE:
            found.files += not member.path.endswith(".metadata")

    def _compare(self, chunks: Iterator[bytes]) -> None:
        """Compare the manifest with the members that were found."""
        with spool() as given:
            for chunk in chunks:
                given.write(chunk)
            given.seek(0)
            self._manifest.seek(0)
            for expected in given:
                found = self._manifest.readline()
                if found != expected:
                    path = json.loads(found)["path"] if found else "a member"
                    raise Damaged(f"{path} is not what the manifest says")
            if self._manifest.read(1):
                raise Damaged("it has members that its manifest lacks")
