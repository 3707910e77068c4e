"""A first build with helpers: the same tree, and nothing left of them whatever happens."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from pathlib import Path

import pytest

from tests.support.cli_runner import Cli, ended, wait_for
from tests.support.fake_index.index import FakeUpstream, Served
from tests.support.fork_server.start import Options

MANY = 1100  # tests need two processors: with one there are no helpers


@pytest.fixture
def upstream() -> FakeUpstream:
    """An upstream with so many projects that helpers pay: some yanked, one quarantined."""
    upstream = FakeUpstream()
    for number in range(MANY):
        upstream.upload(f"many-{number}", "1.0")
    for number in range(0, MANY, 7):
        upstream.yank(f"many-{number}", "1.0", f"bad {number}" if number % 2 else "")
    upstream.upload("many-3", "2.0", requires_python=None)
    upstream.quarantine_project("many-5")
    return upstream


def tree(mirror: Cli) -> dict[str, bytes]:
    simple = mirror.output / "simple"
    return {
        str(path.relative_to(simple)): path.read_bytes()
        for path in simple.rglob("*")
        if path.is_file()
    }


def rows(mirror: Cli) -> list[tuple[object, ...]]:
    """Return what the state holds of each project, but for its times."""
    columns = "name, presence, serial, quarantined, yanked, listed, json_digest, codecs"
    with sqlite3.connect(mirror.state) as db:
        return db.execute(
            f"SELECT {columns}, media, url FROM projects JOIN pages USING (id) ORDER BY name"
        ).fetchall()


def helpers(pid: int) -> list[int]:
    """Return the processes that ``pid`` has started."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_with_helpers_and_without_comes_out_the_same(
    yanksync: Cli, tmp_path: Path, served: Served
) -> None:
    home = tmp_path / "alone"
    home.mkdir()
    alone = Cli(home, served.simple_url)
    alone.options = Options(fresh=True)  # it inherits the one core
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})  # one core: no helpers
    try:
        run = alone.start("sync")
    finally:
        os.sched_setaffinity(0, cores)
    seen: set[int] = set()
    while run.poll() is None:
        seen |= set(helpers(run.pid))
        time.sleep(0.01)
    assert ended(run).code == 0 and not seen
    run = yanksync.start("sync")
    wait_for(lambda: helpers(run.pid))
    assert ended(run).code == 0
    assert tree(yanksync) == tree(alone) and len(tree(yanksync)) > 3 * MANY
    assert rows(yanksync) == rows(alone)
    assert yanksync("verify").code == 0
    assert yanksync("history", "--json").json == []  # a first build writes none


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_them(yanksync: Cli, number: signal.Signals) -> None:
    run = yanksync.start("sync")
    wait_for(lambda: list(yanksync.output.glob("simple/*/index.html")))
    theirs = helpers(run.pid)
    run.send_signal(number)
    done = ended(run)
    assert theirs and alive(theirs) == []
    assert (done.code, done.out) == (128 + number, "")
    assert done.err == "yanksync: interrupted; the next run goes on from here\n"
    assert yanksync.leftovers() == []
    assert yanksync("sync").silent
    assert yanksync("verify").code == 0


def test_a_signal_to_the_group_ends_them(yanksync: Cli) -> None:
    run = yanksync.start("sync")
    wait_for(lambda: list(yanksync.output.glob("simple/*/index.html")))
    theirs = helpers(run.pid)
    for pid in (*theirs, run.pid):  # as a terminal does with Ctrl-C
        os.kill(pid, signal.SIGINT)
    done = ended(run)
    assert theirs and alive(theirs) == []
    assert done.err == "yanksync: interrupted; the next run goes on from here\n"
    assert yanksync.leftovers() == []


def test_killed_they_go_with_it(yanksync: Cli) -> None:
    run = yanksync.start("sync")
    wait_for(lambda: list(yanksync.output.glob("simple/*/index.html")))
    theirs = helpers(run.pid)
    run.kill()
    ended(run)
    assert theirs
    wait_for(lambda: not alive(theirs))
    assert yanksync("sync").silent
    assert yanksync.leftovers() == []
    assert yanksync("verify").code == 0


@pytest.mark.parametrize("how_many", [1, 2])
def test_without_them_the_pass_goes_on(yanksync: Cli, how_many: int) -> None:
    run = yanksync.start("sync")
    wait_for(lambda: len(helpers(run.pid)) >= 2)
    for pid in helpers(run.pid)[:how_many]:
        os.kill(pid, signal.SIGKILL)
    done = ended(run)
    assert (done.code, done.err) == (0, "")
    assert yanksync.leftovers() == []
    assert len(list(yanksync.output.glob("simple/*/index.html"))) == MANY - 1
    assert yanksync("verify").code == 0


def test_what_a_helper_cannot_write_is_told_once(yanksync: Cli) -> None:
    in_the_way = yanksync.output / "simple/many-9"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("no directory")
    run = yanksync.start("sync")
    wait_for(lambda: helpers(run.pid))
    done = ended(run)
    assert done.code == 1 and done.err.count("many-9: not published") == 1
    assert len(list(yanksync.output.glob("simple/*/index.html"))) == MANY - 2
    assert yanksync.leftovers() == []
    in_the_way.unlink()
    assert yanksync("sync").code == 0
    assert yanksync("verify").code == 0


def test_they_are_forked_before_there_are_threads(yanksync: Cli, tmp_path: Path) -> None:
    seen = tmp_path / "forks"
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, threading\n"
        "def note(event, _):\n"
        "    if event == 'os.fork':\n"
        f"        with open({str(seen)!r}, 'a') as file:\n"
        "            print(threading.active_count(), file=file)\n"
        "sys.addaudithook(note)\n"
    )
    assert yanksync("sync", PYTHONPATH=str(tmp_path)).code == 0
    forks = seen.read_text().split()
    assert 2 <= len(forks) <= 4 and set(forks) == {"1"}
