"""Pure: what stands in one directory of the output, held against what should."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

from msgspec import Struct

from yanksync.core import layout
from yanksync.core.model import Published
from yanksync.output.inventory import _OURS, _TEMPORARY, Seen, Standing, files_of


class Kind(StrEnum):
    """What was found."""

    MISSING = "missing"
    DIFFERENT = "different"  # other bytes than those that follow from the state
    STALE = "stale"  # a sibling that does not hold what its page should
    EXTRA = "extra"  # one of our own names that the state knows nothing of
    MODE = "mode"  # not what a fresh file or directory would have
    LEFTOVER = "leftover"  # a temporary file of a run that died
    UPSTREAM = "upstream"  # upstream's page is another than the one held
    UNCHECKED = "unchecked"  # it could not be looked at
    # What follows says nothing against the mirror.
    UNPUBLISHED = "unpublished"  # recorded, and to be published by the next run
    HELD = "held"  # a guard keeps it as it was
    PENDING = "pending"  # upstream has news of it that no run has taken in yet
    FOREIGN = "foreign"  # not of ours: left alone


DIFFERENCES = (
    Kind.MISSING,
    Kind.DIFFERENT,
    Kind.STALE,
    Kind.EXTRA,
    Kind.MODE,
    Kind.LEFTOVER,
    Kind.UPSTREAM,
)
NOT_WORTH = f"it is not smaller than its page by {layout.PACKET} bytes"
"""What is said of a compressed copy that should not be there."""

NOTES = (Kind.UNPUBLISHED, Kind.HELD, Kind.PENDING, Kind.FOREIGN)


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that was found; a path that ends in a slash is a whole directory."""

    kind: Kind
    project: str | None  # None: the list of projects, or upstream as a whole
    path: str  # below the output, or the address at upstream
    detail: str | None = None


def compare(name: str | None, wanted: Mapping[str, bytes], standing: Standing) -> Iterator[Finding]:
    """Yield how a directory differs from one with the files ``wanted``."""
    base = layout.directory(name)
    if standing.problem is not None:
        yield _found(Kind.UNCHECKED, name, f"{base}/", standing.problem)
        return
    if not standing.there:
        yield _found(Kind.MISSING, name, f"{base}/")
        return
    if standing.wrong_mode is not None:
        yield _found(Kind.MODE, name, f"{base}/", standing.wrong_mode)
    entries = {seen.name: seen for seen in standing.entries}
    pages = (seen for seen in standing.entries if seen.digest == wanted.get(seen.name))
    sizes = {seen.name: seen.size for seen in pages}  # of one changed by hand it says nothing
    for filename, digest in wanted.items():
        seen = entries.pop(filename, None)
        path = f"{base}/{filename}"
        if seen is None:
            yield _found(Kind.MISSING, name, path)
            continue
        yield from _content(name, path, seen, digest, sizes)
        if seen.wrong_mode is not None:
            yield _found(Kind.MODE, name, path, seen.wrong_mode)
    for filename in sorted(entries):
        kind = (
            Kind.EXTRA
            if filename in _OURS
            else Kind.LEFTOVER
            if filename in _TEMPORARY
            else Kind.FOREIGN
        )
        yield _found(kind, name, f"{base}/{filename}")


def _content(
    name: str | None, path: str, seen: Seen, digest: bytes, sizes: Mapping[str, int | None]
) -> Iterator[Finding]:
    """Yield what is wrong with a file that should be there."""
    is_copy = seen.name.endswith(tuple(layout.SUFFIX.values()))
    if seen.problem is not None:
        yield _found(Kind.UNCHECKED, name, path, seen.problem)
    elif seen.digest != digest:
        yield _found(Kind.STALE if is_copy else Kind.DIFFERENT, name, path)
    elif is_copy:
        page, copy = sizes.get(layout.copied(seen.name)[0]), seen.size
        if page is not None and copy is not None and not layout.is_worth(page, copy):
            yield _found(Kind.EXTRA, name, path, NOT_WORTH)


def is_right(name: str, wanted: Published, standing: Standing) -> bool:
    """Return True if exactly ``wanted`` is published, as a fresh run would write it."""
    return all(map(_is_harmless, compare(name, files_of(wanted), standing)))


def _is_harmless(finding: Finding) -> bool:
    directory = finding.path.endswith("/")
    if finding.kind is Kind.MODE:
        return directory  # writing its files again does not change it
    # An object under the directory's name is ours, and was wanted by another configuration.
    return finding.kind is Kind.FOREIGN and not directory


def _found(kind: Kind, name: str | None, path: str, detail: str | None = None) -> Finding:
    return Finding(kind=kind, project=name, path=path, detail=detail)
