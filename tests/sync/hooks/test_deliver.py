"""Hooks are told of whatever changed once it is published, and again until they take it."""

from __future__ import annotations

import os
import shlex
import signal
import stat
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.dying_store import Killed
from tests.support.fake_index.index import Fault, Served
from tests.support.http_receiver import Receiver, receiver
from tests.support.system.file_size_limit import small_files
from tests.support.world import DONE, FAILED, PARTIAL, World
from yanksync.core.errors import DeliveryError
from yanksync.state.views.status import read_status
from yanksync.sync.hooks import deliver
from yanksync.system.child_process import run_child
from yanksync.system.signals import Terminated


@pytest.fixture
def inbox() -> Iterator[Receiver]:
    with receiver() as inbox:
        yield inbox


@pytest.fixture
def world(served: Served, where: Path, inbox: Receiver) -> World:
    """A mirror of two projects whose webhook was told of the first build."""
    world = World(served, where, hooks_webhook=inbox.url, hooks_webhook_header="X-Key: hush")
    for name in ("demo", "other"):
        for version in ("1.0", "2.0"):
            world.up.upload(name, version)
    assert world.sync() == DONE
    return world


def paths(*directories: str) -> list[str]:
    forms = ("", "index.html", "index.v1_html", "index.v1_json")
    return [f"simple/{directory}{form}" for directory in directories for form in forms]


def waiting(world: World) -> dict[str, int]:
    with world.state() as state:
        return state.hook_queue.counts()


def news(inbox: Receiver) -> list[Any]:
    """Return what was taken since the last call."""
    found = [told.json for told in inbox.taken]
    inbox.taken.clear()
    return found


def test_the_first_build_is_told(world: World, inbox: Receiver) -> None:
    (told,) = inbox.told
    assert told.json == {
        "event": "changed",
        "serial": world.up.last_serial,
        "all": False,
        "list": True,
        "projects": ["demo", "other"],
        "paths": paths("demo/", "other/", ""),
    }
    assert told.headers["content-type"] == "application/json"
    assert told.headers["x-key"] == "hush"


def test_only_what_changed_is_told(world: World, inbox: Receiver) -> None:
    news(inbox)
    assert world.sync() == DONE
    assert news(inbox) == []
    world.up.yank("demo", "2.0", "broken")
    assert world.sync() == DONE
    (told,) = news(inbox)
    assert (told["projects"], told["list"], told["paths"]) == (["demo"], False, paths("demo/"))
    world.up.remove_project("other")
    assert world.sync() == DONE
    (told,) = news(inbox)
    assert (told["projects"], told["list"]) == (["other"], True)


@pytest.mark.parametrize("mood", [500, "reset", "hang", "drip", 404])
def test_what_is_not_taken_is_told_again(world: World, inbox: Receiver, mood: int | str) -> None:
    news(inbox)
    world.configure(hooks_timeout="0.5")
    inbox.always = mood
    world.up.yank("demo", "2.0", "broken")
    assert world.sync() == PARTIAL
    assert world.yanked("demo")["demo-2.0.tar.gz"] == "broken"  # nobody waits for a hook
    world.up.yank("demo", "1.0", "too")
    world.up.upload("other", "3.0")
    assert world.sync() == PARTIAL
    assert waiting(world) == {"webhook": 2}  # however often it changed
    inbox.always = None
    world.configure(hooks_timeout="20")
    assert world.sync() == DONE
    (told,) = news(inbox)
    assert told["projects"] == ["demo", "other"]
    assert waiting(world) == {}


def test_what_passes_within_a_pass_is_no_failure(world: World, inbox: Receiver) -> None:
    news(inbox)
    inbox.moods.extend([500, "reset"])
    world.up.yank("demo", "2.0")
    assert world.sync() == DONE
    assert world.clock.slept[-2:] == [1.0, 2.0]
    assert [told["projects"] for told in news(inbox)] == [["demo"]]


def test_a_run_that_dies_before_it_tells(world: World, inbox: Receiver) -> None:
    news(inbox)
    world.up.upload("new", "1.0")
    world.kills.at = 1  # the pages are published; the list is not written any more
    with pytest.raises(Killed):
        world.sync()
    assert news(inbox) == []
    assert world.sync() == DONE
    (told,) = news(inbox)
    assert (told["projects"], told["list"]) == (["new"], True)


def test_what_a_run_changed_that_died_before_it_noted_that_is_told(
    world: World, inbox: Receiver
) -> None:
    news(inbox)
    world.up.upload("demo", "3.0")
    world.up.remove_project("other")
    for calls in range(2):  # it removes, and in the next run also writes a page
        world.kills.at, world.kills.after = calls, True
        with pytest.raises(Killed):
            world.sync()
    assert news(inbox) == []
    world.memory.writes.clear()
    assert world.sync() == DONE
    assert [path for path in world.memory.writes if path.count("/") == 2] == []
    told = sorted(name for one in news(inbox) for name in one["projects"])
    assert told == ["demo", "other"]


