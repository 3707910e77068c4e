"""A mirror that belongs to root, and a run as another user: one clear line, and nothing is lost."""

from __future__ import annotations

import os
import pwd
import select
import time
from pathlib import Path

import pytest

from tests.support.cli_runner import Cli, wait_for
from tests.support.fake_index.index import FakeUpstream, Fault, Served
from tests.support.foreign_trees import Tree
from tests.support.fork_server.start import Options
from yanksync.state.state import State

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

OTHER = 65534
NAME = pwd.getpwuid(OTHER).pw_name
SAYS = "belongs to root, and this runs as "


class Dropped(Cli):
    """The program, run as another user."""

    options = Options(user=OTHER)


@pytest.fixture
def roots(where: Path, served: Served) -> Cli:
    """A mirror that root built, in a directory writable by all."""
    where.chmod(0o777)
    made = Cli(where, served.simple_url)
    assert made("sync").silent
    return made


@pytest.fixture
def other(where: Path, served: Served) -> Dropped:
    """The program as the other user."""
    where.chmod(0o777)
    return Dropped(where, served.simple_url)


@pytest.mark.parametrize("mode", [0o755, 0o777])
def test_a_mirror_that_is_all_roots(
    roots: Cli, other: Dropped, upstream: FakeUpstream, mode: int
) -> None:
    roots.home.chmod(mode)
    upstream.yank("demo", "1.0", "bad")
    before = (roots.content(), roots.tree())
    for command in ("sync", "full-resync", "verify", "approve"):
        done = other(command)
        assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
        assert "yanksync.db" in done.err and SAYS in done.err
    for command in ("check", "status", "history", "holds"):  # a monitor's
        done = other(command)
        assert (done.code, done.err) == (0, "")
        assert bool(done.out) == bool(roots(command).out)
    done = other("backup", "copy.db")
    if mode == 0o777:  # SQLite needs to write beside the database even to read it
        assert (done.code, done.err) == (0, "")
    else:
        assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
        assert SAYS in done.err
    assert (roots.content(), roots.tree()) == before
    assert roots("sync").silent


def test_a_monitor_looks_at_a_state_that_only_root_may_write_while_a_run_does(
    roots: Cli, other: Dropped, upstream: FakeUpstream
) -> None:
    roots.home.chmod(0o755)
    upstream.yank("demo", "1.0", "bad")
    upstream.fail("^/simple/demo/", Fault.delay(6.0))

    def pending() -> bool:
        done = other("status", "--json")
        assert (done.code, done.err) == (0, "")
        return bool(done.json["pending"])

    assert not pending()
    run = roots.start("sync")
    wait_for(pending)
    assert run.communicate(timeout=300) == ("", "") and run.returncode == 0
    assert other("status", "--json").json["pending"] == 0
    assert "bad" in other("history").out


def test_a_monitor_looks_when_a_run_has_only_some_of_the_files_that_sqlite_makes(
    roots: Cli, other: Dropped
) -> None:
    roots.home.chmod(0o755)
    index = Path(f"{roots.state}-shm")
    with roots.locked(), State(roots.state):
        index.rename(roots.home / "away")
        looks = other.start("status", "--json")
        time.sleep(0.5)  # so that it has looked; without that, nothing is tested
        (roots.home / "away").rename(index)
        assert looks.communicate(timeout=300)[1] == "" and looks.returncode == 0


def test_what_is_read_while_a_run_writes_is_no_mixture(roots: Cli, other: Dropped) -> None:
    roots.home.chmod(0o755)
    with roots.database() as connection:
        fill = """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
            INSERT INTO history (era, place, serial, timestamp, project, version, kind, action)
            SELECT 0, i, i, i, 'demo', '1.0', 'yank', 'yank' FROM n"""
        connection.execute(fill)
    reads = other.start("history", "--json")
    assert reads.stdout is not None
    out = reads.stdout.fileno()
    wait_for(lambda: select.select([out], [], [], 0)[0])  # it has read the first rows
    with State(roots.state) as state:
        state.facts.put(x=1)
    said, err = reads.communicate(timeout=300)
    assert (reads.returncode, said[-2:]) == (1, "]\n")
    assert err == f"yanksync: {roots.state}: a run wrote it while it was read; run this again\n"
    assert len(other("history", "--json").json) == 20000


