"""Reads pylock.toml (PEP 751) with packaging's own reader."""

from __future__ import annotations

import tomllib

from yanksync.core.formats.lock_files.wire import lowest_python, package_lines
from yanksync.core.formats.reader_rules import InvalidDocument
from yanksync.core.model import sorted_hashes
from yanksync.core.names import NormalizedName
from yanksync.core.pins import Pin, PinnedFile, PinSet


def read_pylock_toml(body: bytes) -> PinSet:
    """Return the pins of a pylock.toml.

    Raises :class:`yanksync.core.formats.reader_rules.InvalidDocument`.
    """
    try:
        from packaging.pylock import Pylock, PylockValidationError
    except ImportError as error:
        raise InvalidDocument(
            "is read with packaging, which is here in an older version. Install a newer one: "
            "pip install 'packaging>=26'"
        ) from error
    try:
        lock = Pylock.from_dict(tomllib.loads(body.decode()))
    except RecursionError as error:
        raise InvalidDocument("is nested too deeply") from error
    except (PylockValidationError, ValueError) as error:
        raise InvalidDocument(f"cannot be read: {error}") from error
    lines = package_lines(body, "packages", len(lock.packages))
    python = None if lock.requires_python is None else str(lock.requires_python)
    pins = []
    for one, line in zip(lock.packages, lines, strict=True):
        if one.version is None or one.vcs or one.directory or one.archive:
            continue
        files = [*(one.wheels or ()), *([one.sdist] if one.sdist else ())]
        pins.append(
            Pin(
                project=NormalizedName(one.name),
                version=str(one.version),
                line=line,
                marker=None if one.marker is None else str(one.marker),
                files=tuple(
                    PinnedFile(file.filename, sorted_hashes(file.hashes.items())) for file in files
                ),
                python=lowest_python(python),
            )
        )
    return PinSet(tuple(pins), len(lock.packages) - len(pins))
