"""``--metrics``, ``[health]`` and pings, as a process and against a real receiver."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli_runner import Cli, wait_for
from tests.support.fake_index.index import FakeUpstream, Fault
from tests.support.http_receiver import Receiver, receiver
from tests.support.metrics_text import parsed

SECRET = "0f8c-secret"


@pytest.fixture
def inbox() -> Iterator[Receiver]:
    with receiver() as inbox:
        yield inbox


def watch(yanksync: Cli, *lines: str) -> None:
    """Configure ``[health]``."""
    with yanksync.config.open("a") as file:
        file.write("[health]\n" + "\n".join(lines) + "\n")


def ping(inbox: Receiver) -> str:
    return f'ping = "{inbox.url}{SECRET}"'


def told(path: Path) -> dict[str, float]:
    return parsed(path.read_text())


def test_each_pass_is_told_of(synced: Cli, upstream: FakeUpstream) -> None:
    watch(synced, 'metrics = "m/yanksync.prom"')
    path = synced.home / "m" / "yanksync.prom"
    assert synced("sync").silent
    assert told(path)["runs_total{exit=0}"] == 1
    upstream.yank("demo", "2.0", "broken")
    assert synced("full-resync").silent
    found = told(path)
    assert (found["runs_total{exit=0}"], found["yanked_releases"]) == (2, 1)
    assert found["withdrawal_latency_seconds_count"] == 1
    assert found["last_success_timestamp_seconds"] <= found["last_run_end_timestamp_seconds"]
    status = synced("status", "--json").json
    assert status["lag_serials"] == found["lag_serials"] == 0
    assert synced.leftovers() == []


def test_a_failure_is_told_of_and_the_last_success_stays(
    synced: Cli, upstream: FakeUpstream
) -> None:
    path = synced.home / "yanksync.prom"
    assert synced("sync", "--metrics", "yanksync.prom").silent
    before = told(path)
    upstream.fail("^/", Fault.status(500), times=None)
    assert synced("sync", "--metrics", "yanksync.prom").code == 1
    after = told(path)
    assert after["last_run_exit_code"] == 1
    assert after["failures_total{cause=unreachable}"] == 1
    key = "last_success_timestamp_seconds"
    assert after[key] == before[key]
    assert after["last_run_end_timestamp_seconds"] > before["last_run_end_timestamp_seconds"]


def test_an_output_that_cannot_be_written_is_told_of(synced: Cli, inbox: Receiver) -> None:
    watch(synced, 'metrics = "yanksync.prom"', ping(inbox))
    (synced.home / "mirror").rename(synced.home / "elsewhere")
    synced.output.write_text("")
    assert synced("sync").code == 1
    found = told(synced.home / "yanksync.prom")
    assert (found["failures_total{cause=output}"], found["projects"]) == (1, 2)
    assert inbox.paths == [f"/{SECRET}/start", f"/{SECRET}/fail"]
    assert str(synced.output) in inbox.told[-1].body.decode()


def test_a_state_that_cannot_be_opened_is_told_of(synced: Cli, inbox: Receiver) -> None:
    watch(synced, 'metrics = "yanksync.prom"', ping(inbox))
    synced.state.write_bytes(b"no database, and never was one" * 100)
    assert synced("sync").code == 1
    found = told(synced.home / "yanksync.prom")
    assert found["last_run_exit_code"] == 1 and "projects" not in found
    assert inbox.paths == [f"/{SECRET}/fail"]
    assert "not a database" in inbox.told[-1].body.decode()


def test_a_file_that_cannot_be_written_fails_nothing(synced: Cli) -> None:
    (synced.home / "file").write_text("")
    watch(synced, 'metrics = "file/yanksync.prom"')
    assert synced("sync", "--cron").silent
    done = synced("sync")
    assert done.code == 0
    assert f"error: health.metrics: {synced.home}/file/yanksync.prom: " in done.err


def test_the_flag_makes_no_directory(synced: Cli) -> None:
    done = synced("sync", "--metrics", "missing/yanksync.prom")
    assert done.code == 2
    assert f"there is no directory {synced.home}/missing; make it first" in done.err
    assert not (synced.home / "missing").exists()


def test_a_ping_at_each_end(synced: Cli, upstream: FakeUpstream, inbox: Receiver) -> None:
    watch(synced, ping(inbox))
    assert synced("sync").silent
    assert inbox.paths == [f"/{SECRET}/start", f"/{SECRET}"]
    assert inbox.told[1].body.decode().startswith("up to date at serial 12: nothing new in ")
    upstream.fail("^/", Fault.status(500), times=None)
    assert synced("sync").code == 1
    assert inbox.paths[2:] == [f"/{SECRET}/start", f"/{SECRET}/fail"]
    first, second = inbox.told[3].body.decode().splitlines()
    assert first.startswith("failed") and "answered 500" in second
    with synced.database() as connection:  # metrics are kept only if they are wanted
        assert connection.execute("SELECT count(*) FROM counters").fetchone() == (0,)


def test_done_in_part_is_well_for_an_hour(
    synced: Cli, upstream: FakeUpstream, inbox: Receiver
) -> None:
    watch(synced, ping(inbox))
    upstream.yank("demo", "2.0")
    upstream.fail("^/simple/demo/", Fault.status(500), times=None)
    assert synced("sync").code == 3
    assert inbox.paths[-1] == f"/{SECRET}"
    synced.let_pass(3700)
    assert synced("sync", "--now").code == 3
    assert inbox.paths[-1] == f"/{SECRET}/fail"


def test_a_run_that_holds_the_lock_tells_for_itself(synced: Cli, inbox: Receiver) -> None:
    watch(synced, 'metrics = "yanksync.prom"', ping(inbox))
    with synced.locked():
        assert synced("sync").code == 75
    assert inbox.told == [] and not (synced.home / "yanksync.prom").exists()


def test_a_rehearsal_tells_nobody(synced: Cli, inbox: Receiver) -> None:
    watch(synced, 'metrics = "yanksync.prom"', ping(inbox))
    assert synced("sync", "--dry-run").code == 0
    assert inbox.told == [] and not (synced.home / "yanksync.prom").exists()


@pytest.mark.parametrize("mood", [500, "reset", 404])
def test_a_ping_that_does_not_arrive_fails_nothing(
    synced: Cli, inbox: Receiver, mood: int | str
) -> None:
    watch(synced, ping(inbox))
    inbox.always = mood
    done = synced("-vv", "sync")
    assert done.code == 0
    assert "warning: health.ping: " in done.err
    assert SECRET not in done.err + done.out
    inbox.always = None
    assert synced("sync").silent
    assert len(inbox.taken) == 2


def test_the_service_tells_of_each_pass(
    synced: Cli, upstream: FakeUpstream, inbox: Receiver
) -> None:
    watch(synced, ping(inbox))
    process = synced.start("run", "--metrics", "r.prom", YANKSYNC_SCHEDULE_EVERY="1s")
    path = synced.home / "r.prom"
    wait_for(lambda: len(inbox.taken) >= 4)
    upstream.yank("demo", "2.0")
    wait_for(lambda: told(path)["withdrawal_latency_seconds_count"] == 1)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=300)
    assert process.returncode == 0
    assert told(path)["runs_total{exit=0}"] >= 3
    assert set(inbox.paths) == {f"/{SECRET}/start", f"/{SECRET}"}
    assert inbox.paths[::2] == [f"/{SECRET}/start"] * len(inbox.paths[::2])


def test_a_wrong_name_is_told_at_once(synced: Cli) -> None:
    done = synced("sync", "--metrics", "yanksync.txt")
    assert done.code == 2
    assert done.err == (
        "yanksync: the command line: health.metrics: must end in .prom: the textfile collector "
        "reads no other file\n"
    )
