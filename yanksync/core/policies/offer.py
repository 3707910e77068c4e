"""Applies the operator's rules to a recorded page (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from msgspec import Struct
from msgspec.structs import replace

from yanksync.core.model import File, Page, Yank
from yanksync.core.policies.cooldown import (
    Cooldown,
    FileCooldown,
    FileTimes,
    HiddenBy,
    format_time,
    judge_files,
)
from yanksync.core.policies.overrides import Advisory, Override, Verdict, decide, joined
from yanksync.core.versions import file_versions

_AGES = (HiddenBy.AGE, HiddenBy.NEW_PROJECT)


class OfferRules(Struct, frozen=True, dict=True, kw_only=True):
    """The rules that a pass renders with: cooldown, overrides and advisories."""

    cooldown: Cooldown = Cooldown()
    overrides: tuple[Override, ...] = ()
    advisories: Mapping[str, tuple[Advisory, ...]] = {}  # by normalised name

    @property
    def is_off(self) -> bool:
        """Whether every file is offered as it was recorded."""
        return self.cooldown.is_off and not self.overrides and not self.advisories

    def overrides_for(
        self, project: str, filenames: frozenset[str], cutoff: float
    ) -> list[Override]:
        """Return the overrides of a project that apply at ``cutoff``."""
        files = (one for one in self._by_file if one.match.file in filenames)
        return [one for one in (*self._by_project.get(project, ()), *files) if one.applies(cutoff)]

    @cached_property
    def _by_project(self) -> dict[str, list[Override]]:
        found: dict[str, list[Override]] = {}
        for one in self.overrides:
            if one.match.project is not None:
                found.setdefault(one.match.project, []).append(one)
        return found

    @cached_property
    def _by_file(self) -> tuple[Override, ...]:
        return tuple(one for one in self.overrides if one.match.file is not None)


class Ruling(Struct, frozen=True):
    """The decision about a file that is not offered as recorded."""

    file: File
    version: str | None
    rule: str  # such as "age", the match of an override, or an advisory's id
    reason: str  # text of the operator or the advisory; "" for cooldown
    until: float | None  # None: until the rules change
    hidden: bool  # False: it is marked as yanked


class Offer(Struct, frozen=True):
    """An offered page, and what to remember about it."""

    page: Page
    rulings: tuple[Ruling, ...] = ()
    changes_at: float | None = None  # when it changes by itself
    shown: frozenset[str] = frozenset()  # files that became visible not long ago
    matched: frozenset[str] = frozenset()  # the overrides that match something, as written

    @property
    def waiting(self) -> int:
        """How many files wait to become old enough."""
        return sum(map(_is_young, self.rulings))


def offer(page: Page, rules: OfferRules, times: FileTimes, cutoff: float) -> Offer:
    """Return ``page`` as ``rules`` offer it at ``cutoff``."""
    if not page.files:
        return Offer(page)
    own = rules.cooldown.for_project(page.name)
    names = [file.filename for file in page.files]
    overrides = rules.overrides_for(page.name, frozenset(names), cutoff)
    advisories = rules.advisories.get(page.name, ())
    if own.is_off and not overrides and not advisories:
        return Offer(page)
    versions = file_versions(page)
    verdicts = decide(overrides, advisories, versions, names)
    judged = judge_files(page, own, times, cutoff)
    rulings = [
        _ruling(file, version, verdict, cooldown, marks=own.mode == "yank")
        for file, version, verdict, cooldown in zip(
            page.files, versions, verdicts, judged, strict=True
        )
    ]
    moments = [
        *(one.until for one in rulings if one is not None and one.until is not None),
        *(one.until for one in overrides if one.until is not None),
    ]
    return Offer(
        page=_page(page, versions, verdicts, rulings),
        rulings=tuple(_all_rulings(rulings, verdicts)),
        changes_at=min(moments, default=None),
        shown=frozenset(
            name
            for name, cooldown, verdict in zip(names, judged, verdicts, strict=True)
            if cooldown.just_shown and verdict.hidden_by is None
        ),
        matched=frozenset(
            one.text for one in overrides if any(map(one.match.matches_file, versions, names))
        ),
    )


def _ruling(
    file: File, version: str | None, verdict: Verdict, cooldown: FileCooldown, *, marks: bool
) -> Ruling | None:
    """Return the decision about one file.

    None: it is offered as it was recorded.
    """
    if verdict.hidden_by is not None:
        return Ruling(file, version, verdict.hidden_by, verdict.reason, verdict.until, hidden=True)
    rule = None if verdict.allowed else cooldown.hidden_by
    if rule is not None:
        hidden = not (marks and rule in _AGES)
        return Ruling(file, version, rule, "", cooldown.until, hidden=hidden)
    if verdict.yanked_by is not None:
        return Ruling(file, version, verdict.yanked_by, verdict.reason, verdict.until, hidden=False)
    return None


def _is_young(ruling: Ruling) -> bool:
    return isinstance(ruling.rule, HiddenBy) and ruling.rule in _AGES  # a project may be named age


def _all_rulings(rulings: Sequence[Ruling | None], verdicts: Sequence[Verdict]) -> Iterator[Ruling]:
    """Yield the decisions about a file; there can be two."""
    for ruling, verdict in zip(rulings, verdicts, strict=True):
        if ruling is None:
            continue
        yield ruling
        by = verdict.yanked_by
        if by is not None and _is_young(ruling) and not ruling.hidden:
            yield replace(ruling, rule=by, reason=verdict.reason, until=verdict.until)


def _page(
    page: Page,
    versions: Sequence[str | None],
    verdicts: Sequence[Verdict],
    rulings: Sequence[Ruling | None],
) -> Page:
    """Return ``page`` without hidden files, and with marks."""
    kept = list(_kept(page, versions, verdicts, rulings))
    listed = page.versions
    if listed is not None:
        gone = set(versions) - {version for version, _ in kept}
        listed = tuple(one for one in listed if one not in gone)
    return replace(page, files=tuple(file for _, file in kept), versions=listed)


def _kept(
    page: Page,
    versions: Sequence[str | None],
    verdicts: Sequence[Verdict],
    rulings: Sequence[Ruling | None],
) -> Iterator[tuple[str | None, File]]:
    for file, version, verdict, ruling in zip(page.files, versions, verdicts, rulings, strict=True):
        if ruling is None:
            yield version, file
        elif not ruling.hidden:
            upstream = "" if file.yanked is None else file.yanked.reason
            young = _too_young(ruling.until) if _is_young(ruling) else ""
            reason = joined((upstream, verdict.reason, young))
            yield version, replace(file, yanked=Yank(reason))


def _too_young(until: float | None) -> str:
    assert until is not None  # every age has an end
    return f"too new for this mirror until {format_time(until)}"