@pytest.mark.parametrize(
    "command",
    [
        *("status", "history", "holds", "verify", "why demo", "exposure log", "rescue demo==1.0"),
        *("forget --list", "forget --dry-run demo", "restore", "bundle create new", "sync"),
        *("full-resync", "approve", "adopt", "doctor", "compare URL"),
    ],
)
def test_a_directory_that_may_not_be_entered(
    roots: Cli, other: Dropped, served: Served, command: str
) -> None:
    locked = roots.home / "locked"
    locked.mkdir(mode=0o700)
    (roots.home / "log").touch()
    os.rename(roots.state, locked / "yanksync.db")
    os.rename(roots.output, locked / "mirror")
    places = 'state = "locked/yanksync.db"\noutput = "locked/mirror"\nfiles = "copy"'
    other.configure(f'simple_url = "{served.simple_url}"', mirror=places)
    done = other(*command.replace("URL", served.simple_url).split())
    assert done.code == 1
    assert f"{locked} {SAYS}{NAME}" in done.out + done.err
    assert done.err.count("\n") == 1
    checked = other("check")
    assert (checked.code, checked.out.startswith("UNKNOWN: ")) == (3, True)
    assert {path.name for path in locked.iterdir()} >= {"yanksync.db", "mirror"}


@pytest.mark.parametrize(
    "command",
    [
        *("why demo", "compare URL", "exposure log"),
        *("forget --list", "forget --dry-run demo"),
    ],
)
def test_reports_need_no_right_to_write(
    roots: Cli, other: Dropped, served: Served, command: str
) -> None:
    (roots.home / "log").touch()
    roots.home.chmod(0o755)
    before = (roots.content(), roots.tree())
    done = other(*command.replace("URL", served.simple_url).split())
    assert (done.code, done.err) == (0, "")
    assert (roots.content(), roots.tree()) == before


def test_a_directory_where_no_state_can_be_made(other: Dropped) -> None:
    other.home.chmod(0o755)
    done = other("sync")
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert "cannot make the lock file: Permission denied" in done.err and SAYS in done.err
    assert {path.name for path in other.home.iterdir()} == {"yanksync.toml"}


def test_doctor_names_what_is_roots(roots: Cli, other: Dropped) -> None:
    before = roots.tree()
    done = other("doctor")
    assert done.code == 1 and SAYS in done.out
    failed = [line.split()[1] for line in done.out.splitlines() if line.startswith("failure")]
    assert failed == ["output", "state"]
    assert roots.tree() == before and roots.leftovers() == []
    for path in (roots.output, *roots.output.rglob("*"), *roots.home.glob("yanksync.db*")):
        os.chown(path, OTHER, OTHER)
    assert other("doctor").code == 0
    as_root = roots("doctor")
    assert as_root.code == 0
    assert f"{roots.state} belongs to nobody, so root may look at this mirror" in as_root.out
    assert "run yanksync as nobody: sudo -u nobody yanksync sync" in as_root.out


def test_an_output_that_is_roots(roots: Cli, other: Dropped, upstream: FakeUpstream) -> None:
    for path in roots.home.glob("yanksync.db*"):
        os.chown(path, OTHER, OTHER)
    upstream.yank("demo", "1.0", "bad")
    before = roots.tree()
    for _ in range(2):
        done = other("sync")
        assert (done.code, done.out) == (1, "")
        assert f"{roots.output}/simple {SAYS}" in done.err
        assert "demo 1.0 was yanked by upstream at 20" in done.err
    assert roots.tree() == before and roots.leftovers() == []
    assert other("verify").out.startswith("withdrawn")
    assert "Permission denied" in other("status").out
    for path in (roots.output, *roots.output.rglob("*")):
        os.chown(path, OTHER, OTHER)
    assert other("sync").silent
    assert b"bad" in (roots.output / "simple/demo/index.html").read_bytes()


@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_one_project_that_is_roots_keeps_nobody_else_waiting(
    other: Dropped, upstream: FakeUpstream, mode: int
) -> None:
    assert other("sync").silent
    demo = other.output / "simple/demo"
    page = (demo / "index.html").read_bytes()
    os.chown(demo, 0, 0)
    demo.chmod(mode)
    for _ in range(2):
        upstream.yank("demo", "1.0", "bad")
        upstream.yank("other", "1.0", f"bad {_}")
        done = other("sync")
        assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
        assert "error: demo: not published: Permission denied: " in done.err
        assert f"{demo} {SAYS}" in done.err
        assert f"bad {_}".encode() in (other.output / "simple/other/index.html").read_bytes()
    assert (demo / "index.html").read_bytes() == page
    assert other("status", "--json").json["unpublished"] == 1
    os.chown(demo, OTHER, OTHER)
    demo.chmod(0o755)
    assert other("sync").silent
    assert b"bad" in (demo / "index.html").read_bytes()
    assert other("verify").silent


