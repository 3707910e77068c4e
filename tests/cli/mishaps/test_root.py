"""Root at a mirror of another user: refused before a file is made, and told how to run it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused")

OTHER, NAMELESS = 65534, 54321  # the first is nobody


def give(root: Path, user: int) -> None:
    """Give a directory and all that is in it to a user."""
    for path in (root, *root.rglob("*")):
        os.chown(path, user, user, follow_symlinks=False)


def files(home: Path) -> dict[Path, tuple[int, int, int]]:
    """Return what there is, with its owner, size and time of the last change."""
    found = {path: path.lstat() for path in home.rglob("*")}
    return {path: (is_.st_uid, is_.st_size, is_.st_mtime_ns) for path, is_ in found.items()}


@pytest.fixture
def others(synced: Cli, upstream: FakeUpstream) -> Cli:
    """A mirror of another user, behind upstream."""
    give(synced.home, OTHER)
    upstream.yank("demo", "1.0", "bad")
    return synced


@pytest.mark.parametrize(
    "arguments",
    [
        ("sync",),
        ("sync", "--cron"),
        ("full-resync", "demo"),
        ("run",),
        ("verify", "--repair"),
        ("approve", "demo"),
        ("adopt",),
        ("backup", "copy.db"),
    ],
    ids=" ".join,
)
def test_what_would_write_is_refused(others: Cli, arguments: tuple[str, ...]) -> None:
    others.environ["YANKSYNC_HEALTH_METRICS"] = str(others.home / "yanksync.prom")
    before = files(others.home)
    done = others("--config", str(others.config), *arguments)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert f"{others.state} belongs to nobody, who could not replace what root writes" in done.err
    command = " ".join(("yanksync", "--config", str(others.config), *arguments))
    keep = "--preserve-env=YANKSYNC_HEALTH_METRICS"
    assert done.err.endswith(f"run as nobody: sudo -u nobody {keep} {command}\n")
    assert files(others.home) == before


@pytest.mark.parametrize(
    "arguments",
    [
        *(("status",), ("history",), ("holds",), ("verify",), ("sync", "--dry-run")),
        *(("adopt", "--dry-run"), ("approve", "--dry-run"), ("doctor",)),
    ],
    ids=" ".join,
)
def test_root_may_look(others: Cli, arguments: tuple[str, ...]) -> None:
    others(*arguments)  # a lock file says who held it last
    before = {path: found[0] for path, found in files(others.home).items()}
    assert "could not replace" not in others(*arguments).err
    assert {path: found[0] for path, found in files(others.home).items()} == before
    assert set(before.values()) == {OTHER}


def test_a_dry_run_makes_no_lock_file_of_root(others: Cli) -> None:
    others.state.with_name("yanksync.db.lock").unlink()
    before = files(others.home)
    for arguments in (("sync", "--dry-run"), ("verify",)):
        done = others(*arguments)
        assert done.code == 2 and "run as nobody: sudo -u nobody yanksync " in done.err
    assert files(others.home) == before


def test_a_copy_goes_where_root_likes(
    others: Cli, tmp_path_factory: pytest.TempPathFactory
) -> None:
    copy = tmp_path_factory.mktemp("copies") / "copy.db"
    assert others("backup", str(copy)).silent
    assert copy.stat().st_uid == 0


@pytest.mark.parametrize("which", ["output", "state", "both"])
def test_the_first_run_in_directories_of_another_user(yanksync: Cli, which: str) -> None:
    places = {name: yanksync.home / name for name in ("output", "state")}
    for name, place in places.items():
        place.mkdir()
        if which in (name, "both"):
            os.chown(place, NAMELESS, NAMELESS)
    yanksync.environ["YANKSYNC_MIRROR_OUTPUT"] = str(places["output"] / "below/mirror")
    yanksync.environ["YANKSYNC_MIRROR_STATE"] = str(places["state"] / "yanksync.db")
    before = files(yanksync.home)
    done = yanksync("sync")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "run as user 54321: sudo -u '#54321' --preserve-env=" in done.err
    assert files(yanksync.home) == before


def test_a_bucket_has_no_owner_and_the_state_has(others: Cli) -> None:
    others.environ["YANKSYNC_MIRROR_OUTPUT"] = "s3://mirror/pypi"
    before = files(others.home)
    assert f"{others.state} belongs to nobody" in others("sync").err
    assert files(others.home) == before


def test_init_and_doctor_say_who_makes_the_passes(others: Cli) -> None:
    places = ("--output", str(others.output), "--state", str(others.state))
    done = others("init", "new", *places, PIP_INDEX_URL="http://127.0.0.1:1/simple/")
    file = others.home / "new/yanksync.toml"
    assert f"  sudo -u nobody yanksync --config {file} sync " in done.out
    assert "build the mirror, as nobody\n" in done.out
    done = others("doctor", "--json")
    assert done.code == 0
    found = {check["name"]: check for check in done.json["checks"]}
    for name, place in (("output", others.output / "simple"), ("state", others.state)):
        assert found[name]["level"] == "warning"
        assert f"{place} belongs to nobody, so root may look" in found[name]["text"]
        assert "sudo -u nobody" in found[name]["advice"]


def test_a_mirror_of_two_users(others: Cli) -> None:
    for path in others.home.glob("yanksync.db*"):
        os.chown(path, 0, 0)
    before = files(others.home)
    done = others("sync")
    assert (done.code, done.out) == (2, "")
    assert f"{others.output} belongs to nobody" in done.err
    assert f"{others.state} belongs to root: give all of the mirror to one user" in done.err
    assert files(others.home) == before


def test_a_mirror_of_root_in_a_directory_of_another_user(
    synced: Cli, upstream: FakeUpstream
) -> None:
    os.chown(synced.home, OTHER, OTHER)
    upstream.yank("demo", "1.0", "bad")
    assert synced("sync").silent
    assert b"bad" in (synced.output / "simple/demo/index.html").read_bytes()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--config", "{config}", "--log-file", "{log}", "sync"),
        ("--log-file", "{log}", "--config", "{config}", "-vv", "sync"),
        ("sync", "--config", "{config}", "--log-file", "{log}"),
        ("sync", "--log-file", "{log}", "--config", "{config}"),
        ("--config", "{config}", "--log-file", "{log}", "run"),
    ],
    ids=" ".join,
)
def test_no_log_file_of_root_beside_the_mirror(
    others: Cli, tmp_path_factory: pytest.TempPathFactory, arguments: tuple[str, ...]
) -> None:
    (others.home / "logs").mkdir()
    give(others.home, OTHER)
    log = others.home / "logs/run.log"
    config = others.config.rename(tmp_path_factory.mktemp("etc") / "yanksync.toml")
    config.write_text(
        f'{config.read_text()}[mirror]\noutput = "{others.output}"\nstate = "{others.state}"\n'
    )
    before = files(others.home)
    done = others(*(one.format(log=log, config=config) for one in arguments))
    assert done.code == 2 and "run as nobody: sudo -u nobody yanksync " in done.err
    assert files(others.home) == before


def test_a_log_file_that_is_there_or_elsewhere_gets_the_refusal(
    others: Cli, tmp_path_factory: pytest.TempPathFactory
) -> None:
    there, elsewhere = others.home / "run.log", tmp_path_factory.mktemp("logs") / "run.log"
    there.touch()
    os.chown(there, OTHER, OTHER)
    for log in (there, elsewhere):
        assert others("--log-file", str(log), "sync").code == 2
        assert "belongs to nobody" in log.read_text()
    assert there.stat().st_uid == OTHER
