"""Shared helpers of the readers of lock files."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TypeVar

import msgspec
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from yanksync.core.formats.file_checks import linked_name
from yanksync.core.formats.reader_rules import InvalidDocument, quoted_for_log
from yanksync.core.names import NormalizedName, normalize
from yanksync.core.pins import PinnedFile, hash_pairs

T = TypeVar("T")

_NAME = re.compile(r"""name\s*=\s*["']""")


def decoded(body: bytes, kind: type[T], *, json: bool = False) -> T:
    """Decode a TOML or JSON document into a value of ``kind``.

    Raises :class:`InvalidDocument`.
    """
    try:
        if json:
            return msgspec.json.decode(body, type=kind)
        return msgspec.toml.decode(body, type=kind)
    except RecursionError as error:
        raise InvalidDocument("is nested too deeply") from error
    except (msgspec.MsgspecError, ValueError) as error:
        raise InvalidDocument(f"cannot be read: {error}") from error


def check_format(version: object, majors: Collection[int], tool: str) -> None:
    """Check the version of a lock file's format. Raises :class:`InvalidDocument`."""
    major = str(version).partition(".")[0]
    if major not in map(str, majors):
        known = " and ".join(f"{major}.x" for major in sorted(majors))
        raise InvalidDocument(
            f"has version {quoted_for_log(str(version))} of its format, and yanksync reads {known}"
            f". Lock again with a release of {tool} that writes one of these"
        )


def project_name(text: str) -> NormalizedName:
    """Return a package's name normalised. Raises :class:`InvalidDocument`."""
    name = normalize(text)
    if name is None:
        raise InvalidDocument(f"has {quoted_for_log(text)}, which is no valid project name")
    return name


def pinned_file(name: str | None, place: str | None, digest: str) -> PinnedFile:
    """Return a file of a pin.

    If it has no name, the name in its URL or path counts.
    """
    named = name or linked_name((place or "").partition("#")[0])
    return PinnedFile(named or None, hash_pairs((digest,)))


def package_lines(body: bytes, table: str, count: int) -> list[int | None]:
    """Return the line of each package name in tables ``[[table]]``."""
    lines: list[int | None] = []
    named = True
    for number, line in enumerate(body.decode("utf-8", "replace").split("\n"), 1):
        if line.strip() == f"[[{table}]]":
            lines.append(number)
            named = False
        elif not named and _NAME.match(line):
            lines[-1], named = number, True
    return lines if len(lines) == count else [None] * count  # a text may look like a table


def lowest_python(specifier: str | None) -> str | None:
    """Return the lowest Python of ``specifier``; None: no lower bound."""
    try:
        clauses = SpecifierSet(specifier or "")
    except InvalidSpecifier:
        return None
    bounds = (one.version for one in clauses if one.operator in (">=", "~=", "=="))
    return next((bound.removesuffix(".*") for bound in bounds), None)
