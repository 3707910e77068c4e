"""What ``adopt`` found and did, one value for each thing."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

from msgspec import Struct

from yanksync.core.exit_codes import ExitCode


class AdoptOutcome(StrEnum):
    """What becomes of something in the tree."""

    KEPT = "kept"  # right, and byte for byte what would be published
    REWRITTEN = "rewritten"  # right, and published again from what it says
    FETCH = "fetch"  # not right: the next sync asks upstream for it
    MISSING = "missing"  # upstream has it and the tree does not: likewise
    GONE = "gone"  # the tree has it and upstream's list does not: asked for, and withdrawn
    LEFT_OUT = "left-out"  # the configuration does not select it
    FOREIGN = "foreign"  # of another program: left alone
    COPY_KEPT = "copy-kept"  # a package file with the hash that its page says
    COPY_MISSING = "copy-missing"  # a package file that the tree lacks: the next sync downloads it
    ALTERED = "altered"  # a package file that is not what its page says: likewise


class AdoptResult(Struct, frozen=True, kw_only=True):
    """What becomes of a file or directory (with a final slash)."""

    kind: AdoptOutcome
    project: str | None
    path: str  # below the output
    detail: str | None = None  # why


class AdoptSummary(Struct, frozen=True, kw_only=True):
    """What an adoption came to."""

    exit_code: ExitCode
    counts: Counter[AdoptOutcome]
    lacks: tuple[str, ...]  # what upstream's pages say and the tree's leave out, by the sample
