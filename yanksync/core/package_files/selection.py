"""Chooses files of a project by the rules of ``[files]`` (pure).

The page leaves out the same files. So an installer only picks files that the mirror copies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from yanksync.core.model import File, Page
from yanksync.core.package_files.wheel_tags import is_for_platform, is_for_python
from yanksync.core.pins import Pin
from yanksync.core.policies.cooldown import OLD, parse_time
from yanksync.core.versions import file_versions, is_prerelease, minor_line, sort_key

_SDISTS = (
    ".tar.gz", ".zip", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz", ".tar.Z", ".tar",
)  # fmt: skip


class ProjectAction(StrEnum):
    """What the mirror does with the files of a project."""

    COPY = "copy"
    LINK = "link"  # the page names upstream's files; no rule applies to them
    EXCLUDE = "exclude"  # the page names no file


class FileRule(StrEnum):
    """The rules that leave files out, by their keys, in order."""

    PROJECTS = "files.projects"
    LOCK_FILES = "files.lock_files"
    SDISTS = "files.sdists"
    PLATFORMS = "files.platforms"
    PYTHONS = "files.pythons"
    MAX_SIZE = "files.max_size"
    MAX_AGE = "files.max_age"
    PRERELEASES = "files.prereleases"
    NEWEST = "files.newest"


class FileRules(Struct, frozen=True, kw_only=True):
    """The rules; by default they choose every file.

    Patterns are of normalised names.
    """

    projects: tuple[tuple[str, ProjectAction], ...] = ()  # the first that matches counts
    newest: int = 0  # releases; 0: all
    newest_by: Literal["version", "time"] = "version"
    newest_per: Literal["project", "minor"] = "project"
    prereleases: bool = True
    prerelease_projects: tuple[tuple[str, bool], ...] = ()  # the first match replaces prereleases
    platforms: tuple[str, ...] = ()  # patterns of wheels' platforms; none: all
    pythons: tuple[str, ...] = ()  # interpreters, such as cp312; none: all
    sdists: bool = True
    max_size: int = 0  # bytes of one file; 0: any
    max_age: float = 0.0  # seconds since the upload; 0: any
    pins: dict[str, tuple[Pin, ...]] | None = None  # by project, of lock files; None: no lock file

    def action(self, name: str) -> ProjectAction:
        """Return the action for a *normalised* project name."""
        found = (one for pattern, one in self.projects if fnmatchcase(name, pattern))
        return next(found, ProjectAction.COPY)

    def allows_prereleases(self, name: str) -> bool:
        """Return whether pre-releases of a project are chosen."""
        found = (one for pattern, one in self.prerelease_projects if fnmatchcase(name, pattern))
        return next(found, self.prereleases)


class FileChoice(Struct, frozen=True):
    """The rules at one moment."""

    rules: FileRules
    uploaded_after: float | None = None  # UTC seconds, from ``max_age``; None: any time

    def copies(self, name: str) -> bool:
        """Return whether chosen files of a *normalised* project are copied."""
        return self.rules.action(name) is not ProjectAction.LINK


class ChosenPage(Struct, frozen=True):
    """A page after the rules were applied."""

    page: Page
    left_out: Mapping[str, FileRule]  # by file name: the first rule that leaves it out


_Candidate = tuple[str | None, File]  # with the version that it belongs to
_Test = Callable[[str | None, File], bool]


def choose(page: Page, choice: FileChoice) -> ChosenPage:
    """Return ``page`` with the chosen files.

    A version leaves the page only if the rules left out files of it, and none is left.
    """
    rules = choice.rules
    action = rules.action(page.name)
    if action is ProjectAction.LINK or not page.files:
        return ChosenPage(page, {})
    files = list(zip(file_versions(page), page.files, strict=True))
    kept, left_out = files, dict[str, FileRule]()
    for rule, keeps in _tests(page.name, action, choice):
        left_out |= {file.filename: rule for version, file in kept if not keeps(version, file)}
        kept = [one for one in kept if one[1].filename not in left_out]
    if rules.newest:
        newest = _newest(kept, rules)
        left_out |= {file.filename: FileRule.NEWEST for one, file in kept if one not in newest}
        kept = [one for one in kept if one[0] in newest]
    if not left_out:
        return ChosenPage(page, {})
    gone = {version for version, _ in files} - {version for version, _ in kept}
    versions = page.versions and tuple(one for one in page.versions if one not in gone)
    chosen = replace(page, files=tuple(file for _, file in kept), versions=versions)
    return ChosenPage(chosen, left_out)


def unmet_pins(page: Page, choice: FileChoice) -> tuple[str, ...]:
    """Return the pinned versions of which ``page`` has no file."""
    pins = (choice.rules.pins or {}).get(page.name, ())
    files = list(zip(file_versions(page), page.files, strict=True))
    unmet = (
        pin.version
        for pin in pins
        if not any(_is_pinned(version, file, (pin,)) for version, file in files)
    )
    return tuple(sorted(set(unmet), key=sort_key))


def _tests(
    name: str, action: ProjectAction, choice: FileChoice
) -> Iterator[tuple[FileRule, _Test]]:
    """Yield the rules that judge each file by itself."""
    rules = choice.rules
    if action is ProjectAction.EXCLUDE:
        yield FileRule.PROJECTS, lambda version, file: False
    # A project without pins will leave, but a guard may hold its removal.
    if rules.pins is not None and (pins := rules.pins.get(name)) is not None:
        yield FileRule.LOCK_FILES, lambda version, file: _is_pinned(version, file, pins)
    if not rules.sdists:
        yield FileRule.SDISTS, lambda version, file: not is_sdist(file.filename)
    if platforms := rules.platforms:
        yield (
            FileRule.PLATFORMS,
            lambda version, file: (
                is_sdist(file.filename) or is_for_platform(file.filename, platforms)
            ),
        )
    if pythons := rules.pythons:
        yield (
            FileRule.PYTHONS,
            lambda version, file: is_sdist(file.filename) or is_for_python(file.filename, pythons),
        )
    if limit := rules.max_size:
        yield FileRule.MAX_SIZE, lambda version, file: (file.size or 0) <= limit
    if (after := choice.uploaded_after) is not None:
        yield FileRule.MAX_AGE, lambda version, file: _uploaded(file, after) >= after
    if not rules.allows_prereleases(name):
        yield FileRule.PRERELEASES, lambda version, file: not is_prerelease(version or "")


def is_sdist(filename: str) -> bool:
    """Return True if a file name is that of an sdist."""
    return filename.endswith(_SDISTS)


def _is_pinned(version: str | None, file: File, pins: tuple[Pin, ...]) -> bool:
    return version is not None and any(
        pin.allows(version) and pin.allows_file(file) for pin in pins
    )


def _uploaded(file: File, unknown: float) -> float:
    moment = parse_time(file.upload_time)
    return unknown if moment is None else moment


def _newest(files: list[_Candidate], rules: FileRules) -> set[str | None]:
    """Return the versions of the newest releases.

    A release that is yanked as a whole is not counted: it stays while it is newer than the oldest
    counted release. If no counted release is final, the newest final release is counted, too.
    """
    releases: dict[str | None, list[File]] = {}
    for version, file in files:
        releases.setdefault(version, []).append(file)
    by_line: dict[object, list[str | None]] = {}
    for version in sorted(releases, key=lambda one: _age(one, releases[one], rules), reverse=True):
        line = minor_line(version) if rules.newest_per == "minor" else None
        by_line.setdefault(line, []).append(version)
    newest: set[str | None] = set()
    for line_versions in by_line.values():
        newest |= _first(line_versions, releases, rules.newest)
    return newest


def _age(version: str | None, files: list[File], rules: FileRules) -> tuple[object, ...]:
    """Return the sort key of releases, oldest first.

    The time of a release is the time of its first file.
    """
    if rules.newest_by == "version":
        return sort_key(version)
    moments = [one for file in files if (one := parse_time(file.upload_time)) is not None]
    return (min(moments, default=OLD), *sort_key(version))


def _first(
    versions: list[str | None], releases: Mapping[str | None, list[File]], count: int
) -> set[str | None]:
    """Return the first ``count`` of ``versions``, which are in order, newest first."""
    found: set[str | None] = set()
    places, has_final = 0, False
    for version in versions:
        is_yanked = all(file.yanked is not None for file in releases[version])
        is_final = not is_prerelease(version or "")
        if places < count:
            found.add(version)
            places += not is_yanked
            has_final = has_final or (is_final and not is_yanked)
        elif not has_final and is_final and not is_yanked:
            found.add(version)
            break
    return found
