"""Copies verified files into a directory, without replacing files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from yanksync.reports.rescue.contents import digests, opened
from yanksync.reports.rescue.findings import Copied, Found, Kind, KnownHash
from yanksync.system.atomic_files import create_new

_BLOCK = 1 << 20


def copy_verified(found: Iterable[Found], target: Path) -> tuple[Copied, ...]:
    """Copy each verified file once."""
    by_hash = {(one.filename, one.hash): one for one in reversed(list(found))}
    return tuple(_copy(one, target) for one in reversed(by_hash.values()))


def _copy(found: Found, target: Path) -> Copied:
    assert found.filename is not None and found.hash is not None
    path = target / found.filename
    problem, was_there = None, False
    try:
        target.mkdir(parents=True, exist_ok=True)
        was_there = os.path.lexists(path)
        if was_there:
            problem = None if _is(path, found.hash) else "another file has this name"
        else:
            problem = _write(found, path, found.hash)
    except OSError as error:
        problem = error.strerror or str(error)
    return Copied(found=found, path=str(path), problem=problem, was_there=was_there)


def _is(path: Path, known: KnownHash) -> bool:
    with opened(str(path), Kind.FILE) as file:
        return digests(file, [known.algorithm]) == [(known.algorithm, known.digest)]


def _write(found: Found, path: Path, known: KnownHash) -> str | None:
    """Copy one file; return what is wrong with it now."""
    half = path.with_name(f".{path.name}.tmp")
    try:
        with opened(found.path, found.kind) as source, open(create_new(str(half)), "wb") as copy:
            while block := source.read(_BLOCK):
                copy.write(block)
        if not _is(half, known):
            return "it was changed meanwhile"
        with suppress(FileExistsError):
            _place(half, path)
            return None
        return "another file has this name"
    finally:
        half.unlink(missing_ok=True)


def _place(half: Path, path: Path) -> None:
    """Give a file its name. Raises :class:`FileExistsError`."""
    try:
        os.link(half, path)
    except FileExistsError:
        raise
    except OSError:  # the file system has no hard links
        if os.path.lexists(path):
            raise FileExistsError from None
        half.rename(path)
