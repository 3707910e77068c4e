"""Compares upstream's page with the page of the state (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from yanksync.core.model import File, Page, Yank

_NAMED = 3  # files that are named of each kind of difference

_FIELDS = {
    "url": "address",
    "hashes": "hashes",
    "requires_python": "requires-python",
    "size": "size",
    "upload_time": "upload-time",
    "core_metadata": "core-metadata",
    "gpg_sig": "gpg-sig",
    "provenance": "provenance",
}


def described(held: Page, page: Page) -> str:
    """Return how upstream's ``page`` differs from ``held``."""
    return "; ".join(_parts(held, page)) or "only the order of its files"


def _parts(held: Page, page: Page) -> Iterator[str]:
    if (page.status, page.status_reason) != (held.status, held.status_reason):
        yield f"status {_status(page)}, here {_status(held)}"
    here = {file.filename: file for file in held.files}
    there = {file.filename: file for file in page.files}
    if new := [name for name in there if name not in here]:
        yield f"files that are missing here: {_some(new)}"
    if gone := [name for name in here if name not in there]:
        yield f"files that upstream lacks: {_some(gone)}"
    both = [(here[name], there[name]) for name in there if name in here]
    if marks := [_mark(old, new) for old, new in both if old.yanked != new.yanked]:
        yield _some(marks)
    for field, word in _FIELDS.items():
        if names := [
            old.filename for old, new in both if getattr(old, field) != getattr(new, field)
        ]:
            yield f"other {word}: {_some(names)}"
    if (page.versions or ()) != (held.versions or ()):
        yield "other list of versions"
    if page.serial != held.serial:
        yield f"serial {page.serial}, here {held.serial}"


def _status(page: Page) -> str:
    return page.status if not page.status_reason else f"{page.status} ({page.status_reason!r})"


def _mark(old: File, new: File) -> str:
    return f"{new.filename} is {_yank(new.yanked)}, here {_yank(old.yanked)}"


def _yank(yank: Yank | None) -> str:
    if yank is None:
        return "not yanked"
    return f"yanked ({yank.reason!r})" if yank.reason else "yanked"


def _some(texts: Sequence[str]) -> str:
    more = len(texts) - _NAMED
    return ", ".join(texts[:_NAMED]) + (f" and {more} more" if more > 0 else "")
