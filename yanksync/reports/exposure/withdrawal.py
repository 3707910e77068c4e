"""Decides whether a file is withdrawn, and since when (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from yanksync.core.model import File, HistoryAction
from yanksync.core.names import NormalizedName
from yanksync.core.versions import VersionFinder, same_version
from yanksync.reports.audit.findings import ProjectFacts
from yanksync.state.views.history_rows import HistoryRow

_BEGINS = {
    HistoryAction.YANK: HistoryAction.YANK,
    HistoryAction.REMOVE: HistoryAction.REMOVE,
    HistoryAction.AVERTED: HistoryAction.REMOVE,
    HistoryAction.QUARANTINE: HistoryAction.QUARANTINE,
}
_ENDS = {
    HistoryAction.UNYANK: HistoryAction.YANK,
    HistoryAction.RETURN: HistoryAction.REMOVE,
    HistoryAction.UNQUARANTINE: HistoryAction.QUARANTINE,
}


class Withdrawal(Struct, frozen=True, kw_only=True):
    """A file that upstream withdrew, and does not offer again."""

    project: NormalizedName
    version: str | None
    filename: str
    action: HistoryAction  # yank, remove or quarantine
    since: int | None  # UTC seconds; None: before the mirror followed upstream
    reason: str | None  # exact; None: unknown


def withdrawal_of(filename: str, facts: ProjectFacts) -> Withdrawal | None:
    """Return how a file is withdrawn now; None: it is not."""
    page = facts.page
    file = None
    if page is not None:
        file = next((one for one in page.files if one.filename == filename), None)
    if file is not None and file.yanked is None:
        return None
    quarantined = page is not None and page.quarantined
    if file is None and not (facts.events or facts.gone or quarantined):
        return None  # most files of a log: nothing was ever said of them
    version = _version(filename, facts)
    open_, since, newest = _timeline(_concerning(facts.events, filename, version), file)
    action = _action(facts, file, open_)
    if action is None:
        return None
    reason = None if newest is None else newest.reason
    if file is not None and file.yanked is not None:
        reason = file.yanked.reason
    elif page is not None and page.quarantined:
        reason = page.status_reason or ""
    return Withdrawal(
        project=facts.name,
        version=version,
        filename=filename,
        action=action,
        since=since,
        reason=reason,
    )


def _action(
    facts: ProjectFacts, file: File | None, open_: Sequence[HistoryAction]
) -> HistoryAction | None:
    """Return the action that withdrew a marked or missing file."""
    if file is not None:
        return HistoryAction.YANK
    if facts.gone:
        return HistoryAction.REMOVE
    if facts.page is not None and facts.page.quarantined:
        return HistoryAction.QUARANTINE
    gone = [one for one in open_ if one is not HistoryAction.YANK]
    return gone[-1] if gone and facts.page is not None else None


def _version(filename: str, facts: ProjectFacts) -> str | None:
    """Return the version of a file that may be on no page."""
    known = {row.version for row in facts.events if row.version is not None}
    if facts.page is not None:
        known.update(facts.page.versions or ())
    found = VersionFinder(facts.name, known).version_of(filename)
    return found or VersionFinder(facts.name, None).version_of(filename)


def _concerning(
    events: Iterable[HistoryRow], filename: str, version: str | None
) -> Iterable[HistoryRow]:
    """Yield the events of a file, its release and its project."""
    for row in events:
        files = row.files if row.file is None else (row.file,)
        if files:
            if filename in files:
                yield row
        elif row.version is None or (version is not None and same_version(row.version, version)):
            yield row


def _timeline(
    events: Iterable[HistoryRow], file: File | None
) -> tuple[Sequence[HistoryAction], int | None, HistoryRow | None]:
    """Return the present withdrawal, its beginning and the newest event."""
    open_: dict[HistoryAction, None] = {}
    since, newest = None, None
    for row in events:
        if row.action in _BEGINS:
            since, newest = (row.timestamp if not open_ else since), row
            open_[_BEGINS[row.action]] = None
        elif row.version is None and file is None and row.action is HistoryAction.RETURN:
            continue  # a project of this name was created again, without the file
        else:
            open_.pop(_ENDS[row.action], None)
            if not open_:
                since = None
    return tuple(open_), since, newest
