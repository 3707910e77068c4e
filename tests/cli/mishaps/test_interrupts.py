"""Checks signals, parallel runs, a lost reader and a wrong state."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from tests.support.cli_runner import Cli, ended, wait_for
from tests.support.fake_index.index import FakeUpstream, Fault
from tests.support.terminal import typed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("fault", [Fault.hang(60), Fault.delay(60), Fault.drip(60)])
def test_a_signal_in_a_slow_fetch(
    yanksync: Cli, upstream: FakeUpstream, number: signal.Signals, fault: Fault
) -> None:
    for index in range(20):
        upstream.upload(f"many-{index}", "1.0")
    upstream.fail("^/simple/many-7/", fault)
    run = yanksync.start("sync")
    wait_for(lambda: len(upstream.page_requests()) >= 21)
    begun = time.monotonic()
    run.send_signal(number)
    done = ended(run)
    assert time.monotonic() - begun < 10
    assert (done.code, done.out) == (128 + number, "")
    assert done.err == "yanksync: interrupted; the next run goes on from here\n"
    assert yanksync.leftovers() == []
    upstream.heal()
    assert yanksync("sync").silent  # nothing holds the lock
    assert len(list((yanksync.output / "simple").glob("*/index.html"))) == 22


def test_ctrl_c_on_a_terminal_is_130(yanksync: Cli, upstream: FakeUpstream) -> None:
    upstream.fail("^/simple/demo/", Fault.hang(60))
    shown = typed(yanksync, "sync", answer="\x03", when="fetching pages")
    assert shown.code == 130
    assert "interrupted; the next run goes on from here\n" in shown.text
    assert yanksync.leftovers() == []


def test_killed_in_a_slow_fetch(yanksync: Cli, upstream: FakeUpstream) -> None:
    upstream.fail("^/simple/demo/", Fault.hang(60))
    run = yanksync.start("sync")
    wait_for(lambda: upstream.page_requests("demo"))
    run.kill()
    assert ended(run).code == -signal.SIGKILL
    assert yanksync("sync").silent
    assert yanksync.leftovers() == []
    assert (yanksync.output / "simple/demo/index.html").exists()


@pytest.mark.incident(33)
def test_two_runs_at_once(yanksync: Cli, upstream: FakeUpstream) -> None:
    upstream.fail("^/simple/demo/", Fault.delay(60))
    first = yanksync.start("sync")
    wait_for(lambda: upstream.page_requests("other"))
    for command in ("sync", "full-resync"):
        second = yanksync(command)
        assert second.code == 75
        assert "another run holds the lock" in second.err
    assert yanksync("approve").code == 75
    assert yanksync("status", "--json").json["journal_serial"] == upstream.last_serial
    assert first.poll() is None
    first.terminate()
    assert ended(first).code == 143


@pytest.mark.parametrize("command", ["history", "history --json", "status", "holds"])
def test_a_reader_that_goes_away(synced: Cli, upstream: FakeUpstream, command: str) -> None:
    for _ in range(200):
        upstream.yank("demo", "2.0", "x" * 1000)
    assert synced("sync").code == 0
    pipe = f"{sys.executable} -m yanksync {command} | head -c 1"
    done = subprocess.run(
        pipe, shell=True, cwd=synced.home, env=synced.environ, capture_output=True, text=True
    )
    assert (len(done.stdout) <= 1, done.stderr) == (True, "")


def test_a_state_that_is_no_database(synced: Cli) -> None:
    synced.state.write_bytes(b"no database, but long enough to be one" * 100)
    told_and_untouched(synced, "file is not a database; it was left as it is. Put back a copy")


def test_a_state_of_a_newer_version(synced: Cli) -> None:
    with synced.database() as connection:
        connection.execute("PRAGMA user_version = 99")
    told_and_untouched(synced, "was made by a newer yanksync (schema 99, known: ")


def test_a_damaged_state(synced: Cli) -> None:
    data = bytearray(synced.state.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    synced.state.write_bytes(data)
    told_and_untouched(synced, "it was left as it is")


def test_the_database_of_another_program(yanksync: Cli) -> None:
    connection = sqlite3.connect(yanksync.state)
    connection.execute("CREATE TABLE precious (data)")
    connection.close()
    told_and_untouched(yanksync, "is a database, but not one of yanksync", "sync", "full-resync")


def told_and_untouched(yanksync: Cli, problem: str, *commands: str) -> None:
    before = yanksync.state.read_bytes()
    for command in commands or ("sync", "status", "history", "holds", "approve"):
        done = yanksync(command)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith(f"yanksync: {yanksync.state}: ")
        assert problem in done.err
        assert done.err.count("\n") == 1
        assert yanksync.state.read_bytes() == before
