"""The history: each entry once, reasons exact, eras (rules R6, R14)."""

from __future__ import annotations

import pytest

from tests.support.builders.state_rows import DEMO, NOW, event
from yanksync.core.model import HistoryAction, PageChange
from yanksync.core.rules.page_diff import PendingDiff
from yanksync.state.state import State
from yanksync.state.views.history_rows import HistoryRow

YANK = event("yank release", "1.0", 15)
ODD = ["false", "0", " ", "", "a\0b", "\ud800 lone", '<b>"q"</b> & co', "\u2028\u202e", "x" * 5000]


def rows(state: State, **which: object) -> list[HistoryRow]:
    return list(state.history_rows.select(**which))  # type: ignore[arg-type]


def told(state: State) -> list[tuple[int | None, str, str | None, str | None]]:
    return [(row.serial, row.action.value, row.version, row.reason) for row in rows(state)]


def seen(
    low: int | None = 10, high: int | None = 20, *changes: PageChange, reason: str | None = None
) -> PendingDiff:
    reasons = () if reason is None else (("1.0", reason),)
    return PendingDiff(low=low, high=high, changes=changes, reasons=reasons)


@pytest.mark.rule("R6")
def test_each_entry_once_however_often_added(state: State) -> None:
    for _ in range(2):
        state.history.add([YANK, event("unyank release", "1.0", 16)])
    assert told(state) == [(15, "yank", "1.0", None), (16, "unyank", "1.0", "")]
    assert rows(state)[0].source == "journal" and rows(state)[0].project == DEMO


@pytest.mark.parametrize(
    ("action", "version", "row"),
    [
        ("yank release", "1.0", "yank"),
        ("unyank release", "1.0", "unyank"),
        ("remove file d-1.zip", "1.0", "remove"),
        ("remove release", "1.0", "remove"),
        ("remove project", None, "remove"),
        ("release quarantined", "1.0", "quarantine"),
        ("project quarantined", None, "quarantine"),
        ("release quarantine cleared", "1.0", "unquarantine"),
        ("project quarantine cleared", None, "unquarantine"),
        ("add source file d-1.zip", "1.0", None),
        ("create", None, None),
        ("new release", "1.0", None),
        ("add Owner bob", None, None),
    ],
)
def test_what_enters_the_history(
    state: State, action: str, version: str | None, row: str | None
) -> None:
    state.history.add([event(action, version, 5)])
    assert [found.action.value for found in rows(state)] == ([] if row is None else [row])
    if row is not None:
        (again,) = state.history.events("demo", 4)
        assert (again.kind, again.file) == (event(action, version, 5).kind, rows(state)[0].file)


@pytest.mark.parametrize(
    ("before", "entry", "returns"),
    [
        ([("remove release", "1.0")], ("new release", "1.0"), True),
        ([("remove release", "1.0")], ("new release", "2.0"), False),
        ([("remove release", "1.0"), ("yank release", "1.0")], ("new release", "1.0"), False),
        ([("remove file a.zip", "1.0")], ("new release", "1.0"), False),
        ([("remove project", None)], ("create", None), True),
        ([("remove project", None)], ("new release", "1.0"), False),
        ([("project quarantined", None)], ("create", None), False),
        ([], ("create", None), False),
    ],
)
def test_returns_only_after_a_removal(
    state: State, before: list[tuple[str, str | None]], entry: tuple[str, str | None], returns: bool
) -> None:
    state.history.add([event(*one, 5 + number) for number, one in enumerate(before)])
    for _ in range(2):  # the second time it is read again, after a widening
        state.history.add([event(*entry, 30)])
    assert ("return" in [row.action for row in rows(state)]) is returns


def test_a_return_read_again_late_is_judged_by_its_own_place(state: State) -> None:
    state.history.add([event("remove release", "1.0", 50)])
    state.history.add([event("new release", "1.0", 30)])
    assert [row.action for row in rows(state)] == ["remove"]


