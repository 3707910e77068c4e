"""Reads Pipfile.lock."""

from __future__ import annotations

import re

import msgspec
from msgspec import Struct, field

from yanksync.core.formats.lock_files.wire import check_format, decoded, project_name
from yanksync.core.pins import Pin, PinnedFile, PinOperator, PinSet, hash_pairs

_PIN = re.compile(r"\s*(===?)\s*([^\s,*]+)\s*\Z")


class _WireRequires(Struct):
    python_version: str | None = None
    python_full_version: str | None = None


class _WireMeta(Struct):
    spec: int | None = field(name="pipfile-spec", default=None)
    requires: _WireRequires = field(default_factory=_WireRequires)


class _WireHead(Struct):
    meta: _WireMeta = field(name="_meta")


class _WirePackage(Struct):
    version: str = ""
    hashes: list[str] = field(default_factory=list)
    markers: str | None = None


def read_pipfile_lock(body: bytes) -> PinSet:
    """Return the pins of a Pipfile.lock, of every category.

    Raises :class:`InvalidDocument`.
    """
    meta = decoded(body, _WireHead, json=True).meta
    check_format(meta.spec, (6,), "Pipenv")
    python = meta.requires.python_full_version or meta.requires.python_version
    pins: list[Pin] = []
    count = 0
    for category, text in decoded(body, dict[str, msgspec.Raw], json=True).items():
        if category == "_meta":
            continue
        start = body.find(f'"{category}"'.encode())
        for name, one in decoded(bytes(text), dict[str, _WirePackage], json=True).items():
            count += 1
            exact = _PIN.match(one.version)
            if exact is None:  # a path, an URL or a repository
                continue
            pins.append(
                Pin(
                    project=project_name(name),
                    version=exact[2],
                    operator=PinOperator(exact[1]),
                    line=_line(body, name, start),
                    marker=one.markers,
                    files=tuple(PinnedFile(None, (pair,)) for pair in hash_pairs(one.hashes)),
                    python=python,
                )
            )
    return PinSet(tuple(pins), count - len(pins))


def _line(body: bytes, name: str, start: int) -> int | None:
    at = body.find(f'"{name}": {{'.encode(), start)
    return None if at < 0 or start < 0 else body.count(b"\n", 0, at) + 1
