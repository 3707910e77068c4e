"""Finds when files were added, by pages and journal entries (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from yanksync.core.model import Page
from yanksync.core.policies.cooldown import FileTimes, earliest_effective, effective_times
from yanksync.core.rules.journal_entries import JournalEvent

_ADDED = r"add \S+ file (.+)"


def added_file(event: JournalEvent) -> str | None:
    """Return the name of the file that an entry adds, or None."""
    match = None if event.entry.version is None else re.fullmatch(_ADDED, event.entry.action)
    return None if match is None else match[1]


def with_page(
    known: FileTimes, before: Page | None, page: Page, now: float, *, all_new: bool
) -> FileTimes:
    """Return the times after ``page`` was recorded.

    A file was added now if it has no entry and every earlier page lacked it. For a file of the
    first page only its upload-time counts, unless the project appeared while it was followed
    (``all_new``). The same is true for files that vanish and come back. The page of a quarantined
    project shows no files, so the next page counts as the first.
    """
    if before is not None and before.quarantined and known.earliest is None:
        before = None
    if before is not None and all_new:  # other files belong to an earlier project of this name
        own = tuple(file for file in before.files if file.filename in known.added)
        before = replace(before, files=own)
    names = {file.filename for file in page.files}
    was = set() if before is None else {file.filename for file in before.files}
    added = dict(known.added)
    if before is not None or all_new:
        added.update(dict.fromkeys(sorted(names - was - added.keys()), now))
    vanished = was - names
    if not vanished or before is None:
        return known if len(added) == len(known.added) else FileTimes(added, known.earliest)
    return FileTimes(_kept(added, vanished), _earliest(known, before))


def without_page(known: FileTimes, before: Page) -> FileTimes:
    """Return the times after a page vanished.

    If it comes back, its files have the same age as before.
    """
    names = (file.filename for file in before.files)
    return FileTimes(_kept(known.added, names), _earliest(known, before))


def _kept(added: Mapping[str, float], names: Iterable[str]) -> dict[str, float]:
    return {**dict.fromkeys(sorted(names), 0.0), **added}


def _earliest(known: FileTimes, before: Page) -> float | None:
    return earliest_effective(effective_times(before, known), known)
