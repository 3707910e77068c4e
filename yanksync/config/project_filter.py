"""Selects the projects of the mirror by patterns of names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate
from functools import cached_property

from msgspec import Struct
from msgspec.structs import force_setattr

from yanksync.core.names import NormalizedName, normalize

_WILDCARDS = r"[*?\[\]]"
# One part of a pattern: a bracket (which may hold ranges, so its hyphens stay), or anything else.
_PART = r"\[!?[a-z0-9-]+\]|[a-z0-9*?]+|(?P<separators>[-_.]+)"


class ProjectFilter(Struct, frozen=True, dict=True):
    """The projects that ``projects`` selects and ``exclude`` does not.

    Patterns are those of :mod:`fnmatch` (``*``, ``?``, ``[abc]``, ``[a-z]``, ``[!abc]``) and are
    brought to the form of normalised names, so ``Foo.Bar`` and ``Foo_*`` mean ``foo-bar`` and
    ``foo-*``. Order and repetition have no effect: equal selections compare and hash equal.

    :raises ValueError: when a pattern is invalid as a project name and as a pattern of one
    """

    projects: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        force_setattr(self, "projects", _canonical(self.projects))
        force_setattr(self, "exclude", _canonical(self.exclude))

    def includes(self, name: str) -> bool:
        """Return whether the project of this *normalised* name is mirrored."""
        if self.includes_all:
            return True
        return self._included(name) and not self._excluded(name)

    @cached_property
    def includes_all(self) -> bool:
        """Whether every project is mirrored."""
        return self.projects == ("*",) and not self.exclude

    @cached_property
    def explicit_names(self) -> tuple[NormalizedName, ...] | None:
        """The mirrored names, sorted, when ``projects`` has no wildcard; else None."""
        if any(re.search(_WILDCARDS, pattern) for pattern in self.projects):
            return None
        return self.spelled_out_names

    @cached_property
    def spelled_out_names(self) -> tuple[NormalizedName, ...]:
        """The mirrored names that are spelled out, sorted."""
        plain = (pattern for pattern in self.projects if not re.search(_WILDCARDS, pattern))
        return tuple(NormalizedName(name) for name in plain if not self._excluded(name))

    @cached_property
    def text(self) -> str:
        """A text that identifies this selection in every run."""
        # Neither separator occurs in a pattern.
        return " ".join(self.projects) + "\n" + " ".join(self.exclude)

    @classmethod
    def from_text(cls, text: str) -> ProjectFilter:
        """Return the selection with this :attr:`text`.

        :raises ValueError: when it is none's
        """
        projects, _, exclude = text.partition("\n")
        return cls(tuple(projects.split(" ")), tuple(exclude.split(" ")) if exclude else ())

    def covers(self, other: ProjectFilter) -> bool:
        """Return whether this surely selects everything that ``other`` selects."""
        return all(_covered(p, self.projects, self._included) for p in other.projects) and all(
            _covered(p, other.exclude, other._excluded) for p in self.exclude
        )

    @cached_property
    def _included(self) -> _Matcher:
        return _Matcher(self.projects)

    @cached_property
    def _excluded(self) -> _Matcher:
        return _Matcher(self.exclude)


class _Matcher:
    """Matches a name with several canonical patterns.

    It needs one look-up and one expression.
    """

    __slots__ = ("_expression", "_names")

    def __init__(self, patterns: Iterable[str]) -> None:
        patterns = frozenset(patterns)
        self._names = frozenset(p for p in patterns if re.search(_WILDCARDS, p) is None)
        rest = sorted(patterns - self._names)
        self._expression = re.compile("|".join(map(translate, rest))) if rest else None

    def __call__(self, name: str) -> bool:
        if name in self._names:
            return True
        return self._expression is not None and self._expression.match(name) is not None


def _covered(pattern: str, patterns: tuple[str, ...], matches: _Matcher) -> bool:
    """Return whether ``patterns`` surely match everything that ``pattern`` matches."""
    if pattern in patterns or "*" in patterns:
        return True
    return re.search(_WILDCARDS, pattern) is None and matches(pattern)


def _canonical(patterns: Iterable[str]) -> tuple[str, ...]:
    """Return ``patterns`` normalised, sorted, each once.

    Only ``*`` when one of them is that.
    """
    found = {normalized_pattern(pattern) for pattern in patterns}
    return ("*",) if "*" in found else tuple(sorted(found))


def normalized_pattern(pattern: str) -> str:
    """Return one pattern in the form of normalised names (PEP 503).

    :raises ValueError: when no normalised name can match, because of its form
    """
    if re.search(_WILDCARDS, pattern) is None:
        name = normalize(pattern)
        if name is None:
            raise ValueError(f"{pattern!r} is no valid project name")
        return name
    parts, end = [], 0
    # Only ASCII, like names: lower() would turn U+212A (the Kelvin sign) into a plain k.
    lowered = pattern.lower() if pattern.isascii() else pattern
    for match in re.finditer(_PART, lowered):
        if match.start() != end:
            break
        parts.append("-" if match["separators"] else match[0])
        end = match.end()
    if end != len(lowered):
        raise ValueError(f"{pattern!r} is no pattern of project names")
    return re.sub(r"\*+", "*", "".join(parts))


class WiderFilter(ProjectFilter, frozen=True, dict=True):
    """A selection that also includes the projects of another one.

    Its text is that of the first.
    """

    also: ProjectFilter = ProjectFilter()

    def includes(self, name: str) -> bool:
        """Return whether either selects the project of this *normalised* name."""
        return super().includes(name) or self.also.includes(name)

    @cached_property
    def includes_all(self) -> bool:
        """Whether one of the two mirrors every project."""
        return ProjectFilter(self.projects, self.exclude).includes_all or self.also.includes_all

    @cached_property
    def explicit_names(self) -> tuple[NormalizedName, ...] | None:
        """The names of both, sorted, when neither has a wildcard; else None."""
        own, other = (
            ProjectFilter(self.projects, self.exclude).explicit_names,
            self.also.explicit_names,
        )
        return None if own is None or other is None else tuple(sorted({*own, *other}))
