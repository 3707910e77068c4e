"""Holds the counts of one pass."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct, field

UNCHOSEN_NAMED = 20
"""Projects without a chosen file that the log names; it counts the others."""


class RunTotals(Struct):
    """The counts of a pass so far."""

    asked: int = 0  # page requests
    recorded: int = 0  # pages that are news
    published: int = 0  # projects whose files changed
    removed: int = 0  # projects that left the output
    failed: int = 0  # fetches that failed twice
    files_shown: int = 0  # files that changed rules bring back, and hide
    files_hidden: int = 0
    files_copied: int = 0  # package files
    bytes_copied: int = 0
    files_failed: int = 0  # package files whose copy or metadata failed
    files_waiting: int = 0  # package files that a later pass copies
    limits: set[str] = field(default_factory=set)  # the keys that keep files from being copied
    files_unchosen: int = 0  # copies that left because the rules of [files] leave them out
    unchosen: int = 0  # projects that lost all files by a rule in this pass
    averted: int = 0  # files that upstream withdrew while cooldown hid them
    explained: int = 0  # removals published in this pass, for the guards (R8)
    unexplained: int = 0
    problem: str | None = None  # the first failure of the pass as a whole
    undelivered: int = 0  # changes that wait for a hook
    held: dict[str, str] = field(default_factory=dict)  # texts to log at the end, by kind
    logged: set[str] = field(default_factory=set)  # texts that are not logged again
    causes: Counter[str] = field(default_factory=Counter)  # failures by the causes of errors
    latencies: list[float] = field(default_factory=list)  # seconds from a withdrawal to its page

    def first_time(self, what: str) -> bool:
        """Return True the first time ``what`` is seen in this run."""
        new = what not in self.logged
        self.logged.add(what)
        return new
