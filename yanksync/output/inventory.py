"""Values: what a project's directory in the output holds."""

from __future__ import annotations

from msgspec import Struct

from yanksync.core import layout
from yanksync.core.model import PublishedForms


class FileEntry(Struct, frozen=True, kw_only=True):
    """An entry of a directory.

    For files that yanksync does not manage, only ``name`` is set.

    ``digest`` is that of the content, of a sibling's decompressed; None when there is none to take.
    """

    name: str
    digest: bytes | None = None
    size: int | None = None  # in bytes, on disk; None: unknown, or in object storage
    problem: str | None = None  # why it could not be read
    wrong_mode: str | None = None


class DirectoryContent(Struct, frozen=True, kw_only=True):
    """A directory as it stands."""

    exists: bool = True
    entries: tuple[FileEntry, ...] = ()
    problem: str | None = None  # why it could not be read
    wrong_mode: str | None = None


_OURS = frozenset(layout.filenames())


_TEMPORARY = frozenset(layout.temporary_name(name) for name in layout.filenames())


def is_project_directory(content: DirectoryContent) -> bool:
    """Return True if yanksync made this directory.

    It has files with names of yanksync, or none.
    """
    return not content.entries or any(
        entry.name in _OURS or entry.name in _TEMPORARY for entry in content.entries
    )


def expected_files(published: PublishedForms) -> dict[str, bytes]:
    """Return every file of a page with its digest, decompressed."""
    found: dict[str, bytes] = {}
    forms = [(layout.V1_JSON, published.json), (layout.HTML, published.html)]
    if published.legacy is not None:
        forms.append((layout.LEGACY, published.legacy))
    for form, digest in forms:
        copies = [
            one for one in published.copies if layout.split_copy_name(one)[0] == form.filename
        ]
        for filename in layout.aliases(form.filename):
            found[filename] = digest
            for copy in copies:
                found[filename + copy.removeprefix(form.filename)] = digest
    return found
