"""An oracle for a whole mirror, written from the rules alone and as slowly as they read.

It knows when each file was really added, whatever its page claims, and remembers what was shown.
Nothing of it is shared with the package. Each rule is a method, so that a test can plant a fault.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from itertools import combinations, product
from typing import NamedTuple, TypeVar

from packaging.version import Version

from tests.support.offer_oracle import HOUR, seconds

DISTRIBUTIONS = (".tar.gz", ".zip", ".whl")


class Table(NamedTuple):
    """An ``[[override]]`` table."""

    match: str
    action: str
    reason: str = ""
    until: float | None = None


class Config(NamedTuple):
    """What the operator has written; times are seconds."""

    age: float = 0.0
    mode: str = "hide"
    missing: str = "hide"
    not_after: float | None = None
    new_projects: float = 0.0
    projects: tuple[tuple[str, float], ...] = ()
    tables: tuple[Table, ...] = ()
    malware: tuple[tuple[str, str], ...] = ()  # releases that an advisory names

    @property
    def cooldown(self) -> Config:
        """``[cooldown]`` alone."""
        return self._replace(tables=(), malware=())

    @property
    def is_off(self) -> bool:
        """Whether no file of any project can be concerned."""
        ages = (self.age, self.new_projects, *(age for _, age in self.projects))
        return not (any(ages) or self.not_after or self.tables or self.malware)


class Truth(NamedTuple):
    """A file that upstream has."""

    name: str
    version: str
    claimed: str | None  # its upload-time
    added: float | None  # by the journal; None: the upload-time alone counts
    yanked: str | None = None  # upstream's reason


class Wanted(NamedTuple):
    """What must be offered of a file."""

    offered: bool
    pieces: tuple[str, ...] | None = None  # of the reason, in their order; None: not yanked
    until: float | None = None  # it is young until then


class Known(NamedTuple):
    """What one verdict depends on, beside the files."""

    earliest: float | None  # when the project began
    shown: set[str]  # what was visible before
    cutoff: float


class Violation(AssertionError):
    """The mirror does not offer what it must."""


class IndexOracle:
    """Every project, pass by pass."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.shown: dict[str, set[str]] = {}  # by project: visible by age, and so for ever
        self.perhaps: dict[str, set[str]] = {}  # the same, but a pass died over it
        self._before: dict[str, tuple[Sequence[Truth], Known]] = {}  # what the last pass judged

    def begin_pass(self, config: Config) -> None:
        """Take the rules of a pass: other ages may hide again what was visible.

        They count for the pages of the last pass first, before the journal is read: what they show
        there stays visible.
        """
        changed = config.cooldown != self.config.cooldown
        if changed:
            self.died()
            self.shown.clear()
        self.config = config
        for project, (files, known) in self._before.items() if changed else ():
            self.doubt(
                project,
                (
                    one.name
                    for one in files
                    if (wanted := self._file(project, one, files, known)).offered
                    and wanted.until is None
                ),
            )

    def doubt(self, project: str, names: Iterable[str]) -> None:
        """Note files that a pass may have shown."""
        self.perhaps.setdefault(project, set()).update(names)

    def doubt_recorded(
        self,
        project: str,
        files: Sequence[Truth],
        earliest: Iterable[float | None],
        cutoff: float,
    ) -> None:
        """Note files that were old enough for a pass that died.

        The next pass publishes them before it reads what upstream has since.
        """
        for began in earliest:
            known = Known(began, set(), cutoff)
            verdicts = {one.name: self._file(project, one, files, known) for one in files}
            old = (name for name, one in verdicts.items() if one.offered and one.until is None)
            self.doubt(project, old)

    def died(self) -> None:
        """Doubt what was shown: a pass that was killed may have noted less."""
        for project, names in self.shown.items():
            self.doubt(project, names)

    def removed(self, project: str) -> None:
        """Forget a project that upstream removed: it may begin again."""
        self.shown.pop(project, None)
        self.perhaps.pop(project, None)
        self._before.pop(project, None)

    def check(
        self,
        project: str,
        offered: Mapping[str, bool | str],
        files: Sequence[Truth],
        earliest: Collection[float | None],
        cutoff: float,
    ) -> dict[str, Wanted]:
        """Compare a page with what a mirror must offer; return that.

        The mirror knows all ``files``. ``earliest`` are the moments at which the project may have
        begun. Raises :class:`Violation`.
        """
        sure = self.shown.get(project, set())
        perhaps = sorted(self.perhaps.get(project, set()) - sure)
        counts = range(len(perhaps) + 1) if len(perhaps) < 6 else (0, len(perhaps))
        doubts = [sure.union(some) for count in counts for some in combinations(perhaps, count)]
        for last, (began, shown) in _with_last(product(earliest, doubts)):
            wanted = {
                one.name: self._file(project, one, files, Known(began, shown, cutoff))
                for one in files
            }
            try:
                compare(offered, wanted)
            except Violation:
                if last:
                    raise
                continue
            self._before[project] = files, Known(began, set(), cutoff)
            return wanted
        raise AssertionError("no moment was given")

    def remember(
        self, project: str, offered: Mapping[str, bool | str], files: Sequence[Truth], cutoff: float
    ) -> None:
        """Remember which of the files on a page were old enough."""
        for one in files:
            mark = offered.get(one.name)
            allowed = any(
                table.action == "allow" and self._applies(table, project, one, cutoff)
                for table in self.config.tables
            )
            if mark is None or allowed or str(mark).endswith("Z"):
                continue
            self.shown.setdefault(project, set()).add(one.name)

    def _file(self, project: str, file: Truth, files: Sequence[Truth], known: Known) -> Wanted:
        tables = [
            one for one in self.config.tables if self._applies(one, project, file, known.cutoff)
        ]
        if self._is_hidden(project, file, tables):
            return Wanted(offered=False)
        actions = {one.action for one in tables}
        young = self._by_age(project, file, files, known)
        if self._is_allowed(actions):
            young = Wanted(offered=True)
        marks = [one.reason for one in tables if one.action == "yank"]
        pieces = [file.yanked or "", *marks]
        if not young.offered and not (self.config.mode == "yank" and young.until is not None):
            return young
        if young.until is not None:
            pieces.append(iso(young.until))
        yanked = file.yanked is not None or bool(marks) or young.until is not None
        return Wanted(
            True,
            tuple(dict.fromkeys(one for one in pieces if one)) if yanked else None,
            young.until,
        )

    def _applies(self, table: Table, project: str, file: Truth, cutoff: float) -> bool:
        if table.until is not None and cutoff >= table.until:
            return False
        if "==" in table.match:
            name, version = table.match.split("==")
            return name == project and Version(version) == Version(file.version)
        return table.match == (file.name if table.match.endswith(DISTRIBUTIONS) else project)

    def _is_hidden(self, project: str, file: Truth, tables: Sequence[Table]) -> bool:
        if any(one.action == "hide" for one in tables):
            return True
        exactly = any(one.action == "allow" and "==" in one.match for one in tables)
        return not exactly and (project, file.version) in self.config.malware

    def _is_allowed(self, actions: set[str]) -> bool:
        return "allow" in actions and "yank" not in actions

    def _by_age(self, project: str, file: Truth, files: Sequence[Truth], known: Known) -> Wanted:
        moment = self.effective(file)
        limit = self.config.not_after
        if limit is not None and moment is not None and moment > limit:
            return Wanted(offered=False)
        age, new = self._ages(project)
        grown = None if known.earliest is None else known.earliest + new
        is_new = new > 0 and grown is not None and known.cutoff < grown
        if age == 0 and not is_new:
            return Wanted(offered=True)
        if file.claimed is None and self.config.missing == "hide":
            return Wanted(offered=False)
        if moment is None or file.name in known.shown:
            return Wanted(offered=True)
        ready = self.chain_end(file, files, moment) + age
        if is_new and grown is not None:
            return Wanted(False, until=max(ready, grown))
        return Wanted(True) if known.cutoff > ready else Wanted(False, until=ready)

    def _ages(self, project: str) -> tuple[float, float]:
        for pattern, age in self.config.projects:
            if fnmatchcase(project, pattern):
                return age, 0.0
        return self.config.age, self.config.new_projects

    def effective(self, file: Truth) -> float | None:
        """Return the later of the two clocks; None: it counts as old."""
        clocks = [file.added, None if file.claimed is None else seconds(file.claimed)]
        return max((one for one in clocks if one is not None), default=None)

    def chain_end(self, file: Truth, files: Sequence[Truth], moment: float) -> float:
        """Walk from neighbour to neighbour, each at most an hour later."""
        others = [self.effective(one) for one in files if one.version == file.version]
        times = [one for one in others if one is not None]
        while following := [one for one in times if moment < one <= moment + HOUR]:
            moment = max(following)
        return moment


