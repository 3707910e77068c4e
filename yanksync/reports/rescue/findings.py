"""Values: the files that a rescue looks for, and those it finds."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from msgspec import Struct

from yanksync.core.names import NormalizedName
from yanksync.core.versions import VersionFinder, filename_matches_project

STRONG = ("sha256", "sha384", "sha512")
"""The algorithms that verify a file, as pip has it; others can be forged."""


class KnownHash(Struct, frozen=True):
    """The hash of one file of the release."""

    algorithm: str
    digest: str
    filename: str | None = None  # None: only the hash is known

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digest}"


class Wanted(Struct, frozen=True, kw_only=True):
    """The release that is looked for."""

    project: NormalizedName
    version: str
    source: str  # the source of the hashes, for people
    hashes: tuple[KnownHash, ...]

    @property
    def requirement(self) -> str:
        """The release as an exact pin."""
        return f"{self.project}=={self.version}"

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The algorithms of the hashes; SHA-256 without any."""
        return tuple(sorted({one.algorithm for one in self.hashes})) or STRONG[:1]

    def has(self, filename: str) -> bool:
        """Return whether a file of this name belongs to the release."""
        if not filename_matches_project(filename, self.project):
            return False
        return VersionFinder(self.project, (self.version,)).version_of(filename) is not None

    def matching(self, digests: Collection[tuple[str, str]]) -> KnownHash | None:
        """Return the known hash that is among ``digests``, if any."""
        return next((one for one in self.hashes if (one.algorithm, one.digest) in digests), None)


class Kind(StrEnum):
    """What a found file is."""

    FILE = "file"  # it has its own name
    BODY = "body"  # an answer in pip's HTTP cache, without a name
    ENTRY = "entry"  # the same from before pip 23.3, with headers in front
    UNPACKED = "unpacked"  # a directory of uv's cache


class Candidate(Struct, frozen=True, kw_only=True):
    """A file that may belong to the release."""

    path: str
    kind: Kind
    filename: str | None = None
    built: bool = False  # pip or uv built it on this machine, from the source archive
    recorded: str | None = None  # SHA-256 of the original file, as uv noted it


class Outcome(StrEnum):
    """The result for a candidate."""

    VERIFIED = "verified"
    MISMATCH = "mismatch"
    BUILT = "built"
    UNPACKED = "unpacked"
    UNREADABLE = "unreadable"


class Found(Struct, frozen=True, kw_only=True):
    """A candidate, and the result of checking its hash."""

    outcome: Outcome
    path: str
    kind: Kind
    filename: str | None
    hash: KnownHash | None = None  # its own; None: it cannot be read, or uv noted none
    pinned: bool = False  # the hash is among the known ones
    problem: str | None = None  # why it cannot be read


class Copied(Struct, frozen=True, kw_only=True):
    """A verified file in the target directory."""

    found: Found
    path: str
    problem: str | None = None  # why it was not copied
    was_there: bool = False  # the same file was there before


class Place(Struct, frozen=True, kw_only=True):
    """A place that was searched."""

    title: str
    path: str | None = None  # None: not known
    problem: str | None = None
    examined: int = 0  # files that were compared
    unreadable: int = 0  # directories


class RescueReport(Struct, frozen=True, kw_only=True):
    """Everything that one rescue found."""

    wanted: Wanted
    target: str
    places: tuple[Place, ...]
    copies: tuple[Copied, ...]
    others: tuple[Found, ...]  # candidates that are not verified

    @property
    def rescued(self) -> bool:
        """Whether a verified file is in the target directory."""
        return any(one.problem is None for one in self.copies)

    @property
    def failed(self) -> bool:
        """Whether no verified file was found, or one could not be copied."""
        return not self.rescued or any(one.problem is not None for one in self.copies)
