"""Reads what the state knows about a project, for ``why``."""

from __future__ import annotations

from collections.abc import Callable

from yanksync.config.settings import Settings
from yanksync.core import layout
from yanksync.core.names import NormalizedName
from yanksync.core.pins import Pin, PinOperator
from yanksync.core.project_state import Presence
from yanksync.reports.why.installers import allowed_releases, release_offers
from yanksync.reports.why.report import OfferedPage, WhyReport
from yanksync.state.project_rows import ProjectRow
from yanksync.state.state import State
from yanksync.state.views.timeline import TimedEvent

Offering = Callable[[ProjectRow], OfferedPage | None]
"""Returns the recorded page of a project and what is offered of it; None: there is no page."""


def read_report(
    state: State,
    settings: Settings,
    name: NormalizedName,
    version: str | None,
    offering: Offering,
) -> WhyReport | None:
    """Return what is known of a project or release.

    None: the mirror does not know the project.
    Raises :class:`yanksync.core.errors.InvalidAnswer` when the recorded page cannot be read.
    """
    row = state.projects.get([name]).get(name)
    events = state.timeline.events(name)
    times = state.timeline.project(name)
    if row is None or (row.presence is Presence.UNKNOWN and not events and times.fetch is None):
        return None
    page = offering(row)
    omits = settings.mirror.yanked.value == "omit"
    releases = () if page is None else release_offers(page, omits_yanked=omits)
    rulings = () if page is None else page.rulings
    kept = tuple(one for one in state.lost_files.one(row.id) if one.shown or one.held is not None)
    if version is not None:
        pin = pin_of(name, version)
        releases = allowed_releases(releases, pin)
        rulings = tuple(one for one in rulings if _is_of(one.version, pin))
        events = tuple(one for one in events if _concerns(one, pin))
        kept = tuple(one for one in kept if _is_of(one.version, pin))
    return WhyReport(
        project=name,
        version=version,
        presence=row.presence,
        serial=row.serial,
        published_serial=row.published_serial,
        forms=_forms(row),
        status=None if page is None else page.recorded.status,
        status_reason=None if page is None else page.recorded.status_reason,
        times=times,
        events=events,
        rulings=rulings,
        kept=kept,
        releases=releases,
        page_serial=None if page is None else page.recorded.serial,
    )


def pin_of(name: NormalizedName, version: str) -> Pin:
    """Return the pin ``name==version``."""
    return Pin(project=name, version=version, operator=PinOperator.EQUAL)


def _is_of(version: str | None, pin: Pin) -> bool:
    return version is not None and pin.allows(version)


def _concerns(event: TimedEvent, pin: Pin) -> bool:
    """Return whether an event is about the release or project."""
    return event.row.version is None or pin.allows(event.row.version)


def _forms(row: ProjectRow) -> tuple[str, ...]:
    """Return the names of the published forms."""
    if row.published is None:
        return ()
    legacy = () if row.published.legacy is None else (layout.LEGACY,)
    return tuple(one.filename for one in (layout.V1_JSON, layout.HTML, *legacy))
