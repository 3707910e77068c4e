"""Finds the page of a project before the one that is recorded."""

from __future__ import annotations

from yanksync.core import layout
from yanksync.core.errors import InvalidAnswer, PublishError
from yanksync.core.model import Page
from yanksync.core.project_state import Presence
from yanksync.core.rules.journal_entries import EntryKind
from yanksync.mirror.context import Mirror, log
from yanksync.state.facts import OTHER_EPOCH
from yanksync.state.project_rows import ProjectRow
from yanksync.sync.published_page import parse_published_page, parse_stored_page


class EarlierPages:
    """Reads pages from the state, or else from the output."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._tree = mirror.state.facts.recovery.serial

    def recorded(self, row: ProjectRow) -> Page | None:
        """Return the page that was recorded; None: there is none."""
        if row.presence is not Presence.PRESENT and (
            row.published is None or row.entry_kind is EntryKind.REMOVE_PROJECT
        ):
            return None  # a new project, or another one of that name
        stored = self._mirror.state.projects.page(row.id)
        try:
            return None if stored is None else parse_stored_page(row.name, stored)
        except InvalidAnswer as error:
            if self._mirror.totals.first_time(f"unreadable {row.name}"):
                why = f"the held page cannot be read: {error.problem}; upstream's takes its place"
                log.error("%s: %s", row.name, why, extra={"project": row.name})
        return self._published_page(row)

    def published(self, row: ProjectRow, before: Page | None) -> Page | None:
        """Return the published page, whose files must not vanish unnoticed.

        It is the held page, ``before``, unless the state was lost or restored from a backup.
        """
        if row.is_only_published:
            unlisted = row.omitted_at_serial is not None and row.omitted_at_serial >= (
                row.minimum_serial or 0
            )
            gone = unlisted or row.entry_kind is EntryKind.REMOVE_PROJECT
            return None if gone else self._published_page(row)  # another project of that name
        tree = self._tree
        if before is None or row.presence is not Presence.PRESENT or tree in (None, OTHER_EPOCH):
            return before
        if row.published is None or (row.serial is not None and row.minimum_serial == row.serial):
            return before
        return self._published_page(row) or before

    def _published_page(self, row: ProjectRow) -> Page | None:
        """Return the page in the output; None: none can be read."""
        try:
            body = self._mirror.store.read(row.name, layout.V1_JSON.filename)
            return None if body is None else parse_published_page(row.name, body)
        except (InvalidAnswer, PublishError):
            return None
