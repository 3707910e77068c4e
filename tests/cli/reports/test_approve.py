"""``approve`` and ``backup``: what a guard holds is let through once; the state is copied."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.cli_runner import Cli, ended, wait_for
from tests.support.fake_index.index import FakeUpstream, Fault

MANY = 102


@pytest.fixture
def emptied(yanksync: Cli, upstream: FakeUpstream) -> Cli:
    """A mirror whose upstream removed more projects at once than is believed without a person."""
    names = [f"many-{number}" for number in range(MANY)]
    for name in names:
        upstream.upload(name, "1.0")
    assert yanksync("sync").code == 0
    for name in names:
        upstream.remove_project(name)
    return yanksync


def pages(yanksync: Cli) -> int:
    return len(list((yanksync.output / "simple").glob("*/index.html")))


def test_a_mass_removal_is_held_until_approved(emptied: Cli, upstream: FakeUpstream) -> None:
    upstream.yank("demo", "2.0")
    done = emptied("sync")
    assert (done.code, done.out) == (4, "")
    assert f"held: {MANY} explained removals in one pass, of {MANY + 2} published" in done.err
    assert pages(emptied) == MANY + 2
    status = emptied("status", "--json").json
    assert (status["held"], status["yanked_releases"]) == (MANY, 1)  # all else goes on
    assert emptied("sync").code == 4  # still
    first = emptied("approve")
    assert (first.code, first.out.count("approved: ")) == (0, MANY)
    assert emptied("sync").silent
    assert pages(emptied) == 2
    assert emptied("status", "--json").json["held"] == 0
    again = emptied("approve")
    assert (again.code, again.out, again.err) == (0, "nothing is held\n", "")


def test_holds_as_json(emptied: Cli) -> None:
    assert emptied("sync").code == 4
    rows = emptied("holds", "--json").json
    assert len(rows) == MANY
    assert set(rows[0]) == {"project", "what", "why", "since", "approve", "files"}
    assert {row["what"] for row in rows} == {"removal"}
    assert all(row["files"] == [] for row in rows)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", rows[0]["since"])
    text = emptied("holds").out
    assert text.startswith(f"{MANY} explained removals, held since ")
    assert {f"many-{number}" for number in range(MANY)} <= set(text.split())


def test_approve_by_name(emptied: Cli) -> None:
    assert emptied("sync").code == 4
    done = emptied("approve", "Many.7", "demo")
    assert done.code == 1
    assert done.out == "approved: many-7\nnext: yanksync sync\n"
    assert done.err == "yanksync: demo: nothing of it is held\n"
    emptied("sync")
    assert not (emptied.output / "simple" / "many-7").exists()


def test_a_journal_put_back_is_held_until_approved(synced: Cli, upstream: FakeUpstream) -> None:
    backup = upstream.snapshot()
    upstream.yank("demo", "1.0", "gone with the backup")
    assert synced("sync").code == 0
    upstream.restore(backup)
    upstream.upload("demo", "3.0")
    upstream.yank("demo", "2.0", "after the backup")
    tree = synced.tree()
    plan = synced("sync", "--dry-run")
    assert plan.code == 0 and plan.out.startswith("! hold journal: upstream is not the one ")
    done = synced("sync")
    assert (done.code, done.out) == (4, "")
    assert "run 'yanksync approve'" in done.err
    assert synced.tree() == tree
    (held,) = synced("holds", "--json").json
    assert (held["project"], held["what"]) == (None, "journal")
    assert synced("approve").out == "approved: the journal\nnext: yanksync sync\n"
    assert synced("sync").code == 0
    page = (synced.output / "simple/demo/index.html").read_text()
    assert "after the backup" in page
    assert "gone with the backup" not in page
    assert synced("status", "--json").json["journal_serial"] == upstream.last_serial


def test_approve_before_the_first_run_makes_no_file(yanksync: Cli) -> None:
    before = sorted(yanksync.home.iterdir())
    assert yanksync("approve").code == 0
    assert yanksync("approve", "demo").code == 1
    assert sorted(yanksync.home.iterdir()) == before


def content(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return list(connection.iterdump())
    finally:
        connection.close()


def test_backup_onto_an_existing_file(synced: Cli, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    for text in (None, ""):  # an earlier copy, and the file of mktemp
        if text is not None:
            target.write_text(text)
        for _ in range(2):
            assert synced("backup", "copy.db").silent
            assert content(target) == synced.content()
    assert synced.leftovers() == []


@pytest.mark.parametrize("kind", ["text", "database", "broken"])
def test_a_backup_replaces_no_file_of_somebody_else(synced: Cli, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "other"
    if kind == "database":
        with closing(sqlite3.connect(target)) as connection:
            connection.execute("CREATE TABLE meta (x)")
            connection.commit()
    else:
        target.write_bytes(b"[mirror]\n" if kind == "text" else b"SQLite format 3\0" + b"\xff" * 99)
    before = target.read_bytes()
    done = synced("backup", "other")
    assert done.code == 1 and done.out == ""
    assert done.err.startswith("yanksync: other: is no copy that yanksync made")
    assert target.read_bytes() == before and synced.leftovers() == []


@pytest.mark.parametrize("where", ["middle", "last"])
def test_a_damaged_state_is_no_backup(synced: Cli, tmp_path: Path, where: str) -> None:
    assert synced("backup", "night.db").silent
    good = (tmp_path / "night.db").read_bytes()
    with closing(sqlite3.connect(synced.state)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damaged = bytearray(synced.state.read_bytes())
    at = 8192 if where == "middle" else len(damaged) - 4096
    damaged[at : at + 4096] = b"\xff" * 4096
    synced.state.write_bytes(damaged)
    done = synced("backup", "night.db")
    assert done.code == 1 and done.out == "" and done.err.count("\n") == 1
    assert "malformed" in done.err and "yanksync.db" in done.err
    assert (tmp_path / "night.db").read_bytes() == good
    assert synced.leftovers() == []


def test_backup_while_a_sync_runs(synced: Cli, upstream: FakeUpstream, tmp_path: Path) -> None:
    upstream.yank("demo", "2.0")
    upstream.fail("^/simple/demo/", Fault.delay(60))
    upstream.clear_log()
    run = synced.start("sync")
    wait_for(lambda: upstream.journal_calls())
    assert synced("backup", "copy.db").silent
    assert run.poll() is None  # it is still at work
    run.terminate()
    assert ended(run).code == 143
    assert content(tmp_path / "copy.db")


def test_a_backup_can_be_put_back(synced: Cli, upstream: FakeUpstream, tmp_path: Path) -> None:
    assert synced("backup", "copy.db").code == 0
    upstream.yank("demo", "2.0", "broken")
    assert synced("sync").code == 0
    tree = {path: digest for path, (digest, _) in synced.tree().items()}
    synced.state.unlink()
    (tmp_path / "copy.db").rename(synced.state)
    assert synced("sync").code == 0
    assert {path: digest for path, (digest, _) in synced.tree().items()} == tree
    assert [row["reason"] for row in synced("history", "--json").json] == ["broken"]


def test_backup_before_the_first_run_is_1(yanksync: Cli, tmp_path: Path) -> None:
    done = yanksync("backup", "copy.db")
    assert done.code == 1
    assert "there is no such state database; run 'yanksync sync' first" in done.err
    assert not (tmp_path / "copy.db").exists()
    assert not yanksync.state.exists()


def test_a_backup_that_cannot_be_written_names_its_file(synced: Cli) -> None:
    done = synced("backup", "gone/copy.db")
    assert done.code == 1
    assert done.err.startswith("yanksync: gone/")
    assert done.err.count("\n") == 1


def test_the_state_is_not_its_own_backup(synced: Cli) -> None:
    before = synced.content()
    done = synced("backup", "./yanksync.db")
    assert done.code == 2
    assert "that is the state database itself" in done.err
    for part in ("yanksync.db-wal", "./yanksync.db-shm", "yanksync.db.lock"):
        assert synced("backup", part).code == 2
    assert synced.content() == before


def test_a_backup_replaces_only_a_regular_file(synced: Cli, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "device")  # as /dev/null is, for root
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_text("precious")
    for name in ("device", "link"):
        done = synced("backup", name)
        assert (done.code, done.out) == (2, "")
        assert f"{name} is there and no regular file; name another" in done.err
    assert stat.S_ISFIFO((tmp_path / "device").lstat().st_mode)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "elsewhere").read_text() == "precious"
