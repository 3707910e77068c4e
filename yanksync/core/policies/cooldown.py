"""Decides which files are too young, and until when (pure).

The rules judge files. A file's effective time is the later of two times. One is the upload-time on
the page (PEP 700). The other is the time at which the file was added: by its journal entry, or else
when it was first seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Literal

from msgspec import Struct

from yanksync.core.model import File, Page
from yanksync.core.versions import file_versions

OLD = float("-inf")
"""The effective time of a file that counts as old: no clock of it is known, and it may be shown."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_SECOND = 253402300799  # of the year 9999
_NEIGHBOURS = 3600.0  # seconds between files of a release that become visible together
_REMEMBERED = 2 * 86400.0  # seconds for which a newly visible file is remembered as such


class HiddenBy(StrEnum):
    """The rule that hides a file."""

    AGE = "age"
    NEW_PROJECT = "new_projects"
    NOT_AFTER = "not_after"
    MISSING = "missing"


class FileTimes(Struct, frozen=True):
    """The times of a project's files that the state knows."""

    added: Mapping[str, float] = {}  # by file name; other files have only their upload-time
    earliest: float | None = None  # the earliest effective time of removed files
    shown: frozenset[str] = frozenset()  # files that have become visible, and stay so


UNKNOWN_TIMES = FileTimes()
"""What is known of a project of which nothing was noted: its upload-times count."""


class ProjectCooldown(Struct, frozen=True):
    """The rules for the files of one project."""

    age: float = 0.0  # seconds; 0: none
    new_projects: float = 0.0  # seconds; instead of ``age`` while the project is younger than this
    mode: Literal["hide", "yank"] = "hide"  # what happens to files that are too young
    missing: Literal["hide", "allow"] = "hide"  # what happens to files without upload-time
    not_after: float | None = None  # later files are not offered

    @property
    def is_off(self) -> bool:
        """Whether these rules hide no file, whatever its times are."""
        return not (self.age or self.new_projects) and self.not_after is None


class Cooldown(Struct, frozen=True, kw_only=True):
    """Section ``[cooldown]``. Times are seconds."""

    age: float = 0.0
    mode: Literal["hide", "yank"] = "hide"
    missing: Literal["hide", "allow"] = "hide"
    not_after: float | None = None
    new_projects: float = 0.0
    projects: tuple[tuple[str, float], ...] = ()  # pattern of normalised names, age; in their order

    @property
    def is_off(self) -> bool:
        """Whether no file of any project is hidden."""
        ages = (self.age, self.new_projects, *(age for _, age in self.projects))
        return not any(ages) and self.not_after is None

    def projects_pattern(self, name: str) -> str | None:
        """Return the pattern of ``projects`` that counts for a *normalised* name."""
        return next((one for one, _ in self.projects if fnmatchcase(name, one)), None)

    def for_project(self, name: str) -> ProjectCooldown:
        """Return the rules for the project of this *normalised* name."""
        age, new = self.age, self.new_projects
        if (pattern := self.projects_pattern(name)) is not None:
            age, new = dict(self.projects)[pattern], 0.0
        return ProjectCooldown(age, new, self.mode, self.missing, self.not_after)


class FileCooldown(Struct, frozen=True):
    """The decision of cooldown about one file at a cut-off."""

    hidden_by: HiddenBy | None = None  # None: it is offered
    until: float | None = None  # when that ends; None: never, by these rules
    just_shown: bool = False  # it became visible not long ago


def parse_time(text: str | None) -> float | None:
    """Return an upload-time (PEP 700) in seconds; None: not valid."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def format_time(seconds: float) -> str:
    """Return a moment in RFC 3339, UTC, rounded up to whole seconds."""
    whole = min(-int(-seconds // 1), _LAST_SECOND)
    return (_EPOCH + timedelta(seconds=whole)).strftime("%Y-%m-%dT%H:%M:%SZ")


def effective_times(page: Page, times: FileTimes) -> list[float]:
    """Return when each file of ``page`` began to exist.

    It is the later of its two times.
    """
    return [
        max(
            times.added.get(file.filename) or OLD,
            OLD if (uploaded := parse_time(file.upload_time)) is None else uploaded,
        )
        for file in page.files
    ]


def earliest_effective(moments: Iterable[float], times: FileTimes) -> float | None:
    """Return the earliest effective time of a project, or None."""
    known = [moment for moment in moments if moment != OLD]
    if times.earliest is not None:
        known.append(times.earliest)
    return min(known, default=None)


def release_times(page: Page, moments: Sequence[float]) -> list[float]:
    """Return the effective time of each file of ``page``.

    Files of one release form a chain if neighbours are at most an hour apart. The time of the last
    file counts for the whole chain. A file without a version is a chain by itself.
    """
    found = list(moments)
    releases: dict[str, list[int]] = {}
    for place, version in enumerate(file_versions(page)):
        if version is not None:
            releases.setdefault(version, []).append(place)
    for places in releases.values():
        places.sort(key=moments.__getitem__, reverse=True)
        last = before = moments[places[0]]
        for place in places:
            own = moments[place]
            last = last if before - own <= _NEIGHBOURS else own
            before, found[place] = own, last
    return found


def judge_files(
    page: Page, rules: ProjectCooldown, times: FileTimes, cutoff: float
) -> Sequence[FileCooldown]:
    """Return which files of ``page`` are hidden, and until when."""
    if rules.is_off:
        return [_OFFERED] * len(page.files)
    own = effective_times(page, times)
    matures = None  # when the project stops being new
    if rules.new_projects and (earliest := earliest_effective(own, times)) is not None:
        matures = earliest + rules.new_projects
        matures = matures if cutoff < matures else None
    return [
        _hidden_for_good(file, moment, rules, young=matures is not None)
        or _judge_age(file, counted, rules, times, cutoff, matures)
        for file, moment, counted in zip(page.files, own, release_times(page, own), strict=True)
    ]


_OFFERED = FileCooldown()


def _hidden_for_good(
    file: File, moment: float, rules: ProjectCooldown, *, young: bool
) -> FileCooldown | None:
    if rules.not_after is not None and moment > rules.not_after:
        return FileCooldown(HiddenBy.NOT_AFTER)
    has_age = rules.age > 0 or young
    if has_age and rules.missing == "hide" and parse_time(file.upload_time) is None:
        return FileCooldown(HiddenBy.MISSING)
    return None


def _judge_age(
    file: File,
    moment: float,
    rules: ProjectCooldown,
    times: FileTimes,
    cutoff: float,
    matures: float | None,
) -> FileCooldown:
    """Judge a file by the effective time that counts for its release."""
    visible = moment + rules.age
    if file.filename not in times.shown:
        if matures is not None and moment != OLD:
            return FileCooldown(HiddenBy.NEW_PROJECT, max(matures, visible))
        if rules.age and cutoff <= visible:
            return FileCooldown(HiddenBy.AGE, visible)
    return FileCooldown(just_shown=rules.age > 0 and cutoff <= visible + _REMEMBERED)
