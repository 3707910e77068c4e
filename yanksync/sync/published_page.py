"""What is published of a project: its held page as the configuration wants it, in all forms."""

from __future__ import annotations

from yanksync.core import layout
from yanksync.core.errors import InvalidAnswer
from yanksync.core.formats import json_page_writer
from yanksync.core.formats.html import page_writer as html_page_writer
from yanksync.core.formats.parse import parse_page
from yanksync.core.model import Page
from yanksync.core.names import NormalizedName
from yanksync.core.policies.yanked import offered_page
from yanksync.mirror.context import Mirror
from yanksync.output.reconcile import RenderedForms
from yanksync.state.project_rows import ProjectRow
from yanksync.state.views.stored_page import STORED_RULES, parse_stored_page, visible_page

__all__ = [
    "held_page",
    "parse_published_page",
    "parse_stored_page",
    "recorded_page",
    "render_forms",
    "visible_page",
]

_OUTPUT = "https://output.invalid/"  # base of our own pages, whose links are absolute


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


def render_forms(mirror: Mirror, page: Page) -> RenderedForms:
    """Return all forms of a page as it is recorded.

    The rules of :mod:`yanksync.mirror.offers` change nothing on it.
    """
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


def parse_published_page(name: NormalizedName, body: bytes) -> Page:
    """Return the value of a published page, from its JSON. Raises :class:`InvalidAnswer`."""
    return parse_page(body, layout.V1_JSON.content_type, _OUTPUT, name, STORED_RULES).page
