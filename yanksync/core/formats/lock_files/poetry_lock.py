"""Reads poetry.lock."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from yanksync.core.formats.lock_files.wire import (
    check_format,
    decoded,
    lowest_python,
    package_lines,
    pinned_file,
    project_name,
)
from yanksync.core.pins import Pin, PinSet


class _WireFile(Struct):
    file: str
    hash: str = ""


class _WireSource(Struct):
    type: str = ""


class _WirePackage(Struct):
    name: str
    version: str
    source: _WireSource | None = None  # None: from PyPI; "legacy": from another index
    files: list[_WireFile] = field(default_factory=list)
    markers: Any = None


class _WireMetadata(Struct):
    lock_version: str = field(name="lock-version", default="none")
    python_versions: str | None = field(name="python-versions", default=None)
    files: dict[str, list[_WireFile]] = field(default_factory=dict)  # before 2.0


class _WireLock(Struct):
    metadata: _WireMetadata
    package: list[_WirePackage] = field(default_factory=list)


def read_poetry_lock(body: bytes) -> PinSet:
    """Return the pins of a poetry.lock.

    Raises :class:`yanksync.core.formats.reader_rules.InvalidDocument`.
    """
    lock = decoded(body, _WireLock)
    about = lock.metadata
    check_format(about.lock_version, (1, 2), "Poetry")
    lines = package_lines(body, "package", len(lock.package))
    pins = [
        Pin(
            project=project_name(one.name),
            version=one.version,
            line=line,
            marker=one.markers if isinstance(one.markers, str) else None,
            files=tuple(
                pinned_file(file.file, None, file.hash)
                for file in one.files or about.files.get(one.name, [])
            ),
            python=lowest_python(about.python_versions),
        )
        for one, line in zip(lock.package, lines, strict=True)
        if one.source is None or one.source.type == "legacy"
    ]
    return PinSet(tuple(pins), len(lock.package) - len(pins))
