"""Stage 5: decides which removals wait for a person (R8).

A pass may take away only a part of the published files. Removals that upstream's journal explains
are followed, because they may concern malware. Removals without an explanation may be a fault of
upstream. Quarantines are never counted.
"""

from __future__ import annotations

from msgspec import Struct

EXPLAINED_FLOOR = 100
UNEXPLAINED_FLOOR = 3
SELECTION_FLOOR = 3
LISTED_SHARE = 1.0  # percent of the projects that may leave the list at once


class RemovalCounts(Struct, frozen=True):
    """How many projects a pass would remove, or would take files from."""

    explained: int
    unexplained: int
    everything: bool = False  # no file would be left in the mirror


class GuardDecision(Struct, frozen=True):
    """Why removals of each sort are held; None: not held."""

    explained: str | None = None
    unexplained: str | None = None

    @property
    def holds(self) -> bool:
        """Whether anything is held."""
        return self.explained is not None or self.unexplained is not None


def removal_limit(floor: int, percent: float, projects: int) -> int:
    """Return how many of the published ``projects`` a pass may remove."""
    return max(floor, int(projects * percent / 100))


def judge_removals(counts: RemovalCounts, projects: int, guard: GuardSettings) -> GuardDecision:
    """Judge the removals of a pass against the published projects."""
    limit = removal_limit(UNEXPLAINED_FLOOR, guard.unexplained, projects)
    unexplained = _over("unexplained", counts.unexplained, limit, projects)
    if unexplained is None and counts.unexplained and counts.everything:
        unexplained = "nothing explains it, and no file would be left in the mirror"
    limit = removal_limit(EXPLAINED_FLOOR, guard.explained, projects)
    return GuardDecision(_over("explained", counts.explained, limit, projects), unexplained)


def selection_holds(lost: int, projects: int, guard: GuardSettings) -> str | None:
    """Return why a changed selection is held; None: it is not.

    ``lost`` is the number of published projects that it leaves out.
    """
    if lost and lost >= projects:
        return f"it takes away all {projects} published projects"
    if lost > removal_limit(SELECTION_FLOOR, guard.selection, projects):
        return f"it takes away {lost} of {projects} published projects"
    return None


def _over(sort: str, count: int, limit: int, projects: int) -> str | None:
    if count <= limit:
        return None
    return f"{count} {sort} removals in one pass, of {projects} published projects; {limit} may go"


class GuardSettings(Struct, frozen=True, kw_only=True):
    """Section ``[guard]``: what a pass can remove without approval.

    Percentages are of the projects that are published.
    """

    explained: float = 50.0  # percent; explained by upstream's journal or list
    unexplained: float = 1.0  # percent; losses without an explanation
    selection: float = 10.0  # percent; left out by a change of projects or exclude
    confirm_after: float = 600.0  # seconds; after this time a loss must be seen again
