"""Describes what a project's directory in the output has (pure)."""

from __future__ import annotations

import os
from collections.abc import Iterable

from msgspec import Struct

from yanksync.core import layout
from yanksync.core.model import PublishedForms
from yanksync.output.compress import decompress_chunks
from yanksync.output.digests import digest_of

OURS = frozenset(layout.filenames())
"""Every file name that yanksync writes."""

TEMPORARY = frozenset(map(layout.temporary_name, OURS))
"""The names under which it writes them first."""


class FileEntry(Struct, frozen=True, kw_only=True):
    """An entry of a directory.

    For files that yanksync does not manage, only ``name`` is set.

    ``digest`` is the digest of the content; for a compressed copy, of the decompressed content. It
    is None if the content cannot be read.
    """

    name: str
    digest: bytes | None = None
    size: int | None = None  # in bytes, on disk; None: unknown, or in object storage
    problem: str | None = None  # why it could not be read
    wrong_mode: str | None = None


class DirectoryContent(Struct, frozen=True, kw_only=True):
    """What a directory contains."""

    exists: bool = True
    entries: tuple[FileEntry, ...] = ()
    problem: str | None = None  # why it could not be read
    wrong_mode: str | None = None


def file_entry(
    name: str, chunks: Iterable[bytes], wrong_mode: str | None = None, size: int | None = None
) -> FileEntry:
    """Return the entry of a file with this content.

    Raises the errors of ``chunks``.
    """
    codec = layout.ENCODING.get(os.path.splitext(name)[1])
    try:
        digest = digest_of(chunks if codec is None else decompress_chunks(codec, chunks))
    except ValueError:  # the content does not fit its suffix
        return FileEntry(name=name, wrong_mode=wrong_mode)
    return FileEntry(name=name, digest=digest, size=size, wrong_mode=wrong_mode)


def is_project_directory(content: DirectoryContent) -> bool:
    """Return True if yanksync made this directory.

    Its files have names of yanksync, or it is empty.
    """
    return not content.entries or any(
        entry.name in OURS or entry.name in TEMPORARY for entry in content.entries
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
