"""Reads uv.lock."""

from __future__ import annotations

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
    url: str | None = None
    path: str | None = None
    filename: str | None = None
    hash: str = ""


class _WireSource(Struct):
    registry: str | None = None


class _WirePackage(Struct, rename="kebab"):
    name: str
    version: str | None = None
    source: _WireSource = field(default_factory=_WireSource)
    sdist: _WireFile | None = None
    wheels: list[_WireFile] = field(default_factory=list)
    resolution_markers: list[str] = field(default_factory=list)


class _WireLock(Struct, rename="kebab"):
    version: int
    requires_python: str | None = None
    package: list[_WirePackage] = field(default_factory=list)


def read_uv_lock(body: bytes) -> PinSet:
    """Return the pins of a uv.lock.

    Raises :class:`yanksync.core.formats.reader_rules.InvalidDocument`.
    """
    lock = decoded(body, _WireLock)
    check_format(lock.version, (1,), "uv")
    lines, python = package_lines(body, "package", len(lock.package)), lock.requires_python
    pins = [
        Pin(
            project=project_name(one.name),
            version=one.version,
            line=line,
            marker=" or ".join(one.resolution_markers) or None,
            files=tuple(
                pinned_file(file.filename, file.url or file.path, file.hash)
                for file in (one.sdist, *one.wheels)
                if file is not None
            ),
            python=lowest_python(python),
        )
        for one, line in zip(lock.package, lines, strict=True)
        if one.version is not None and one.source.registry is not None
    ]
    return PinSet(tuple(pins), len(lock.package) - len(pins))
