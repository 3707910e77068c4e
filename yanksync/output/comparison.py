"""Compares one directory of the output with its expected files (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

from msgspec import Struct

from yanksync.core import layout
from yanksync.core.model import PublishedForms
from yanksync.core.names import normalize
from yanksync.output.inventory import (
    OURS,
    TEMPORARY,
    DirectoryContent,
    FileEntry,
    expected_files,
    is_project_directory,
)


class FindingKind(StrEnum):
    """The kind of a finding."""

    MISSING = "missing"
    DIFFERENT = "different"  # other bytes than those that follow from the state
    STALE = "stale"  # a compressed copy with other content than its page
    EXTRA = "extra"  # a name of yanksync's that the state does not know
    MODE = "mode"  # another mode than a new file or directory gets
    LEFTOVER = "leftover"  # a temporary file of a dead run
    UPSTREAM = "upstream"  # upstream's page differs from the held one
    ALTERED = "altered"  # a package file with other bytes than those that were copied
    UNREFERENCED = "unreferenced"  # a package file that no page names
    WITHDRAWN = "withdrawn"  # upstream withdrew it, and no pass could publish that
    UNCHECKED = "unchecked"  # it could not be checked
    # The following kinds are notes: they are no faults of the mirror.
    UNPUBLISHED = "unpublished"  # recorded, and to be published by the next run
    HELD = "held"  # a guard keeps it as it was
    PENDING = "pending"  # upstream has news of it that no run has read yet
    FOREIGN = "foreign"  # it belongs to another program: left alone


DIFFERENCES = (
    FindingKind.MISSING,
    FindingKind.DIFFERENT,
    FindingKind.STALE,
    FindingKind.EXTRA,
    FindingKind.MODE,
    FindingKind.LEFTOVER,
    FindingKind.UPSTREAM,
    FindingKind.ALTERED,
    FindingKind.UNREFERENCED,
    FindingKind.WITHDRAWN,
)
NOT_SMALLER = f"it is not smaller than its page by {layout.PACKET} bytes"
"""What is said of a compressed copy that should not be there."""

NOTES = (FindingKind.UNPUBLISHED, FindingKind.HELD, FindingKind.PENDING, FindingKind.FOREIGN)


class Finding(Struct, frozen=True, kw_only=True):
    """One finding; a path with a final slash is a directory."""

    kind: FindingKind
    project: str | None  # None: the list of projects, or upstream as a whole
    path: str  # below the output, or the address at upstream
    detail: str | None = None


def compare_directory(
    name: str | None, wanted: Mapping[str, bytes], content: DirectoryContent
) -> Iterator[Finding]:
    """Yield how a directory differs from one with the files ``wanted``."""
    base = layout.directory(name)
    if content.problem is not None:
        yield _found(FindingKind.UNCHECKED, name, f"{base}/", content.problem)
        return
    if not content.exists:
        yield _found(FindingKind.MISSING, name, f"{base}/")
        return
    if content.wrong_mode is not None:
        yield _found(FindingKind.MODE, name, f"{base}/", content.wrong_mode)
    entries = {entry.name: entry for entry in content.entries}
    pages = (entry for entry in content.entries if entry.digest == wanted.get(entry.name))
    sizes = {entry.name: entry.size for entry in pages}  # wrong for a page that was changed by hand
    for filename, digest in wanted.items():
        entry = entries.pop(filename, None)
        path = f"{base}/{filename}"
        if entry is None:
            yield _found(FindingKind.MISSING, name, path)
            continue
        yield from _content(name, path, entry, digest, sizes)
        if entry.wrong_mode is not None:
            yield _found(FindingKind.MODE, name, path, entry.wrong_mode)
    for filename in sorted(entries):
        yield _found(unexpected_kind(filename), name, f"{base}/{filename}")


def unexpected_kind(filename: str) -> FindingKind:
    """Return the kind of a file that should not be there."""
    if filename in OURS:
        return FindingKind.EXTRA
    return FindingKind.LEFTOVER if filename in TEMPORARY else FindingKind.FOREIGN


def unexpected_directory(name: str, content: DirectoryContent) -> Finding:
    """Return the finding for a directory that should not be there."""
    path = f"{layout.directory(name)}/"
    if normalize(name) != name:
        return _found(FindingKind.FOREIGN, None, path)
    if content.problem is not None:
        return _found(FindingKind.UNCHECKED, name, path, content.problem)
    if not is_project_directory(content):
        return _found(FindingKind.FOREIGN, None, path)
    return _found(FindingKind.EXTRA, name, path)


def _content(
    name: str | None, path: str, entry: FileEntry, digest: bytes, sizes: Mapping[str, int | None]
) -> Iterator[Finding]:
    """Yield what is wrong with a file that should be there."""
    is_copy = entry.name.endswith(tuple(layout.SUFFIX.values()))
    if entry.problem is not None:
        yield _found(FindingKind.UNCHECKED, name, path, entry.problem)
    elif entry.digest != digest:
        yield _found(FindingKind.STALE if is_copy else FindingKind.DIFFERENT, name, path)
    elif is_copy:
        page, copy = sizes.get(layout.split_copy_name(entry.name)[0]), entry.size
        if page is not None and copy is not None and not layout.is_worth_keeping(page, copy):
            yield _found(FindingKind.EXTRA, name, path, NOT_SMALLER)


def is_as_expected(name: str, wanted: PublishedForms, content: DirectoryContent) -> bool:
    """Return True if exactly ``wanted`` is published.

    Modes and copies count, too.
    """
    return all(map(_is_harmless, compare_directory(name, expected_files(wanted), content)))


def _is_harmless(finding: Finding) -> bool:
    directory = finding.path.endswith("/")
    if finding.kind is FindingKind.MODE:
        return directory  # writing its files again does not change it
    # An object with the directory's name belongs to yanksync: an earlier configuration wanted it.
    return finding.kind is FindingKind.FOREIGN and not directory


def _found(kind: FindingKind, name: str | None, path: str, detail: str | None = None) -> Finding:
    return Finding(kind=kind, project=name, path=path, detail=detail)
