"""Says which events a project has, and what each changes.

Journal entries, verdicts on pages and checks of the output use one table. Changes of many projects
at once are one statement in SQL each: a list is imported, the configuration leaves projects out,
the output is distrusted (:mod:`yanksync.state.list_import`, :mod:`yanksync.state.state`).
"""

from __future__ import annotations

from msgspec import Struct

from yanksync.core.model import HistoryAction
from yanksync.core.project_state import Presence, PublishReason
from yanksync.core.rules.journal_entries import EntryKind
from yanksync.core.rules.known_project import ProjectRow
from yanksync.core.rules.verdicts import (
    Accept,
    Confirm,
    NeverExisted,
    Removed,
    StaleAnswer,
    Unconfirmed,
    Verdict,
)


class RemovedByJournal(Struct, frozen=True):
    """The journal removed the project; no page has shown it yet (R9)."""

    serial: int
    unknown_files: bool = False  # it has published files that the state does not know


class QuarantinedByJournal(Struct, frozen=True):
    """The journal quarantined it; no page has shown it yet (R9)."""

    serial: int
    unknown_files: bool = False


class DirectoryUnknown(Struct, frozen=True):
    """The output has a directory without a page in the state."""


class FilesDiffer(Struct, frozen=True):
    """The published files differ from those that the state has."""


Event = Verdict | RemovedByJournal | QuarantinedByJournal | DirectoryUnknown | FilesDiffer


class Effects(Struct, frozen=True, kw_only=True):
    """What an event changes in the state; by default nothing."""

    presence: Presence | None = None  # REMOVED or UNKNOWN from now on
    tombstone: int | None = None  # of a removed project: a page must have a higher serial (R3)
    quarantine: int | None = None  # serial of the journal's quarantine entry
    confirmed: bool = False  # upstream has shown that the held page is still right
    # Whether a removed project may return without an entry, so that the recheck asks for it (R7).
    # None: this stays as it is.
    may_return: bool | None = None
    publish: PublishReason | None = None  # why it must be published
    write_started: bool = False  # the digests are void: all its files are written
    history: HistoryAction | None = None  # observed between pages
    answered: bool = False  # ends a fetch that waits for ``reached``; None: any fetch
    reached: int | None = None
    unconfirmed: str | None = None  # what a later pass must see again (R7)
    problem: str | None = None  # why the fetch had no result


def transition(known: ProjectRow, event: Event) -> Effects:
    """Return what ``event`` changes in the state, without its page."""
    present = known.presence is Presence.PRESENT
    match event:
        case RemovedByJournal() | QuarantinedByJournal():
            return _withdrawn_at_once(known, event)
        case Accept(page=page):
            publish = PublishReason.PAGE
            return Effects(publish=publish, answered=True, reached=page.serial)
        case Confirm():
            removed = known.presence is Presence.REMOVED
            return Effects(
                confirmed=present,
                may_return=known.is_absence_unexplained if removed else None,
                answered=True,
                reached=known.serial,
            )
        case Removed(explained=explained):
            return _removed(known, explained=explained)
        case NeverExisted():
            return Effects(presence=Presence.UNKNOWN, answered=True)
        case StaleAnswer(why=why):
            return Effects(problem=why)
        case Unconfirmed(seen=seen, why=why):
            return Effects(unconfirmed=seen, problem=why)
        case DirectoryUnknown():
            # A restored output may have a project that the journal removed long ago.
            removal = known.entry_kind is EntryKind.REMOVE_PROJECT
            return Effects(
                presence=Presence.REMOVED,
                tombstone=known.serial,
                publish=_removal(explained=known.presence is Presence.REMOVED and removal),
                write_started=True,
            )
        case FilesDiffer():
            return Effects(publish=PublishReason.PAGE, write_started=True)


def _removal(*, explained: bool) -> PublishReason:
    return PublishReason.EXPLAINED if explained else PublishReason.UNEXPLAINED


def _withdrawn_at_once(
    known: ProjectRow, event: RemovedByJournal | QuarantinedByJournal
) -> Effects:
    # A run published the unknown files before an older state was restored.
    publish = PublishReason.EXPLAINED if event.unknown_files else None
    stands = known.presence is Presence.PRESENT or known.published is not None
    if isinstance(event, RemovedByJournal):
        return Effects(
            presence=Presence.REMOVED,
            tombstone=event.serial,  # an older page must not bring it back (R3)
            publish=PublishReason.EXPLAINED if stands else publish,
            write_started=event.unknown_files,
        )
    if (known.serial or 0) >= event.serial:
        return Effects()
    return Effects(
        # Also if the project lacks a page: an older page must not bring files.
        quarantine=event.serial,
        # Its removal may be held, so this is not a removal.
        publish=PublishReason.PAGE if stands else publish,
        write_started=event.unknown_files,
    )


def _removed(known: ProjectRow, *, explained: bool) -> Effects:
    present = known.presence is Presence.PRESENT
    if not present and known.published is None:
        return Effects(answered=True)
    by_journal = known.entry_kind is EntryKind.REMOVE_PROJECT
    tombstone = known.entry_serial if by_journal else known.minimum_serial
    if not explained and tombstone is not None:
        tombstone -= 1  # if it was upstream's fault, the same page comes back
    return Effects(
        presence=Presence.REMOVED,
        tombstone=tombstone,
        may_return=not explained,
        publish=_removal(explained=explained),
        # A page has no history if it is new to the state.
        history=HistoryAction.REMOVE if present and not by_journal else None,
        answered=True,
    )
