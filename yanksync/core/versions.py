"""Finds the version of a file, and orders versions.

Pure. PEP 440 decides if it can. Functions here raise no error for unreadable versions and file
names. Indexes have versions such as ``2004d`` and files such as ``x-1.0.win32.exe`` (PEP 700 and
the Simple API allow both). The rule is: a file belongs to the version whose text is in its name. If
there is none, it belongs to an equal version by PEP 440, if any.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache

from yanksync.core.model import File, Page

_Primitives = tuple[int | str | tuple[int | str, ...], ...]
SortKey = tuple[int, _Primitives, str]
"""Orders version texts; made of numbers and strings only, so that comparing is cheap."""

_LONGEST = (
    256  # a longer text is never read as PEP 440: it could cost quadratic time, or an int limit
)
_NO_PRE, _NO_DEV = (2,), (1, 0)  # after all pre-releases, and after all development releases
_SEPARATORS = re.compile(r"[-_.]+")
_EXTENSION = (
    r"(?:\.(?:tar\.(?:gz|bz2|xz|lzma|Z)|tgz|tbz2?|zip|tar|egg|exe|msi|rpm|dmg|deb)|"
    r"-variants\.json)\Z"  # PEP 825, a draft
)
# The part after the version in names from bdist_egg, bdist_wininst, bdist_dumb, bdist_rpm.
_PLATFORM = (
    r"[-.](?=py[0-9]|cp[0-9]|win|linux|macosx|darwin|cygwin|solaris|sunos|aix|freebsd|openbsd|"
    r"netbsd|irix|arm|aarch64|(?:[0-9]+\.)?(?:any|noarch|src|i[3-6]86|x86_64|amd64)\b)"
)


def _pep440(text: str) -> _Primitives | None:
    """Return the PEP 440 order of ``text`` as plain values, or None.

    Equal keys are equal versions. The same order as ``packaging.version.Version``, whose own
    comparisons are too slow for 16 million files.
    """
    return None if len(text) > _LONGEST else _parsed(text)  # long texts must not stay in the cache


@lru_cache(maxsize=65536)
def _parsed(text: str) -> _Primitives | None:
    from packaging.version import Version  # start-up

    try:
        version = Version(text)
    except ValueError:  # InvalidVersion, or a number beyond Python's limit of digits
        return None
    release = version.release
    while release and release[-1] == 0:
        release = release[:-1]
    pre: tuple[int | str, ...] = _NO_PRE
    if version.pre is not None:
        pre = (1, *version.pre)
    elif version.post is None and version.dev is not None:
        pre = (0,)  # 1.0.dev1 comes before 1.0a1
    post = -1 if version.post is None else version.post
    dev = _NO_DEV if version.dev is None else (0, version.dev)
    return (version.epoch, release, pre, post, dev, _local(version.local))


def _local(local: str | None) -> tuple[int | str, ...]:
    """Return the order of a local version label.

    Numbers after words (PEP 440).
    """
    if local is None:
        return ()
    flat: list[int | str] = []
    for part in local.split("."):
        flat += (1, int(part)) if part.isdigit() else (0, part)
    return tuple(flat)


def sort_key(version: str | None) -> SortKey:
    """Return the sort key of a version.

    The order: no version, texts outside PEP 440, PEP 440 versions.
    """
    if version is None:
        return (0, (), "")
    order = _pep440(version)
    return (1, (), version) if order is None else (2, order, version)


VersionKey = str | _Primitives
"""Stands for a version in dictionaries; see :func:`version_key`."""


def version_key(version: str) -> VersionKey:
    """Return a key that equal versions share, and no others.

    Versions are equal if they have the same text, or are equal by PEP 440.
    """
    order = _pep440(version)
    return version if order is None else order


def same_version(a: str, b: str) -> bool:
    """Return True if two texts name one version (PEP 440)."""
    return a == b or version_key(a) == version_key(b)


def is_prerelease(version: str) -> bool:
    """Return True for a pre-release or a development release (PEP 440)."""
    order = _pep440(version)
    return order is not None and (order[2] != _NO_PRE or order[4] != _NO_DEV)


def minor_line(version: str | None) -> VersionKey | None:
    """Return a key of versions with equal epoch and first two numbers.

    None: it is no PEP 440 version.
    """
    order = None if version is None else _pep440(version)
    if order is None:
        return None
    epoch, release, *_ = order
    assert isinstance(release, tuple)
    return (epoch, *(*release, 0, 0)[:2])


class VersionFinder:
    """Finds the version that each file of one project belongs to.

    ``versions`` are the texts that the page lists. None: it lists none (HTML, or JSON 1.0), and the
    file name gives the version.
    """

    def __init__(self, project: str, versions: Collection[str] | None) -> None:
        self._project = project
        self._length, self._underscored = len(project), project.replace("-", "_")
        self._versions = None if versions is None else frozenset(versions)
        self._equals: dict[_Primitives | None, str] | None = None

    def version_of(self, filename: str) -> str | None:
        """Return the version of ``filename``; None: it belongs to none."""
        likely = self._likely(filename)
        if likely is not None and self._versions is not None and likely in self._versions:
            return likely  # the search below would find it first
        shortest = None
        for text in _texts(filename, self._project):
            if self._versions is not None and text in self._versions:
                return text
            shortest = text
        if self._versions is None or shortest is None:
            return shortest
        for text in _texts(filename, self._project):
            found = self._equal(text) or self._equal(text.replace("_", "-"))
            if found is not None:
                return found
        return None

    def _likely(self, filename: str) -> str | None:
        """Return the version in a wheel's or common sdist's name."""
        if filename.endswith(".whl"):
            parts = filename.split("-", 2)
            return parts[1] if len(parts) == 3 else None
        if filename.endswith(".tar.gz"):
            head, rest = filename[: self._length], filename[self._length : -7]
            if rest[:1] == "-" and (head == self._project or head == self._underscored):
                return rest[1:]
        return None

    def _equal(self, text: str) -> str | None:
        """Return the first listed version that equals ``text``."""
        assert self._versions is not None
        if text in self._versions:  # wheels and eggs write "_" for the "-" of 1.0-1
            return text
        if self._equals is None:
            self._equals = {}
            for version in sorted(self._versions, key=sort_key):
                self._equals.setdefault(_pep440(version), version)
            self._equals.pop(None, None)
        return self._equals.get(_pep440(text))


def filename_matches_project(filename: str, project: str) -> bool:
    """Return whether ``filename`` begins with the name of ``project``, in any spelling.

    In a wheel the name part must be exactly the name. Other names may continue after a hyphen.
    """
    if filename.endswith(".whl"):
        name = filename.partition("-")[0].replace("_", "-")
        return name == project or _SEPARATORS.sub("-", name).lower() == project
    return _after_name(filename, project) is not None


def file_versions(page: Page) -> tuple[str | None, ...]:
    """Return the version of each of ``page.files``, in their order."""
    finder = VersionFinder(page.name, page.versions)
    return tuple([finder.version_of(file.filename) for file in page.files])


def versions_by_file(page: Page) -> dict[str, str | None]:
    """Return the version of each of ``page.files``, by the file's name."""
    finder = VersionFinder(page.name, page.versions)
    return {file.filename: finder.version_of(file.filename) for file in page.files}


