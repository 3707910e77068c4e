"""A state database that another program keeps locked: told in a line, and nothing is lost."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.cli_runner import Cli, ended, wait_for
from tests.support.fake_index.index import FakeUpstream, Fault, Served

_HOLD = """
import sqlite3, sys
held = [sqlite3.connect(path, isolation_level=None) for path in sys.argv[2:]]
for connection in held:
    if sys.argv[1] == "everything":
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO meta VALUES ('somebody', 'else')")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_program(what: str, *databases: Path) -> Iterator[None]:
    """Let another process hold a lock on ``databases``: on writing, or on everything."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, what, *map(str, databases)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdin is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield
    finally:
        process.stdin.close()  # what it wrote is rolled back
        assert process.wait(60) == 0
        process.stdout.close()


def copies(synced: Cli, served: Served, names: tuple[str, ...]) -> dict[str, Cli]:
    """Return as many mirrors as names, each waiting for its own lock at the same time."""
    home = synced.home
    made = {}
    for name in names:
        (home / name).mkdir()
        for path in (synced.state, synced.output):
            copy = shutil.copytree if path.is_dir() else shutil.copy
            copy(path, home / name / path.name)
        made[name] = Cli(home / name, served.simple_url)
    return made


def told(yanksync: Cli) -> str:
    return (
        f"yanksync: {yanksync.state}: database is locked: another program keeps it open for "
        "writing. Nothing is lost: end that program, or wait for it, and run this again\n"
    )


@pytest.mark.parametrize("what", ["writing", "everything"])
def test_a_locked_database_is_told_and_loses_nothing(
    synced: Cli, served: Served, upstream: FakeUpstream, what: str
) -> None:
    commands = ("sync", "full-resync", "verify", "approve")
    readers = ("status", "history", "holds", "backup")
    waiting = commands if what == "writing" else (*commands, *readers)
    made = copies(synced, served, (*commands, *readers))
    upstream.yank("demo", "1.0", "while it was locked")
    before = {name: (cli.content(), cli.tree()) for name, cli in made.items()}
    with another_program(what, *(cli.state for cli in made.values())):
        started = {
            name: cli.start(name, *(["copy.db"] if name == "backup" else []))
            for name, cli in made.items()
        }
        for name, process in started.items():
            done = ended(process)
            if name in waiting:
                assert (done.code, done.out, done.err) == (1, "", told(made[name])), name
            else:
                assert (done.code, done.err) == (0, ""), name
    for name, cli in made.items():
        assert (cli.content(), cli.tree()) == before[name], name
        assert cli.leftovers() == []
        assert (cli.home / "copy.db").exists() == (name == "backup" and name not in waiting)
    cli = made["sync"]
    assert cli("sync").silent
    assert b"while it was locked" in (cli.output / "simple/demo/index.html").read_bytes()
    assert cli("verify").silent


def test_a_lock_in_the_middle_of_a_pass(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.yank("demo", "1.0", "in between")
    upstream.yank("other", "2.0", "as well")
    upstream.fail("^/simple/", Fault.delay(3), times=None)
    upstream.clear_log()
    run = synced.start("sync")
    wait_for(upstream.journal_calls)
    with another_program("writing", synced.state):
        done = ended(run)
    assert (done.code, done.out, done.err) == (1, "", told(synced))
    assert synced.leftovers() == []
    upstream.heal()
    assert synced("sync").silent
    assert b"in between" in (synced.output / "simple/demo/index.html").read_bytes()
    assert [row["reason"] for row in synced("history", "--json").json] == ["in between", "as well"]
    assert synced("verify").silent
