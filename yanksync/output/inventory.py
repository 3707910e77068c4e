"""Values: what a project's directory in the output holds."""

from __future__ import annotations

from msgspec import Struct

from yanksync.core import layout
from yanksync.core.model import Published


class Seen(Struct, frozen=True, kw_only=True):
    """An entry of a directory, as it stands. Of what is not of ours nothing but the name is told.

    ``digest`` is that of the content, of a sibling's decompressed; None when there is none to take.
    """

    name: str
    digest: bytes | None = None
    size: int | None = None  # in bytes, on disk; None: unknown, or in object storage
    problem: str | None = None  # why it could not be read
    wrong_mode: str | None = None


class Standing(Struct, frozen=True, kw_only=True):
    """A directory as it stands."""

    there: bool = True
    entries: tuple[Seen, ...] = ()
    problem: str | None = None  # why it could not be read
    wrong_mode: str | None = None


_OURS = frozenset(layout.filenames())


_TEMPORARY = frozenset(layout.temporary(name) for name in layout.filenames())


def holds_ours(standing: Standing) -> bool:
    """Whether a directory is one that we made: it holds files of our names, or nothing."""
    return not standing.entries or any(
        seen.name in _OURS or seen.name in _TEMPORARY for seen in standing.entries
    )


def files_of(stands: Published) -> dict[str, bytes]:
    """Return every file that a page consists of, with the digest of its content, decompressed."""
    found: dict[str, bytes] = {}
    forms = [(layout.V1_JSON, stands.json), (layout.HTML, stands.html)]
    if stands.legacy is not None:
        forms.append((layout.LEGACY, stands.legacy))
    for form, digest in forms:
        copies = [one for one in stands.copies if layout.copied(one)[0] == form.filename]
        for filename in layout.twins(form.filename):
            found[filename] = digest
            for copy in copies:
                found[filename + copy.removeprefix(form.filename)] = digest
    return found
