"""What one answer means for a project: the whole decision table (rules R3, R7)."""

from __future__ import annotations

import pytest

from yanksync.core.model import File, JournalEntry, Page
from yanksync.core.names import NormalizedName
from yanksync.core.project_state import Presence
from yanksync.core.rules.journal_entries import EntryKind, JournalEvent
from yanksync.core.rules.known_project import ProjectRow
from yanksync.core.rules.verdicts import (
    Accept,
    Confirm,
    Expectation,
    NeverExisted,
    NotModified,
    PageFound,
    PageMissing,
    Removed,
    StaleAnswer,
    Unconfirmed,
    Verdict,
    judge_answer,
)

DEMO = NormalizedName("demo")
P, G, N, U = Presence.PRESENT, Presence.REMOVED, Presence.NEW, Presence.UNKNOWN
EXPLAINED, UNEXPLAINED = Removed(explained=True), Removed(explained=False)


def page(*versions: str, serial: int | None = 10, status: str = "active") -> Page:
    files = tuple(File(filename=f"demo-{v}.tar.gz", url="https://x.example/") for v in versions)
    return Page(name=DEMO, files=files, versions=versions, serial=serial, status=status)


def held(
    presence: Presence = P,
    serial: int | None = 10,
    *,
    entry: tuple[EntryKind, int] | None = None,
    omitted: int | None = None,
    word: int | None = None,
) -> ProjectRow:
    return ProjectRow(
        id=1,
        name=DEMO,
        presence=presence,
        serial=serial,
        entry_kind=None if entry is None else entry[0],
        entry_serial=None if entry is None else entry[1],
        omitted_at_serial=omitted,
        quarantine_serial=word,
    )


def event(kind: EntryKind, version: str | None, serial: int = 11, action: str = "") -> JournalEvent:
    return JournalEvent(DEMO, kind, JournalEntry(DEMO, version, 0, action, serial))


def verdict(
    before: ProjectRow,
    answer: PageFound | PageMissing | NotModified,
    reach: int | None = None,
    doubt: str | None = None,
    *,
    serials: bool = True,
    events: tuple[JournalEvent, ...] = (),
) -> Verdict:
    expected = Expectation(required_serial=reach, unconfirmed=doubt)
    return judge_answer(before, expected, answer, serials=serials, events=events)


@pytest.mark.rule("R3")
@pytest.mark.parametrize(
    ("before", "serial", "reach", "reached"),
    [
        pytest.param(held(), 10, None, True, id="same-serial"),
        pytest.param(held(), 10, 10, True, id="reach-met"),
        pytest.param(held(), 12, 11, True, id="beyond-the-reach"),
        pytest.param(held(), 10, 11, False, id="same-serial-below-the-reach"),
        pytest.param(held(), 11, 12, False, id="newer-but-below-the-reach"),
        pytest.param(held(), 9, 12, None, id="below-the-floor"),
        pytest.param(held(), 9, None, None, id="below-the-floor-without-reach"),
        pytest.param(held(serial=None), 3, None, True, id="held-without-serial"),
        pytest.param(held(N, None), 3, None, True, id="first-look"),
        pytest.param(held(N, None), 3, 5, False, id="first-look-below-the-list"),
        pytest.param(held(U, None), 3, None, True, id="unknown-appears"),
        pytest.param(held(G), 9, 12, None, id="below-the-tombstone"),
        pytest.param(held(G), 10, 12, None, id="at-the-tombstone"),
        pytest.param(held(G), 11, 12, False, id="above-the-tombstone"),
        pytest.param(held(G, None), 1, None, True, id="tombstone-lowered"),
        pytest.param(held(word=15), 14, 15, None, id="below-the-word"),
        pytest.param(held(word=15), 15, 15, True, id="at-the-word"),
    ],
)
def test_page(before: ProjectRow, serial: int, reach: int | None, reached: bool | None) -> None:
    found = page("1.0", "2.0", serial=serial)
    outcome = verdict(before, PageFound(page=found), reach)
    if reached is None:
        assert isinstance(outcome, StaleAnswer) and str(serial) in outcome.why
    else:
        assert outcome == Accept(found, reached)


@pytest.mark.rule("R3")
@pytest.mark.parametrize("before", [held(), held(N, None), held(G), held(word=15)])
def test_page_without_serial(before: ProjectRow) -> None:
    found = page("1.0", "2.0", serial=None)
    assert isinstance(verdict(before, PageFound(page=found), 11), StaleAnswer)
    assert verdict(before, PageFound(page=found), 11, serials=False) == Accept(found, True)


