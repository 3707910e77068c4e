"""Says what may happen to a project, and what changes then.

The journal's word, a page's verdict and a look at the output go through one table. What happens to
many projects at once is one statement in SQL each: a list is imported, the configuration leaves
projects out, the output is distrusted (:mod:`yanksync.state.list_import`,
:mod:`yanksync.state.state`).
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
    unknown_files: bool = False  # published files of it are there that the state does not know


class QuarantinedByJournal(Struct, frozen=True):
    """The journal quarantined it; no page has shown it yet (R9)."""

    serial: int
    unknown_files: bool = False


class DirectoryUnknown(Struct, frozen=True):
    """The output has a directory for which the state has no page."""


class FilesDiffer(Struct, frozen=True):
    """The published files are not those that the state says."""


Event = Verdict | RemovedByJournal | QuarantinedByJournal | DirectoryUnknown | FilesDiffer


class Effects(Struct, frozen=True, kw_only=True):
    """What an event changes in the state; by default nothing."""

    presence: Presence | None = None  # REMOVED or UNKNOWN from now on
    tombstone: int | None = None  # of a removed project: the serial that a page must exceed (R3)
    quarantine: int | None = None  # the journal's entry that quarantines it
    confirmed: bool = False  # upstream has shown that the held page is still true
    publish: PublishReason | None = None  # why it is to be published
    write_started: bool = False  # the digests say nothing: its files are written whole
    history: HistoryAction | None = None  # observed between pages
    answered: bool = False  # a look that waits for ``reached`` is over; None: any look is
    reached: int | None = None
    unconfirmed: str | None = None  # what a later pass must see, too (R7)
    problem: str | None = None  # why the look brought nothing


def transition(known: ProjectRow, event: Event) -> Effects:
    """Return what ``event`` changes in the state, its page aside."""
    present = known.presence is Presence.PRESENT
    match event:
        case RemovedByJournal() | QuarantinedByJournal():
            return _withdrawn_at_once(known, event)
        case Accept(page=page):
            publish = PublishReason.PAGE
            return Effects(publish=publish, answered=True, reached=page.serial)
        case Confirm():
            return Effects(confirmed=present, answered=True, reached=known.serial)
        case Removed(explained=explained):
            return _removed(known, explained=explained)
        case NeverExisted():
            return Effects(presence=Presence.UNKNOWN, answered=True)
        case StaleAnswer(why=why):
            return Effects(problem=why)
        case Unconfirmed(seen=seen, why=why):
            return Effects(unconfirmed=seen, problem=why)
        case DirectoryUnknown():
            # An output that was put back may hold what went long ago, on the journal's word.
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
    # A run published the unknown files before the state was put back.
    publish = PublishReason.EXPLAINED if event.unknown_files else None
    stands = known.presence is Presence.PRESENT or known.published is not None
    if isinstance(event, RemovedByJournal):
        return Effects(
            presence=Presence.REMOVED,
            tombstone=event.serial,  # no older page brings it back (R3)
            publish=PublishReason.EXPLAINED if stands else publish,
            write_started=event.unknown_files,
        )
    if (known.serial or 0) >= event.serial:
        return Effects()
    return Effects(
        # One that was never held, too: no page from before that may bring files.
        quarantine=event.serial,
        # Its removal may be held: this is no removal.
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
        tombstone -= 1  # it may have been upstream's fault: then the same page comes back
    return Effects(
        presence=Presence.REMOVED,
        tombstone=tombstone,
        publish=_removal(explained=explained),
        # Of a page that the state never held there is no history.
        history=HistoryAction.REMOVE if present and not by_journal else None,
        answered=True,
    )
