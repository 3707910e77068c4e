"""Withdrawn releases as OSV records.

Each record is about a release, or about a project as a whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any

from msgspec import Struct, field

from yanksync.core.model import HistoryAction
from yanksync.core.names import NormalizedName
from yanksync.core.versions import sort_key
from yanksync.core.withdrawals.event import WithdrawalEvent, utc
from yanksync.core.withdrawals.sentences import one_line, printable

SCHEMA_VERSION = "1.7.3"
PREFIX = "x_YANKSYNC-"
"""Before each id. The schema has "x_" for databases that osv.dev does not collect."""

_ECOSYSTEM = "PyPI"
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,99}")
_ENDS = {
    HistoryAction.UNYANK: HistoryAction.YANK,
    HistoryAction.RETURN: HistoryAction.REMOVE,
    HistoryAction.UNQUARANTINE: HistoryAction.QUARANTINE,
}
# If several of these are true for a release, the record is about the first one.
_GRAVEST = {
    HistoryAction.REMOVE: "removed",
    HistoryAction.QUARANTINE: "quarantined",
    HistoryAction.YANK: "yanked",
}


class OsvRecord(Struct, frozen=True):
    """A record, and its id."""

    id: str
    body: bytes


class _Release(Struct):
    """What happened to a release, or to the whole project."""

    version: str | None
    first: WithdrawalEvent
    last: WithdrawalEvent
    held: dict[HistoryAction, WithdrawalEvent] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)  # yanked files; empty: all, if any

    def take(self, event: WithdrawalEvent) -> None:
        """Follow one event."""
        self.last = event
        ended = _ENDS.get(event.action)
        if ended is HistoryAction.YANK and event.files and self.files:
            self.files -= set(event.files)
            if self.files:
                return
        if ended is not None:
            self.held.pop(ended, None)
            return
        if event.action is HistoryAction.YANK:
            is_partial = bool(event.files) and (self.files or event.action not in self.held)
            self.files = self.files | set(event.files) if is_partial else set()
        self.held[event.action] = event


def osv_records(
    project: NormalizedName, events: Iterable[WithdrawalEvent], above: int = 0
) -> Iterator[OsvRecord]:
    """Yield the records of a project from all its events, oldest first.

    A release that is offered again keeps its record. The record then counts as withdrawn.
    ``above``: only the records of releases with an event after this cursor; no other can have
    changed.
    """
    releases: dict[str | None, _Release] = {}
    changed: set[str | None] = set()
    for event in events:
        for version in event.versions or (None,):
            if event.cursor > above:
                changed.add(version)
            if version is None and event.files:
                continue  # a pin cannot mean files that lack a version
            if _leaves_release(event):
                continue
            if version not in releases:
                if event.action in _ENDS:
                    continue
                releases[version] = _Release(version, event, event)
            releases[version].take(event)
    for release in releases.values():
        if release.version not in changed:
            continue
        id_ = record_id(project, release.version)
        body = json.dumps(_record(id_, project, release), indent=1) + "\n"
        yield OsvRecord(id_, body.encode("ascii"))


def _leaves_release(event: WithdrawalEvent) -> bool:
    """Return whether files were removed of a release that has others."""
    return event.action is HistoryAction.REMOVE and bool(event.files) and event.installable_by_pin


def record_id(project: str, version: str | None) -> str:
    """Return the id of a record; None: the project's.

    It is a file name, too.
    """
    if version is None:
        return f"{PREFIX}{project}"
    if _PLAIN.fullmatch(version) is None:
        version = f"~{sha256(version.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
    return f"{PREFIX}{project}@{version}"


def record_project(filename: str) -> str:
    """Return the project of a record from the name of its file."""
    return filename.removeprefix(PREFIX).removesuffix(".json").partition("@")[0]


def _record(id_: str, project: str, release: _Release) -> dict[str, Any]:
    action = next((one for one in _GRAVEST if one in release.held), None)
    about = project if release.version is None else f"{project} {one_line(release.version)}"
    found = {
        "schema_version": SCHEMA_VERSION,
        "id": id_,
        "modified": utc(release.last.logged),
        "published": utc(release.first.logged),
    }
    if action is None:
        found["withdrawn"] = utc(release.last.logged)
        summary = f"{about} is offered again. It was withdrawn by its index for a time."
        details, more = "No vulnerability: yanksync reports withdrawn releases.", {}
    else:
        event = release.held[action]
        files = sorted(release.files) if action is HistoryAction.YANK else []
        summary = f"{about} was {_GRAVEST[action]} by its index; no vulnerability as such"
        details = _details(event, files)
        more = {
            "kind": str(action),
            "reason": None if event.reason is None else printable(event.reason),
            "since": utc(event.time),
            "serial": event.serial,
            "files": [printable(one) for one in files],
            "installable_by_pin": event.installable_by_pin,
        }
    return found | {
        "summary": summary,
        "details": details,
        "affected": [_affected(project, release.version)],
        "database_specific": more,
    }


def _details(event: WithdrawalEvent, files: Iterable[str]) -> str:
    reason = "The reason is not known." if event.reason is None else "No reason was given."
    parts = [f"Reason: {printable(event.reason)}" if event.reason else reason]
    if files:
        parts.append(f"Only these files: {', '.join(map(one_line, files))}")
    return "\n\n".join(parts)


def _affected(project: str, version: str | None) -> dict[str, Any]:
    package = {"ecosystem": _ECOSYSTEM, "name": project, "purl": f"pkg:pypi/{project}"}
    if version is None:
        return {"package": package, "ranges": [_range({"introduced": "0"})]}
    found: dict[str, Any] = {"package": package, "versions": [printable(version)]}
    if sort_key(version)[0] == 2:  # PEP 440, for which 1.0.0 equals 1.0
        found["ranges"] = [_range({"introduced": version}, {"last_affected": version})]
    return found


def _range(*events: dict[str, str]) -> dict[str, Any]:
    return {"type": "ECOSYSTEM", "events": list(events)}
