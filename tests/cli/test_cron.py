"""The cron rule: on no terminal, only what a person must know is told; on one, everything."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.cli_runner import HOURS, Cli
from tests.support.fake_index.index import FakeUpstream, Fault


@pytest.mark.parametrize("command", ["sync", "sync --cron", "full-resync"])
def test_success_is_silent(yanksync: Cli, upstream: FakeUpstream, command: str) -> None:
    assert yanksync(*command.split()).silent
    upstream.yank("demo", "2.0", "broken")
    assert yanksync(*command.split()).silent


def test_warnings_of_a_success_are_not_for_cron(yanksync: Cli, upstream: FakeUpstream) -> None:
    odd = {"filename": "demo-9.zip", "url": "https://files.example/other.zip", "hashes": {}}
    upstream.doctor = lambda page: {**page, "files": [*page["files"], odd]}
    assert yanksync("sync", "--cron").silent
    for command in ("sync", "full-resync"):
        upstream.yank("demo", "2.0", command)
        done = yanksync(command)
        assert (done.code, done.out) == (0, "")
        assert "warning: demo: file 'demo-9.zip' left out: " in done.err
    assert yanksync("-q", "full-resync").silent


@pytest.mark.incident(37)
def test_another_hash_is_told_and_held(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.doctor = lambda page: {
        **page,
        "files": [{**file, "hashes": {"sha256": "ab" * 32}} for file in page["files"][:1]]
        + page["files"][1:],
    }
    upstream.yank("demo", "2.0")
    done = synced("sync", "--cron")
    assert (done.code, done.out) == (4, "")
    assert done.err.startswith("yanksync: error: demo: demo-1.0.tar.gz: the file has another hash")
    (held,) = synced("holds", "--json").json
    assert (held["project"], held["what"]) == ("demo", "hash")
    assert synced("approve").code == 0
    assert synced("sync", "--cron").silent


def stale(yanksync: Cli, upstream: FakeUpstream) -> None:
    upstream.yank("demo", "2.0")
    upstream.fail("^/simple/demo/", Fault.status(304), times=None)
    done = yanksync("sync", "--cron")
    assert done.code == 3
    assert done.silent


def test_a_part_left_over_is_told_after_an_hour(synced: Cli, upstream: FakeUpstream) -> None:
    stale(synced, upstream)
    synced.let_pass(HOURS - 60)
    assert synced("sync", "--cron").silent
    synced.let_pass(61)
    done = synced("sync", "--cron")
    assert (done.code, done.out) == (3, "")
    assert "for more than an hour" in done.err
    assert "1 project pending" in done.err


def test_a_success_between_starts_the_hour_anew(synced: Cli, upstream: FakeUpstream) -> None:
    stale(synced, upstream)
    synced.let_pass(2 * HOURS)
    upstream.heal()
    assert synced("sync", "--cron", "--now").code == 0
    stale(synced, upstream)


@pytest.mark.parametrize("command", ["sync", "full-resync"])
def test_a_lock_is_told_of(synced: Cli, command: str) -> None:
    with synced.locked():
        done = synced(command)
    assert (done.code, done.out) == (75, "")
    assert "another run holds the lock" in done.err


def test_cron_hears_of_a_lock_after_an_hour(synced: Cli) -> None:
    with synced.locked(HOURS - 60):
        done = synced("sync", "--cron")
        assert done.code == 75
        assert done.silent
    with synced.locked(HOURS + 1):
        done = synced("sync", "--cron")
    assert (done.code, done.out) == (75, "")
    assert "another run holds the lock (process 4711 on elsewhere, since " in done.err
    assert done.err.count("\n") == 1


def test_an_old_lock_file_that_nobody_holds_hinders_nobody(synced: Cli) -> None:
    with synced.locked(2 * HOURS):
        pass
    assert synced("sync", "--cron").silent


def test_results_are_printed_without_a_terminal_too(synced: Cli) -> None:
    assert synced("status").out.startswith("configuration     ")
    assert synced("sync", "--cron", "--dry-run").out != ""


def test_a_terminal_gets_a_summary_and_a_bar(yanksync: Cli, upstream: FakeUpstream) -> None:
    for number in range(20):
        upstream.upload(f"many-{number}", "1.0")
    code, out, err = yanksync.on_terminal("sync", "--cron")
    assert code == 0
    seconds = r"[0-9.]+ s"
    assert re.fullmatch(
        rf"up to date at serial {upstream.last_serial}: 22 pages written in {seconds}\r\n"
        rf"the first build is complete: 22 projects in {seconds}; "
        r"to serve them, see 'yanksync show nginx'\r\n",
        out,
    )
    assert "pages" in err
    assert "22/22" in err


def test_a_terminal_is_told_of_3_and_75_at_once(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.yank("demo", "2.0")
    upstream.fail("^/simple/demo/", Fault.status(304), times=None)
    code, out, _ = synced.on_terminal("sync", "--cron")
    assert code == 3
    assert out.startswith("done in part at serial ")
    with synced.locked():
        code, out, err = synced.on_terminal("sync", "--cron")
    assert (code, out) == (75, "")
    assert "another run holds the lock" in err


def test_quiet_on_a_terminal(synced: Cli) -> None:
    assert synced.on_terminal("-q", "sync", "--cron") == (0, "", "")


def test_verbose_tells_what_is_done(yanksync: Cli) -> None:
    done = yanksync("-v", "sync", "--cron")
    assert done.out == ""
    assert "yanksync: info: up to date at serial 12: 2 pages written in " in done.err


def test_quiet_tells_of_failures(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.fail("^/pypi", Fault.maintenance(), times=None)
    done = synced("-q", "sync", "--cron")
    assert done.code == 1
    assert done.err.startswith("yanksync: error: ")


def lines(err: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in err.splitlines()]


def test_a_log_in_json(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.yank("demo", "2.0", "x")
    event, told = lines(synced("-v", "--log-format", "json", "sync", "--cron").err)
    assert event["project"] == "demo" and event["message"] == "demo 2.0: yanked: x"
    assert set(told) == {"time", "level", "message"}
    assert told["level"] == "info"
    upstream.fail("^/pypi", Fault.maintenance(), times=None)
    assert [
        line["level"] for line in lines(synced("--log-format", "json", "sync", "--cron").err)
    ] == ["error"]


def test_every_way_to_fail_is_json_when_asked_for(synced: Cli) -> None:
    flags = ("--log-format", "json")
    with synced.locked(2 * HOURS):
        told = [synced(*flags, "sync", "--cron"), synced(*flags, "approve")]
    told.append(synced(*flags, "approve", "demo"))
    told.append(synced(*flags, "status", YANKSYNC_MIRROR_YANKED="hide"))
    told.append(synced(*flags, "backup", "gone/b.db"))
    told.append(synced(*flags, "sync", "--wait", "soon"))
    told.append(synced(*flags, "sync", "--gone"))
    assert [done.code for done in told] == [75, 75, 1, 2, 1, 2, 2]
    for done in told:
        (line,) = lines(done.err)
        assert line["level"] == "error"
