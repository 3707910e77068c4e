"""Stage 5, pure: which removals a person must look at first (rule R8).

Explained removals are held above max(100, 1 %) of the projects in a pass, unexplained ones above
max(3, 1 %). Quarantines and what our own configuration leaves out are never counted.
"""

from __future__ import annotations

from msgspec import Struct

EXPLAINED_FLOOR = 100
UNEXPLAINED_FLOOR = 3
_SHARE = 100  # one in a hundred


class Removals(Struct, frozen=True):
    """How many removals one pass would publish."""

    explained: int
    unexplained: int


class Judgement(Struct, frozen=True):
    """Why removals are held, for each sort; None lets that sort through."""

    explained: str | None = None
    unexplained: str | None = None

    @property
    def holds(self) -> bool:
        """Whether anything is held."""
        return self.explained is not None or self.unexplained is not None


def limit(floor: int, projects: int) -> int:
    """Return how many removals of a sort one pass may publish, of ``projects`` published ones."""
    return max(floor, projects // _SHARE)


def judge(removals: Removals, projects: int) -> Judgement:
    """Judge the removals of a pass over a mirror of ``projects`` published projects."""
    return Judgement(
        _over("explained", removals.explained, limit(EXPLAINED_FLOOR, projects)),
        _over("unexplained", removals.unexplained, limit(UNEXPLAINED_FLOOR, projects)),
    )


def _over(sort: str, count: int, most: int) -> str | None:
    if count <= most:
        return None
    return f"{count} {sort} removals in one pass, more than {most}"
