"""What guards hold back, and letting it through (rules R8 and R14)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from yanksync.core.model import Hashes
from yanksync.core.names import NormalizedName
from yanksync.core.rules.lost_files import LostFile
from yanksync.state.state import State


class HeldFile(Struct, frozen=True, kw_only=True):
    """A file that stays as it was published."""

    filename: str
    old: Hashes  # as published
    new: Hashes | None = None  # on upstream's page; None: the file is missing there


class Held(Struct, frozen=True, kw_only=True):
    """One thing that waits for a person."""

    project: str | None  # None: the mirror as a whole
    what: str  # removal, files, hash, left-list, journal, selection
    why: str
    since: float  # UTC seconds
    approve: str  # what approving does
    files: tuple[HeldFile, ...] = ()


JOURNAL, SELECTION = "the journal", "the selection"
"""How :func:`approve` names what concerns the mirror as a whole."""

WHOLE = {"journal": JOURNAL, "selection": SELECTION}
"""The same by :attr:`Held.what`."""

_EFFECTS = {
    "removal": "the next run removes the project from the mirror",
    "files": "the next run removes these files from the project's page",
    "hash": "the next run publishes these files with the new hash",
    "left-list": "the next run asks for its page and removes the project if it is gone",
    "journal": "the next run follows upstream from now on and asks for every project again",
    "selection": "the next run removes these projects from the mirror",
}


def holds(state: State) -> tuple[Held, ...]:
    """Return everything that is held: what concerns the whole mirror first, then by time."""
    found = [
        _held(hold.name, "removal", hold.why, hold.since) for hold in state.unpublished.holds()
    ]
    found += _files(state)
    found += [
        _held(waiting.name, "left-list", waiting.held or "", waiting.since)
        for waiting in state.pending.held()
    ]
    return (*_whole(state), *sorted(found, key=lambda held: (held.since, held.project or "")))


def _held(
    project: str | None, what: str, why: str, since: float, files: Sequence[HeldFile] = ()
) -> Held:
    return Held(
        project=project,
        what=what,
        why=why,
        since=since,
        approve=_EFFECTS[what],
        files=tuple(files),
    )


def _whole(state: State) -> list[Held]:
    """Return what is held of the mirror as a whole."""
    meta, found = state.meta, []
    replaced = meta.text("journal_replaced")
    if replaced is not None and not meta.flag("approve_journal"):
        since = meta.moment("journal_replaced_since") or 0.0
        seen = meta.text("journal_seen_text") or ""
        why = f"upstream is not the one followed so far: {replaced}{seen}"
        found.append(_held(None, "journal", why, since))
    narrowed = meta.text("selection_held")
    if narrowed is not None and meta.text("selection_approved") is None:
        since = meta.moment("selection_held_since") or 0.0
        found.append(_held(None, "selection", narrowed, since))
    return found


def _files(state: State) -> list[Held]:
    """Return the held files, those of one project and kind together."""
    groups: dict[tuple[NormalizedName, bool], list[LostFile]] = {}
    for name, lost in state.lost.held():
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


def count_held(state: State) -> int:
    """Return how many things wait for a person."""
    return (
        state.unpublished.counts()[1]
        + state.pending.counts()[1]
        + state.lost.held_groups()
        + len(_whole(state))
    )


def approve(state: State, names: Sequence[str]) -> tuple[str, ...]:
    """Let what is held through, once: all of it, or only this. Return what was.

    The next run acts on it. :data:`JOURNAL` and :data:`SELECTION` stand for what concerns the
    whole mirror. Among ``names``, ``journal`` and ``selection`` mean these while they are held,
    and else the projects of these names.
    """
    meta = state.meta
    with state.transaction():
        whole = [held.what for held in _whole(state) if not names or held.what in names]
        chosen = [name for name in names if name not in whole] if names else None
        done: set[str] = {*state.unpublished.approve(chosen), *state.pending.approve(chosen)}
        done.update(name for _, name in state.lost.approve(chosen))
        for what in whole:
            if what == "journal":
                meta.put(approve_journal=1)
            else:  # this selection, and no other that the configuration may come to have
                meta.put(selection_approved=meta.text("selection_wanted"))
    return (*(WHOLE[what] for what in whole), *sorted(done))
