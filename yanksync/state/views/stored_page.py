"""Reads the page of a project from the state, as a value."""

from __future__ import annotations

import zlib

from yanksync.core.errors import InvalidAnswer
from yanksync.core.formats.parse import PageRules, parse_page
from yanksync.core.model import Page, ProjectStatus
from yanksync.core.names import NormalizedName
from yanksync.state.project_rows import ProjectRow, StoredPage

# A stored page was checked when it came, with the rules of that time. Only its form is read again.
STORED_RULES = PageRules(allow_http=True, max_size=1 << 30)


def parse_stored_page(name: NormalizedName, stored: StoredPage) -> Page:
    """Read a stored page. Raises :class:`InvalidAnswer`."""
    try:
        text = stored.text
    except zlib.error as error:
        raise InvalidAnswer(
            f"project {name}", f"what the state holds is damaged: {error}"
        ) from error
    return parse_page(
        text, stored.content_type, stored.url, name, STORED_RULES, stored.header_serial
    ).page


def visible_page(row: ProjectRow, page: Page) -> Page:
    """Return the published page for the held ``page``."""
    if row.quarantine_serial is not None:  # withdrawn by the journal (R9)
        return Page(
            name=page.name, versions=(), status=ProjectStatus.QUARANTINED, serial=page.serial
        )
    return page
