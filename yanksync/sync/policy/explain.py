"""Explains which rule hides or marks a file, from the state and the rules it recorded."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from yanksync.core.errors import InvalidAnswer
from yanksync.core.names import NormalizedName
from yanksync.core.policies.cooldown import HiddenBy
from yanksync.core.policies.offer import Offer
from yanksync.core.policies.overrides import Override
from yanksync.core.project_state import Presence
from yanksync.core.rules.lost_files import page_with_lost_files
from yanksync.core.versions import same_version
from yanksync.mirror.offers import Offers, recorded_offers
from yanksync.state.policy.file_times import NO_ROW
from yanksync.state.project_rows import ProjectRow
from yanksync.state.state import State
from yanksync.sync.policy.rules import projects_of
from yanksync.sync.published_page import parse_stored_page, visible_page


class FileRuling(Struct, frozen=True, kw_only=True):
    """Why a file is not offered as upstream has it."""

    file: str
    version: str | None
    action: str  # "hide" or "yank"
    rule: str  # the key, the override or the advisory
    reason: str  # what the operator or the advisory says
    until: float | None  # None: until the rules change


def explain(
    state: State, name: NormalizedName, version: str | None, offers: Offers | None = None
) -> list[FileRuling] | None:
    """Return the decisions about the files of a project or release.

    ``offers`` are the recorded ones, from a caller that asks about many projects. None: no page of
    the project is recorded.
    """
    offers = offers or recorded_offers(state.facts)
    offer = _offer(state, offers, state.projects.get([name]).get(name))
    if offer is None:
        return None
    own = offers.keys.cooldown.projects_pattern(name)
    matches = {one.text for one in offers.keys.overrides}
    return [
        FileRuling(
            file=one.file.filename,
            version=one.version,
            action="hide" if one.hidden else "yank",
            rule=_named(one.rule, own, matches),
            reason=one.reason,
            until=one.until,
        )
        for one in offer.rulings
        if version is None or (one.version is not None and same_version(one.version, version))
    ]


def _named(rule: str, pattern: str | None, overrides: set[str]) -> str:
    """Return a rule as the configuration names it."""
    if isinstance(rule, HiddenBy):
        is_pattern = rule is HiddenBy.AGE and pattern is not None
        return f"cooldown.projects {pattern!r}" if is_pattern else f"cooldown.{rule}"
    return f"override {rule}" if rule in overrides else f"advisory {rule}"


def _offer(state: State, offers: Offers, row: ProjectRow | None) -> Offer | None:
    if row is None or row.presence is not Presence.PRESENT:
        return None
    stored = state.projects.page(row.id)
    try:
        page = None if stored is None else parse_stored_page(row.name, stored)
    except InvalidAnswer:
        return None
    if page is None:
        return None
    page = visible_page(row, page_with_lost_files(page, state.lost_files.one(row.id)))
    return offers.offer(page, state.file_times.get([row.id]).get(row.id, NO_ROW).times)


def unmatched_overrides(state: State, overrides: Iterable[Override]) -> tuple[str, ...]:
    """Return, as they are written, the overrides that match no recorded file."""
    offers, found = recorded_offers(state.facts), []
    for one in overrides:
        alone = Offers(offers.keys.only(one), offers.cutoff)
        rows = state.projects.get(projects_of(one.match.project, one.match.file))
        offered = (_offer(state, alone, row) for row in rows.values())
        if one.applies(offers.cutoff) and not any(each and each.matched for each in offered):
            found.append(one.text)
    return tuple(found)
