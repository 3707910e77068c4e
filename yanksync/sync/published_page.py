"""Makes the published forms of a project.

They follow from its held page and the configuration.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from yanksync.core import layout
from yanksync.core.errors import InvalidAnswer
from yanksync.core.formats import json_page_writer
from yanksync.core.formats.html import page_writer as html_page_writer
from yanksync.core.formats.parse import parse_page
from yanksync.core.model import File, Page
from yanksync.core.names import NormalizedName
from yanksync.core.policies.yanked import offered_page
from yanksync.mirror.context import Mirror
from yanksync.mirror.forgotten import page_without_forgotten
from yanksync.output.reconcile import RenderedForms
from yanksync.state.project_rows import ProjectRow
from yanksync.state.views.stored_page import STORED_RULES, parse_stored_page, visible_page

if TYPE_CHECKING:
    from yanksync.core.package_files.copies import PackageFile

__all__ = [
    "for_followers",
    "held_page",
    "parse_published_page",
    "parse_stored_page",
    "recorded_page",
    "render_forms",
    "shown_page",
    "visible_page",
]

_OUTPUT = "https://output.invalid/"  # base of our own pages: links to copies are relative


def recorded_page(mirror: Mirror, row: ProjectRow) -> Page:
    """Return the page that the state holds.

    Raises :class:`InvalidAnswer` when it cannot be read.
    """
    stored = mirror.state.projects.page(row.id)
    if stored is None:
        raise InvalidAnswer(f"project {row.name}", "the state holds no page of it")
    return parse_stored_page(row.name, stored)


def held_page(mirror: Mirror, row: ProjectRow) -> Page | None:
    """Return the page that the state holds; None: none can be read."""
    try:
        return recorded_page(mirror, row)
    except InvalidAnswer:
        return None


def shown_page(mirror: Mirror, page: Page) -> Page:
    """Return the offered part of a page, with upstream's addresses.

    The rules of :mod:`yanksync.mirror.offers` are not applied here.
    """
    page = page_without_forgotten(page, mirror.forgotten)
    page = offered_page(page, mirror.settings.mirror.yanked.value)
    if mirror.choice is None:
        return page
    from yanksync.core.package_files.selection import choose  # start-up: few choose files

    return choose(page, mirror.choice).page


def page_with_kept(
    row: ProjectRow, page: Page | None, copies: Sequence[PackageFile]
) -> Page | None:
    """Return upstream's page with kept files that upstream removed.

    The rules of the mirror judge all these files. None: there are none.
    """
    if not any(one.kept for one in copies):
        return page
    from yanksync.core.package_files.retention import (
        with_kept_files,  # start-up: few mirrors copy files
    )

    if page is None:
        serial = row.serial if (row.serial or 0) > 0 else None
        page = Page(name=row.name, versions=(), serial=serial)
    return with_kept_files(page, copies)


def published_part(
    mirror: Mirror, page: Page | None, shown: Page | None, copies: Sequence[PackageFile]
) -> Page | None:
    """Return the part of ``shown`` for the project's own page.

    None: there is no page. ``page`` is upstream's. Some kept files may be only for the index of
    deleted files.
    """
    if shown is None or not any(one.kept for one in copies):
        return shown
    from yanksync.core.package_files.retention import (
        without_kept_files,  # start-up: few mirrors copy files
    )

    listed = None if page is None else page.versions
    on_pages, copied = mirror.settings.mirror.deleted == "yank", mirror.copies_files_of(shown.name)
    part = without_kept_files(
        shown, copies, listed, lambda one: copied and (on_pages or one.restored)
    )
    return part if part.files or page is not None else None


def render_forms(mirror: Mirror, page: Page, copies: Sequence[PackageFile] = ()) -> RenderedForms:
    """Return all forms of a page that :func:`shown_page` returned.

    The forms link to ``copies`` of its files. Followers of the older JSON form get upstream's
    addresses, because they download the files themselves.
    """
    legacy = None
    if mirror.settings.mirror.legacy_json:
        from yanksync.core.formats.legacy_json_writer import (
            render_document,  # start-up: few are followed
        )

        legacy = render_document(for_followers(page, copies))
    if mirror.copies_files_of(page.name):
        from yanksync.core.package_files.copies import with_copies  # start-up: few copy files

        hides = mirror.settings.files.missing == "hide"
        page = with_copies(page, copies, hide_missing=hides)
    return RenderedForms(
        html=html_page_writer.render_page(page),
        json=json_page_writer.render_page(page),
        legacy=legacy,
    )


def for_followers(page: Page, copies: Sequence[PackageFile]) -> Page:
    """Return a page with upstream's addresses: followers download from there.

    Files without such an address are left out. There are two kinds: files that upstream no longer
    has, and files of a page from the output. The second kind is left out only if the state knows no
    copy.
    """
    if not copies and all("://" in file.url for file in page.files):
        return page
    known = {one.file.filename: one for one in copies}
    files = []
    for file in page.files:
        copy = known.get(file.filename)
        if copy is not None and copy.kept:
            continue
        if "://" not in file.url and copy is not None:
            file = replace(file, url=copy.file.url, core_metadata=copy.file.core_metadata)
        if "://" in file.url:
            files.append(file)
    return replace(page, files=tuple(files))


def parse_published_page(name: NormalizedName, body: bytes) -> Page:
    """Return the value of a published page, from its JSON.

    Links to copies stay relative. Raises :class:`InvalidAnswer`.
    """
    base = f"{_OUTPUT}{layout.directory(name)}/"
    page = parse_page(body, layout.V1_JSON.content_type, base, name, STORED_RULES).page
    if not any(file.url.startswith(_OUTPUT) for file in page.files):
        return page
    return replace(page, files=tuple(map(_relative, page.files)))


def _relative(file: File) -> File:
    if not file.url.startswith(_OUTPUT):
        return file
    return replace(file, url=f"../../{file.url.removeprefix(_OUTPUT)}")
