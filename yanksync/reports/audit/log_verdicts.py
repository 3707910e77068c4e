"""Judges pins by the published log of a mirror."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence

from msgspec.structs import replace

from yanksync.config.settings import Settings
from yanksync.core import layout
from yanksync.core.errors import UpstreamError
from yanksync.core.names import NormalizedName
from yanksync.core.pins import Pin
from yanksync.reports.audit.event_judgement import findings_by_events
from yanksync.reports.audit.findings import FindingKind, PinVerdict, ProjectFacts
from yanksync.reports.audit.index_source import facts_of_index, index_settings
from yanksync.reports.audit.log_source import read_log, withdrawals_url
from yanksync.reports.audit.nearest import nearest_version

log = logging.getLogger("yanksync")

_REPLACED = {FindingKind.YANKED, FindingKind.REMOVED, FindingKind.QUARANTINED}
"""For which another version of the same project can be named."""


def judged_by_log(
    url: str, environ: Mapping[str, str], pins: Sequence[Pin], python: str
) -> tuple[str, list[PinVerdict]]:
    """Return the name of the log, and what is wrong with ``pins``.

    Asks the mirror only for the pages of withdrawn projects, to name another version. Raises
    :class:`yanksync.core.errors.ConfigError` and :class:`yanksync.core.errors.UpstreamError`.
    """
    settings = index_settings(url, environ, "--withdrawals")
    place = withdrawals_url(settings.upstream.urls[0])
    read = read_log(settings, place, {pin.project for pin in pins})
    verdicts = [
        PinVerdict(pin=pin, findings=findings_by_events(pin, read.events.get(pin.project, ())))
        for pin in pins
    ]
    simple = replace(
        settings.upstream,
        simple_url=place.removesuffix(f"{layout.WITHDRAWALS}/") + f"{layout.ROOT}/",
    )
    facts = _pages(
        replace(settings, upstream=simple),
        {one.pin.project for one in verdicts if _is_replaced(one)},
    )
    where = f"the log of {read.where} (epoch {read.epoch}, {read.newest} events)"
    return where, [_with_nearest(one, facts, python) for one in verdicts]


def _is_replaced(verdict: PinVerdict) -> bool:
    kinds = {one.kind for one in verdict.findings}
    return bool(kinds & _REPLACED) and FindingKind.PROJECT_RECREATED not in kinds


def _pages(
    settings: Settings, names: Collection[NormalizedName]
) -> Mapping[NormalizedName, ProjectFacts]:
    """Return the pages of projects; empty if the mirror does not answer."""
    try:
        return facts_of_index(settings, names, None)
    except UpstreamError as error:
        log.warning("%s; so no version is named that could replace a withdrawn one", error)
        return {}


def _with_nearest(
    verdict: PinVerdict, facts: Mapping[NormalizedName, ProjectFacts], python: str
) -> PinVerdict:
    """Return ``verdict`` with the version that can replace the pin."""
    known = facts.get(verdict.pin.project)
    if known is None or known.page is None or not _is_replaced(verdict):
        return verdict
    nearest = nearest_version(verdict.pin, known.page, verdict.pin.python or python)
    return replace(verdict, nearest=nearest)
