"""The checks of everything that a mirror needs.

``init`` and ``doctor`` use them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator
from pathlib import Path

from yanksync.config.settings import Settings
from yanksync.core.errors import ConfigError, YanksyncError
from yanksync.doctor.checks import Check, failed, passed
from yanksync.doctor.places import OWNER, found_status, output_checks, state_checks
from yanksync.doctor.schedule import extra_checks
from yanksync.doctor.upstream import upstream_checks
from yanksync.mirror.open_mirror import addressed
from yanksync.state.views.status import Status

_RESTORE = "restore a copy made with 'yanksync backup', or move it away"


def look_into_state(settings: Settings) -> tuple[Status, Check | None]:
    """Return the state's report, or the check that failed."""
    try:
        return found_status(settings, time.time()), None
    except YanksyncError as error:
        place = settings.mirror.state
        unreadable = isinstance(place, Path) and not os.access(place, os.R_OK)
        return Status(), failed("state", str(error), OWNER if unreadable else _RESTORE)


def setup_checks(settings: Settings, status: Status) -> Iterator[Check]:
    """Yield the checks of upstream, output, state and extras."""
    projects = None
    if status.bundle is not None:
        yield passed("upstream", "none is asked; bundles feed this output")
    else:
        projects = yield from _upstream(settings, status)
    yield from output_checks(settings, status, projects)
    yield from state_checks(settings)
    if settings.copies_files:
        from yanksync.doctor.package_files import place_checks  # start-up: few copy files

        yield from place_checks(settings)
    yield from extra_checks(settings)


def _upstream(settings: Settings, status: Status) -> Generator[Check, None, int | None]:
    try:
        named = addressed(settings, status.upstream, str(settings.mirror.state))
    except ConfigError as error:
        yield failed("upstream", str(error), "name it as upstream.simple_url")
        return None
    return (yield from upstream_checks(named))
