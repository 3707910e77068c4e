"""The members of a bundle by their names.

No other name is accepted (R10).
"""

from __future__ import annotations

import re
from enum import IntEnum

from yanksync.core import layout
from yanksync.core.names import NormalizedName, normalize
from yanksync.core.withdrawals import paths


class MemberKind(IntEnum):
    """What a member is. A bundle has its members in this order."""

    HEADER = 0
    REMOVED = 1  # what the mirror does not publish any more
    PACKAGE = 2  # a package file or its metadata
    PAGE = 3  # a form of a project's page: HTML, then directly its JSON
    LIST = 4  # a form of the list of projects
    DELETED = 5  # a form of a page, or of the list, of the index of deleted files
    WITHDRAWALS = 6
    LOG_INDEX = 7  # it names the pages of the log
    MANIFEST = 8


HEADER, REMOVED, MANIFEST = "bundle.json", "removed.ndjson", "manifest.ndjson"
FORMS = (layout.HTML.filename, layout.V1_JSON.filename)
"""The forms of a page that a bundle has; the other files beside them are made of these."""

DELETED_INDEX = (*FORMS, *layout.ALIAS.values())
"""The files of a page of the index of deleted files."""

LARGEST = {
    MemberKind.HEADER: 1 << 16,
    MemberKind.PAGE: 128 << 20,
    MemberKind.LIST: 1 << 30,
}
"""Bytes of members that are read into memory; others are as large as the bundle."""

_MEMBERS = {alias: form for form, alias in layout.ALIAS.items()}
_FIXED = {
    HEADER: MemberKind.HEADER,
    REMOVED: MemberKind.REMOVED,
    MANIFEST: MemberKind.MANIFEST,
}
_PACKAGE = re.compile(rf"{layout.PACKAGES}/[0-9a-f]{{2}}/[0-9a-f]{{2}}/[0-9a-f]{{60}}/([^/]+)")
# No dot at the beginning: temporary files and the names of parent directories begin with one.
# Surrogates are refused: they stand for bytes that are no text.
_FILENAME = re.compile(r"[^.\-/\\\x00-\x1f\x7f\ud800-\udfff][^/\\\x00-\x1f\x7f\ud800-\udfff]*")
_LONGEST = 255  # bytes of a name


def kind_of(path: str) -> MemberKind | None:
    """Return the kind of a member by its name.

    None: no bundle has such a member.
    """
    if path in _FIXED:
        return _FIXED[path]
    if is_package(path):
        return MemberKind.PACKAGE
    directory, _, filename = path.rpartition("/")
    if filename in FORMS and directory == layout.ROOT:
        return MemberKind.LIST
    if filename in FORMS and page_name(directory) is not None:
        return MemberKind.PAGE
    if filename in FORMS and is_deleted_index(directory):
        return MemberKind.DELETED
    if path == paths.LOG_INDEX:
        return MemberKind.LOG_INDEX
    return MemberKind.WITHDRAWALS if _is_about_withdrawals(path) else None


def is_package(path: str) -> bool:
    """Return True for places of package files and their metadata."""
    match = _PACKAGE.fullmatch(path)
    return match is not None and _is_filename(match[1])


def page_name(directory: str) -> NormalizedName | None:
    """Return the project that has this directory; None: none has."""
    root, _, name = directory.partition("/")
    found = normalize(name) if root == layout.ROOT else None
    return found if found == name else None


def is_deleted_index(directory: str) -> bool:
    """Return True for directories of the index of deleted files."""
    root, name = directory[: len(layout.DELETED_ROOT)], directory[len(layout.DELETED_ROOT) :]
    return root == layout.DELETED_ROOT and (
        name == "" or page_name(f"{layout.ROOT}{name}") is not None
    )


def member_of(path: str) -> str:
    """Return the member whose bytes a file beside the pages has."""
    directory, _, filename = path.rpartition("/")
    return f"{directory}/{_MEMBERS.get(filename, filename)}"


def is_ours(path: str) -> bool:
    """Return True for files beside the pages that yanksync writes.

    Temporary files are among them.
    """
    directory, _, filename = path.rpartition("/")
    if is_deleted_index(directory):
        return filename in (*DELETED_INDEX, *map(layout.temporary_name, DELETED_INDEX))
    return path.startswith(f"{layout.WITHDRAWALS}/") and paths.is_ours(path)


def _is_about_withdrawals(path: str) -> bool:
    root, *parts = path.split("/")
    suffix = path[path.rfind(".") :]
    return (
        root == layout.WITHDRAWALS
        and bool(parts)
        and all(map(_is_filename, parts))
        and suffix in paths.CONTENT_TYPES
    )


def _is_filename(name: str) -> bool:
    return _FILENAME.fullmatch(name) is not None and len(name.encode()) <= _LONGEST
