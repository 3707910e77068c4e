"""Stage 1: what journal rows ask for (rules R2, R4, R5, R14)."""

from __future__ import annotations

import pytest

from yanksync.core.errors import JournalReplaced
from yanksync.core.model import HistoryAction, JournalEntry
from yanksync.core.project_state import Presence
from yanksync.core.rules.journal_entries import (
    HISTORY_ACTIONS,
    EntryKind,
    check_continuity,
    classify,
    interpret,
    mirrored_names,
)

ROLES = ("add", "accepted", "invite", "revoke_invite", "change", "remove")


def entry(
    action: str, version: str | None = None, serial: int = 1, name: str = "demo", at: int = 0
) -> JournalEntry:
    return JournalEntry(name, version, at, action, serial)


def everything(name: str) -> bool:
    return True


@pytest.mark.parametrize(
    ("action", "version", "kind"),
    [
        pytest.param("create", None, EntryKind.CREATE, id="create"),
        pytest.param("new release", "1.0", EntryKind.NEW_RELEASE, id="new-release"),
        pytest.param("add source file d-1.tar.gz", "1", EntryKind.OTHER_CHANGE, id="upload"),
        pytest.param("remove file d-1.tar.gz", "1", EntryKind.REMOVE_FILE, id="file"),
        pytest.param("remove release", "1.0", EntryKind.REMOVE_RELEASE, id="release"),
        pytest.param("remove project", None, EntryKind.REMOVE_PROJECT, id="project"),
        pytest.param("yank release", "1.0", EntryKind.YANK, id="yank"),
        pytest.param("unyank release", "1.0", EntryKind.UNYANK, id="unyank"),
        pytest.param("project quarantined", None, EntryKind.QUARANTINE_PROJECT),
        pytest.param("project quarantine cleared", None, EntryKind.UNQUARANTINE_PROJECT),
        pytest.param("release quarantined", "1.0", EntryKind.QUARANTINE_RELEASE),
        pytest.param("release quarantine cleared", "1.0", EntryKind.UNQUARANTINE_RELEASE),
        *(pytest.param(f"{verb} Owner bob", None, EntryKind.ROLE, id=f"{verb}") for verb in ROLES),
        pytest.param("change Owner bob to Maintainer", None, EntryKind.ROLE, id="change-to"),
        pytest.param("remove", "1.0", EntryKind.REMOVE_RELEASE, id="old-release"),
        pytest.param("remove", None, EntryKind.REMOVE_PROJECT, id="old-project"),
        pytest.param("rename from other", None, EntryKind.OTHER_CHANGE, id="rename"),
        pytest.param("docupdate", None, EntryKind.INERT, id="docupdate"),
        pytest.param("docdestroy", "", EntryKind.INERT, id="docdestroy"),
        pytest.param("keyrotate ", "", EntryKind.INERT, id="keyrotate"),
        pytest.param("update hosting_mode", None, EntryKind.OTHER_CHANGE, id="update"),
        pytest.param("yank file d-1.tar.gz", "1", EntryKind.OTHER_CHANGE, id="draft-verb"),
        pytest.param("frobnicate", None, EntryKind.OTHER_CHANGE, id="unknown"),
        pytest.param("", None, EntryKind.OTHER_CHANGE, id="nil"),
        pytest.param("add Owner file d-1.tar.gz", None, EntryKind.ROLE, id="team-file"),
        pytest.param("remove file d-1.tar.gz", None, EntryKind.OTHER_CHANGE, id="no-version"),
        pytest.param("remove Owner release", None, EntryKind.ROLE, id="team-release"),
        pytest.param("remove release", None, EntryKind.OTHER_CHANGE, id="release-verb"),
        pytest.param("remove project", "1.0", EntryKind.OTHER_CHANGE, id="project-verb"),
        pytest.param("add Owner bob", "1.0", EntryKind.OTHER_CHANGE, id="role-with-version"),
        pytest.param("add Admin bob", None, EntryKind.OTHER_CHANGE, id="unknown-role"),
        pytest.param("add Ownership x", None, EntryKind.OTHER_CHANGE, id="prefix-of-role"),
        pytest.param("re-add Owner bob", None, EntryKind.OTHER_CHANGE, id="not-at-the-start"),
        pytest.param("Remove Project", None, EntryKind.OTHER_CHANGE, id="exact"),
        pytest.param("remove project ", None, EntryKind.OTHER_CHANGE, id="untrimmed"),
    ],
)
def test_classify(action: str, version: str | None, kind: EntryKind) -> None:
    assert classify(entry(action, version)) is kind