def files_by_version(page: Page) -> tuple[tuple[str | None, tuple[File, ...]], ...]:
    """Group the files of a page by version, in version order.

    In a group they keep the order of the page.

    Files without a version are under None. A listed version has no group if it lacks files.
    """
    groups: dict[str | None, list[File]] = {}
    for version, file in zip(file_versions(page), page.files, strict=True):
        groups.setdefault(version, []).append(file)
    return tuple((version, tuple(groups[version])) for version in sorted(groups, key=sort_key))


def _texts(filename: str, project: str) -> Iterator[str]:
    """Yield possible versions in a file name, the longest first.

    A wheel has one. In other names the version may end before the extension, or before a part that
    looks like a platform. If no versions are known, the shortest text is the most likely.
    """
    if filename.endswith(".whl"):
        parts = filename.split("-", 2)
        if len(parts) == 3:
            yield parts[1]
        return
    rest = _after_name(filename, project)
    extension = None if rest is None else re.search(_EXTENSION, rest)
    if rest is None or extension is None or extension.start() == 0:
        return
    stem = rest[: extension.start()]
    yield stem
    for end in reversed([match.start() for match in re.compile(_PLATFORM).finditer(stem, 1)]):
        yield stem[:end]


def _after_name(filename: str, project: str) -> str | None:
    """Return what follows the project's name, or None.

    Old sdists have hyphens in their name part, and any spelling of the name, so the name may end at
    each hyphen. The length of the name itself is tried first, because it is nearly always right.
    """
    length = len(project)
    if filename[length : length + 1] == "-":
        head = filename[:length]
        if head.replace("_", "-") == project or _SEPARATORS.sub("-", head).lower() == project:
            return filename[length + 1 :]
    at = filename.find("-", length)
    while at != -1 and at <= 2 * length + 8:  # runs such as "a__b" make the spelling longer
        if _SEPARATORS.sub("-", filename[:at]).lower() == project:
            return filename[at + 1 :]
        at = filename.find("-", at + 1)
    return None
