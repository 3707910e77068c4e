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

_PROJECTS = 256  # whose pages are kept in memory
_FILES = 1 << 16  # names in a log that are remembered


class WithdrawnFiles:
    """Answers whether a file is withdrawn, for many names.

    Memory does not grow with the number of names.
    """

    def __init__(self, state: State, selection: ProjectFilter) -> None:
        self._state = state
        self._selection = selection
        self._facts = lru_cache(_PROJECTS)(self._read)
        self.find = lru_cache(_FILES)(self._find)
        """Returns the :class:`Withdrawal` of a file name; None: it is not withdrawn."""

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

    def _read(self, project: NormalizedName) -> ProjectFacts:
        try:
            return facts_of_state(self._state, [project])[project]
        except InvalidAnswer as error:
            log.warning("%s; its files are left out", error)
            return ProjectFacts(name=project)
