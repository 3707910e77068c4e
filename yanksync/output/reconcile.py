"""Decides what has to change in the output (pure).

No event is applied to the output. The files that should be there are derived as a whole and
compared with the digests of the published ones. The result is create, replace, delete or leave
alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property

from msgspec import Struct

from yanksync.core import layout
from yanksync.core.model import PublishedForms
from yanksync.output.digests import digest

Compressor = Callable[[str, bytes], bytes | None]
"""Returns a body compressed by the codec of that name; None if that is not worth it."""


class FormUpdate(Struct, frozen=True, kw_only=True):
    """What to do with one form of a project page."""

    filename: str
    body: bytes | None = None  # None: the form stays as it is
    copies: tuple[tuple[str, bytes], ...] = ()  # (codec, compressed body) to write
    remove: tuple[str, ...] = ()  # codecs whose compressed copy must be removed


class WriteProject(Struct, frozen=True, kw_only=True):
    """Create or replace a project's page."""

    name: str
    forms: tuple[FormUpdate, ...]
    # A run may have died here: remove all other files that yanksync wrote.
    remove_leftovers: bool
    # Upstream quarantined the project: if the page cannot be replaced, remove it (R9).
    withdraws: bool = False


class RemoveProject(Struct, frozen=True, kw_only=True):
    """Remove a project's directory."""

    name: str


class KeepProject(Struct, frozen=True, kw_only=True):
    """Keep a project's files, which may not be synced."""

    name: str


Operation = WriteProject | RemoveProject | KeepProject


class RenderedForms(Struct, frozen=True, kw_only=True, dict=True):
    """All forms of a project page, from one value."""

    html: bytes
    json: bytes
    legacy: bytes | None = None  # None: not wanted

    @cached_property
    def digests(self) -> tuple[bytes, bytes]:
        """The digests of the JSON and of the HTML form."""
        return digest(self.json), digest(self.html)


def compressed_copies(
    rendered: RenderedForms, codecs: tuple[str, ...], compress: Compressor
) -> dict[str, bytes]:
    """Return the compressed copies to write, by file name.

    Files with the same bytes have the same copies.
    """
    bodies = {layout.V1_JSON.filename: rendered.json, layout.HTML.filename: rendered.html}
    if rendered.legacy is not None:
        bodies[layout.LEGACY.filename] = rendered.legacy
    found: dict[str, bytes] = {}
    for name in layout.compressed_names(codecs, legacy=rendered.legacy is not None):
        form, codec = layout.split_copy_name(name)
        copy = compress(codec, bodies[form])
        if copy is not None:
            found[name] = copy
    return found


def published_forms(rendered: RenderedForms, copies: Iterable[str]) -> PublishedForms:
    """Return what is published after ``rendered`` is written with ``copies``."""
    legacy = None if rendered.legacy is None else digest(rendered.legacy)
    return PublishedForms(*rendered.digests, tuple(copies), legacy)


def reconcile(
    name: str,
    published: PublishedForms | None,
    wanted: RenderedForms | None,
    copies: Mapping[str, bytes],
    *,
    write_started: bool,
) -> Operation | None:
    """Return the operation that publishes ``wanted``; None: nothing to do.

    ``published`` are the forms that a run published last. ``write_started`` means that a run has
    begun to replace them: then any files may be there.
    """
    if wanted is None:
        return RemoveProject(name=name) if write_started or published is not None else None
    if published is not None and published.legacy is not None and wanted.legacy is None:
        write_started = True  # only tidying removes a form
    if published is not None and not published.is_known:
        write_started = True  # the digest is void
    known = None if write_started else published
    before = (None, None) if known is None else (known.json, known.html)
    there = () if known is None else known.copies
    forms = (
        _legacy(known, wanted, copies),
        _form(layout.V1_JSON, wanted.json, wanted.digests[0] == before[0], there, copies),
        _form(layout.HTML, wanted.html, wanted.digests[1] == before[1], there, copies),
    )
    operation = tuple(form for form in forms if form is not None)
    return (
        WriteProject(name=name, forms=operation, remove_leftovers=write_started)
        if operation
        else None
    )


def _legacy(
    known: PublishedForms | None, wanted: RenderedForms, copies: Mapping[str, bytes]
) -> FormUpdate | None:
    """Say what to do with the form for followers.

    It is written before the page, so that it is never older.
    """
    if wanted.legacy is None:
        return None
    stood = None if known is None else known.legacy
    there = () if known is None or stood is None else known.copies
    same = stood is not None and digest(wanted.legacy) == stood
    return _form(layout.LEGACY, wanted.legacy, same, there, copies)


def _form(
    form: layout.Form,
    body: bytes,
    same: bool,
    there: Collection[str],
    copies: Mapping[str, bytes],
) -> FormUpdate | None:
    names = {codec: form.filename + suffix for codec, suffix in layout.SUFFIX.items()}
    siblings = tuple(
        (codec, copies[name])
        for codec, name in names.items()
        if name in copies and not (same and name in there)
    )
    drop = tuple(codec for codec, name in names.items() if name in there and name not in copies)
    if same and not siblings and not drop:
        return None
    return FormUpdate(
        filename=form.filename, body=None if same else body, copies=siblings, remove=drop
    )
