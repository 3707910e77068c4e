"""Finds the withdrawn files of a log in the state."""

from __future__ import annotations

import logging
from functools import lru_cache

from yanksync.config.project_filter import ProjectFilter
from yanksync.core.errors import InvalidAnswer
from yanksync.core.names import NormalizedName, normalize
from yanksync.reports.audit.findings import ProjectFacts
from yanksync.reports.audit.state_source import facts_of_state
from yanksync.reports.exposure.withdrawal import Withdrawal, withdrawal_of
from yanksync.state.state import State

log = logging.getLogger("yanksync")

_KEPT = 20_000  # files and events of the projects that are kept in memory
_NAMES = 1 << 16  # names in a log that are remembered
_LONGEST = 255  # characters of a name; clients can request longer ones, but no disk has them


class WithdrawnFiles:
    """Answers whether a file is withdrawn, for many names.

    Memory does not grow with the number of names: a few projects are kept, the largest among them.
    """

    def __init__(self, state: State, selection: ProjectFilter, kept: int = _KEPT) -> None:
        """``kept``: how many files and events of projects are kept in memory."""
        self._state = state
        self._selection = selection
        self._most = kept
        self._kept: dict[NormalizedName, ProjectFacts] = {}  # the newest use last
        self._weight = 0  # files and events of those
        self._remembered = lru_cache(_NAMES)(self._find)

    def find(self, filename: str) -> Withdrawal | None:
        """Return how a file is withdrawn; None: it is not."""
        return None if len(filename) > _LONGEST else self._remembered(filename)

    def _find(self, filename: str) -> Withdrawal | None:
        project = self._project(filename)
        if project is None or not self._selection.includes(project):
            return None
        return withdrawal_of(filename, self._facts(project))

    def _project(self, filename: str) -> NormalizedName | None:
        """Return the project of a file.

        It is the known project with the longest name that fits.
        """
        words = filename.split("-")
        ends = [1] if filename.endswith(".whl") else range(len(words) - 1, 0, -1)
        names = [normalize("-".join(words[:end])) for end in ends]
        known = self._state.projects.get([name for name in names if name is not None])
        return next((name for name in names if name in known), None)

    def _facts(self, project: NormalizedName) -> ProjectFacts:
        """Return what is known of a project.

        The one that was used longest ago is forgotten.
        """
        found = self._kept.pop(project, None)
        if found is None:
            found = self._read(project)
            self._weight += _weight(found)
        self._kept[project] = found
        while self._weight > self._most and len(self._kept) > 1:
            oldest = next(iter(self._kept))
            self._weight -= _weight(self._kept.pop(oldest))
        return found

    def _read(self, project: NormalizedName) -> ProjectFacts:
        try:
            return facts_of_state(self._state, [project])[project]
        except InvalidAnswer as error:
            log.warning("%s; its files are left out", error)
            return ProjectFacts(name=project)


def _weight(facts: ProjectFacts) -> int:
    """Return how many files and events a project has, and one."""
    return 1 + len(facts.events) + (0 if facts.page is None else len(facts.page.files))
