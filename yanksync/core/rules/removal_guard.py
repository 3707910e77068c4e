"""Stage 5: decides which removals wait for a person (R8).

A pass may take away only so much of what is published. What upstream's journal explains is
followed, malware included; what nothing explains may be upstream's fault. Quarantines are never
counted.
"""

from __future__ import annotations

from msgspec import Struct

EXPLAINED_FLOOR = 100
UNEXPLAINED_FLOOR = 3
SELECTION_FLOOR = 3
LISTED_SHARE = 1.0  # percent of the projects that may leave the list at once


class RemovalCounts(Struct, frozen=True):
    """How many projects a pass would remove, or take files from."""

    explained: int
    unexplained: int
    everything: bool = False  # no file would be left in the mirror


class GuardDecision(Struct, frozen=True):
    """Why removals are held, for each sort; None lets that sort through."""

    explained: str | None = None
    unexplained: str | None = None

    @property
    def holds(self) -> bool:
        """Whether anything is held."""
        return self.explained is not None or self.unexplained is not None


def removal_limit(floor: int, percent: float, projects: int) -> int:
    """Return how many of ``projects`` published ones a pass may take away."""
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

    It leaves out ``lost`` of the published projects.
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

    explained: float = 50.0  # percent; removals that upstream's journal or list explains
    unexplained: float = 1.0  # percent; losses that nothing explains
    selection: float = 10.0  # percent; what a change of projects or exclude leaves out
    confirm_after: float = 600.0  # seconds; a loss counts only when it is seen again after them
