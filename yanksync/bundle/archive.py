"""Writes and reads the tar file of a bundle, as a stream."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from hashlib import sha256
from tempfile import SpooledTemporaryFile
from typing import IO

from msgspec import Struct

from yanksync.core.bundles.header import manifest_line
from yanksync.core.bundles.members import LARGEST, MANIFEST, MemberKind, kind_of

_CHUNK = 1 << 20  # bytes
_BLOCK = tarfile.BLOCKSIZE
_IN_MEMORY = 1 << 18  # bytes


class Damaged(Exception):
    """A bundle is not one that yanksync made; the text says why."""


class Member(Struct, frozen=True):
    """One member of a bundle."""

    path: str
    kind: MemberKind
    size: int  # bytes
    sha256: str = ""  # hexadecimal, as the manifest has it; "": not known yet


def spool() -> IO[bytes]:
    """Return a temporary file that has no name.

    A short one stays in memory.
    """
    return SpooledTemporaryFile(_IN_MEMORY)


class BundleWriter:
    """Writes members, and then the manifest that lists them.

    A context manager.
    """

    def __init__(self, file: IO[bytes], mtime: int) -> None:
        """Each member gets the time ``mtime``."""
        self._file = file
        self._mtime = mtime
        self._manifest = spool()

    def __enter__(self) -> BundleWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._manifest.close()

    def add(self, path: str, size: int, chunks: Iterable[bytes]) -> None:
        """Add a member. Raises :class:`ValueError` if ``chunks`` are not ``size`` bytes."""
        self._manifest.write(manifest_line(path, size, self._write(path, size, chunks)))

    def add_bytes(self, path: str, body: bytes) -> None:
        """Add a member that is in memory."""
        self.add(path, len(body), (body,))

    def add_spooled(self, path: str, chunks: Iterable[bytes]) -> None:
        """Add a member whose size is unknown until its end."""
        with spool() as file:
            for chunk in chunks:
                file.write(chunk)
            self.add(path, *_spooled(file))

    def finish(self) -> None:
        """Write the manifest and the end of the archive."""
        self._write(MANIFEST, *_spooled(self._manifest))
        self._file.write(bytes(2 * _BLOCK))

    def _write(self, path: str, size: int, chunks: Iterable[bytes]) -> str:
        """Write a member; return the hex digest of its bytes."""
        info = tarfile.TarInfo(path)
        info.size, info.mtime = size, self._mtime
        self._file.write(info.tobuf(tarfile.PAX_FORMAT))
        digest, left = sha256(), size
        for chunk in chunks:
            left -= len(chunk)
            if left < 0:
                break
            self._file.write(chunk)
            digest.update(chunk)
        if left:
            raise ValueError(f"{path} does not have {size} bytes")
        self._file.write(bytes(-size % _BLOCK))
        return digest.hexdigest()


def _spooled(file: IO[bytes]) -> tuple[int, Iterator[bytes]]:
    """Return the size of a spooled file, and its bytes."""
    size = file.tell()
    file.seek(0)
    return size, iter(lambda: file.read(_CHUNK), b"")


class _BoundedFile:
    """A file that gives only a few bytes at once."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        if size > _CHUNK:
            raise Damaged("it has a header that is too large")
        return self._file.read(size)

    def seek(self, offset: int) -> int:
        return self._file.seek(offset)

    def tell(self) -> int:
        return self._file.tell()


def read_members(file: IO[bytes]) -> Iterator[tuple[Member, Iterator[bytes]]]:
    """Yield each member in order; read its bytes before the next.

    Raises :class:`Damaged` for members that bundles never have: other names, links, another order.
    """
    before = -1
    file.seek(0)
    try:
        archive = tarfile.TarFile(fileobj=_BoundedFile(file))  # type: ignore[arg-type]
        while (info := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # else it would keep all of them
            member = _member(info)
            is_repeated = member.kind == before and member.kind in _SINGLE
            if member.kind < before or is_repeated or (before == -1) != (member.kind == 0):
                raise Damaged(f"{member.path} is not where it belongs")
            before = member.kind
            body = archive.extractfile(info)
            assert body is not None  # it is a regular file
            chunks = _whole_chunks(body)
            yield member, chunks
            for _ in chunks:
                pass
    except (
        tarfile.TarError,
        ValueError,
        OverflowError,
        EOFError,
        RecursionError,
    ) as error:
        raise Damaged(f"it is no whole tar archive ({error})") from error
    if before != MemberKind.MANIFEST:
        raise Damaged("its end is missing")


def _whole_chunks(body: IO[bytes]) -> Iterator[bytes]:
    """Yield the bytes of a member.

    Raises :class:`Damaged` when the file ends before the member.
    """
    try:
        while chunk := body.read(_CHUNK):
            yield chunk
    except tarfile.TarError as error:
        raise Damaged(f"it is no whole tar archive ({error})") from error


_SINGLE = (
    MemberKind.HEADER,
    MemberKind.REMOVED,
    MemberKind.LOG_INDEX,
    MemberKind.MANIFEST,
)


def _member(info: tarfile.TarInfo) -> Member:
    kind = kind_of(info.name)
    if kind is None or not info.isreg() or info.issparse():
        raise Damaged(f"it has a member that no bundle has: {info.name!r}")
    if not 0 <= info.size <= LARGEST.get(kind, info.size):
        raise Damaged(f"{info.name} is too large")
    return Member(info.name, kind, info.size)
