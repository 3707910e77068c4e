"""Projects, single facts, and the runs."""

from __future__ import annotations

import pytest

from tests.support.builders.state_rows import DEMO, NOW, event, project, record
from yanksync.core.exit_codes import ExitCode
from yanksync.core.model import PublishedForms
from yanksync.core.project_state import Presence, PublishReason
from yanksync.core.rules.journal_entries import EntryKind
from yanksync.state.runs import FinishedRun, RunRecord
from yanksync.state.state import State


def test_a_project_from_its_first_name_to_its_tombstone(state: State) -> None:
    state.projects.add([("demo", "Demo"), ("demo", "DEMO")])
    assert project(state).presence is Presence.NEW and state.projects.present(["demo"]) == set()
    number = record(state, serial=10, due=NOW)
    (found,) = state.projects.by_id([number])
    assert (found.name, found.serial, found.etag, found.presence) == (DEMO, 10, '"e"', "present")
    stored = state.projects.page(number)
    assert stored is not None and stored.text == b"{}"
    assert state.projects.present(["demo", "other"]) == {"demo"}
    assert state.projects.due_for_recheck(NOW - 1, NOW + 99, 9) == []
    assert state.projects.due_for_recheck(NOW, NOW + 99, 9) == ["demo"]
    state.projects.postpone("demo", NOW + 9)
    assert state.projects.due_for_recheck(NOW, NOW + 99, 9) == []
    assert state.projects.due_for_recheck(NOW, NOW + 8, 9) == ["demo"], "the clock was set back"
    state.projects.mark_checked("demo", NOW, NOW)
    assert state.projects.due_for_recheck(NOW, NOW + 99, 9) == ["demo"]
    state.projects.remove("demo", None)
    assert project(state).serial == 10, "without an entry the held serial is the tombstone"
    state.projects.remove("demo", 12)
    gone = project(state)
    assert (gone.presence, gone.serial, gone.etag) == (Presence.REMOVED, 12, None)
    state.projects.postpone("demo", NOW)  # a look that failed meanwhile
    assert state.projects.due_for_recheck(NOW, NOW + 99, 9) == []
    assert list(state.projects.names(Presence.REMOVED)) == ["demo"]


@pytest.mark.rule("R9")
def test_a_word_stands_until_a_page_is_recorded(state: State) -> None:
    number = record(state, serial=10)
    state.publish_queue.add(number, PublishReason.PAGE, NOW)
    assert state.projects.yanked_versions() == 1
    assert (
        state.projects.quarantined_by_journal(),
        state.publish_queue.quarantined_by_journal(),
    ) == ([], [])
    state.projects.quarantine_at_once("demo", 15)
    assert (project(state).quarantined, project(state).quarantine_serial) == (True, 15)
    assert state.projects.yanked_versions() == 0
    assert state.projects.quarantined_by_journal() == ["demo"]
    assert [one.id for one in state.publish_queue.quarantined_by_journal()] == [number]
    record(state, serial=16)
    assert (project(state).quarantined, project(state).quarantine_serial) == (False, None)
    assert (
        state.projects.quarantined_by_journal(),
        state.publish_queue.quarantined_by_journal(),
    ) == ([], [])


def test_the_newest_entry_is_kept_whatever_is_read_again(state: State) -> None:
    record(state)
    for serial, kind in ((12, EntryKind.YANK), (11, EntryKind.CREATE), (12, EntryKind.UNYANK)):
        state.projects.note_entry("demo", kind, serial)
    assert (project(state).entry_kind, project(state).entry_serial) == (EntryKind.YANK, 12)


def test_spelling(state: State) -> None:
    number = record(state)
    state.projects.update_display_names([("demo", "Demo"), ("other", "Other")])
    assert not state.facts.flag("list_changed"), "it is not listed"
    state.publish_queue.mark_published([(number, PublishedForms(b"j", b"h"), True, 10)])
    assert [row.display for row in state.projects.listing()] == ["Demo"]
    state.facts.put(list_changed=None)
    state.projects.update_display_names([("demo", "Demo")])
    assert not state.facts.flag("list_changed"), "it is spelt so already"
    state.projects.update_display_names([("demo", "DEMO")])
    assert state.facts.flag("list_changed")


@pytest.mark.rule("R14")
def test_starting_over_lowers_every_floor_and_keeps_what_is_there(state: State) -> None:
    number = record(state, serial=10)
    record(state, "gone", serial=10)
    record(state, "bare", serial=None)
    state.projects.remove("gone", 12)
    state.projects.note_entry("demo", EntryKind.YANK, 12)
    state.projects.quarantine_at_once("demo", 13)
    state.fetch_queue.mark("demo", 13, NOW)
    state.history.add([event("yank release", "1.0", 12)])
    state.start_over()
    demo = project(state)
    assert (demo.serial, demo.entry_kind, demo.quarantine_serial, demo.etag) == (
        0,
        None,
        None,
        None,
    )
    assert (
        project(state, "gone").serial == 0 and project(state, "bare").serial == 0
    )  # not confirmed yet
    assert not state.fetch_queue.has("demo") and state.projects.page(number) is not None
    assert len(list(state.history_rows.select())) == 1


