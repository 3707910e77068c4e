"""Leaves out projects that were forgotten.

It leaves out whole projects, and files by their hashes.
"""

from __future__ import annotations

from msgspec.structs import replace

from yanksync.config.project_filter import ProjectFilter
from yanksync.config.settings import Settings
from yanksync.core.model import Hashes, Page
from yanksync.state.state import State

ForgottenHashes = frozenset[tuple[str, str]]


def without_forgotten(settings: Settings, state: State) -> tuple[Settings, ForgottenHashes]:
    """Return settings without the forgotten projects.

    It also returns the hashes of these projects' files.
    """
    names = state.forgotten.names()
    if not names:
        return settings, frozenset()
    known = settings.mirror.selection
    selection = ProjectFilter(known.projects, (*known.exclude, *names))
    section = replace(settings.mirror, selection=selection)
    return replace(settings, mirror=section), state.forgotten.hashes()


def is_forgotten(hashes: Hashes, forgotten: ForgottenHashes) -> bool:
    """Return True if these are the hashes of a forgotten file."""
    return not forgotten.isdisjoint(hashes)


def page_without_forgotten(page: Page, forgotten: ForgottenHashes) -> Page:
    """Return ``page`` without files of forgotten projects."""
    if not forgotten:
        return page
    files = tuple(file for file in page.files if not is_forgotten(file.hashes, forgotten))
    return replace(page, files=files)
