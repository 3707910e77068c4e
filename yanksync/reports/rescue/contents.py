"""Reads the hashes and names of files that may be copies."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.parser import HeaderParser
from itertools import product
from typing import BinaryIO

import msgspec
from msgspec import Struct

from yanksync.reports.rescue.findings import Candidate, Found, Kind, KnownHash, Outcome, Wanted

_ENTRY = b"cc=4,"  # how CacheControl begins an entry
_BLOCK = 1 << 20
_ARCHIVES = {
    b"PK\x03\x04": ".zip",
    b"\x1f\x8b": ".tar.gz",
    b"BZh": ".tar.bz2",
    b"\xfd7zXZ": ".tar.xz",
}


class _Answer(Struct):
    body: bytes = b""


class _Entry(Struct):
    response: _Answer


@contextmanager
def opened(path: str, kind: Kind) -> Iterator[BinaryIO]:
    """Open the bytes of a distribution file. Raises :class:`OSError`."""
    with open(path, "rb", opener=_no_pipe) as file:
        if kind is not Kind.ENTRY:
            yield file
            return
        if file.read(len(_ENTRY)) != _ENTRY:
            yield io.BytesIO()
            return
        try:
            entry = msgspec.msgpack.decode(file.read(), type=_Entry)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            entry = _Entry(_Answer())
        yield io.BytesIO(entry.response.body)


def _no_pipe(path: str, flags: int) -> int:
    """Open a regular file; reading from a pipe might never end."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "is no regular file", path)
    return descriptor


def examine(candidate: Candidate, wanted: Wanted) -> Found | None:
    """Compare a candidate with the hashes; None: it belongs to another release."""
    if candidate.kind is Kind.UNPACKED:
        return _unpacked(candidate, wanted)
    try:
        with opened(candidate.path, candidate.kind) as file:
            extension = _extension(file)
            if candidate.kind is not Kind.FILE and extension is None:
                return None  # a page, or metadata
            found = digests(file, wanted.algorithms)
            known = wanted.matching(found)
            name = (known and known.filename) or candidate.filename
            if known is not None and name is None:
                extension = extension or ""
                name = _name(file, wanted, extension)
                name = name or f"{wanted.project}-{wanted.version}{extension}"
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        return _unreadable(candidate, getattr(error, "strerror", None) or str(error))
    if known is None and candidate.kind is not Kind.FILE:
        return None
    own = known or KnownHash(*found[0])
    outcome = Outcome.VERIFIED
    if known is None:
        outcome = Outcome.BUILT if candidate.built else Outcome.MISMATCH
    return Found(
        outcome=outcome,
        path=candidate.path,
        kind=candidate.kind,
        filename=name,
        hash=own,
        pinned=known is not None,
    )


def digests(file: BinaryIO, algorithms: Sequence[str]) -> list[tuple[str, str]]:
    """Return the hashes of a file, in the order of ``algorithms``."""
    hashers = [hashlib.new(name, usedforsecurity=True) for name in algorithms]
    file.seek(0)
    while block := file.read(_BLOCK):
        for one in hashers:
            one.update(block)
    return [(name, one.hexdigest()) for name, one in zip(algorithms, hashers, strict=True)]


def _unreadable(candidate: Candidate, problem: str) -> Found | None:
    if candidate.kind is not Kind.FILE:
        return None  # it may belong to any project
    return Found(
        outcome=Outcome.UNREADABLE,
        path=candidate.path,
        kind=candidate.kind,
        filename=candidate.filename,
        problem=problem,
    )


def _unpacked(candidate: Candidate, wanted: Wanted) -> Found:
    recorded = candidate.recorded
    own = None if recorded is None else KnownHash("sha256", recorded)
    known = None if recorded is None else wanted.matching([("sha256", recorded)])
    return Found(
        outcome=Outcome.UNPACKED,
        path=candidate.path,
        kind=candidate.kind,
        filename=(known and known.filename) or candidate.filename,
        hash=own,
        pinned=known is not None,
    )


def _extension(file: BinaryIO) -> str | None:
    """Return the extension of an archive, by its first bytes.

    None: it is no archive.
    """
    head = file.read(6)
    return next((name for magic, name in _ARCHIVES.items() if head.startswith(magic)), None)


def _name(file: BinaryIO, wanted: Wanted, extension: str) -> str | None:
    """Return the name of a verified archive, by its content.

    None: its content does not say.
    """
    file.seek(0)
    try:
        name = _name_of_wheel(file) if extension == ".zip" else _name_of_sdist(file, extension)
    except (OSError, ValueError, LookupError, EOFError, tarfile.TarError, zipfile.BadZipFile):
        return None
    return name if name is not None and "/" not in name and wanted.has(name) else None


def _name_of_wheel(file: BinaryIO) -> str | None:
    with zipfile.ZipFile(file) as archive:
        info = next((one for one in archive.namelist() if one.endswith(".dist-info/WHEEL")), None)
        if info is None:
            return None
        said = HeaderParser().parsestr(archive.read(info).decode("utf-8", "replace"))
    tags = [tag.split("-") for tag in said.get_all("Tag", [])]
    parts = [list(dict.fromkeys(part)) for part in zip(*tags, strict=True)]
    if len(parts) != 3 or len(list(product(*parts))) != len(tags):
        return None
    build = said.get("Build")
    stem = info.removesuffix(".dist-info/WHEEL")
    words = [stem, *([build] if build else []), *(".".join(part) for part in parts)]
    return "-".join(words) + ".whl"


def _name_of_sdist(file: BinaryIO, extension: str) -> str | None:
    with tarfile.open(fileobj=file, mode="r:*") as archive:
        member = archive.next()
    return None if member is None else member.name.partition("/")[0] + extension
