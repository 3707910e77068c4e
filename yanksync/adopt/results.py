"""Values: what ``adopt`` found and did."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

from msgspec import Struct

from yanksync.core.exit_codes import ExitCode


class AdoptOutcome(StrEnum):
    """The result for a page or file of the tree."""

    KEPT = "kept"  # right, with exactly the bytes that would be published
    REWRITTEN = "rewritten"  # right, and published again from its content
    FETCH = "fetch"  # not right: the next sync fetches it
    MISSING = "missing"  # upstream has it, but the tree lacks it: likewise
    GONE = "gone"  # only the tree has it, not upstream's list: fetched, and withdrawn
    LEFT_OUT = "left-out"  # the configuration does not select it
    FOREIGN = "foreign"  # belongs to another program: left alone
    COPY_KEPT = "copy-kept"  # a package file with the hash that its page says
    COPY_MISSING = "copy-missing"  # a package file that the tree lacks: the next sync downloads it
    ALTERED = "altered"  # a package file that differs from its page: likewise


class AdoptResult(Struct, frozen=True, kw_only=True):
    """The result for a file or directory (with a final slash)."""

    kind: AdoptOutcome
    project: str | None
    path: str  # below the output
    detail: str | None = None  # why


class AdoptSummary(Struct, frozen=True, kw_only=True):
    """The counts of an adoption."""

    exit_code: ExitCode
    counts: Counter[AdoptOutcome]
    lacks: tuple[str, ...]  # data that the tree lacks, by the sample