def test_facts(state: State) -> None:
    meta = state.facts
    assert (meta.number("n"), meta.moment("n"), meta.text("n"), meta.flag("n")) == (None,) * 3 + (
        False,
    )
    meta.put(n=5, m=1.5, t="text", f=1)
    assert (meta.number("n"), meta.moment("m"), meta.text("t"), meta.flag("f")) == (
        5,
        1.5,
        "text",
        True,
    )
    meta.put(n=None)
    assert meta.number("n") is None


def test_the_cursor_and_its_row(state: State) -> None:
    row = event("remove file \u202e&#8230;", None, 7, "x").entry
    assert (state.facts.cursor, state.facts.cursor_row) == (None, None)
    state.facts.move_cursor(7, row)
    assert (state.facts.cursor, state.facts.cursor_row) == (7, row)
    state.facts.move_cursor(5, None)
    assert (state.facts.cursor, state.facts.cursor_row) == (5, None)
    assert state.facts.number("upstream_serial") == 7
    state.facts.see_serial(None)
    state.facts.see_serial(9)
    assert state.facts.number("upstream_serial") == 9


def run(state: State, started: float, code: int | None, problem: str | None = None) -> int:
    number = state.runs.begin("sync", started)
    if code is not None:
        state.runs.end(number, started + 10, RunRecord(exit_code=ExitCode(code), problem=problem))
    return number


def test_runs(state: State) -> None:
    assert (state.runs.last_success(), state.runs.last_error(), state.runs.partial_since()) == (
        None,
        None,
        None,
    )
    first = run(state, NOW, 1, "no answer")
    assert state.runs.previous_start(first) is None
    assert state.runs.last_error() == FinishedRun(NOW + 10, 1, "no answer")
    second = run(state, NOW + 100, 0)
    assert state.runs.previous_start(second) == NOW
    assert state.runs.last_success() == NOW + 110
    assert state.runs.last_error() is None, "a success has come since"
    run(state, NOW + 200, 4, "held")
    run(state, NOW + 300, None)
    assert state.runs.last_error() == FinishedRun(NOW + 210, 4, "held")


@pytest.mark.parametrize(
    ("codes", "since"),
    [
        ([3], 0),
        ([3, 3], 0),
        ([3, 0], None),
        ([0, 3, 3], 1),
        ([3, 1, 3], 2),
        ([3, None, 3], 0),
    ],
)
def test_partial_since(state: State, codes: list[int | None], since: int | None) -> None:
    for number, code in enumerate(codes):
        run(state, float(number), code)
    assert state.runs.partial_since() == since


def test_only_the_last_runs_are_kept(state: State) -> None:
    state._db.execute("INSERT INTO runs (id, command, started) VALUES (1, 's', 1), (2, 's', 2)")
    state._db.execute("INSERT INTO runs (id, command, started) VALUES (10001, 's', 3)")
    run(state, NOW, 0)
    assert state._db.execute("SELECT id FROM runs") == [(10001,), (10002,)]


@pytest.mark.parametrize(
    ("outstanding", "complete"),
    [
        pytest.param(None, 300.0, id="everything-is-published"),
        pytest.param(300.0, 200.0, id="of-the-newest-something-is-left"),
        pytest.param(250.0, 200.0, id="between"),
        pytest.param(100.0, None, id="of-the-oldest-something-is-left"),
    ],
)
def test_lag(state: State, outstanding: float | None, complete: float | None) -> None:
    for started in (100.0, 200.0, 200.0, 300.0):
        state.runs.read_began(started, int(started) + 7)
    for _ in range(2):
        state.runs.complete(outstanding, 300.0)
        assert state.facts.moment("complete_read") == complete
        assert state.facts.number("complete_serial") == (None if complete is None else complete + 7)
    state.runs.complete(None, 300.0)
    assert state.facts.moment("complete_read") == 300.0


def test_lag_after_the_clock_was_set_back(state: State) -> None:
    state.runs.read_began(9000.0, 7)
    state.runs.complete(None, 9000.0)
    state.fetch_queue.mark("demo", 8, 9000.0)
    run(state, 9000.0, 0)
    state.runs.complete(9000.0, 100.0)  # upstream does not answer
    assert state.facts.moment("complete_read") == 100.0
    state.runs.read_began(200.0, 8)
    assert state.fetch_queue.oldest() == 200.0
    state.runs.complete(200.0, 200.0)
    assert state.facts.moment("complete_read") == 100.0
    state.fetch_queue.reached("demo", None)
    state.runs.complete(None, 200.0)
    assert (state.facts.moment("complete_read"), state.facts.number("complete_serial")) == (
        200.0,
        8,
    )
    run(state, 200.0, 0)
    assert state.runs.last_success() == 210.0
