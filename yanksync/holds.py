"""What guards hold back, and letting it through (rules R8 and R14)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from yanksync.state import State


class Held(Struct, frozen=True, kw_only=True):
    """One thing that waits for a person."""

    project: str | None  # None: the journal as a whole
    what: str  # removal, files, hash, left-list, journal
    why: str
    since: float  # UTC seconds
    approve: str  # what approving does


_REMOVAL = "the next run removes the project from the mirror"
_HASH = "the next run publishes the page with the new hash"
_FILES = "the next run publishes the page as upstream shows it, without the files that are missing"


def holds(state: State) -> tuple[Held, ...]:
    """Return everything that is held, the journal first, then by time."""
    found: list[Held] = []
    meta = state.meta
    replaced = meta.text("journal_replaced")
    if replaced is not None and not meta.flag("approve_journal"):
        found.append(
            Held(
                project=None,
                what="journal",
                why=f"upstream's journal is not the one followed so far: {replaced}",
                since=meta.moment("journal_replaced_since") or 0.0,
                approve="the next run follows the new journal and asks for every project again",
            )
        )
    for hold in state.unpublished.holds():
        what, effect = ("files", _FILES) if hold.files else ("removal", _REMOVAL)
        if hold.rehashed:
            what, effect = "hash", _HASH
        found.append(
            Held(project=hold.name, what=what, why=hold.why, since=hold.since, approve=effect)
        )
    for waiting in state.pending.held():
        found.append(
            Held(
                project=waiting.name,
                what="left-list",
                why=waiting.held or "",
                since=waiting.since,
                approve="the next run asks for its page and removes the project if it is gone",
            )
        )
    return tuple(found)


def approve(state: State, names: Sequence[str]) -> tuple[str, ...]:
    """Let what is held through, once: all of it, or only these projects. Return what was.

    The next run acts on it. "the journal" stands for the journal as a whole, which only approving
    everything lets through.
    """
    chosen = list(names) or None
    with state.transaction():
        done = [*state.unpublished.approve(chosen), *state.pending.approve(chosen)]
        result: list[str] = sorted(set(done))
        if chosen is None and state.meta.text("journal_replaced") is not None:
            state.meta.put(approve_journal=1)
            result.insert(0, "the journal")
    return tuple(result)