Item = TypeVar("Item")


def _with_last(items: Iterable[Item]) -> Iterator[tuple[bool, Item]]:
    found = list(items)
    for number, one in enumerate(found, 1):
        yield number == len(found), one


def iso(moment: float) -> str:
    """Return a whole second as RFC 3339 has it."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def compare(offered: Mapping[str, bool | str], wanted: Mapping[str, Wanted]) -> None:
    """Compare a page's files and their marks with what must be there.

    Raises :class:`Violation`.
    """
    names = {name for name, one in wanted.items() if one.offered}
    if offered.keys() != names:
        more, less = sorted(offered.keys() - names), sorted(names - offered.keys())
        raise Violation(f"offered, but must not be: {more}; must be, but is not: {less}")
    for name, mark in offered.items():
        pieces = wanted[name].pieces
        if (pieces is not None) != bool(mark):
            raise Violation(f"{name} is marked {mark!r}, and must be {pieces}")
        if pieces is not None and not _in_order("" if mark is True else str(mark), pieces):
            raise Violation(f"{name} is marked {mark!r}, and must say {pieces}")


def _in_order(text: str, pieces: Sequence[str]) -> bool:
    place = 0
    for number, piece in enumerate(pieces):
        found = text.find(piece, place)
        if found < 0 or (number == 0 and found > 0 and not _is_moment(piece)):
            return False
        place = found + len(piece)
    return place == len(text)


def _is_moment(piece: str) -> bool:
    return piece.endswith("Z") and piece[:2] == "20"
