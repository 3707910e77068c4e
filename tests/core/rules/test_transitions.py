"""What may happen to a project, and what each event changes: the whole table."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from yanksync.core.model import UNKNOWN_FORMS, HistoryAction, Page
from yanksync.core.names import NormalizedName
from yanksync.core.project_state import Presence, PublishReason
from yanksync.core.rules.journal_entries import EntryKind
from yanksync.core.rules.known_project import ProjectRow
from yanksync.core.rules.transitions import (
    DirectoryUnknown,
    Effects,
    Event,
    FilesDiffer,
    QuarantinedByJournal,
    RemovedByJournal,
    transition,
)
from yanksync.core.rules.verdicts import (
    Accept,
    Confirm,
    NeverExisted,
    Removed,
    StaleAnswer,
    Unconfirmed,
)

NAME = NormalizedName("demo")
PRESENT = ProjectRow(id=1, name=NAME, presence=Presence.PRESENT, serial=10, published=UNKNOWN_FORMS)
WAITING = ProjectRow(id=1, name=NAME, presence=Presence.PRESENT, serial=10)
REMOVED_HERE = ProjectRow(id=1, name=NAME, presence=Presence.REMOVED, serial=10)
LEFT_OUT = replace(REMOVED_HERE, omitted_at_serial=11)
STILL_THERE = ProjectRow(
    id=1, name=NAME, presence=Presence.REMOVED, serial=10, published=UNKNOWN_FORMS
)
ONLY_PUBLISHED = ProjectRow(
    id=1, name=NAME, presence=Presence.NEW, serial=10, published=UNKNOWN_FORMS
)
NEW = ProjectRow(id=1, name=NAME, presence=Presence.NEW)
JOURNAL_REMOVED = ProjectRow(
    id=1,
    name=NAME,
    presence=Presence.PRESENT,
    serial=10,
    published=UNKNOWN_FORMS,
    entry_kind=EntryKind.REMOVE_PROJECT,
    entry_serial=12,
)
WENT_BY_JOURNAL = ProjectRow(
    id=1,
    name=NAME,
    presence=Presence.REMOVED,
    serial=12,
    entry_kind=EntryKind.REMOVE_PROJECT,
    entry_serial=12,
)
PAGE, EXPLAINED, UNEXPLAINED = (
    PublishReason.PAGE,
    PublishReason.EXPLAINED,
    PublishReason.UNEXPLAINED,
)
GONE = Presence.REMOVED


@pytest.mark.rule("R9")
@pytest.mark.parametrize(
    ("known", "publish"),
    [(PRESENT, EXPLAINED), (WAITING, EXPLAINED), (STILL_THERE, EXPLAINED), (NEW, None)],
)
def test_the_journal_removes_at_once(known: ProjectRow, publish: PublishReason | None) -> None:
    removed = Effects(presence=GONE, tombstone=12, publish=publish)
    assert transition(known, RemovedByJournal(12)) == removed


@pytest.mark.rule("R9")
@pytest.mark.parametrize(
    ("known", "publish"),
    [(PRESENT, PAGE), (STILL_THERE, PAGE), (ONLY_PUBLISHED, PAGE), (NEW, None)],
)
def test_the_journal_quarantines_at_once(known: ProjectRow, publish: PublishReason | None) -> None:
    quarantined = Effects(quarantine=12, publish=publish)
    assert transition(known, QuarantinedByJournal(12)) == quarantined


def test_a_page_from_after_a_quarantine_counts_more() -> None:
    assert transition(PRESENT, QuarantinedByJournal(10)) == Effects()


def test_a_withdrawal_takes_away_files_that_the_state_does_not_know() -> None:
    assert transition(NEW, RemovedByJournal(12, unknown_files=True)) == Effects(
        presence=GONE, tombstone=12, publish=EXPLAINED, write_started=True
    )
    assert transition(NEW, QuarantinedByJournal(12, unknown_files=True)) == Effects(
        quarantine=12, publish=EXPLAINED, write_started=True
    )


@pytest.mark.rule("R8")
@pytest.mark.parametrize(
    ("known", "explained", "effects"),
    [
        (
            PRESENT,
            True,
            Effects(
                presence=GONE,
                tombstone=10,
                may_return=False,
                publish=EXPLAINED,
                history=HistoryAction.REMOVE,
                answered=True,
            ),
        ),
        (  # the same page may come back, if that was upstream's fault
            PRESENT,
            False,
            Effects(
                presence=GONE,
                tombstone=9,
                may_return=True,
                publish=UNEXPLAINED,
                history=HistoryAction.REMOVE,
                answered=True,
            ),
        ),
        (  # the history has the journal's entry
            JOURNAL_REMOVED,
            True,
            Effects(
                presence=GONE, tombstone=12, may_return=False, publish=EXPLAINED, answered=True
            ),
        ),
        (
            ONLY_PUBLISHED,
            False,
            Effects(
                presence=GONE, tombstone=9, may_return=True, publish=UNEXPLAINED, answered=True
            ),
        ),
        (NEW, True, Effects(answered=True)),
        (REMOVED_HERE, True, Effects(answered=True)),
    ],
)
def test_a_page_that_is_gone(known: ProjectRow, explained: bool, effects: Effects) -> None:
    assert transition(known, Removed(explained)) == effects


@pytest.mark.parametrize(
    ("known", "event", "effects"),
    [
        (
            PRESENT,
            Accept(Page(name="demo", serial=11), reached=True),
            Effects(publish=PAGE, answered=True, reached=11),
        ),
        (PRESENT, Confirm(), Effects(confirmed=True, answered=True, reached=10)),
        (REMOVED_HERE, Confirm(), Effects(may_return=True, answered=True, reached=10)),
        (WENT_BY_JOURNAL, Confirm(), Effects(may_return=False, answered=True, reached=12)),
        (LEFT_OUT, Confirm(), Effects(may_return=False, answered=True, reached=10)),
        (  # an older list says nothing
            replace(REMOVED_HERE, omitted_at_serial=9),
            Confirm(),
            Effects(may_return=True, answered=True, reached=10),
        ),
        (NEW, NeverExisted(), Effects(presence=Presence.UNKNOWN, answered=True)),
        (PRESENT, StaleAnswer("old"), Effects(problem="old")),
        (PRESENT, Unconfirmed("404", "gone"), Effects(unconfirmed="404", problem="gone")),
        (PRESENT, FilesDiffer(), Effects(publish=PAGE, write_started=True)),
    ],
)
def test_other_answers(known: ProjectRow, event: Event, effects: Effects) -> None:
    assert transition(known, event) == effects


@pytest.mark.parametrize(
    ("known", "publish"),
    [(WENT_BY_JOURNAL, EXPLAINED), (REMOVED_HERE, UNEXPLAINED), (NEW, UNEXPLAINED)],
)
def test_an_unknown_directory_goes_once_the_guard_says_so(
    known: ProjectRow, publish: PublishReason
) -> None:
    assert transition(known, DirectoryUnknown()) == Effects(
        presence=GONE, tombstone=known.serial, publish=publish, write_started=True
    )