@pytest.mark.parametrize(
    ("rows", "held", "marks"),
    [
        pytest.param(
            [("yank release", "1", 5)], True, [("demo", 5, EntryKind.YANK, True)], id="yank"
        ),
        pytest.param([("add Owner bob", None, 5)], True, [], id="role-of-held"),
        pytest.param(
            [("add Owner b", None, 5)], False, [("demo", 5, EntryKind.ROLE, False)], id="new"
        ),
        pytest.param([("docupdate", None, 5)], False, [], id="inert"),
        pytest.param(
            [("yank release", "1", 5), ("invite Owner bob", None, 6)],
            True,
            [("demo", 5, EntryKind.YANK, True)],
            id="invitation-raises-no-reach",
        ),
        pytest.param(
            [("yank release", "1", 5), ("add source file x", "1", 9)],
            True,
            [("demo", 9, EntryKind.OTHER_CHANGE, True)],
            id="urgent-stays",
        ),
        pytest.param(
            [("remove project", None, 5), ("create", None, 6)],
            True,
            [("demo", 6, EntryKind.CREATE, True)],
            id="newest-entry-decides",
        ),
    ],
)
def test_marks(
    rows: list[tuple[str, str | None, int]],
    held: bool,
    marks: list[tuple[str, int, EntryKind, bool]],
) -> None:
    reading = interpret(
        [entry(action, version, serial) for action, version, serial in rows],
        everything,
        {"demo"} if held else set(),
    )
    assert [(m.name, m.required_serial, m.kind, m.urgent) for m in reading.marks] == marks
    assert reading.cursor is not None and reading.cursor.serial == rows[-1][2]


@pytest.mark.parametrize(
    ("action", "version", "urgent"),
    [
        ("yank release", "1", True),
        ("remove file x", "1", True),
        ("remove release", "1", True),
        ("remove project", None, True),
        ("release quarantined", "1", True),
        ("project quarantined", None, True),
        ("unyank release", "1", False),
        ("release quarantine cleared", "1", False),
        ("project quarantine cleared", None, False),
        ("new release", "1", False),
        ("create", None, False),
        ("frobnicate", None, False),
    ],
)
def test_withdrawals_are_urgent_whatever_comes_behind(
    action: str, version: str | None, urgent: bool
) -> None:
    rows = [entry(action, version, 1), entry("frobnicate", None, 2)]
    for some in (rows[:1], rows, rows[::-1]):
        (mark,) = interpret(some, everything, set()).marks
        assert mark.urgent == urgent


def test_the_words_that_states_keep_stay() -> None:
    assert [kind.value for kind in EntryKind] == [
        *("inert", "role", "look", "create", "new release", "yank", "unyank", "remove file"),
        *("remove release", "remove project", "quarantine release", "clear release"),
        *("quarantine project", "clear project"),
    ]
    assert [one.value for one in Presence] == ["present", "gone", "new", "unknown"]


PUT, END = "project quarantined", "project quarantine cleared"


@pytest.mark.rule("R9")
@pytest.mark.parametrize(
    ("actions", "quarantine"),
    [
        ([PUT], 1),
        ([PUT, "frobnicate"], 1),
        ([PUT, "add Owner bob"], 1),
        ([PUT, END], None),
        ([PUT, "remove project"], None),
        ([PUT, "remove project", "create"], None),
        ([PUT, END, "frobnicate"], None),
        ([END, PUT], 2),
        ([PUT, END, PUT], 3),
        ([PUT, PUT], 2),
        (["create"], None),
    ],
)
def test_a_quarantine_stands_until_it_is_ended(actions: list[str], quarantine: int | None) -> None:
    rows = [entry(action, serial=at) for at, action in enumerate(actions, 1)]
    (mark,) = interpret(rows, everything, set()).marks
    assert mark.quarantine == quarantine


@pytest.mark.rule("R4")
def test_order_is_by_serial_and_never_by_time() -> None:
    rows = [entry("yank release", "1", 5, at=900), entry("unyank release", "1", 6, at=100)]
    reading = interpret(rows, everything, {"demo"})
    assert [event.entry.serial for event in reading.events] == [5, 6]
    assert reading.marks[0].required_serial == 6 and reading.cursor is rows[1]


