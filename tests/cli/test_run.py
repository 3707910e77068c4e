"""``run``: passes on a schedule, as a process that gets signals and speaks to a service manager."""

from __future__ import annotations

import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.cli_runner import Cli, Done, ended, wait_for
from tests.support.fake_index.index import FakeUpstream, Fault
from tests.support.fork_server.start import Process
from yanksync.service.scheduler import CurrentPass
from yanksync.system.systemd_notify import SystemdNotifier

FAST = 'every = "1s"'


class Service:
    """A process, and what it has told so far."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.removeprefix("yanksync: ").rstrip("\n"))

    def has_told(self, text: str) -> bool:
        return any(text in line for line in self.lines)

    def end(self, number: signal.Signals = signal.SIGTERM) -> Done:
        self.process.send_signal(number)
        return self.result()

    def result(self) -> Done:
        code = self.process.wait(300)
        self._reader.join(60)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        done = Done(code, self.process.stdout.read(), "\n".join(self.lines))
        self.process.stdout.close()
        self.process.stderr.close()
        assert "Traceback" not in done.err
        return done


Start = Callable[..., Service]


@pytest.fixture
def start(yanksync: Cli) -> Iterator[Start]:
    """Start ``yanksync run``; whatever is left is killed."""
    services: list[Service] = []

    def starting(*flags: str, schedule: str = FAST, **environ: str) -> Service:
        with yanksync.config.open("a") as file:
            file.write(f"[schedule]\n{schedule}\n")
        services.append(Service(yanksync.start(*flags, "run", **environ)))
        return services[-1]

    yield starting
    for service in services:
        if service.process.poll() is None:
            service.process.kill()
            service.result()


def page(yanksync: Cli, name: str = "demo") -> str:
    path = yanksync.output / "simple" / name / "index.html"
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_passes_follow_each_other_until_a_signal(
    yanksync: Cli, upstream: FakeUpstream, start: Start, number: signal.Signals
) -> None:
    service = start()
    wait_for(lambda: service.has_told("2 pages written"))
    upstream.yank("demo", "2.0", "broken")
    wait_for(lambda: service.has_told("1 page written"))
    assert "broken" in page(yanksync)
    calls = len(upstream.journal_calls())
    wait_for(lambda: len(upstream.journal_calls()) > calls)  # an empty pass is no news
    done = service.end(number)
    assert (done.code, done.out) == (0, "")
    last = upstream.last_serial
    assert [re.sub(r" in [0-9.]+ s$", "", line) for line in service.lines] == [
        "info: started: a pass at once, then every 1 s",
        f"info: up to date at serial {last - 1}: 2 pages written",
        "info: demo 2.0: yanked: broken",
        f'info: up to date at serial {last}: 1 yanked (demo 2.0 "broken"); 1 page written',
        "info: stopping: what is in hand is finished first",
        "info: stopped",
    ]
    assert yanksync.leftovers() == []
    status = yanksync("status", "--json").json
    assert (status["pending"], status["last_error"]) == (0, None)


def test_a_signal_ends_the_pass_at_the_next_safe_point(
    yanksync: Cli, upstream: FakeUpstream, start: Start
) -> None:
    yanksync.configure(f'simple_url = "{upstream_url(yanksync)}"\nworkers = 1')
    for index in range(40):
        upstream.upload(f"many-{index}", "1.0")
    upstream.fail("^/simple/demo/", Fault.hang(1))
    service = start("-q")
    wait_for(lambda: upstream.page_requests("demo"))
    done = service.end()
    assert (done.code, done.err) == (0, "")
    status = yanksync("status", "--json").json
    assert status["unpublished"] == 0
    assert 1 <= status["projects"] <= 10  # what was asked for already, and nothing more
    assert status["pending"] == 42 - status["projects"]
    assert page(yanksync)
    assert yanksync.leftovers() == []
    assert yanksync("sync").silent
    assert yanksync("status", "--json").json["projects"] == 42


def upstream_url(yanksync: Cli) -> str:
    return yanksync.config.read_text().split('simple_url = "')[1].split('"')[0]


def test_a_second_signal_ends_it_at_once(
    yanksync: Cli, upstream: FakeUpstream, start: Start
) -> None:
    upstream.fail("^/simple/demo/", Fault.hang(60))
    service = start()
    wait_for(lambda: upstream.page_requests("demo"))
    service.process.terminate()
    wait_for(lambda: service.has_told("stopping"))
    done = service.end()
    assert done.code == 1
    assert service.lines[-1] == "interrupted; the next run goes on from here"
    assert yanksync.leftovers() == []


def test_an_answer_that_never_ends_does_not_keep_it(
    yanksync: Cli, upstream: FakeUpstream, start: Start
) -> None:
    upstream.fail("^/simple/demo/", Fault.drip(14))
    service = start(YANKSYNC_UPSTREAM_TIMEOUT="3")
    wait_for(lambda: upstream.page_requests("demo"))
    assert service.end().code == 1  # which waits for less than the answer takes
    assert yanksync.leftovers() == []


def test_the_configuration_is_read_again(
    yanksync: Cli, upstream: FakeUpstream, start: Start
) -> None:
    service = start(schedule='every = "1h"')
    wait_for(lambda: service.has_told("up to date"))
    text = yanksync.config.read_text()
    yanksync.config.write_text(text + "every = 5\n")
    service.process.send_signal(signal.SIGHUP)
    wait_for(lambda: service.has_told("the configuration was not taken over: "))
    yanksync.config.write_text(text.replace('"1h"', '"1s"') + '[mirror]\nyanked = "omit"\n')
    service.process.send_signal(signal.SIGHUP)
    wait_for(lambda: service.has_told("read again: a pass at once, then every 1 s"))
    upstream.yank("demo", "2.0")
    wait_for(lambda: "demo-2.0" not in page(yanksync))
    assert "demo-1.0" in page(yanksync)
    assert service.end().code == 0


def test_each_event_is_a_line(synced: Cli, upstream: FakeUpstream, start: Start) -> None:
    service = start()
    wait_for(lambda: service.has_told("started"))
    upstream.yank("demo", "2.0", "broken")
    upstream.remove_project("other")
    wait_for(lambda: service.has_told("info: up to date at serial 14"))
    assert service.end().code == 0
    for line in ("demo 2.0: yanked: broken", "other: removed"):
        assert service.lines.count(f"info: {line}") == 1


def test_another_run_is_told_of_once(synced: Cli, upstream: FakeUpstream, start: Start) -> None:
    with synced.locked():
        service = start("-v")
        wait_for(lambda: service.has_told("another run holds the lock"))
        time.sleep(1.5)
    upstream.yank("demo", "2.0", "broken")
    wait_for(lambda: "broken" in page(synced))
    assert service.end().code == 0
    assert sum("another run holds the lock" in line for line in service.lines) == 1


def test_an_outage_is_waited_out(yanksync: Cli, upstream: FakeUpstream, start: Start) -> None:
    upstream.fail("^/", Fault.maintenance(), times=None)
    service = start()
    wait_for(lambda: service.has_told("info: 1 failed in a row: the next in 2 s"))
    upstream.heal()
    wait_for(lambda: service.has_told("2 pages written"))
    assert page(yanksync)
    assert service.end().code == 0


def test_a_log_in_json(start: Start) -> None:
    service = start("--log-format", "json")
    wait_for(lambda: service.has_told("up to date"))
    assert service.end().code == 0
    assert all(line.startswith('{"time": "') for line in service.lines)


@pytest.mark.parametrize(
    ("schedule", "problem"),
    [
        ('cron = "*/5 * * *"', "schedule.cron: must be five fields"),
        ('cron = "61 * * * *"', "schedule.cron: must be five fields"),
        ('cron = "0 0 30 feb *"', "schedule.cron: must be five fields"),
        ('every = "0s"', "schedule.every: must be from 1 to"),
    ],
)
def test_a_wrong_schedule_is_told_at_the_start(
    yanksync: Cli, start: Start, schedule: str, problem: str
) -> None:
    done = start(schedule=schedule).result()
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"{yanksync.config}: {problem}")
    assert not yanksync.state.exists()


def test_an_output_that_cannot_be_used_is_tried_again(yanksync: Cli, start: Start) -> None:
    yanksync.output.write_text("")
    service = start()
    wait_for(lambda: service.has_told("failed in a row"))
    yanksync.output.unlink()
    wait_for(lambda: page(yanksync))
    assert service.end().code == 0


@pytest.mark.parametrize("abstract", [False, True])
def test_a_service_manager_is_told(
    tmp_path: Path, upstream: FakeUpstream, start: Start, abstract: bool
) -> None:
    name = f"{tmp_path}/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name if abstract else name)
        manager.settimeout(30)
        service = start(NOTIFY_SOCKET="@" + name if abstract else name, WATCHDOG_USEC="200000")
        assert manager.recv(4096) == b"READY=1"
        assert manager.recv(4096) == b"WATCHDOG=1"
        assert manager.recv(4096) == b"WATCHDOG=1"
        service.process.send_signal(signal.SIGHUP)
        messages: list[bytes] = []
        while b"READY=1" not in messages:
            assert len(messages) < 600, "a minute of signs of life"
            messages.append(manager.recv(4096))
        assert b"RELOADING=1\nMONOTONIC_USEC=" in b"|".join(messages)
        assert service.end().code == 0
        while manager.recv(4096) != b"STOPPING=1":
            pass


def test_nobody_is_told_where_nobody_listens(tmp_path: Path) -> None:
    for environ in ({}, {"NOTIFY_SOCKET": f"{tmp_path}/gone"}, {"NOTIFY_SOCKET": "vsock:2:1"}):
        notifier = SystemdNotifier(environ)
        notifier.notify(READY=1)
        assert notifier.watchdog is None
    assert SystemdNotifier({"WATCHDOG_USEC": "5000000"}).watchdog == 5
    assert SystemdNotifier({"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "1"}).watchdog is None
    assert SystemdNotifier({"WATCHDOG_USEC": "soon"}).watchdog is None


def test_a_pass_without_a_sign_of_life_is_noticed() -> None:
    turn = CurrentPass()
    assert turn.seconds_without_progress() == 0
    with turn.running():
        time.sleep(0.02)
        before = turn.seconds_without_progress()
        assert before >= 0.02
        for sign in (turn.stopping, lambda: turn.advance(1), lambda: turn.expect("pages", 1)):
            time.sleep(0.01)
            sign()
            assert turn.seconds_without_progress() < 0.01
        assert not turn.is_idle
    assert turn.is_idle


def test_run_ends_as_a_command(yanksync: Cli) -> None:
    process = yanksync.start("run", YANKSYNC_SCHEDULE_CRON="0 0 1 1 *")
    wait_for(lambda: page(yanksync, "other"))
    process.terminate()
    done = ended(process)
    assert (done.code, done.out) == (0, "")
    assert "then by '0 0 1 1 *'" in done.err