def test_what_cannot_be_read_is_told_and_not_taken_for_missing(
    other: Dropped, upstream: FakeUpstream
) -> None:
    assert other("sync").silent
    hidden = other.output / "simple/other"
    os.chown(hidden, 0, 0)
    hidden.chmod(0o700)
    done = other("verify")
    assert done.code == 1
    assert "unchecked  simple/other/: Permission denied\n" in done.out
    assert done.out.endswith("2 projects checked: 0 differences, 1 could not be checked\n")
    index = other.output / "simple/index.v1_json"
    os.chown(index, 0, 0)
    index.chmod(0o600)
    upstream.upload("new", "1.0")
    done = other("sync")
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert f"{index} {SAYS}" in done.err
    for path in (hidden, index):
        os.chown(path, OTHER, OTHER)
    hidden.chmod(0o755)
    index.chmod(0o644)
    assert other("sync").silent
    assert other("verify").silent
    assert (other.output / "simple/new/index.html").exists()


def test_pages_of_another_tree_that_cannot_be_read_keep_nobody_waiting(
    other: Dropped, upstream: FakeUpstream
) -> None:
    upstream.upload("third", "1.0")
    Tree(upstream, other.output).make()
    os.chown(other.output, OTHER, OTHER)
    for path in other.output.rglob("*"):
        os.chown(path, OTHER, OTHER)
    hidden = other.output / "simple/demo/index.v1_json"
    os.chown(hidden, 0, 0)
    hidden.chmod(0o600)
    done = other("adopt")
    assert done.code == 0 and done.err.count("\n") == 1 and "is missing, though" in done.err
    assert "fetch  simple/demo/: Permission denied" in done.out
    assert "2 written again" in done.out
    upstream.yank("other", "1.0", "bad")
    done = other("sync")  # whether it is newer nobody can say
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert "error: demo: not published: " in done.err and f"{hidden} {SAYS}" in done.err
    assert b"bad" in (other.output / "simple/other/index.html").read_bytes()
    assert f"unpublished: demo: {hidden}: Permission denied" in other("status").out
    hidden.chmod(0o644)
    assert other("sync").silent
    assert other("verify").silent


def test_a_configuration_that_cannot_be_read(roots: Cli, other: Dropped) -> None:
    roots.config.chmod(0o600)
    done = other("status")
    assert (done.code, done.out) == (2, "")
    assert done.err == f"yanksync: {roots.config}: cannot be read: Permission denied\n"


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_what_is_made_under_a_umask_is_its_own(other: Dropped, umask: int) -> None:
    other.options = Options(user=OTHER, umask=umask)
    assert other("sync").silent
    assert other("verify").silent
    for path in (other.output, *other.output.rglob("*")):
        found = path.stat()
        assert found.st_uid == OTHER
        assert found.st_mode & 0o777 == (0o755 if path.is_dir() else 0o644) & ~umask
    for path in other.home.glob("yanksync.db*"):
        assert path.stat().st_mode & 0o777 == 0o644 & ~umask


def test_doctor_cannot_read_a_home_of_another_user(other: Dropped, tmp_path: Path) -> None:
    home = tmp_path / "locked"
    home.mkdir(mode=0o700)
    done = other("doctor", "--json", HOME=str(home))
    assert "schedule" in done.out, done.err


def test_a_directory_that_only_root_may_read_hinders_nothing(
    other: Dropped, served: Served, upstream: FakeUpstream
) -> None:
    """``lost+found`` is such a directory, where a file system is mounted."""
    other.configure(
        f'simple_url = "{served.simple_url}"',
        mirror='files = "copy"\n[withdrawals]\npublish = true',
    )
    assert other("sync").code == 0
    for directory in ("packages", "withdrawals"):
        (other.output / directory / "lost+found").mkdir(mode=0o700)
    for command in (["verify"], ["verify", "--repair"]):
        done = other(*command)
        assert done.code == 0
        assert done.err.count("cannot be read, so it is left alone: Permission denied") == 2
    upstream.remove_project("demo")
    assert other("sync").code == 0
    assert not [*other.output.rglob("demo-*")]


@pytest.mark.parametrize("directory", ["packages/00", "withdrawals/log"])
def test_an_unreadable_directory_of_the_mirror_is_a_failure(
    other: Dropped, served: Served, upstream: FakeUpstream, directory: str
) -> None:
    """It may hide a file that is still served."""
    other.configure(
        f'simple_url = "{served.simple_url}"',
        mirror='files = "copy"\n[withdrawals]\npublish = true',
    )
    assert other("sync").code == 0
    place = other.output / directory
    place.mkdir(exist_ok=True)
    os.chown(place, OTHER, OTHER)
    place.chmod(0)
    done = other("verify")
    assert (done.code, "Permission denied" in done.out + done.err) == (1, True)
