"""Reads the advisories that ``mirror.advisories`` names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from zipfile import BadZipFile, ZipFile
from zlib import crc32
from zlib import error as ZlibError  # noqa: N812 (it is no constant)

from msgspec import Struct

from yanksync.core.errors import ConfigError
from yanksync.core.formats.osv_records import parse_record
from yanksync.core.formats.reader_rules import InvalidDocument
from yanksync.core.policies.overrides import Advisory

KEY = "mirror.advisories"
_BROKEN_ZIP = (BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, ZlibError)
_LARGEST = 16 << 20  # bytes of one record


class FilesStamp(Struct, frozen=True):
    """Identifies the files of advisories that were read, and their versions."""

    text: str  # changes when one of the files does
    count: int  # of the files


def stamp_of(paths: Sequence[Path]) -> FilesStamp:
    """Return a text that changes with the files. Raises :class:`ConfigError`."""
    found = [_stamp_of_one(file) for path in paths for file in _files(path)]
    text = "\n".join(found)
    # This uses no hashlib, which would load OpenSSL in every empty pass.
    return FilesStamp(f"{len(found)} {len(text)} {crc32(os.fsencode(text))}", len(found))


def stamp_of_places(paths: Sequence[Path]) -> str:
    """Return a text that changes when one of ``paths`` itself changes.

    A directory changes when it gains or loses an entry, or is touched. Raises :class:`ConfigError`.
    """
    return "\n".join(map(_stamp_of_one, paths))


def _stamp_of_one(path: str | Path) -> str:
    try:
        about = os.stat(path)
    except OSError as error:
        raise _unreadable(path, error.strerror) from error
    if not (S_ISREG(about.st_mode) or S_ISDIR(about.st_mode)):  # reading a pipe might never end
        raise _unreadable(path, "it is neither a file nor a directory")
    return f"{path}\0{about.st_size} {about.st_mtime_ns} {about.st_ino}"


def read_advisories(paths: Sequence[Path]) -> dict[str, tuple[Advisory, ...]]:
    """Return malware by normalised name. Raises :class:`ConfigError`."""
    found: dict[str, dict[Advisory, None]] = {}
    for path in paths:
        for where, body in _records(path):
            try:
                for name, advisory in parse_record(body):
                    found.setdefault(name, {})[advisory] = None
            except InvalidDocument as error:
                raise _unreadable(where, str(error)) from error
    return {
        name: tuple(sorted(some, key=lambda one: (one.id, one.versions, one.ranges)))
        for name, some in sorted(found.items())
    }


def _files(path: Path) -> Iterator[str]:
    """Yield files that may have records, in order."""
    if not os.path.isdir(path):
        yield str(path)
        return

    def stop(error: OSError) -> None:
        raise _unreadable(error.filename, error.strerror) from error

    for directory, below, names in os.walk(path, onerror=stop):
        below.sort()
        for name in sorted(names):
            if name.endswith((".json", ".zip")):
                yield os.path.join(directory, name)


def _records(path: Path) -> Iterator[tuple[object, bytes]]:
    """Yield the records below ``path``, each with its place."""
    for file in _files(path):
        try:
            if file.endswith(".zip"):
                yield from _zipped(file)
            else:
                yield file, Path(file).read_bytes()
        except OSError as error:
            raise _unreadable(file, error.strerror) from error
        except _BROKEN_ZIP as error:
            raise _unreadable(file, str(error)) from error


def _zipped(path: str) -> Iterator[tuple[object, bytes]]:
    with ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.filename.endswith(".json"):
                continue
            if member.file_size > _LARGEST:
                raise ValueError(f"{member.filename} has more than {_LARGEST} bytes")
            with archive.open(member) as record:
                yield f"{path}/{member.filename}", record.read(_LARGEST)


def _unreadable(where: object, why: str | None) -> ConfigError:
    problem = f"cannot be read: {why}; nothing was changed; correct it or take it out of {KEY}"
    return ConfigError(KEY, str(where), problem)