@pytest.mark.rule("R3")
@pytest.mark.parametrize(
    ("before", "reach", "stale"),
    [
        pytest.param(held(), None, False, id="304-no-reach"),
        pytest.param(held(), 10, False, id="304-reached"),
        pytest.param(held(), 11, True, id="304-below"),
        pytest.param(held(serial=None), 11, False, id="304-no-serials"),
    ],
)
def test_not_modified(before: ProjectRow, reach: int | None, stale: bool) -> None:
    outcome = verdict(before, NotModified(), reach)
    assert isinstance(outcome, StaleAnswer) if stale else outcome == Confirm()


@pytest.mark.rule("R7")
@pytest.mark.parametrize(
    ("before", "reach", "expected"),
    [
        pytest.param(held(entry=(EntryKind.REMOVE_PROJECT, 12)), 12, EXPLAINED, id="removed"),
        pytest.param(held(serial=12, entry=(EntryKind.REMOVE_PROJECT, 12)), 12, EXPLAINED, id="at"),
        pytest.param(
            held(serial=None, entry=(EntryKind.REMOVE_PROJECT, 12)),
            12,
            EXPLAINED,
            id="no-page-serial",
        ),
        pytest.param(
            held(serial=14, entry=(EntryKind.REMOVE_PROJECT, 12)),
            14,
            StaleAnswer,
            id="seen-since",
        ),
        pytest.param(held(entry=(EntryKind.CREATE, 13)), 13, StaleAnswer, id="stale-404-at-create"),
        pytest.param(held(entry=(EntryKind.YANK, 12)), 12, StaleAnswer, id="newest-is-a-yank"),
        pytest.param(
            held(entry=(EntryKind.QUARANTINE_PROJECT, 12)), 12, StaleAnswer, id="quarantine"
        ),
        pytest.param(
            held(entry=(EntryKind.OTHER_CHANGE, 12), omitted=12), 12, EXPLAINED, id="list-as-new"
        ),
        pytest.param(
            held(entry=(EntryKind.OTHER_CHANGE, 12), omitted=11), 12, StaleAnswer, id="old-list"
        ),
        pytest.param(held(omitted=10), None, EXPLAINED, id="list-at-the-held-serial"),
        pytest.param(held(omitted=9), None, Unconfirmed, id="list-older-than-the-page"),
        pytest.param(held(), None, Unconfirmed, id="nothing-explains"),
        pytest.param(held(serial=None, omitted=0), None, EXPLAINED, id="no-serials"),
        pytest.param(held(N, None), None, NeverExisted(), id="named-only-by-us"),
        pytest.param(held(N, None), 5, StaleAnswer, id="listed-but-404"),
        pytest.param(
            held(N, None, entry=(EntryKind.CREATE, 5)), 5, StaleAnswer, id="created-but-404"
        ),
        pytest.param(
            held(N, None, entry=(EntryKind.REMOVE_PROJECT, 5)),
            5,
            EXPLAINED,
            id="came-went",
        ),
        pytest.param(held(U, None), None, NeverExisted(), id="still-unknown"),
        pytest.param(
            held(U, None, entry=(EntryKind.CREATE, 5)), 5, StaleAnswer, id="unknown-created"
        ),
        pytest.param(
            held(G, 12, entry=(EntryKind.REMOVE_PROJECT, 12)), 12, Confirm(), id="confirmed"
        ),
        pytest.param(
            held(G, 12, entry=(EntryKind.CREATE, 15)), 15, StaleAnswer, id="gap-to-re-creation"
        ),
        pytest.param(
            held(G, 12, entry=(EntryKind.CREATE, 15), omitted=16), 15, Confirm(), id="list"
        ),
        pytest.param(held(G, 10), None, Confirm(), id="gone-and-asked-for-by-hand"),
        pytest.param(held(G, 10), 10, Confirm(), id="gone-as-the-tombstone-says"),
        pytest.param(held(G, 10), 14, StaleAnswer, id="gone-but-listed-again"),
        pytest.param(held(G, None), 14, Confirm(), id="gone-without-tombstone"),
        pytest.param(
            held(G, 10, entry=(EntryKind.REMOVE_PROJECT, 14)),
            14,
            Confirm(),
            id="removal-told-late",
        ),
        pytest.param(
            held(G, 12, entry=(EntryKind.REMOVE_PROJECT, 12)),
            14,
            StaleAnswer,
            id="list-newer-than-removal",
        ),
    ],
)
def test_missing(before: ProjectRow, reach: int | None, expected: Verdict | type[Verdict]) -> None:
    outcome = verdict(before, PageMissing(), reach)
    if isinstance(expected, type):
        assert isinstance(outcome, expected)
    else:
        assert outcome == expected


QUARANTINE, CLEARED, REMOVED = (
    EntryKind.QUARANTINE_PROJECT,
    EntryKind.UNQUARANTINE_PROJECT,
    EntryKind.REMOVE_PROJECT,
)