def test_what_is_published_in_a_pass_that_fails_is_told(world: World, inbox: Receiver) -> None:
    news(inbox)
    world.up.yank("demo", "2.0")
    world.up.fail("^/pypi", Fault.status(500), times=None)
    world.up.fail("^/simple/", Fault.status(500), times=None)
    assert world.sync() == FAILED
    assert news(inbox) == []
    world.up.heal()
    world.up.fail("^/simple/other/", Fault.status(500), times=None)
    world.up.upload("other", "3.0")
    assert world.sync() == PARTIAL
    assert [told["projects"] for told in news(inbox)] == [["demo"]]


def add(world: World, count: int) -> None:
    """Let so many projects wait for the webhook."""
    with world.state() as state:
        state.hook_queue.add(["webhook"], [(f"p{index}", ()) for index in range(count)])


def test_much_is_told_in_portions_and_a_failure_costs_none(world: World, inbox: Receiver) -> None:
    news(inbox)
    add(world, 2 * deliver.CHUNK + 7)
    inbox.moods.extend([200, 404])
    assert world.sync() == PARTIAL
    assert [len(told["projects"]) for told in news(inbox)] == [deliver.CHUNK]
    assert len(inbox.told) == 3  # behind the first failure it is left alone
    assert world.sync() == DONE
    later = news(inbox)
    assert [len(told["projects"]) for told in later] == [deliver.CHUNK, 7]
    assert later[0]["projects"][0] == f"p{deliver.CHUNK}"


def test_very_much_is_told_in_one_word(world: World, inbox: Receiver) -> None:
    news(inbox)
    add(world, deliver.EVERYTHING_ABOVE + 1)
    assert world.sync() == DONE
    (told,) = news(inbox)
    assert (told["all"], told["list"]) == (True, True)
    assert (told["projects"], told["paths"]) == ([], ["simple/*"])
    assert waiting(world) == {}


def test_a_slow_hook_goes_on_in_the_next_pass(world: World, inbox: Receiver) -> None:
    news(inbox)
    add(world, 3 * deliver.CHUNK)
    world.clock.step = 100.0
    assert world.sync() == PARTIAL
    assert len(news(inbox)) == 1
    world.clock.step = 0.0
    assert world.sync() == DONE
    assert len(news(inbox)) == 2


def test_a_long_pass_tells_of_withdrawals_on_the_way(world: World, inbox: Receiver) -> None:
    news(inbox)
    world.up.quarantine_project("demo")
    world.up.upload("other", "3.0")
    world.clock.step = 400.0  # the journal is read again before each question
    assert world.sync() == DONE
    first, *_ = news(inbox)
    assert first["projects"] == ["demo"]


def test_a_hook_that_is_not_configured_any_more_is_forgotten(
    world: World, inbox: Receiver, where: Path
) -> None:
    inbox.always = 500
    world.up.yank("demo", "2.0")
    assert world.sync() == PARTIAL
    path = where / "state.db"
    found = read_status(path, world.clock.time, ("webhook",))
    assert (found.undelivered, found.hook_problems) == (1, ("webhook: answered 500",))
    assert read_status(path, world.clock.time).undelivered == 0
    world.configure(hooks_webhook=None, hooks_webhook_header=None, hooks_command="true")
    assert world.sync() == DONE
    assert waiting(world) == {}


def test_without_hooks_nothing_is_kept(served: Served, where: Path) -> None:
    world = World(served, where)
    world.up.upload("demo", "1.0")
    assert world.sync() == DONE
    assert waiting(world) == {}


