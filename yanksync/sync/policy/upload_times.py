"""Decides whether upstream gives upload-times at all.

Without them, cooldown would hide every file.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from yanksync.core.errors import ConfigError, InvalidAnswer
from yanksync.core.model import Page
from yanksync.core.policies.cooldown import Cooldown
from yanksync.core.project_state import Presence
from yanksync.mirror.context import Mirror
from yanksync.state.facts import UpstreamTraits
from yanksync.sync.published_page import recorded_page

STOPPED = "upload-time"
"""How pages that lost their upload-times are named in the totals of a pass."""

_SAMPLE = 200  # recorded pages that are read to find out


def is_dated(page: Page) -> bool:
    """Return whether a file of ``page`` has an upload-time."""
    return any(file.upload_time is not None for file in page.files)


def loses_upload_times(before: Page, page: Page) -> bool:
    """Return True if files lost their upload-times, and no file has one."""
    if is_dated(page):
        return False
    dated = {file.filename for file in before.files if file.upload_time is not None}
    return any(file.filename in dated for file in page.files)


def needs_upload_times(cooldown: Cooldown, name: str | None = None) -> bool:
    """Return True if files without upload-time are hidden.

    This is about the files of a project, or of any project.
    """
    if cooldown.missing != "hide":
        return False
    if name is None:
        ages = (cooldown.age, cooldown.new_projects, *(age for _, age in cooldown.projects))
        return any(ages)
    own = cooldown.for_project(name)
    return bool(own.age or own.new_projects)


def withholds_pages(mirror: Mirror) -> bool:
    """Return True if a first build has no upload-time at all.

    In that case nothing can be published yet.
    """
    facts = mirror.state.facts
    if mirror.offers.is_off or not needs_upload_times(mirror.offers.keys.cooldown):
        return False
    traits = facts.traits
    return traits.undated and not traits.upload_times and facts.published_list.written is None


def check_first_build(mirror: Mirror) -> None:
    """Refuse to publish a first build without upload-times. Raises :class:`ConfigError`."""
    if withholds_pages(mirror):
        raise _refused(mirror, "no file of upstream has an upload-time, so every file would be")


def check_recorded(mirror: Mirror) -> None:
    """Refuse an age for a mirror without upload-times.

    Raises :class:`ConfigError`.
    """
    facts = mirror.state.facts
    if facts.traits.upload_times or facts.published_list.written is None:
        return
    pages = list(_sample(mirror))
    if any(map(is_dated, pages)):
        facts.change(UpstreamTraits, upload_times=True)
    elif pages:
        raise _refused(mirror, "no recorded file has an upload-time, so every file would be")


def _sample(mirror: Mirror) -> Iterable[Page]:
    names = islice(mirror.state.projects.names(Presence.PRESENT), _SAMPLE)
    for row in mirror.state.projects.get(list(names)).values():
        try:
            page = recorded_page(mirror, row)
        except InvalidAnswer:
            continue
        if page.files:
            yield page


def _refused(mirror: Mirror, why: str) -> ConfigError:
    where = str(mirror.settings.source or "the configuration")
    problem = (
        f'{why} hidden; nothing is published. Write missing = "allow" to go by the time at '
        'which files were added, or age = "0"'
    )
    return ConfigError("cooldown.missing", where, problem)
