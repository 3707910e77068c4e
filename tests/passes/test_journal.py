"""Whole passes: the journal, what stands in for it, and the history (R2, R4, R6, R13, R15)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.fake_index.index import Fault
from tests.support.page_assertions import assert_equal_to_upstream
from tests.support.world import DAY, DONE, FAILED, HELD, HOUR, PARTIAL, World


@pytest.mark.rule("R2")
@pytest.mark.incident(28)
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault.rate_limit(), id="limit"),
        pytest.param(Fault.status(429), id="429"),
        pytest.param(Fault.status(503), id="503"),
        pytest.param(Fault.maintenance(), id="html"),
        pytest.param(Fault.truncate(), id="cut-off"),
        pytest.param(Fault.garbage(), id="garbage"),
        pytest.param(Fault.body(b"<?xml version='1.0'?><methodResponse>\x01", "text/xml"),
                     id="control"),
        pytest.param(Fault.entity_bomb(), id="bomb"),
        pytest.param(Fault.rpc_fault(-32601, "requested method not found"), id="refused-once"),
    ],
)  # fmt: skip
def test_a_journal_out_of_reach_changes_nothing_and_loses_nothing(
    world: World, fault: Fault
) -> None:
    world.started()
    files, cursor = world.files(), world.cursor()
    world.up.yank("demo", "1.0", "bad")
    world.up.fail("^/pypi", fault)
    assert world.sync() in (FAILED, PARTIAL)
    assert (world.files(), world.cursor()) == (files, cursor)
    assert len(world.up.journal_calls()) == 1
    assert world.sync(later=HOUR) == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R2")
@pytest.mark.incident(27)
@pytest.mark.parametrize("limit", [2, 3, 4, 8])
def test_answers_of_few_rows_gaps_and_times_that_run_backwards(world: World, limit: int) -> None:
    world.started()
    world.up.yank("demo", "1.0", "bad")
    world.up.burn_serial(5)
    world.up.clock -= 1000
    world.up.unyank("demo", "1.0")
    world.up.yank("demo", "1.0", "worse")
    world.up.page_limit = limit  # the row at the cursor is one of them
    for _ in range(4):
        world.sync()
    assert_equal_to_upstream(world)
    assert world.told() == [(7, "yank", None), (13, "unyank", ""), (14, "yank", "worse")]


@pytest.mark.rule("R2")
def test_the_cursor_does_not_wait_and_nobody_is_forgotten(world: World) -> None:
    world.started("demo", "other")
    world.up.yank("demo", "1.0", "bad")
    world.up.fail("^/simple/demo/", Fault.status(500), None)
    assert world.sync() == PARTIAL
    for _ in range(3):
        world.up.upload("other", f"3.{_}")
        assert world.sync() == PARTIAL
        assert world.cursor() == world.up.last_serial
    world.up.heal()
    assert world.settle() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R4")
def test_order_is_by_serial_however_the_clock_runs(world: World) -> None:
    world.started()
    for step, reason in enumerate(("one", "two", "three")):
        world.up.clock -= 500 * step
        world.up.yank("demo", "1.0", reason)
        world.sync()
    assert [reason for _, _, reason in world.told()] == ["one", "two", "three"]
    assert_equal_to_upstream(world)


@pytest.mark.rule("R6")
@pytest.mark.incident(4)
def test_three_rows_and_one_page(world: World) -> None:
    world.started()
    world.up.yank("demo", "1.0", "first")
    world.up.unyank("demo", "1.0")
    world.up.yank("demo", "1.0", "second")
    world.sync()
    assert world.told() == [(7, "yank", None), (8, "unyank", ""), (9, "yank", "second")]


@pytest.mark.rule("R6")
@pytest.mark.incident(4)
def test_three_rows_in_three_passes(world: World) -> None:
    world.started()
    for change in ("first", None, "second"):
        if change is None:
            world.up.unyank("demo", "1.0")
        else:
            world.up.yank("demo", "1.0", change)
        world.sync()
    assert world.told() == [(7, "yank", "first"), (8, "unyank", ""), (9, "yank", "second")]


@pytest.mark.rule("R6")
def test_a_page_of_before_a_removal_tells_of_no_return(world: World) -> None:
    world.started()
    old = world.up.answer("demo")
    world.up.upload("demo", "3.0")
    behind = world.up.answer("demo")
    world.up.remove_release("demo", "3.0")
    for answer in (old, behind):
        world.up.serve_stale("demo", None, answer)
        assert world.sync(later=HOUR) == PARTIAL
    world.up.cdn_clear()
    assert world.settle() == DONE
    assert world.told() == [(9, "remove", "")]
    assert_equal_to_upstream(world)


@pytest.mark.rule("R6")
def test_a_quarantine_that_looked_like_a_removal_without_the_journal(world: World) -> None:
    world.started("demo", "other")
    missing = world.up.before("new")
    world.up.quarantine_project("demo")
    world.up.serve_stale("demo", None, missing)
    world.up.fail("^/pypi", Fault.status(503), None)
    assert world.resync() in (PARTIAL, FAILED)
    assert world.told() == [(None, "remove", "")]
    world.up.heal()
    world.up.cdn_clear()
    assert world.settle() == DONE
    assert world.told() == [(13, "quarantine", "")]
    assert_equal_to_upstream(world)


@pytest.mark.rule("R6")
def test_a_page_ahead_of_the_journal_is_not_told_twice(world: World) -> None:
    world.started()
    before = world.up.snapshot()
    world.up.upload("demo", "3.0")
    first = world.up.snapshot()
    world.up.yank("demo", "1.0", "bad")
    world.up.remove_release("demo", "2.0")
    ahead = world.up.answer("demo")
    world.up.restore(first)
    world.up.cdn_hold("demo", ahead)
    world.sync()
    world.sync()  # what is missing is believed when it is seen twice
    assert world.told() == []  # nothing is settled before the journal is there
    world.up.restore(before)
    world.up.upload("demo", "3.0")
    world.up.yank("demo", "1.0", "bad")
    world.up.remove_release("demo", "2.0")
    assert world.settle() == DONE
    assert world.told() == [(9, "yank", "bad"), (10, "remove", "")]
    assert_equal_to_upstream(world)


@pytest.mark.rule("R6")
def test_a_yank_hidden_by_a_quarantine_gets_its_reason_later(world: World) -> None:
    world.started()
    world.up.yank("demo", "1.0", "bad")
    world.up.quarantine_project("demo")
    world.sync()
    world.up.clear_project_quarantine("demo")
    world.sync()
    assert world.told() == [(7, "yank", "bad"), (8, "quarantine", ""), (9, "unquarantine", "")]


@pytest.mark.rule("R6")
def test_a_first_look_is_a_baseline(world: World) -> None:
    world.up.upload("demo", "1.0")
    world.up.yank("demo", "1.0", "old")
    world.sync()
    world.resync()
    assert world.told() == []


@pytest.mark.rule("R6")
def test_what_no_entry_explains_is_observed_once(world: World) -> None:
    world.started()
    world.up.yank_file("demo", "demo-1.0.tar.gz", "silent")
    world.up.role("demo", "frobnicate")
    for _ in range(3):
        world.sync()
    world.resync()
    assert world.told() == [(None, "yank", "silent")]


@pytest.mark.rule("R6")
def test_a_removal_seen_before_its_entries_were_read_is_told_once(world: World) -> None:
    world.started()
    world.up.fail("^/pypi", Fault.status(500), None)
    world.up.remove_project("demo")
    world.up.upload("demo", "1.0", "again.zip")
    world.up.upload("new", "1.0")
    world.up.upload("new", "2.0")
    world.resync()
    with world.state() as state:  # as an operator would, who waits no longer for the journal
        assert state.facts.cursor == 6
    world.configure(upstream_journal="listing")
    assert world.settle() == DONE
    world.up.remove_project("demo")
    world.up.remove_project("new")
    assert world.settle() == HELD  # the mirror would be empty
    world.approve()
    assert world.settle() == DONE
    assert_equal_to_upstream(world)
    world.up.heal()
    world.configure(upstream_journal="xmlrpc")
    assert world.settle() == DONE
    assert [(row.project, str(row.action), row.source) for row in world.history()] == [
        ("demo", "remove", "journal"), ("demo", "return", "journal"),
        ("demo", "remove", "journal"), ("new", "remove", "journal"),
    ]  # fmt: skip


@pytest.mark.rule("R2")
def test_what_changed_before_the_journal_was_followed_is_seen(world: World) -> None:
    world.configure(mirror_projects=["demo"], upstream_journal="none")
    world.up.upload("demo", "1.0")
    assert world.sync() == DONE
    world.up.yank("demo", "1.0", "bad")
    world.configure(upstream_journal="xmlrpc")
    assert world.sync() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R6")
def test_a_removed_project_that_returns_is_told_in_two_rows(world: World) -> None:
    world.started()
    world.up.remove_project("demo")
    world.sync()
    world.up.upload("Demo", "1.0", "x.zip")
    world.sync()
    assert [row[1] for row in world.told()] == ["remove", "return"]


@pytest.mark.rule("R13")
def test_a_long_pass_reads_the_journal_every_five_minutes(world: World) -> None:
    world.started(*(f"p{n:02}" for n in range(40)))
    world.clock.step = 15.0  # each look at the clock
    assert world.resync() == DONE
    assert 3 <= len(world.up.journal_calls()) <= 12
    assert len(world.asked) == 40


@pytest.mark.rule("R13")
def test_a_withdrawal_in_a_long_pass_does_not_wait_for_its_end(world: World) -> None:
    world.started(*(f"p{n:02}" for n in range(40)))
    seen: dict[str, int] = {}

    def doctor(page: dict[str, Any]) -> dict[str, Any]:
        if page["name"] == "p05" and not seen:
            seen["begin"] = len(world.yanked("p00"))
            world.up.quarantine_project("p00")
        if page["name"] == "p39":
            seen["end"] = len(world.yanked("p00"))
        return page

    world.up.doctor = doctor
    world.clock.step = 15.0
    assert world.resync() == DONE
    assert seen == {"begin": 2, "end": 0}
    assert_equal_to_upstream(world)


@pytest.mark.rule("R13")
def test_journal_calls_keep_their_distance(world: World) -> None:
    world.configure(upstream_journal_interval="0.05")
    world.up.upload("demo", "1.0")
    assert world.sync() == DONE
    assert [request.call for request in world.up.journal_calls()] == [
        "changelog_last_serial()", "changelog_since_serial(3)",
    ]  # fmt: skip


@pytest.mark.rule("R15")
def test_html_after_json_changes_nothing(world: World) -> None:
    world.started()
    files = world.files()
    world.up.yank("demo", "1.0", "bad")
    world.up.html_only = True
    assert world.sync() == PARTIAL
    assert world.files() == files
    assert world.asked and world.up.page_requests()[0].headers["accept"].endswith("v1+json")
    world.up.html_only = False
    assert world.settle() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R15")
def test_a_journal_refused_for_good_is_left_and_followed_again(world: World) -> None:
    world.started("demo", "other")
    cursor = world.cursor()
    world.up.xmlrpc_status = 410
    world.up.yank("demo", "1.0", "bad")
    for _ in range(3):
        assert world.sync(later=10) == FAILED  # an hour is not over
    assert world.sync(later=HOUR) == FAILED
    assert world.sync() == DONE  # the list of projects from here on
    assert_equal_to_upstream(world)
    world.up.remove_release("other", "1.0")
    world.up.remove_project("demo")
    assert world.settle() == DONE
    assert_equal_to_upstream(world)
    assert world.told() == [(None, "yank", "bad"), (None, "remove", ""), (None, "remove", "")]
    assert world.cursor() == cursor
    world.up.xmlrpc_status = None
    world.up.upload("more", "1.0")
    assert world.settle(later=2 * HOUR) == DONE
    assert world.cursor() == world.up.last_serial
    told = world.told()
    assert told == [(13, "yank", "bad"), (14, "remove", ""), (15, "remove", "")]
    assert_equal_to_upstream(world)


@pytest.mark.rule("R15")
@pytest.mark.parametrize("fault", [Fault.status(500), Fault.rate_limit(), Fault.status(503, 900)])
def test_outages_and_limits_never_leave_the_journal(world: World, fault: Fault) -> None:
    world.started()
    world.up.fail("^/pypi", fault, None)
    for _ in range(6):
        world.sync(later=HOUR)
    assert world.up.list_requests() == []
    world.up.heal()
    assert world.sync(later=HOUR) == DONE and world.up.journal_calls()


@pytest.mark.rule("R15")
@pytest.mark.parametrize("source", ["listing", "auto"])
def test_without_a_journal_the_list_is_followed(world: World, source: str) -> None:
    world.up.xmlrpc_status = 404
    world.configure(upstream_journal=source)
    world.started("demo", "other")
    world.up.yank("demo", "1.0", "bad")
    world.up.remove_project("other")
    world.up.upload("new", "1.0")
    assert world.settle() == DONE
    assert_equal_to_upstream(world)
    assert {row[:2] for row in world.told()} == {(None, "yank"), (None, "remove")}
    assert world.sync() == DONE
    (request,) = world.requests
    assert request.status == 304


@pytest.mark.rule("R15")
@pytest.mark.parametrize(
    "fault", [Fault.status(403), Fault.status(301), Fault.maintenance()], ids=["403", "301", "200"]
)
def test_an_answer_that_may_mean_no_journal_says_what_to_do(world: World, fault: Fault) -> None:
    world.up.upload("demo", "1.0")
    world.up.fail("^/pypi", fault, None)
    assert world.sync() == FAILED
    assert world.mirror is not None
    assert str(world.mirror.totals.problem).count("set upstream.journal to") == 1
    world.configure(upstream_journal="listing")
    assert world.sync() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.rule("R15")
@pytest.mark.parametrize("html", [False, True], ids=["json", "html"])
def test_any_index_can_be_mirrored_by_name(world: World, html: bool) -> None:
    world.up.html_only = html
    world.up.page_serials = world.up.list_serials = False
    world.up.xmlrpc_status = 404
    world.configure(mirror_projects=["demo", "ghost", "other"])
    world.started("demo", "other")
    world.up.yank("demo", "1.0", "bad")
    assert world.sync() == DONE
    assert world.yanked("demo") == {"demo-1.0.tar.gz": "bad", "demo-2.0.tar.gz": False}
    assert world.told() == [(None, "yank", "bad")]
    if not html:
        assert_equal_to_upstream(world)
    world.up.unyank("demo", "1.0")
    assert world.sync() == DONE
    assert world.yanked("demo")["demo-1.0.tar.gz"] is False
    assert world.page("ghost") is None and world.counts() == (0, 0, 0, 0)
    world.up.remove_project("demo")
    for later in (0, 300, 299):
        world.sync(later=later)
        assert world.page("demo") is not None  # twice within ten minutes is not enough (R7)
    world.sync(later=1)
    assert world.page("demo") is None


@pytest.mark.rule("R15")
def test_wildcards_without_journal_and_serials_are_a_configuration_error(
    world: World,
) -> None:
    world.up.list_serials = False
    world.up.xmlrpc_status = 404
    assert world.sync() == FAILED
    assert "wildcards" in str(world.error)


@pytest.mark.rule("R10")
@pytest.mark.incident(29)
def test_hostile_names_never_reach_the_tree(disk: World) -> None:
    disk.started()
    for odd in ("../../etc/passwd", "..", ".", "/abs", "a/b", "CON:", "\u212aelvin"):
        disk.up.raw_row(odd, None, "remove project")
        disk.up.raw_row(odd, None, "create")
    assert disk.sync(later=DAY) == DONE
    assert {path.split("/")[1] for path in disk.files() if path.count("/") == 2} == {"demo"}
    assert disk.asked == []
