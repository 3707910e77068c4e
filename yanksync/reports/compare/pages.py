"""Compares an index's page with the page of the state (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from yanksync.core.model import File, HistoryAction, Page, Yank
from yanksync.core.names import NormalizedName
from yanksync.core.versions import file_versions, same_version
from yanksync.reports.audit.findings import ProjectFacts
from yanksync.reports.compare.differences import Difference, DifferenceKind
from yanksync.state.views.history_rows import HistoryRow

_GONE = (HistoryAction.REMOVE, HistoryAction.AVERTED)
_WITHDRAWN = (*_GONE, HistoryAction.QUARANTINE)
_NO_HTML = re.compile("[\0\ud800-\udfff]")  # characters that HTML cannot have
_LINE_END = re.compile("\r\n?")


def compare(facts: ProjectFacts, page: Page | None, *, html: bool = False) -> Iterator[Difference]:
    """Yield how the index's ``page`` differs from ``facts``.

    ``page`` is None if the index has no such project. ``html``: the page was read from HTML, which
    cannot contain some characters of a reason.
    """
    held = facts.page
    if held is None and not facts.gone:
        return  # the state has not seen the project yet
    if page is None:
        if held is not None and held.files and not held.quarantined:
            yield Difference(kind=DifferenceKind.PROJECT_MISSING, project=facts.name)
        return
    serial = _floor(facts)
    if serial is not None and page.serial is not None and page.serial != serial:
        ahead = page.serial > serial
        kind = DifferenceKind.AHEAD if ahead else DifferenceKind.BEHIND
        yield Difference(kind=kind, project=facts.name, serial=serial, index_serial=page.serial)
        if ahead:  # the state does not know these changes yet
            return
    if held is None:
        yield from _removed(facts, page.files)
    elif held.quarantined:
        if page.files:  # the status does not matter: most installers do not know PEP 792
            yield _quarantined(facts, held)
    else:
        yield from _shared(facts, held, page, html=html)
        yield from _extra(facts, held, page)
        yield from _missing(facts.name, held, page)


def _floor(facts: ProjectFacts) -> int | None:
    """Return the serial that an up-to-date index has."""
    if facts.page is not None:
        return facts.page.serial
    return max((row.serial for row in facts.events if row.serial is not None), default=None)


def _quarantined(facts: ProjectFacts, held: Page) -> Difference:
    rows = [row for row in facts.events if row.action is HistoryAction.QUARANTINE]
    whole = [row.timestamp for row in rows if row.version is None]
    return Difference(
        kind=DifferenceKind.QUARANTINED_OFFERED,
        project=facts.name,
        reason=held.status_reason,
        since=whole[-1] if whole else None,
    )


def _removed(facts: ProjectFacts, files: Sequence[File]) -> Iterator[Difference]:
    """Yield that files of a removed project are offered."""
    since = next((row.timestamp for row in reversed(facts.events) if _is_removal(row)), None)
    old = [file for file in files if not _is_later(file, since)]
    if old:
        yield Difference(
            kind=DifferenceKind.REMOVED_OFFERED,
            project=facts.name,
            files=() if len(old) == len(files) else _names(old),
            since=since,
        )
    if len(old) < len(files):
        new = _names(file for file in files if file not in old)
        yield Difference(kind=DifferenceKind.FILE_UNKNOWN, project=facts.name, files=new)


def _is_removal(row: HistoryRow) -> bool:
    return row.action in _GONE and row.version is None and row.file is None


def _shared(facts: ProjectFacts, held: Page, page: Page, *, html: bool) -> Iterator[Difference]:
    """Yield differences of files in both, by version and reason."""
    there = {file.filename: file for file in page.files}
    versions = file_versions(held)
    groups: dict[Difference, list[str]] = {}
    counts: dict[str | None, int] = {}
    for version, file in zip(versions, held.files, strict=True):
        other = there.get(file.filename)
        if other is None:
            continue
        counts[version] = counts.get(version, 0) + 1
        for found in _of_file(facts.name, version, file, other, html=html):
            groups.setdefault(found, []).append(file.filename)
    for found, names in groups.items():
        whole = found.version is not None and len(names) == counts[found.version]
        since = None
        if found.kind is not DifferenceKind.HASH_MISMATCH:
            extra = found.kind is DifferenceKind.MARK_EXTRA
            action = HistoryAction.UNYANK if extra else HistoryAction.YANK
            since = _time(facts.events, action, found.version)
        yield replace(found, files=() if whole else tuple(names), since=since)


def _of_file(
    project: NormalizedName, version: str | None, held: File, there: File, *, html: bool
) -> Iterator[Difference]:
    """Yield how one file differs."""
    known = dict(there.hashes)
    if any(known.get(name, digest) != digest for name, digest in held.hashes):
        yield Difference(kind=DifferenceKind.HASH_MISMATCH, project=project, version=version)
    kind = _kind(held.yanked, there.yanked, html=html)
    if kind is not None:
        yield Difference(
            kind=kind,
            project=project,
            version=version,
            reason=None if held.yanked is None else held.yanked.reason,
            index_reason=None if there.yanked is None else there.yanked.reason,
        )


def _kind(held: Yank | None, there: Yank | None, *, html: bool) -> DifferenceKind | None:
    if held is None or there is None:
        if held == there:
            return None
        return DifferenceKind.MARK_EXTRA if held is None else DifferenceKind.MARK_MISSING
    wanted, given = held.reason, there.reason
    if html:
        wanted, given = _in_html(wanted), _in_html(given)
    if wanted == given:
        return None
    return DifferenceKind.REASON_DIFFERS if given else DifferenceKind.REASON_LOST


def _in_html(reason: str) -> str:
    """Return a reason as the HTML of any program can show it."""
    return _NO_HTML.sub("\ufffd", _LINE_END.sub("\n", reason))


def _extra(facts: ProjectFacts, held: Page, page: Page) -> Iterator[Difference]:
    """Yield the files that only the index offers."""
    here = {file.filename for file in held.files}
    withdrawn: dict[Difference, list[str]] = {}
    unknown: list[str] = []
    offered: dict[str | None, int] = {}
    for version, file in zip(file_versions(page), page.files, strict=True):
        offered[version] = offered.get(version, 0) + 1
        if file.filename in here:
            continue
        row = _withdrawal(facts.events, version, file)
        if row is None:
            unknown.append(file.filename)
            continue
        removed = row.action in _GONE
        kind = DifferenceKind.REMOVED_OFFERED if removed else DifferenceKind.QUARANTINED_OFFERED
        found = Difference(kind=kind, project=facts.name, version=version, since=row.timestamp)
        withdrawn.setdefault(found, []).append(file.filename)
    for found, names in withdrawn.items():
        whole = found.version is not None and len(names) == offered[found.version]
        yield replace(found, files=() if whole else tuple(names))
    if unknown:
        yield Difference(kind=DifferenceKind.FILE_UNKNOWN, project=facts.name, files=tuple(unknown))


def _withdrawal(events: Sequence[HistoryRow], version: str | None, file: File) -> HistoryRow | None:
    """Return the newest event that took a file away.

    None: there is none.
    """
    for row in reversed(events):
        if row.action in _WITHDRAWN and _concerns(row, version, file):
            return None if _is_later(file, row.timestamp) else row
    return None


def _concerns(row: HistoryRow, version: str | None, file: File) -> bool:
    if row.file is not None:
        return row.file == file.filename
    if row.files:
        return file.filename in row.files
    return row.version is None or (version is not None and same_version(row.version, version))


def _is_later(file: File, since: float | None) -> bool:
    """Return True if a file came after the removal of its version."""
    if since is None or file.upload_time is None:
        return False
    try:
        uploaded = datetime.fromisoformat(file.upload_time)
    except ValueError:
        return False
    return (uploaded if uploaded.tzinfo else uploaded.replace(tzinfo=UTC)).timestamp() > since


def _missing(name: NormalizedName, held: Page, page: Page) -> Iterator[Difference]:
    """Yield the files that the index lacks.

    It may leave out yanked files (PEP 592).
    """
    there = {file.filename for file in page.files}
    gone = [one for one in held.files if one.filename not in there and one.yanked is None]
    if gone:
        yield Difference(kind=DifferenceKind.FILE_MISSING, project=name, files=_names(gone))


def _time(events: Sequence[HistoryRow], action: HistoryAction, version: str | None) -> int | None:
    """Return when ``action`` was last done to a version."""
    for row in reversed(events):
        if row.version is None or version is None or not same_version(row.version, version):
            continue
        if row.action is action or (
            action is HistoryAction.YANK and row.action is HistoryAction.AVERTED
        ):
            return row.timestamp
    return None


def _names(files: Iterable[File]) -> tuple[str, ...]:
    return tuple(file.filename for file in files)