def test_a_failure_is_logged_when_it_is_news(
    world: World, inbox: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    def logged() -> list[tuple[str, str]]:
        found = [(record.levelname, record.getMessage()) for record in caplog.records]
        caplog.clear()
        return [one for one in found if "hooks." in one[1]]

    caplog.set_level("INFO", "yanksync")
    inbox.always = 500
    world.up.yank("demo", "2.0")
    world.sync()
    left = "what it was to be told is kept for the next pass"
    assert logged() == [("ERROR", f"hooks.webhook: answered 500; {left}")]
    world.sync()
    assert logged() == []
    inbox.always = 403
    world.sync()
    assert logged() == [("ERROR", f"hooks.webhook: answered 403; {left}")]
    inbox.always = None
    world.sync()
    assert logged() == [("INFO", "hooks.webhook: takes what it is told again")]
    world.sync()
    assert logged() == []


def script(where: Path, text: str) -> str:
    path = where / "hook"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_command_gets_paths(served: Served, where: Path) -> None:
    out = where / "told"
    world = World(served, where, hooks_command=[script(where, 'cat >> "$1"'), str(out)])
    world.up.upload("demo", "1.0")
    assert world.sync() == DONE
    assert out.read_text().splitlines() == paths("demo/", "")
    out.unlink()
    assert world.sync() == DONE
    assert not out.exists()  # it runs only if there is something to tell


def test_a_command_that_fails_is_run_again(served: Served, where: Path) -> None:
    flag, out = where / "well", where / "told"
    text = f"test -e {flag} || {{ echo not yet; exit 9; }}; cat >> {out}"
    world = World(served, where, hooks_command=[script(where, text)])
    world.up.upload("demo", "1.0")
    assert world.sync() == PARTIAL
    with world.state() as state:
        assert state.facts.text("undelivered_command") == f"{where}/hook ended with 9: not yet"
    flag.touch()
    assert world.sync() == DONE
    assert out.read_text().splitlines() == paths("demo/", "")


def test_one_hook_does_not_wait_for_the_other(served: Served, where: Path, inbox: Receiver) -> None:
    world = World(served, where, hooks_command=["false"], hooks_webhook=inbox.url)
    world.up.upload("demo", "1.0")
    assert world.sync() == PARTIAL
    assert len(inbox.taken) == 1
    assert waiting(world) == {"command": 2}
    world.configure(hooks_command=["true"])
    assert world.sync() == DONE
    assert len(inbox.taken) == 1


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (["/nowhere/hook"], "/nowhere/hook cannot be started: No such file or directory"),
        (["/etc/passwd"], "/etc/passwd cannot be started: Permission denied"),
        (["sh", "-c", "kill -9 $$"], "sh was ended by signal 9"),
        (["sh", "-c", "kill -TERM $$; exit 3"], "sh was ended by signal 15"),
        (["sh", "-c", "exit 2"], "sh ended with 2"),
        (["sh", "-c", "echo one; echo two >&2; exit 2"], "sh ended with 2: two"),
        (["sleep", "600"], "sleep was killed after 0.5 s"),
        (["yes"], "yes was killed: it wrote more than 16 MiB"),
    ],
)
def test_what_can_go_wrong_with_a_command(command: list[str], problem: str) -> None:
    with pytest.raises(DeliveryError) as caught:
        run_child(command, ["simple/demo/"], 0.5 if "killed after" in problem else 60.0, os.environ)
    assert str(caught.value) == problem


def test_no_room_for_what_a_command_is_told() -> None:
    problem = "^no temporary file can be made: File too large$"
    with small_files(1000), pytest.raises(DeliveryError, match=problem):
        run_child(["true"], ["simple/demo/"] * 1000, 20.0, os.environ)


def test_a_command_need_not_read(tmp_path: Path) -> None:
    run_child(["true"], [f"simple/{index}/" for index in range(100_000)], 20.0, os.environ)


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    text = f"sleep 600 & echo $! > {shlex.quote(str(pid))}; wait"
    with pytest.raises(DeliveryError, match="killed after"):
        run_child(["sh", "-c", text], [], 1.0, os.environ)
    child = int(pid.read_text())
    end = time.monotonic() + 300
    while _lives(child):
        assert time.monotonic() < end, "its child lives on"
        time.sleep(0.01)


def test_a_signal_while_a_command_starts_ends_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = tmp_path / "pid"

    def signal_comes(frame: object, event: str, function: object) -> None:
        if event == "c_return" and getattr(function, "__name__", "") == "start_new_thread":
            sys.setprofile(None)
            signal.raise_signal(signal.SIGTERM)

    def terminated(number: int, frame: object) -> None:
        raise Terminated(number)

    problems: list[object] = []
    monkeypatch.setattr(threading, "excepthook", problems.append)
    before = signal.signal(signal.SIGTERM, terminated)
    try:
        sys.setprofile(signal_comes)
        with pytest.raises(Terminated):
            run_child(["sh", "-c", f"echo $$ > {pid}; exec sleep 600"], [], 60.0, os.environ)
    finally:
        sys.setprofile(None)
        signal.signal(signal.SIGTERM, before)
    for thread in threading.enumerate():
        if thread.name == "hook":
            thread.join()
    assert problems == []
    begun = pid.read_text() if pid.exists() else ""
    assert not begun or not _lives(int(begun))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path(f"/proc/{pid}/stat").read_text().split(") ")[1].startswith("Z")


def test_a_script_is_run_as_it_stands(tmp_path: Path) -> None:
    path = Path(script(tmp_path, "exit 0"))
    path.chmod(stat.S_IRUSR)
    with pytest.raises(DeliveryError, match="cannot be started: Permission denied"):
        run_child([str(path)], [], 20.0, os.environ)
