"""Explains which rule hides or marks a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from yanksync.core.errors import InvalidAnswer
from yanksync.core.model import Page
from yanksync.core.names import NormalizedName
from yanksync.core.package_files.selection import choose
from yanksync.core.policies.cooldown import HiddenBy
from yanksync.core.policies.offer import Offer
from yanksync.core.policies.overrides import Override
from yanksync.core.project_state import Presence
from yanksync.core.rules.lost_files import page_with_lost_files
from yanksync.core.versions import versions_by_file
from yanksync.mirror.forgotten import page_without_forgotten
from yanksync.mirror.offers import Offers, recorded_offers
from yanksync.reports.why.report import FileRuling, OfferedPage
from yanksync.state.policy.file_times import NO_ROW
from yanksync.state.project_rows import ProjectRow
from yanksync.state.state import State
from yanksync.sync.package_files.choice import recorded_choice
from yanksync.sync.policy.rules import projects_of
from yanksync.sync.published_page import page_with_kept, parse_stored_page, visible_page

if TYPE_CHECKING:
    from yanksync.core.package_files.copies import PackageFile

_FORGOTTEN = "yanksync forget (a forgotten project had the same file)"


def offering(
    state: State,
    row: ProjectRow,
    kept: Sequence[PackageFile] = (),
    offers: Offers | None = None,
) -> OfferedPage | None:
    """Return the recorded page, and what the newest pass offers of it.

    ``kept`` are kept files that upstream removed. ``offers`` are the recorded rules; a caller that
    asks about many projects gives them. None: no page is recorded, or it is unreadable.
    """
    page = page_with_kept(row, page_of(state, row), kept)
    if page is None:
        return None
    offers = offers or recorded_offers(state.facts)
    offer = _offer(state, offers, row, page)
    rulings = tuple(_rulings(offers, row.name, offer))
    offered = page_without_forgotten(offer.page, state.forgotten.hashes())
    left_out = dict.fromkeys(_names(offer.page) - _names(offered), _FORGOTTEN)
    choice = recorded_choice(state.facts)
    if choice is not None:
        chosen = choose(offered, choice)
        offered = chosen.page
        left_out |= chosen.left_out
    versions = versions_by_file(offer.page)
    more = (
        FileRuling(
            file=name, version=versions[name], action="hide", rule=rule, reason="", until=None
        )
        for name, rule in left_out.items()
    )
    return OfferedPage(page, offered, (*rulings, *more))


def _names(page: Page) -> set[str]:
    return {file.filename for file in page.files}


def _rulings(offers: Offers, name: NormalizedName, offer: Offer) -> Iterator[FileRuling]:
    own = offers.keys.cooldown.projects_pattern(name)
    matches = {one.text for one in offers.keys.overrides}
    for one in offer.rulings:
        yield FileRuling(
            file=one.file.filename,
            version=one.version,
            action="hide" if one.hidden else "yank",
            rule=_named(one.rule, own, matches),
            reason=one.reason,
            until=one.until,
        )


def _named(rule: str, pattern: str | None, overrides: set[str]) -> str:
    """Return a rule as the configuration names it."""
    if isinstance(rule, HiddenBy):
        is_pattern = rule is HiddenBy.AGE and pattern is not None
        return f"cooldown.projects {pattern!r}" if is_pattern else f"cooldown.{rule}"
    return f"override {rule}" if rule in overrides else f"advisory {rule}"


def page_of(state: State, row: ProjectRow) -> Page | None:
    """Return the recorded page, with the files that guards keep."""
    stored = state.projects.page(row.id)
    try:
        page = None if stored is None else parse_stored_page(row.name, stored)
    except InvalidAnswer:
        return None
    if page is None:
        return None
    return visible_page(row, page_with_lost_files(page, state.lost_files.one(row.id)))


def _offer(state: State, offers: Offers, row: ProjectRow, page: Page) -> Offer:
    return offers.offer(page, state.file_times.get([row.id]).get(row.id, NO_ROW).times)


def unmatched_overrides(state: State, overrides: Iterable[Override]) -> tuple[str, ...]:
    """Return overrides that match no recorded file, as they are written."""
    offers, found = recorded_offers(state.facts), []
    for one in overrides:
        alone = Offers(offers.keys.only(one), offers.cutoff)
        rows = state.projects.get(projects_of(one.match.project, one.match.file)).values()
        if one.applies(offers.cutoff) and not any(_matches(state, alone, row) for row in rows):
            found.append(one.text)
    return tuple(found)


def _matches(state: State, offers: Offers, row: ProjectRow) -> bool:
    """Return whether the single rule of ``offers`` matches a file."""
    page = page_of(state, row) if row.presence is Presence.PRESENT else None
    return page is not None and bool(_offer(state, offers, row, page).matched)
