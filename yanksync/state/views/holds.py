"""Reads and releases what guards hold (rules R8 and R14)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct

from yanksync.core.model import Hashes
from yanksync.core.names import NormalizedName
from yanksync.core.rules.lost_file import LostFile
from yanksync.state.facts import AdvisoryChange, PackageCheck, ReplacedJournal, SelectionChange
from yanksync.state.state import State


class HeldFile(Struct, frozen=True, kw_only=True):
    """A file that stays as it was published."""

    filename: str
    old: Hashes  # as published
    new: Hashes | None = None  # on upstream's page; None: the file is missing there


class HeldItem(Struct, frozen=True, kw_only=True):
    """One thing that waits for a person."""

    project: str | None  # None: the mirror as a whole
    what: str  # removal, files, hash, left-list, journal, selection, advisories, unreferenced
    why: str
    since: float  # UTC seconds
    approve: str  # what approving does
    files: tuple[HeldFile, ...] = ()


JOURNAL, SELECTION = "the journal", "the selection"
"""How :func:`approve_held` names what concerns the mirror as a whole."""

WHOLE_MIRROR = {
    "journal": JOURNAL,
    "selection": SELECTION,
    "advisories": "the advisories",
    "unreferenced": "the unreferenced files",
}
"""The same by :attr:`HeldItem.what`."""

_EFFECTS = {
    "removal": "the next run removes the project from the mirror",
    "files": "the next run removes these files from the project's page",
    "hash": "the next run publishes these files with the new hash",
    "left-list": "the next run asks for its page and removes the project if it is gone",
    "journal": "the next run follows upstream from now on and asks for every project again",
    "selection": "the next run removes these projects from the mirror",
    "advisories": "the next run offers what the changed advisories do not name",
    "unreferenced": (
        "the next 'yanksync verify --repair' deletes the files that 'yanksync verify' lists as "
        "unreferenced"
    ),
}


def held_items(state: State) -> tuple[HeldItem, ...]:
    """Return all holds: the whole mirror first, then by time."""
    found = [
        _held(hold.name, "removal", hold.why, hold.since) for hold in state.publish_queue.holds()
    ]
    found += _files(state)
    found += [
        _held(waiting.name, "left-list", waiting.held or "", waiting.since)
        for waiting in state.fetch_queue.held()
    ]
    return (*_whole(state), *sorted(found, key=lambda held: (held.since, held.project or "")))


def _held(
    project: str | None, what: str, why: str, since: float, files: Sequence[HeldFile] = ()
) -> HeldItem:
    return HeldItem(
        project=project,
        what=what,
        why=why,
        since=since,
        approve=_EFFECTS[what],
        files=tuple(files),
    )


def _whole(state: State) -> list[HeldItem]:
    """Return the holds that concern the mirror as a whole."""
    facts, found = state.facts, []
    other, selection = facts.replaced_journal, facts.selection
    if other.replaced is not None and not other.approved:
        seen = other.seen_text or ""
        why = f"upstream is not the one followed so far: {other.replaced}{seen}"
        found.append(_held(None, "journal", why, other.replaced_since or 0.0))
    if selection.held is not None and selection.approved is None:
        found.append(_held(None, "selection", selection.held, selection.held_since or 0.0))
    advisories = facts.advisories
    if advisories.held is not None and advisories.approved is None:
        found.append(_held(None, "advisories", advisories.held, advisories.held_since or 0.0))
    files = facts.package_check
    if files.held is not None and files.approved is None:
        found.append(_held(None, "unreferenced", files.held, files.held_since or 0.0))
    return found


def _files(state: State) -> list[HeldItem]:
    """Return the held files, those of one project and kind together."""
    groups: dict[tuple[NormalizedName, bool], list[LostFile]] = {}
    for name, lost in state.lost_files.held():
        groups.setdefault((name, lost.vanished), []).append(lost)
    found = []
    for (name, vanished), group in groups.items():
        files = [
            HeldFile(filename=one.file.filename, old=one.file.hashes, new=one.hashes)
            for one in group
        ]
        since = min(one.held_since or one.since for one in group)
        what = "files" if vanished else "hash"
        found.append(_held(name, what, group[0].held or "", since, files))
    return found


def held_counts(state: State) -> dict[str, int]:
    """Count the holds by :attr:`HeldItem.what`.

    Each pass needs this, so no single hold is read. Kinds without holds are left out.
    """
    files, hashes = state.lost_files.held_groups()
    counts = {held.what: 1 for held in _whole(state)}
    counts |= {
        "removal": state.publish_queue.counts()[1],
        "left-list": state.fetch_queue.counts()[1],
    }
    counts |= {"files": files, "hash": hashes}
    return {kind: count for kind, count in counts.items() if count}


def count_held(state: State) -> int:
    """Return how many things wait for a person."""
    return sum(held_counts(state).values())


def oldest_hold(state: State) -> float | None:
    """Return when the oldest hold began."""
    return min((held.since for held in held_items(state)), default=None)


def select_holds(
    found: Sequence[HeldItem], names: Collection[str] = (), kinds: Collection[str] = ()
) -> list[HeldItem]:
    """Select holds by project and kind; empty: all.

    In ``names``, words such as ``journal`` and ``selection`` mean the hold of the whole mirror if
    there is one. Otherwise they mean projects of these names.
    """
    whole = {held.what for held in found if held.project is None}
    return [
        held
        for held in found
        if (not kinds or held.what in kinds)
        and (not names or (held.project or held.what) in names)
        and not (held.project in whole and held.project in names)
    ]


def approve_held(state: State, released: Sequence[HeldItem]) -> None:
    """Release what is held, once; the next run acts on it."""
    facts = state.facts
    by_kind: dict[str, list[str]] = {}
    for held in released:
        by_kind.setdefault(held.what, []).append(held.project or "")
    with state.transaction():
        for kind, names in by_kind.items():
            if kind == "journal":
                facts.change(ReplacedJournal, approved=True)
            elif kind == "selection":  # only this one, not a later one of the configuration
                facts.change(SelectionChange, approved=facts.selection.wanted)
            elif kind == "advisories":  # these, and no others
                facts.change(AdvisoryChange, approved=facts.advisories.wanted)
            elif kind == "unreferenced":  # these, and no others
                facts.change(PackageCheck, approved=facts.package_check.unreferenced)
            elif kind == "removal":
                state.publish_queue.approve(names)
            elif kind == "left-list":
                state.fetch_queue.approve(names)
            else:
                state.lost_files.approve(names, vanished=kind == "files")
