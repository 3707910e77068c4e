"""What the fake upstream stores: frozen values, so that any moment can be kept and put back."""

from __future__ import annotations

import hashlib
import io
import itertools
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version


class Refused(ValueError):
    """Upstream refuses this, changes nothing and writes no row."""


@dataclass(frozen=True, slots=True)
class Row:
    """One journal row as the database has it: name, version and action may be null."""

    name: str | None
    version: str | None
    timestamp: int
    action: str | None
    serial: int


@dataclass(frozen=True, slots=True)
class FileYank:
    """Holds a file's own mark.

    An upstream that is no Warehouse yanks single files.
    """

    reason: str | None  # None: not yanked, whatever the release says


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One uploaded file with its bytes."""

    filename: str
    version: str
    content: bytes
    sha256: str
    upload_time: str
    metadata: bytes | None = None  # what stands at <url>.metadata (PEP 658)
    provenance: str | None = None
    own_yank: FileYank | None = None  # None: as the release


@dataclass(frozen=True, slots=True)
class Release:
    """A release: yanked, quarantined and requires-python are its own, not its files'."""

    version: str
    requires_python: str | None = None
    yanked: str | None = None  # the reason, "" for none given; None: not yanked
    quarantined: bool = False


@dataclass(frozen=True, slots=True)
class StoredProject:
    """A project; the mappings are replaced and never changed."""

    display: str
    releases: Mapping[str, Release]
    files: Mapping[str, StoredFile]
    status: str = "active"
    status_reason: str | None = None

    def visible(self) -> list[StoredFile]:
        """Return the files that the page shows, ordered as Warehouse does."""
        if self.status == "quarantined":
            return []
        shown = [f for f in self.files.values() if not self.releases[f.version].quarantined]
        return sorted(shown, key=lambda f: (version_key(f.version), f.version, f.filename))

    def yanked(self, file: StoredFile) -> str | None:
        """Return why ``file`` is yanked, "" for no reason, None when it is not."""
        if file.own_yank is not None:
            return file.own_yank.reason
        return self.releases[file.version].yanked


def normalise(name: str) -> str:
    """Return ``name`` as URLs have it (PEP 503), whether it is valid or not."""
    return str(canonicalize_name(name))


@lru_cache(maxsize=65536)
def version_key(version: str) -> tuple[int, Version, str]:
    """Return the sort key of a version: what is not PEP 440 comes first."""
    try:
        return (1, Version(version), "")
    except InvalidVersion:
        return (0, Version("0"), version)


LONG = ",".join([">=3.6", *(f"!=3.5.{number}" for number in range(220))])
"""Specifiers of some length: pages are large enough for a compressed copy to be worth having."""


@lru_cache(maxsize=4096)
def reordered(requires_python: str | None) -> str | None:
    """Return specifiers in the order in which Warehouse serves them."""
    try:
        return str(SpecifierSet(requires_python)) if requires_python else None
    except InvalidSpecifier:
        return requires_python


def digest(content: bytes) -> str:
    """Return the SHA-256 of ``content`` as hex."""
    return hashlib.sha256(content).hexdigest()


def iso_time(clock: int) -> str:
    """Return ``clock`` as ``upload-time`` has it (PEP 700)."""
    return datetime.fromtimestamp(clock, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def default_filenames(name: str, version: str, content: bytes | None) -> Iterator[str]:
    """Yield names for a file of ``version``, the first choice first: sdist, wheel, more builds."""
    stem = re.sub(r"[-_.]+", "_", name).lower() + "-" + re.sub(r"[/\\]", "_", version)
    if content is None or not content.startswith(b"PK"):
        yield f"{stem}.tar.gz"
    yield f"{stem}-py3-none-any.whl"
    for build in itertools.count(1):
        yield f"{stem}-{build}-py3-none-any.whl"


def add_action(filename: str) -> str:
    """Return the action that an upload of ``filename`` writes."""
    if not filename.endswith(".whl"):
        return f"add source file {filename}"
    tags = filename.removesuffix(".whl").split("-")
    return f"add {tags[-3] if len(tags) >= 5 else 'any'} file {filename}"


def metadata_of(
    name: str, version: str, filename: str, content: bytes, given: bytes | bool | None
) -> bytes | None:
    """Return what is served at ``<file>.metadata``: as ``given``, else as the wheel has it."""
    if isinstance(given, bytes):
        return given
    if given:
        return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    if given is None and filename.endswith(".whl") and content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as wheel:
            inside = [n for n in wheel.namelist() if n.endswith(".dist-info/METADATA")]
            return wheel.read(inside[0]) if inside else None
    return None
