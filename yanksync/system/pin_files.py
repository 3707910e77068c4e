"""Reads the files that the user names, into pins."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace

from yanksync.core.errors import InputFileError
from yanksync.core.formats.lock_files.read import NAMES, reader_of
from yanksync.core.formats.reader_rules import InvalidDocument
from yanksync.core.pins import PinSet

_REQUIREMENTS = (".txt", ".in", ".pip", ".req", ".reqs")
_LARGEST = 256 << 20  # bytes


def read_pin_files(paths: Iterable[str], requirements: Iterable[str]) -> PinSet:
    """Return the pins of all files.

    Those in ``requirements`` may have any name.

    Raises :class:`InputFileError` for the first that is missing or cannot be read.
    """
    sets = [*map(_read, paths), *map(_read_requirements, requirements)]
    pins = dict.fromkeys(pin for one in sets for pin in one.pins)
    return PinSet(tuple(pins), sum(one.skipped for one in sets))


def _read(path: str) -> PinSet:
    reader = reader_of(Path(path).name)
    if reader is None:
        if Path(path).suffix in _REQUIREMENTS or not os.path.exists(path):
            return _read_requirements(path)
        raise InputFileError(
            path,
            f"is not known by its name; yanksync reads {NAMES} and requirements in *.txt and *.in. "
            "Name a requirements file of another name with -r",
        )
    try:
        found = reader(_content(path))
    except InvalidDocument as problem:
        raise InputFileError(path, str(problem)) from problem
    return PinSet(tuple(replace(pin, path=path) for pin in found.pins), found.skipped)


def _read_requirements(path: str) -> PinSet:
    from yanksync.system.requirement_files import read_requirements

    return read_requirements(path, _content)


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            body = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        problem = getattr(error, "strerror", None) or str(error)
        raise InputFileError(path, f"cannot be read: {problem}") from error
    if len(body) > _LARGEST:
        raise InputFileError(path, f"is larger than {_LARGEST >> 20} MiB, so nothing was read")
    return body
