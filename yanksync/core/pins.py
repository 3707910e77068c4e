"""Pins: the versions that a lock file or an environment names."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

from yanksync.core.model import File, Hashes, sorted_hashes
from yanksync.core.names import NormalizedName
from yanksync.core.versions import same_version


class PinOperator(StrEnum):
    """How the version of a pin matches versions of an index."""

    EQUAL = "=="  # PEP 440: zeros are padded; without a local label any local label fits
    ARBITRARY = "==="  # PEP 440: as text, ignoring letter case
    LOCKED = "locked"  # from a lock file: one version, with its local label


class PinnedFile(Struct, frozen=True):
    """One file that a pin allows."""

    filename: str | None = None  # None: only its hash is known
    hashes: Hashes = ()

    def is_like(self, file: File) -> bool:
        """Return whether ``file`` has one of the hashes."""
        return not set(self.hashes).isdisjoint(file.hashes)

    def names(self, file: File) -> bool:
        """Return whether this is ``file``.

        The hash decides, or else a name that no hash contradicts.
        """
        return self.is_like(file) or (self.filename == file.filename and not self.contradicts(file))

    def contradicts(self, file: File) -> bool:
        """Return True if a hash differs from that of ``file``.

        Only hashes of the same algorithm are compared.
        """
        theirs = dict(file.hashes)
        return any(theirs.get(name, digest) != digest for name, digest in self.hashes)


class Pin(Struct, frozen=True, kw_only=True):
    """One project held at one version."""

    project: NormalizedName
    version: str
    operator: PinOperator = PinOperator.LOCKED
    path: str = ""  # of the lock file, as the user named it; "": installed
    line: int | None = None
    marker: str | None = None  # PEP 508: where it applies, as text
    files: tuple[PinnedFile, ...] = ()  # the allowed files; none: all of the version
    python: str | None = None  # the lowest Python that it is for

    def allows(self, version: str) -> bool:
        """Return whether an index's ``version`` is the pinned one (PEP 440)."""
        if self.operator is PinOperator.ARBITRARY:
            return version.lower() == self.version.lower()
        if self.operator is PinOperator.EQUAL and "+" not in self.version:
            version = version.partition("+")[0]
        return same_version(version, self.version)

    def allows_file(self, file: File) -> bool:
        """Return whether the pin allows ``file`` of its version."""
        return not self.files or any(one.names(file) for one in self.files)


class PinSet(Struct, frozen=True):
    """Pins of a file or environment, and a count of the rest."""

    pins: tuple[Pin, ...] = ()
    skipped: int = 0  # without an exact version, or from a path, a URL or a repository


def hash_pairs(texts: Iterable[str]) -> Hashes:
    """Return hashes that are written as ``algorithm:digest``; others are left out."""
    split = (text.partition(":") for text in texts)
    return sorted_hashes((name, digest) for name, _, digest in split if digest)
