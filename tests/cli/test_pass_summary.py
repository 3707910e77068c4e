"""What a pass says of itself: on a terminal, with -v, as JSON."""

from __future__ import annotations

from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream, Fault


def happen(upstream: FakeUpstream) -> None:
    upstream.yank("demo", "2.0", "bro\x1bken")
    upstream.yank("demo", "1.0")
    upstream.remove_project("other")


def test_a_terminal_is_told_what_was_withdrawn(synced: Cli, upstream: FakeUpstream) -> None:
    happen(upstream)
    code, out, _ = synced.on_terminal("sync")
    assert code == 0
    assert out.startswith(
        'up to date at serial 15: 2 yanked (demo 2.0 "bro\\x1bken", demo 1.0), '
        "1 removed (other); 1 page written, 1 project removed from the output in "
    )


def test_a_log_with_v_has_a_line_an_event(synced: Cli, upstream: FakeUpstream) -> None:
    happen(upstream)
    err = synced("-v", "sync").err
    assert "info: demo 2.0: yanked: bro\\x1bken\n" in err
    assert "info: other: removed\n" in err
    assert "up to date at serial 15: 2 yanked (" in err


def test_a_pass_as_json(synced: Cli, upstream: FakeUpstream) -> None:
    happen(upstream)
    found = synced("sync", "--json").json
    assert (found["exit"], found["result"], found["next"]) == (0, "done", None)
    assert found["journal_serial"] == upstream.last_serial
    assert (found["published"], found["removed"], found["pending"]) == (1, 1, 0)
    events = [
        (one["project"], one["version"], one["action"], one["reason"]) for one in found["changes"]
    ]
    assert events == [
        ("demo", "2.0", "yank", "bro\x1bken"),
        ("demo", "1.0", "yank", ""),
        ("other", None, "remove", ""),
    ]
    assert [one["serial"] for one in found["changes"]] == [13, 14, 15]


def test_a_pass_that_is_done_in_part_says_so_in_json(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.yank("demo", "2.0")
    upstream.fail("^/simple/demo/", Fault.status(304), times=None)
    done = synced("sync", "--json")
    assert (done.code, done.json["exit"], done.json["pending"]) == (3, 3, 1)
    assert done.json["next"] == "yanksync status"
    assert "the next run tries again" in done.err


def test_many_changes_are_counted(synced: Cli, upstream: FakeUpstream) -> None:
    for number in range(8):
        upstream.upload("demo", f"3.{number}")
    assert synced("sync").code == 0
    for number in range(8):
        upstream.yank("demo", f"3.{number}")
    out = synced.on_terminal("sync")[1]
    assert ": 8 yanked (demo 3.0, demo 3.1, demo 3.2, demo 3.3, demo 3.4, and 3 more); " in out


def test_the_first_build_says_how_to_serve_it_once(yanksync: Cli) -> None:
    assert "'yanksync show nginx'" in yanksync.on_terminal("sync")[1]
    assert "first build" not in yanksync.on_terminal("sync")[1]
