"""An oracle for what is offered, written from the rules alone and as slowly as they read.

It knows one release history in full, walks through every pass in order, and remembers which files
it has shown. Nothing of it is shared with the package.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

HOUR = 3600.0


class OracleFile(NamedTuple):
    """A file on a page, and when it was added (None: before anything was followed)."""

    name: str
    version: str
    uploaded: str | None
    added: float | None


class OracleRules(NamedTuple):
    """The keys of ``[cooldown]`` for one project, in seconds."""

    age: float = 0.0
    new_projects: float = 0.0
    missing: str = "hide"
    not_after: float | None = None


def seconds(text: str) -> float:
    """Return RFC 3339 as seconds, by way of two patterns."""
    for pattern in ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ"):
        try:
            return datetime.strptime(text, pattern).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
    raise AssertionError(text)


def effective(file: OracleFile) -> float | None:
    """Return the later of the two clocks; None: it counts as old."""
    uploaded = None if file.uploaded is None else seconds(file.uploaded)
    if uploaded is None:
        return file.added
    return uploaded if file.added is None else max(uploaded, file.added)


class Oracle:
    """One project, pass by pass."""

    def __init__(self, rules: OracleRules) -> None:
        self.rules = rules
        self.shown: set[str] = set()
        self.earliest: float | None = None

    def visible(self, page: Iterable[OracleFile], cutoff: float) -> set[str]:
        """Return the names of the files that a pass with this cut-off shows."""
        page = list(page)
        for file in page:
            moment = effective(file)
            if moment is not None and (self.earliest is None or moment < self.earliest):
                self.earliest = moment
        found = {file.name for file in page if self._is_visible(file, page, cutoff)}
        self.shown |= found
        return found

    def _is_visible(self, file: OracleFile, page: list[OracleFile], cutoff: float) -> bool:
        rules, moment = self.rules, effective(file)
        if rules.not_after is not None and moment is not None and moment > rules.not_after:
            return False
        age = rules.age
        new = rules.new_projects
        if new and self.earliest is not None and cutoff - self.earliest < new:
            age = new
        if age == 0:
            return True
        if file.uploaded is None and rules.missing == "hide":
            return False
        if file.name in self.shown or moment is None:
            return True
        return cutoff - self._chain_end(file, page, moment) > age

    @staticmethod
    def _chain_end(file: OracleFile, page: list[OracleFile], moment: float) -> float:
        """Walk from neighbour to neighbour, each at most an hour later."""
        others = [effective(one) for one in page if one.version == file.version]
        times = [other for other in others if other is not None]
        while following := [one for one in times if moment < one <= moment + HOUR]:
            moment = max(following)
        return moment


def oracle_choice(actions: Mapping[str, bool]) -> str | None:
    """Return which of several matching decisions counts: hide, then yank, then allow."""
    for action in ("hide", "yank", "allow"):
        if actions.get(action):
            return action
    return None