@pytest.mark.rule("R7")
@pytest.mark.parametrize(
    ("before", "kinds", "explained"),
    [
        pytest.param(held(entry=(QUARANTINE, 12), omitted=20), (), False, id="the-newest-entry"),
        pytest.param(
            held(word=12, entry=(EntryKind.OTHER_CHANGE, 14), omitted=20), (), False, id="the-word"
        ),
        *(
            pytest.param(
                held(entry=(EntryKind.OTHER_CHANGE, 14), omitted=20),
                kinds,
                explained,
                id="-".join(kinds) or "no-quarantine",
            )
            for kinds, explained in (
                ((), True),
                ((QUARANTINE,), False),
                ((QUARANTINE, CLEARED), True),
                ((QUARANTINE, REMOVED), True),
                ((CLEARED, QUARANTINE), False),
                ((QUARANTINE, EntryKind.REMOVE_RELEASE), False),
                ((EntryKind.REMOVE_RELEASE,), True),
            )
        ),
    ],
)
def test_no_list_has_what_is_quarantined(
    before: ProjectRow, kinds: tuple[EntryKind, ...], explained: bool
) -> None:
    events = tuple(event(kind, None, 11 + at) for at, kind in enumerate(kinds))
    outcome = verdict(before, PageMissing(), 14, events=events)
    assert outcome == EXPLAINED if explained else isinstance(outcome, StaleAnswer)


@pytest.mark.rule("R7")
def test_an_unexplained_404_counts_when_a_later_pass_sees_it() -> None:
    first = verdict(held(), PageMissing())
    assert isinstance(first, Unconfirmed)
    assert verdict(held(), PageMissing(), doubt=first.seen) == UNEXPLAINED
    assert isinstance(verdict(held(), PageMissing(), doubt="other files"), Unconfirmed)


@pytest.mark.rule("R7")
@pytest.mark.parametrize(
    "known",
    [held(entry=(EntryKind.YANK, 12)), held(G, 12, entry=(EntryKind.CREATE, 15)), held(N, None)],
)
def test_a_stale_404_never_counts_however_often_seen(known: ProjectRow) -> None:
    assert isinstance(verdict(known, PageMissing(), 15, doubt="404"), StaleAnswer)


@pytest.mark.rule("R8")
@pytest.mark.parametrize("serial", [10, 12])
def test_a_page_is_recorded_whatever_files_it_lacks(serial: int) -> None:
    """What stays published of them is decided by losses.py: no page waits for its files."""
    for found in (page("1.0", serial=serial), page(serial=serial)):
        assert verdict(held(), PageFound(page=found)) == Accept(found, True)


@pytest.mark.rule("R7")
@pytest.mark.parametrize(
    ("before", "serial", "status", "absent"),
    [
        pytest.param(held(N, None), None, "active", True, id="never-seen"),
        pytest.param(held(U, None), None, "active", True, id="still-unknown"),
        pytest.param(held(serial=None), None, "active", False, id="its-last-version-was-deleted"),
        pytest.param(held(G, None), None, "active", False, id="gone"),
        pytest.param(held(N, None), 3, "active", False, id="it-has-a-serial"),
        pytest.param(held(N, None), None, "archived", False, id="it-has-a-status"),
        pytest.param(held(N, None), None, "quarantined", False, id="quarantined"),
    ],
)
def test_an_empty_page_of_an_unknown_name_tells_of_no_project(
    before: ProjectRow, serial: int | None, status: str, absent: bool
) -> None:
    """Indexes such as Nexus answer every name with an empty page."""
    found = page(serial=serial, status=status)
    expected = NeverExisted() if absent else Accept(found, True)
    assert verdict(before, PageFound(page=found), serials=serial is not None) == expected


def test_a_present_project_whose_page_cannot_be_read_again_takes_the_new_one() -> None:
    before = ProjectRow(id=1, name=DEMO, presence=P, serial=10)
    assert verdict(before, PageFound(page=page("1.0"))) == Accept(page("1.0"), True)


@pytest.mark.rule("R9")
@pytest.mark.parametrize("kind", [EntryKind.QUARANTINE_PROJECT, EntryKind.REMOVE_PROJECT])
@pytest.mark.parametrize("presence", [P, G, N])
def test_a_page_without_a_serial_brings_back_nothing_that_the_journal_withdrew(
    kind: EntryKind, presence: Presence
) -> None:
    known = held(presence, None, entry=(kind, 15))
    assert isinstance(
        judge_answer(known, Expectation(), PageFound(page=page("1.0", serial=None)), serials=False),
        StaleAnswer,
    )
    quarantined = page(serial=None, status="quarantined")
    assert isinstance(
        judge_answer(known, Expectation(), PageFound(page=quarantined), serials=False), Accept
    )