@pytest.mark.parametrize(
    ("name", "skipped"),
    [
        pytest.param("", 1, id="empty"),
        pytest.param("user:bob", 1, id="user"),
        pytest.param("../../etc/passwd", 1, id="path"),
        pytest.param("x" * 201, 1, id="long"),
        pytest.param("ſnake", 1, id="not-ascii"),
        pytest.param("other", 0, id="not-mirrored"),
    ],
)
def test_rows_that_name_nothing_move_only_the_cursor(name: str, skipped: int) -> None:
    reading = interpret(
        [entry("yank release", "1", 7, name)], lambda found: found != "other", set()
    )
    assert (reading.events, reading.marks, reading.skipped) == ((), (), skipped)
    assert reading.cursor is not None and reading.cursor.serial == 7


def test_spellings_of_one_project_are_one() -> None:
    rows = [entry("create", None, 1, "Foo.Bar"), entry("new release", "1", 2, "foo_bar")]
    assert mirrored_names(rows, everything) == ("foo-bar",)
    reading = interpret(rows, everything, set())
    assert [(mark.name, mark.required_serial) for mark in reading.marks] == [("foo-bar", 2)]
    assert mirrored_names([entry("create", name="a"), entry("create", name="!")], everything) == (
        "a",
    )
    assert mirrored_names(rows, lambda name: False) == ()


def test_no_rows_move_no_cursor() -> None:
    assert interpret([], everything, set()).cursor is None


@pytest.mark.rule("R7")
@pytest.mark.parametrize(
    ("action", "version", "file", "removes"),
    [
        ("remove file a b.whl", "1", "a b.whl", True),
        ("remove release", "1", None, True),
        ("release quarantined", "1", None, True),
        ("remove project", None, None, True),
        ("project quarantined", None, None, True),
        ("yank release", "1", None, False),
        ("release quarantine cleared", "1", None, False),
    ],
)
def test_what_an_event_removes(
    action: str, version: str | None, file: str | None, removes: bool
) -> None:
    (event,) = interpret([entry(action, version)], everything, set()).events
    assert (event.file, event.removes) == (file, removes)


def test_references_in_an_action_stay_text() -> None:
    (event,) = interpret([entry("remove file &#8230;.whl", "1")], everything, set()).events
    assert event.file == "&#8230;.whl"


@pytest.mark.rule("R6")
def test_only_known_verbs_enter_the_history() -> None:
    others = {HistoryAction.AVERTED}  # no entry says so
    assert {HISTORY_ACTIONS[kind] for kind in HISTORY_ACTIONS} == set(HistoryAction) - others
    assert not {EntryKind.OTHER_CHANGE, EntryKind.ROLE, EntryKind.INERT} & set(HISTORY_ACTIONS)


KNOWN = entry("yank release", "1", 8)


@pytest.mark.rule("R14")
@pytest.mark.parametrize(
    ("rows", "cursor", "known", "problem"),
    [
        pytest.param([], 0, None, None, id="start-of-an-empty-journal"),
        pytest.param([KNOWN], 8, KNOWN, None, id="same-row"),
        pytest.param([entry("yank release", "1", 8, at=99)], 8, KNOWN, None, id="time-is-nothing"),
        pytest.param([], 8, KNOWN, "ends before", id="shorter"),
        pytest.param([], 1, None, "ends before", id="the-first-row-of-all"),
        pytest.param([], 8, None, "ends before", id="shorter-and-row-unknown"),
        pytest.param([entry("x", serial=9)], 8, KNOWN, "has 9 in its place", id="gap"),
        pytest.param([entry("yank release", serial=8, name="o")], 8, KNOWN, "of 'o'", id="n"),
        pytest.param([entry("remove release", serial=8)], 8, KNOWN, "'remove release'", id="a"),
        pytest.param([entry("x", serial=8)], 8, None, None, id="cursor-from-a-list"),
        pytest.param([entry("x", serial=9)], 8, None, None, id="gap-at-a-list's-cursor"),
        pytest.param([entry("x", serial=7)], 8, None, "serial 7", id="below"),
    ],
)
def test_check_cursor(
    rows: list[JournalEntry], cursor: int, known: JournalEntry | None, problem: str | None
) -> None:
    if problem is None:
        check_continuity(rows, cursor, known)
        return
    with pytest.raises(JournalReplaced, match=problem) as caught:
        check_continuity(rows, cursor, known)
    assert caught.value.serial == cursor
