"""The log of withdrawals in the state: what becomes an event, and how events are read."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from tests.support.builders.state_rows import DEMO, NOW, event
from yanksync.core.model import HistoryAction, PageChange
from yanksync.core.names import NormalizedName
from yanksync.core.rules.averted import Averted
from yanksync.core.rules.page_diff import PendingDiff
from yanksync.core.withdrawals.event import (
    DAY,
    WithdrawalEvent,
    decode_event,
    encode_event,
)
from yanksync.state.facts import EventLogPosition
from yanksync.state.state import State
from yanksync.state.withdrawals.event_log import DayCount, LoggedRow

YANK, UNYANK = HistoryAction.YANK, HistoryAction.UNYANK
ODD = ["false", " ", "a\0b", "\ud800 lone", '<b>"q"</b> & co', "\u2028\u202e\n\x1b[1m"]


def logged(cursor: int, project: str = "demo", **changes: object) -> WithdrawalEvent:
    made = WithdrawalEvent(
        cursor=cursor,
        logged=int(NOW),
        time=int(NOW),
        serial=cursor,
        project=NormalizedName(project),
        action=YANK,
        versions=("1.0",),
        files=(),
        reason="bad",
        installable_by_pin=True,
        page_sha256=None,
    )
    return replace(made, **changes)


def append(state: State, *events: WithdrawalEvent) -> None:
    state.event_log.append(LoggedRow(one.cursor, one) for one in events)


def cursors(events: Iterable[WithdrawalEvent]) -> list[int]:
    return [one.cursor for one in events]


def ready(state: State) -> list[tuple[int | None, str]]:
    rows = state.event_log.unlogged.ready()
    return [(one.row.serial, one.row.action.value) for one in rows if one.row is not None]


def begin(state: State) -> None:
    state.facts.change(EventLogPosition, epoch=1)


def test_a_line_holds_every_text() -> None:
    for reason in (*ODD, None):
        one = logged(1, reason=reason, files=("a-1.whl",))
        line = encode_event(one)
        assert line.isascii() and "\n" not in line
        assert decode_event(line) == one


def test_events_are_read_by_cursor_project_and_day(state: State) -> None:
    append(
        state,
        logged(1, time=int(NOW) - DAY),
        logged(2, "other", action=HistoryAction.REMOVE),
        logged(3, action=UNYANK),
    )
    log, day = state.event_log, int(NOW) // DAY
    assert log.newest() == 3
    assert cursors(log.after(1)) == [2, 3] and cursors(log.after(0, 1)) == [1]
    assert cursors(log.of_project("demo")) == [1, 3]
    assert cursors(log.newest_first()) == [3, 2, 1] and cursors(log.newest_first(upto=2)) == [2, 1]
    assert cursors(log.of_day(day)) == [2, 3]
    assert list(log.projects()) == ["demo", "other"] and list(log.projects(2)) == ["demo"]
    assert log.day_counts(day) == [
        DayCount(day, HistoryAction.REMOVE, 1),
        DayCount(day, UNYANK, 1),
    ]
    assert [decode_event(line).cursor for line in log.lines(1, 2)] == [2]
    log.clear()
    assert (log.newest(), log.day_counts(), cursors(log.after(0))) == (0, [], [])


def test_an_event_replaces_one_that_knew_less(state: State) -> None:
    append(state, logged(1, reason=None), logged(2, "other"), logged(3, replaces=1))
    log = state.event_log
    assert cursors(log.after(0)) == [1, 2, 3]  # the log only grows
    assert cursors(log.of_project("demo")) == [3] and cursors(log.newest_first()) == [
        3,
        2,
    ]
    assert log.day_counts() == [DayCount(int(NOW) // DAY, YANK, 2)]


def test_without_a_log_nothing_is_kept(state: State) -> None:
    state.history.add([event("yank release", "1.0", 15)])
    assert not state.event_log.unlogged.is_any_ready()
    state.event_log.unlogged.add_all()
    assert ready(state) == [(15, "yank")]


def test_what_a_page_does_not_show_yet_waits(state: State) -> None:
    begin(state)
    state.projects.add([(DEMO, DEMO)])
    (row,) = state.projects.get([DEMO]).values()
    state._db.execute("UPDATE projects SET presence = 'present', published_serial = 15")
    state.history.add([event("yank release", "1.0", 15), event("yank release", "2.0", 16)])
    assert ready(state) == [(15, "yank")]
    state.publish_queue.add_page(row.id, NOW)
    assert ready(state) == []
    state._db.execute("DELETE FROM unpublished")
    state._db.execute("UPDATE projects SET published_serial = 16")
    assert ready(state) == [(15, "yank"), (16, "yank")]


def test_what_is_gone_is_shown_when_nothing_waits(state: State) -> None:
    begin(state)
    state.history.add([event("remove project", None, 15)])
    assert ready(state) == [(15, "remove")]  # a project that the state does not know
    state.projects.add([(DEMO, DEMO)])
    state._db.execute("UPDATE projects SET presence = 'gone', serial = 15")
    state.history.add([event("yank release", "1.0", 20)])
    state.fetch_queue.mark(DEMO, 20, NOW)
    assert ready(state) == [(15, "remove")]
    state.fetch_queue.reached(DEMO, 20)
    assert ready(state) == [(15, "remove"), (20, "yank")]


def test_a_reason_that_comes_late_makes_an_event_that_replaces_the_first(
    state: State,
) -> None:
    begin(state)
    state.history.add([event("yank release", "1.0", 15)])
    (first,) = state.event_log.unlogged.ready()
    assert first.row is not None and first.row.reason is None
    state.event_log.append([LoggedRow(first.id, logged(1, reason=None))])
    assert ready(state) == []
    state.history.add_diff(
        DEMO,
        [PendingDiff(low=10, high=15, reasons=(("1.0", "bad"),))],
        NOW,
        settled=True,
    )
    (again,) = state.event_log.unlogged.ready()
    assert again.row is not None and again.row.reason == "bad"
    assert state.event_log.unlogged.told_before(again.id, again.row) == 1


def test_an_entry_replaces_what_was_only_seen(state: State) -> None:
    begin(state)
    removed = PageChange(action=HistoryAction.REMOVE, version="1.0")
    state.history.add_observed(DEMO, [removed], NOW, low=10, high=20)
    (seen,) = state.event_log.unlogged.ready()
    one = logged(1, action=HistoryAction.REMOVE, serial=None)
    state.event_log.append([LoggedRow(seen.id, one)])
    state.history.add([event("remove release", "1.0", 15)])
    (entry,) = state.event_log.unlogged.ready()
    assert entry.row is not None and entry.row.serial == 15
    assert state.event_log.unlogged.told_before(entry.id, entry.row) == 1
    other = replace(entry.row, version="2.0")
    assert state.event_log.unlogged.told_before(entry.id, other) is None


def test_what_cooldown_averted_is_no_event(state: State) -> None:
    begin(state)
    state.history.add([event("remove release", "1.0", 15), event("remove release", "2.0", 16)])
    state.history.set_averted(15, Averted((("1.0", ("demo-1.0.zip",)),), is_all=True))
    found = list(state.event_log.unlogged.ready())
    assert [one.row and one.row.version for one in found] == [None, "2.0"]
