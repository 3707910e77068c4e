"""Decides which rules a pass renders with."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from yanksync.core.errors import InvalidAnswer
from yanksync.core.model import Page
from yanksync.core.names import NormalizedName, normalize
from yanksync.core.project_state import Presence
from yanksync.core.rules.fetch_plan import ChangedFile, ChangedMark, ChangedOffer
from yanksync.mirror.context import Mirror, log
from yanksync.mirror.offers import OfferKeys, Offers, digest_of_rules, recorded_offers
from yanksync.state.facts import Facts
from yanksync.state.policy.file_times import NO_ROW
from yanksync.state.project_rows import ProjectRow
from yanksync.sync.policy.advisories import load_advisories
from yanksync.sync.policy.upload_times import check_recorded, needs_upload_times
from yanksync.sync.published_page import recorded_page, visible_page

_BATCH = 500  # projects read at once


def with_rules(mirror: Mirror) -> Mirror:
    """Return ``mirror`` with the rules of the configuration, at the recorded cut-off.

    Pages that changed rules concern become unpublished. Raises
    :class:`yanksync.core.errors.ConfigError` when advisories or lock files cannot be read.
    """
    if mirror.settings.copies_files or mirror.state.facts.text("files_rules") is not None:
        from yanksync.sync.package_files.choice import with_choice  # start-up: few copy files

        mirror = with_choice(mirror)
    return _with_offers(mirror)


def _with_offers(mirror: Mirror) -> Mirror:
    facts, settings = mirror.state.facts, mirror.settings
    keys = OfferKeys(settings.cooldown, settings.overrides)
    advisories = load_advisories(mirror)
    recorded = facts.text("offer_digest")
    digest = _digest(facts, keys, advisories.digest)
    if digest is None and recorded is None:
        return mirror
    cutoff = facts.moment("cutoff")
    if cutoff is None:  # not recorded: upstream's time may show that this clock is wrong
        now, last = mirror.now(), mirror.state.runs.previous_start(mirror.run)
        cutoff = now if last is None else min(last, now)
    offers = Offers(keys, cutoff, advisories.read)
    if digest != recorded:
        before = recorded_offers(facts)
        before.rules  # noqa: B018 (read now: what is recorded of them changes below)
        if needs_upload_times(keys.cooldown):
            check_recorded(mirror)
        offers = Offers(keys, cutoff, advisories.read, before=before.at(cutoff))
        with mirror.state.transaction():
            _publish_again(mirror, before, offers)
            advisories.store(mirror)
            facts.put(
                list_changed=1,  # with rules, its rows have revisions
                offer_digest=digest,
                offer_keys=None if digest is None else msgspec.json.encode(keys).decode(),
                **({"cutoff": None, "clock_problem": None} if digest is None else {}),
            )
    return replace(mirror, offers=offers)


def _digest(facts: Facts, keys: OfferKeys, advisories: str | None) -> str | None:
    """Return the text that identifies these rules."""
    recorded, text = facts.text("offer_digest"), msgspec.json.encode(keys).decode()
    if recorded and (text, advisories) == (facts.text("offer_keys"), facts.advisories.digest):
        return recorded  # hashlib would load OpenSSL in every empty pass
    return digest_of_rules(keys, advisories)


def _publish_again(mirror: Mirror, before: Offers, after: Offers) -> None:
    """Queue the pages that a change of rules may concern."""
    state, now = mirror.state, mirror.now()
    if before.keys.cooldown != after.keys.cooldown:
        log.info("the rules of [cooldown] have changed; writing every page that they change")
        state.publish_queue.add_all(now)
        state.file_times.forget_shown()
    else:
        for row in state.projects.get(affected_projects(before, after)).values():
            if row.presence is Presence.PRESENT:
                state.publish_queue.add_page(row.id, now)
    if after.is_off:
        state.file_times.forget_offers()


def with_recorded_rules(mirror: Mirror) -> Mirror:
    """Return ``mirror`` with the recorded rules and cut-off.

    They are those of the newest pass.
    """
    offers = recorded_offers(mirror.state.facts)
    keys = OfferKeys(mirror.settings.cooldown, mirror.settings.overrides)
    has_paths = bool(mirror.settings.mirror.advisories)
    if keys != offers.keys or has_paths != offers.has_advisories:
        log.warning(
            "cooldown, overrides or advisories have changed in the configuration since the last "
            "pass; pages are compared with the rules of that pass, and the next one applies yours"
        )
    if mirror.settings.copies_files:
        from yanksync.sync.package_files.choice import (
            with_recorded_choice,  # start-up: few copy files
        )

        mirror = with_recorded_choice(mirror)
    return replace(mirror, offers=offers)


def changed_offers(mirror: Mirror) -> Iterator[ChangedOffer]:
    """Yield the projects whose pages changed rules change.

    Only recorded pages count.
    """
    after, state = mirror.offers, mirror.state
    before = after.before
    if before is None:
        return
    if before.keys.cooldown == after.keys.cooldown:
        batches = iter([list(state.projects.get(affected_projects(before, after)).values())])
    else:
        batches = _all_projects(mirror)
    for rows in batches:
        times = state.file_times.get([row.id for row in rows])
        for row in rows:
            if row.presence is not Presence.PRESENT:
                continue
            try:
                page = visible_page(row, recorded_page(mirror, row))
            except InvalidAnswer:
                continue
            of_row = times.get(row.id, NO_ROW).times
            old, new = (one.offer(page, of_row).page for one in (before, after))
            if old != new:
                yield _changed_offer(row.name, old, new)


def _changed_offer(name: NormalizedName, before: Page, after: Page) -> ChangedOffer:
    old, new = (
        {file.filename: file.yanked is not None for file in page.files} for page in (before, after)
    )
    gone = [ChangedFile(file, appears=False) for file in sorted(old.keys() - new.keys())]
    back = [ChangedFile(file, appears=True) for file in sorted(new.keys() - old.keys())]
    marks = [
        ChangedMark(file, new[file])
        for file in sorted(old.keys() & new.keys())
        if old[file] != new[file]
    ]
    return ChangedOffer(name, (*gone, *back), tuple(marks))


def _all_projects(mirror: Mirror) -> Iterator[list[ProjectRow]]:
    last = 0
    while rows := mirror.state.projects.next_batch(last, _BATCH):
        last = rows[-1].id
        yield rows


def affected_projects(before: Offers, after: Offers) -> set[NormalizedName]:
    """Return projects that changed overrides or advisories may concern."""
    found: set[NormalizedName] = set()
    for one in {*before.keys.overrides} ^ {*after.keys.overrides}:
        found.update(projects_of(one.match.project, one.match.file))
    old, new = before.rules.advisories, after.rules.advisories
    changed = (name for name in {*old, *new} if old.get(name) != new.get(name))
    return found | {NormalizedName(name) for name in changed}


def projects_of(project: str | None, filename: str | None) -> Iterator[NormalizedName]:
    """Yield the projects that a file can belong to.

    They are the parts of its name before each hyphen.
    """
    if project is not None:
        yield NormalizedName(project)
    parts = (filename or "").split("-")
    for count in range(1, len(parts)):
        name = normalize("-".join(parts[:count]))
        if name is not None:
            yield name
