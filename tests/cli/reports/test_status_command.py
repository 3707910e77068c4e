"""``status``: what it looked at, the run at work, what waits, and what a person has to do."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.cli_runner import Cli, ended, wait_for
from tests.support.fake_index.index import FakeUpstream, Fault
from tests.support.http_receiver import receiver


def test_it_begins_with_what_it_looked_at(synced: Cli) -> None:
    lines = synced("status").out.splitlines()
    size = synced.state.stat().st_size / 1e6
    assert [line.split(maxsplit=1)[0] for line in lines[:4]] == [
        "configuration", "upstream", "output", "state",
    ]  # fmt: skip
    assert lines[0].split()[1] == str(synced.config)
    assert lines[1].split()[1].startswith("http://127.0.0.1:")
    assert lines[2].split()[1] == str(synced.output)
    assert lines[3].split(maxsplit=1)[1] == f"{synced.state} ({size:.1f} MB)"
    found = synced("status", "--json").json
    assert found["configuration"] == str(synced.config)
    assert (found["output"], found["state"]) == (str(synced.output), str(synced.state))
    assert found["state_bytes"] == synced.state.stat().st_size
    assert found["run"] is None


def test_credentials_are_not_shown(yanksync: Cli) -> None:
    yanksync.configure('simple_url = "http://me:secret@127.0.0.1:1/simple/"')
    done = yanksync("status")
    assert "127.0.0.1:1/simple/" in done.out and "secret" not in done.out + done.err


@pytest.mark.parametrize("command", ["status", "history", "holds"])
def test_without_a_mirror_nothing_is_made(yanksync: Cli, command: str) -> None:
    before = sorted(yanksync.home.iterdir())
    done = yanksync(command)
    assert done.code == 1
    assert done.err.startswith("yanksync: no mirror here yet: ")
    assert str(yanksync.state) in done.err and str(yanksync.output) in done.err
    assert "yanksync sync" in done.err
    assert sorted(yanksync.home.iterdir()) == before


def test_a_run_at_work_is_seen_from_another_shell(yanksync: Cli, upstream: FakeUpstream) -> None:
    for number in range(40):
        upstream.upload(f"p{number:02}", "1.0")
    upstream.fail("^/simple/p39/", Fault.delay(120))
    run = yanksync.start("sync")
    try:
        wait_for(lambda: '"total": 42' in yanksync("status", "--json").out)  # once it has a state
        found = yanksync("status", "--json").json["run"]
        assert found["command"] == "sync"
        assert found["who"].startswith(f"process {run.pid} on ")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["since"])
        assert (found["phase"], found["total"]) == ("fetching pages", 42)
        assert 0 <= found["done"] < 42
        (line,) = [one for one in yanksync("status").out.splitlines() if one.startswith("run at")]
        assert re.search(
            r"sync since \d\d:\d\d \(process \d+ on .*\): fetching pages \d+/42$", line
        )
        assert "/42)" in yanksync("check").out
    finally:
        run.terminate()
    ended(run)
    assert yanksync("status", "--json").json["run"] is None
    assert "\nrun at work       none\n" in yanksync("status").out


def open_files(process: int) -> list[Path]:
    found = []
    for file in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.append(Path(os.readlink(file)))
    return found


def test_a_state_that_a_run_is_making_is_waited_for(synced: Cli) -> None:
    with synced.database() as connection:
        (schema,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute(f"PRAGMA user_version = {schema - 1}")
    done = synced("status")
    assert done.code == 1 and "is of an older schema; run 'yanksync sync' first" in done.err
    with synced.locked():
        looking = synced.start("status")
        wait_for(lambda: synced.state in open_files(looking.pid))
        with synced.database() as connection:
            connection.execute(f"PRAGMA user_version = {schema}")
        assert ended(looking).code == 0


def test_it_says_what_is_held_since_when_and_what_to_run(
    synced: Cli, upstream: FakeUpstream
) -> None:
    backup = upstream.snapshot()
    upstream.yank("demo", "1.0", "late")
    assert synced("sync").code == 0
    assert "next:" not in synced("status").out
    upstream.restore(backup)
    upstream.upload("demo", "3.0")
    assert synced("sync").code == 4
    text = synced("status").out
    assert re.search(r"\nheld              1 since \d\d:\d\d  \(see 'yanksync holds'\)\n", text)
    assert text.endswith("next: yanksync holds\n")
    found = synced("status", "--json").json
    assert found["held_kinds"] == {"journal": 1}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found["held_since"])


def test_throttled_until(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.fail("^/pypi", Fault.rate_limit(3000), times=None)
    assert synced("sync").code == 3
    text = synced("status").out
    assert re.search(r"\nthrottled until (\d{4}-\d\d-\d\d )?\d\d:\d\d, as upstream asks\n", text)
    assert synced("status", "--json").json["throttled_until"] is not None
    with synced.database() as connection:  # as if it were over
        connection.execute(
            "UPDATE meta SET value = value - 3600 "
            "WHERE key IN ('throttled_until', 'journal_not_before')"
        )
    assert "throttled until" not in synced("status").out
    upstream.heal()
    assert synced("sync").code == 0
    with synced.database() as connection:
        assert (
            connection.execute("SELECT 1 FROM meta WHERE key = 'throttled_until'").fetchall() == []
        )


def test_a_pause_that_pages_asked_for_is_shown(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.yank("demo", "1.0", "late")
    upstream.fail("^/simple/", Fault.status(429, retry_after=3000), times=None)
    assert synced("sync").code == 3
    until = synced("status", "--json").json["throttled_until"]
    seconds = time.mktime(time.strptime(until, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone - time.time()
    assert 2000 < seconds <= 3000


def test_hooks_with_undelivered_changes(synced: Cli, upstream: FakeUpstream) -> None:
    with receiver() as inbox:
        inbox.always = 404
        synced.config.write_text(
            synced.config.read_text() + f'[hooks]\nwebhook = "{inbox.url}"\nallow_http = true\n'
        )
        upstream.yank("demo", "2.0", "broken")
        assert synced("sync").code == 3
    text = synced("status").out
    assert "\nundelivered       1 (webhook 1)\n" in text
    assert "\nhook webhook: answered 404\n" in text
    assert text.endswith("next: yanksync -v sync\n")
    assert synced("status", "--json").json["undelivered_hooks"] == {"webhook": 1}


def test_last_error_is_about_passes_only(synced: Cli) -> None:
    with synced.database() as connection:
        for command in ("adopt", "verify"):
            connection.execute(
                "INSERT INTO runs (command, started, ended, exit, problem) VALUES (?, 1, 2, 1, ?)",
                (command, f"of {command}"),
            )
    assert synced("status", "--json").json["last_error"] is None
    with synced.database() as connection:
        connection.execute(
            "INSERT INTO runs (command, started, ended, exit, problem) VALUES ('run', 1, 2, 1, 'x')"
        )
    assert synced("status", "--json").json["last_error"] == "x"


@pytest.mark.parametrize("text", ["-1", "nan", "soon", "1w", "30 m", ""])
def test_a_duration_that_cannot_be_read_is_2(synced: Cli, text: str) -> None:
    done = synced("status", "--max-lag", text)
    assert (done.code, done.out) == (2, "")
    assert "is no duration" in done.err


def test_durations_have_units(synced: Cli) -> None:
    with synced.database() as connection:
        connection.execute("UPDATE meta SET value = value - 3000 WHERE key = 'complete_read'")
    for enough in ("1h", "60m", "3600", "0.5d", "3600s"):
        assert synced("status", "--max-lag", enough).code == 0
    done = synced("status", "--max-lag", "10m")
    assert done.code == 1
    assert "50 min behind upstream, 10 min allowed" in done.err
