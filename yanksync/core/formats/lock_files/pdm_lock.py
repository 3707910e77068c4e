"""Reads pdm.lock."""

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
    file: str | None = None
    url: str | None = None  # with the strategy static_urls
    hash: str = ""


class _WirePackage(Struct):
    name: str
    version: str | None = None
    marker: str | None = None
    git: str | None = None
    path: str | None = None
    url: str | None = None
    files: list[_WireFile] = field(default_factory=list)


class _WireTarget(Struct):
    requires_python: str | None = None


class _WireMetadata(Struct):
    lock_version: str = "none"
    targets: list[_WireTarget] = field(default_factory=list)
    files: dict[str, list[_WireFile]] = field(default_factory=dict)  # before 4.3


class _WireLock(Struct):
    metadata: _WireMetadata
    package: list[_WirePackage] = field(default_factory=list)


def read_pdm_lock(body: bytes) -> PinSet:
    """Return the pins of a pdm.lock.

    Raises :class:`yanksync.core.formats.reader_rules.InvalidDocument`.
    """
    lock = decoded(body, _WireLock)
    about = lock.metadata
    check_format(about.lock_version, (4,), "PDM")
    targets = [lowest_python(target.requires_python) for target in about.targets]
    pins: dict[tuple[str, str], Pin] = {}  # a package has a second table for its extras
    skipped = 0
    lines = package_lines(body, "package", len(lock.package))
    for one, line in zip(lock.package, lines, strict=True):
        if one.version is None or one.git or one.path or one.url:
            skipped += 1
            continue
        files = one.files or about.files.get(f"{one.name} {one.version}", [])
        pin = Pin(
            project=project_name(one.name),
            version=one.version,
            line=line,
            marker=one.marker,
            files=tuple(pinned_file(file.file, file.url, file.hash) for file in files),
            python=next(filter(None, targets), None),
        )
        pins.setdefault((pin.project, pin.version), pin)
    return PinSet(tuple(pins.values()), skipped)