def test_withdrawn_are_the_versions_that_were_removed_last(state: State) -> None:
    state.history.add(
        [
            event("remove release", "1.0", 1),
            event("remove release", "2.0", 2),
            event("new release", "2.0", 3),
            event("remove file x", "3.0", 4),
            event("remove release", "4.0", 5, "other"),
            event("remove project", None, 6),
        ]
    )
    assert state.history.removed_versions("demo", None) == {"1.0"}
    assert state.history.removed_versions("demo", 2) == {"1.0", "2.0"}  # a page that is behind
    assert state.history.removed_versions("demo", 0) == set()
    state.history.start_epoch()
    assert state.history.removed_versions("demo", 0) == {"1.0"}


@pytest.mark.parametrize("reason", ODD)
def test_reasons_are_exact(state: State, reason: str) -> None:
    state.history.add([YANK])
    state.history.add_diff("demo", [seen(reason=reason)], NOW, settled=True)
    assert rows(state)[0].reason == reason
    state.history.add_observed(
        "other", [PageChange(action=HistoryAction.YANK, version="1", reason=reason)], NOW
    )
    assert [row.reason for row in rows(state, project="other")] == [reason]


@pytest.mark.parametrize("reason", ODD)
def test_what_is_not_settled_is_kept_exactly(state: State, reason: str) -> None:
    change = PageChange(action=HistoryAction.YANK, version="2.0", files=("a\ud800",), reason=reason)
    state.history.add_diff("demo", [seen(10, 20, change, reason=reason)], NOW, settled=False)
    state.history.add([YANK])
    state.history.attribute(20, NOW)
    assert [row.reason for row in rows(state)] == [reason, reason]


@pytest.mark.rule("R6")
def test_a_page_is_settled_once_the_cursor_has_reached_it(state: State) -> None:
    observed = PageChange(action=HistoryAction.YANK, version="3.0", reason="odd")
    state.history.add_diff("demo", [seen(10, 20, observed, reason="why")], NOW, settled=False)
    state.history.add([YANK])
    state.history.attribute(19, NOW)
    assert told(state) == [(15, "yank", "1.0", None)]
    for _ in range(2):
        state.history.attribute(20, NOW)
        assert told(state) == [(15, "yank", "1.0", "why"), (None, "yank", "3.0", "odd")]


@pytest.mark.rule("R6")
def test_an_entry_explains_and_is_not_told_twice(state: State) -> None:
    state.history.add([YANK])
    change = PageChange(action=HistoryAction.YANK, version="1.0", reason="why")
    state.history.add_diff("demo", [seen(10, 20, change, reason="why")], NOW, settled=True)
    assert told(state) == [(15, "yank", "1.0", "why")]


@pytest.mark.rule("R6")
def test_earlier_yanks_keep_an_unknown_reason(state: State) -> None:
    state.history.add([YANK, event("yank release", "1.0", 17)])
    state.history.add_diff("demo", [seen(reason="second")], NOW, settled=True)
    assert [row.reason for row in rows(state)] == [None, "second"]
    state.history.add_diff("demo", [seen(17, 30, reason="third")], NOW, settled=True)
    assert [row.reason for row in rows(state)] == [None, "second"]


@pytest.mark.rule("R6")
def test_a_first_look_writes_nothing(state: State) -> None:
    state.history.add_diff("demo", [seen(None, 20, reason="why")], NOW, settled=True)
    state.history.add_diff("demo", [seen()], NOW, settled=True)
    assert rows(state) == []


@pytest.mark.rule("R15")
@pytest.mark.parametrize("high", [20, None])
def test_a_late_entry_replaces_the_observed_row_that_it_explains(
    state: State, high: int | None
) -> None:
    changes = [
        PageChange(action=HistoryAction.YANK, version="1.0", reason="why"),
        PageChange(action=HistoryAction.YANK, version="2.0", reason="other"),
        PageChange(action=HistoryAction.REMOVE, version="1.0", file="kept.zip"),
    ]
    state.history.add_diff("demo", [seen(10, high, *changes)], NOW, settled=True)
    state.history.add([event("remove file gone.zip", "1.0", 14), YANK])
    assert (15, "yank", "1.0", "why") in told(state) and len(told(state)) == 4
    state.history.add([event("remove file kept.zip", "1.0", 16)])
    assert len(told(state)) == 4


