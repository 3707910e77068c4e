"""What is published of a project: its held page as the configuration wants it, in all forms."""

from __future__ import annotations

import zlib

from yanksync.core import layout
from yanksync.core.errors import InvalidAnswer
from yanksync.core.formats import json_page_writer
from yanksync.core.formats.html import page_writer as html_page_writer
from yanksync.core.formats.parse import PageRules, parse_page
from yanksync.core.model import Page, ProjectStatus
from yanksync.core.names import NormalizedName
from yanksync.core.policies.yanked import offered_page
from yanksync.mirror.context import Mirror
from yanksync.output.reconcile import RenderedForms
from yanksync.state.project_rows import ProjectRow, StoredPage

# What is held was read before, under the rules of that time; only the form is read again.
_STORED_RULES = PageRules(allow_http=True, max_size=1 << 30)
_OUTPUT = "https://output.invalid/"  # base of our own pages, whose links are absolute


def recorded_page(mirror: Mirror, row: ProjectRow) -> Page:
    """Return the page that the state holds.

    Raises :class:`InvalidAnswer` when it cannot be read.
    """
    stored = mirror.state.projects.page(row.id)
    if stored is None:
        raise InvalidAnswer(f"project {row.name}", "the state holds no page of it")
    return parse_stored_page(row.name, stored)


def visible_page(row: ProjectRow, page: Page) -> Page:
    """Return the page that is published of a project whose held one is ``page``."""
    if row.quarantine_serial is not None:  # withdrawn on the journal's word (R9)
        return Page(
            name=page.name, versions=(), status=ProjectStatus.QUARANTINED, serial=page.serial
        )
    return page


def render_forms(mirror: Mirror, page: Page) -> RenderedForms:
    """Return all forms of a page, as the configuration wants it offered."""
    shown = offered_page(page, mirror.settings.mirror.yanked.value)
    legacy = None
    if mirror.settings.mirror.legacy_json:
        from yanksync.core.formats.legacy_json_writer import (
            render_document,  # start-up: few are followed
        )

        legacy = render_document(shown)
    return RenderedForms(
        html=html_page_writer.render_page(shown),
        json=json_page_writer.render_page(shown),
        legacy=legacy,
    )


def parse_stored_page(name: NormalizedName, stored: StoredPage) -> Page:
    """Return the value of a stored page. Raises :class:`InvalidAnswer` when it cannot be read."""
    try:
        text = stored.text
    except zlib.error as error:
        raise InvalidAnswer(
            f"project {name}", f"what the state holds is damaged: {error}"
        ) from error
    return parse_page(
        text, stored.content_type, stored.url, name, _STORED_RULES, stored.header_serial
    ).page


def parse_published_page(name: NormalizedName, body: bytes) -> Page:
    """Return the value of a published page, from its JSON. Raises :class:`InvalidAnswer`."""
    return parse_page(body, layout.V1_JSON.content_type, _OUTPUT, name, _STORED_RULES).page
