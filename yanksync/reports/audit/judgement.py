"""Judges a pin by the facts about its project (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from yanksync.core.model import File, HistoryAction, Page
from yanksync.core.pins import Pin
from yanksync.core.versions import files_by_version
from yanksync.reports.audit.findings import (
    Finding,
    FindingKind,
    PinVerdict,
    ProjectFacts,
    RuledFile,
)
from yanksync.reports.audit.nearest import nearest_version
from yanksync.state.views.history_rows import HistoryRow

_KEPT = "this mirror keeps its copy, which an exact pin installs"


def judge(pin: Pin, facts: ProjectFacts, python: str) -> PinVerdict:
    """Return what is wrong with ``pin``.

    ``python`` is the version that a replacement must allow where the pin names none.
    """
    page = facts.page
    if page is None:
        return PinVerdict(pin=pin, findings=(_with_kept(pin, facts, _without_page(facts)),))
    findings = tuple(_with_kept(pin, facts, one) for one in _findings(pin, facts, page))
    nearest = None
    if findings and not any(one.kind is FindingKind.PROJECT_RECREATED for one in findings):
        nearest = nearest_version(pin, _offered(page, facts), pin.python or python)
    return PinVerdict(pin=pin, findings=findings, nearest=nearest)


def _offered(page: Page, facts: ProjectFacts) -> Page:
    """Return the page without files that rules hide or mark."""
    ruled = {one.filename for one in facts.ruled}
    return replace(page, files=tuple(one for one in page.files if one.filename not in ruled))


def _with_kept(pin: Pin, facts: ProjectFacts, finding: Finding) -> Finding:
    """Return ``finding``; say in it whether the mirror still offers the file."""
    if finding.kind not in (FindingKind.REMOVED, FindingKind.PROJECT_GONE):
        return finding
    kept = [
        one
        for one in facts.kept
        if one.version is not None
        and pin.allows(one.version)
        and (not pin.files or any(like.is_like(one.file) for like in pin.files))
    ]
    if not kept or not {*finding.files} <= {one.file.filename for one in kept}:
        return finding
    ends = [one.until for one in kept if one.until is not None]
    return replace(finding, rule="mirror.deleted", reason=_KEPT, until=min(ends, default=None))


def _without_page(facts: ProjectFacts) -> Finding:
    if not facts.gone:
        return Finding(kind=FindingKind.UNKNOWN)
    since = _since(facts.events, None, HistoryAction.REMOVE)
    return Finding(kind=FindingKind.PROJECT_GONE, since=since)


def _findings(pin: Pin, facts: ProjectFacts, page: Page) -> Iterator[Finding]:
    if page.quarantined:
        since = _since(facts.events, None, HistoryAction.QUARANTINE)
        reason = page.status_reason or ""
        yield Finding(kind=FindingKind.QUARANTINED, reason=reason, since=since)
        return
    files = [
        file
        for version, group in files_by_version(page)
        if version is not None and pin.allows(version)
        for file in group
    ]
    allowed = [file for file in files if any(one.is_like(file) for one in pin.files)]
    if not allowed and (returned := _recreated(facts.events)) is not None:
        yield Finding(kind=FindingKind.PROJECT_RECREATED, since=returned)
    if not files:
        yield _without_files(pin, facts.events)
        return
    yield from _yanked(pin, files, facts.events)
    yield from _missing(pin, files, facts.events)
    yield from _ruled(pin, files, facts.ruled)


def _without_files(pin: Pin, events: Sequence[HistoryRow]) -> Finding:
    """Return why the version has no file.

    The version is removed, or this release is quarantined.
    """
    newest = next((row for row in reversed(events) if _of_release(row, pin)), None)
    if newest is None:
        return Finding(kind=FindingKind.REMOVED)
    if newest.action is HistoryAction.QUARANTINE:
        return Finding(kind=FindingKind.QUARANTINED, reason="", since=newest.timestamp)
    removed = newest.action in (HistoryAction.REMOVE, HistoryAction.AVERTED)
    return Finding(kind=FindingKind.REMOVED, since=newest.timestamp if removed else None)


def _chosen(pin: Pin, files: Sequence[File]) -> Sequence[File]:
    """Return those of ``files`` that the pin names.

    All files if the pin names none of them.
    """
    names = {one.filename for one in pin.files}
    named = [
        file
        for file in files
        if file.filename in names or any(one.is_like(file) for one in pin.files)
    ]
    return named or files


def _yanked(pin: Pin, files: Sequence[File], events: Sequence[HistoryRow]) -> Iterator[Finding]:
    """Yield findings for yanked files that the pin allows."""
    yanks = [(file, file.yanked) for file in _chosen(pin, files) if file.yanked is not None]
    if yanks:
        reason = next((yank.reason for _, yank in yanks if yank.reason), "")
        yield Finding(
            kind=FindingKind.YANKED,
            reason=reason,
            since=_since(events, pin, HistoryAction.YANK),
            files=() if len(yanks) == len(files) else tuple(file.filename for file, _ in yanks),
        )


def _ruled(pin: Pin, files: Sequence[File], ruled: Sequence[RuledFile]) -> Iterator[Finding]:
    """Yield the rules that concern files of the pin."""
    chosen = {file.filename for file in _chosen(pin, files)}
    found: dict[tuple[FindingKind, str], list[RuledFile]] = {}
    for one in ruled:
        if one.filename in chosen:
            found.setdefault((one.kind, one.rule), []).append(one)
    for (kind, rule), some in found.items():
        names = tuple(one.filename for one in some)
        ends = [one.until for one in some if one.until is not None]
        yield Finding(
            kind=kind,
            reason=some[0].reason,
            files=() if len(names) == len(files) else names,
            rule=rule,
            until=max(ends) if len(ends) == len(some) else None,
        )


def _missing(pin: Pin, files: Sequence[File], events: Sequence[HistoryRow]) -> Iterator[Finding]:
    """Yield the pin's files and hashes that the release lacks."""
    by_name = {file.filename: file for file in files}
    algorithms = {name for file in files for name, _ in file.hashes}
    gone: list[str] = []
    hashes: list[str] = []
    for one in pin.files:
        if one.filename is not None and one.filename not in by_name:
            gone.append(one.filename)
        elif one.filename is not None and one.contradicts(by_name[one.filename]):
            hashes += [f"{name}:{digest}" for name, digest in one.hashes]
        elif one.filename is None and not any(one.is_like(file) for file in files):
            hashes += [f"{name}:{digest}" for name, digest in one.hashes if name in algorithms]
    if gone:
        times = [row.timestamp for row in events if row.file in gone]
        since = max(times, default=None)
        yield Finding(kind=FindingKind.REMOVED, since=since, files=tuple(gone))
    if hashes:
        yield Finding(kind=FindingKind.HASH_MISMATCH, hashes=tuple(hashes))


def _recreated(events: Sequence[HistoryRow]) -> float | None:
    """Return when the project was created again after its removal.

    None: it was not.
    """
    whole = [row for row in events if row.version is None and row.file is None]
    removed = False
    returned = None
    for row in whole:
        if removed and row.action is HistoryAction.RETURN:
            returned = row.timestamp
        removed = removed or row.action is HistoryAction.REMOVE
    return returned


def _since(events: Sequence[HistoryRow], pin: Pin | None, action: HistoryAction) -> float | None:
    """Return when ``action`` last happened to the release or project."""
    for row in reversed(events):
        concerned = row.version is None if pin is None else _of_release(row, pin)
        if concerned and row.action in (action, HistoryAction.AVERTED) and row.file is None:
            return row.timestamp
    return None


def _of_release(row: HistoryRow, pin: Pin) -> bool:
    return row.version is not None and row.file is None and pin.allows(row.version)