@pytest.mark.rule("R15")
@pytest.mark.parametrize(
    ("verb", "version"), [("project quarantined", None), ("release quarantined", "1.0")]
)
def test_a_late_quarantine_replaces_the_removal_that_it_looked_like(
    state: State, verb: str, version: str | None
) -> None:
    change = PageChange(action=HistoryAction.REMOVE, version=version)
    state.history.add_diff("demo", [seen(10, None, change)], NOW, settled=True)
    state.history.add([event(verb, version, 15)])
    assert told(state) == [(15, "quarantine", version, "")]


@pytest.mark.rule("R15")
@pytest.mark.parametrize("serial", [10, 21])
def test_an_entry_from_elsewhere_replaces_nothing(state: State, serial: int) -> None:
    change = PageChange(action=HistoryAction.YANK, version="1.0", reason="why")
    state.history.add_diff("demo", [seen(10, 20, change)], NOW, settled=True)
    state.history.add([event("yank release", "1.0", serial)])
    assert len(rows(state)) == 2


def test_order_is_by_serial_with_observed_rows_in_their_place(state: State) -> None:
    state.history.add([event("yank release", "1", 30), event("yank release", "1", 5)])
    state.history.add_observed(
        "demo", [PageChange(action=HistoryAction.UNYANK, version="9")], NOW, high=20
    )
    state.history.add_observed("demo", [PageChange(action=HistoryAction.REMOVE)], NOW)
    assert [row.serial for row in rows(state)] == [5, None, 30, None]


def test_rows_can_be_chosen(state: State) -> None:
    state.history.add([YANK, event("yank release", "2.0", 16), event("create", None, 17, "x")])
    state.history.add_observed(
        "other", [PageChange(action=HistoryAction.YANK, version="1.0")], NOW + 50
    )
    assert len(rows(state, project="demo")) == 2
    assert [row.project for row in rows(state, version="1.0")] == ["demo", "other"]
    assert [row.project for row in rows(state, since=NOW)] == ["other"]


def test_files_of_a_partial_yank(state: State) -> None:
    change = PageChange(action=HistoryAction.YANK, version="1.0", files=("a.whl", "b.whl"))
    state.history.add_observed("demo", [change], NOW)
    assert rows(state)[0].files == ("a.whl", "b.whl") and rows(state)[0].source == "observed"


def test_names_that_sqlite_cannot_keep(state: State) -> None:
    change = PageChange(action=HistoryAction.REMOVE, version="1\ud800", file="f\udfff.zip")
    state.history.add_observed("demo", [change], NOW)
    assert (rows(state)[0].version, rows(state)[0].file) == ("1?", "f?.zip")


@pytest.mark.rule("R14")
def test_another_journal_is_another_era(state: State) -> None:
    state.history.add([YANK, event("remove release", "2.0", 16)])
    state.history.add_diff("demo", [seen(reason="why")], NOW, settled=False)
    state.start_over()
    assert rows(state)[0].reason == "why", "what was seen is settled with the entries of its era"
    assert state.history.events("demo", None) == ()
    state.history.add([event("unyank release", "1.0", 15), event("new release", "2.0", 16)])
    assert [row.action.value for row in rows(state)] == ["yank", "remove", "unyank", "return"]


def test_what_was_seen_later_stands_later(state: State) -> None:
    """A page that comes back has a lower serial than what was read since."""
    state.history.add_diff(
        DEMO,
        [seen(18, 19, PageChange(action=HistoryAction.YANK, version="1.0"))],
        NOW,
        settled=True,
    )
    state.history.add_observed("other", (PageChange(action=HistoryAction.REMOVE),), NOW + 1, low=6)
    returned = seen(5, 6, PageChange(action=HistoryAction.RETURN))
    state.history.add_diff("other", [returned], NOW + 2, settled=True)
    assert [(row.project, row.action.value) for row in rows(state)] == [
        (DEMO, "yank"),
        ("other", "remove"),
        ("other", "return"),
    ]
