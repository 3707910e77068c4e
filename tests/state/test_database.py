"""Opening, transactions, rehearsals, backups; and a database that version 1 has left."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders.state_rows import NOW, project, record
from yanksync.core.errors import StateError
from yanksync.state.schema.migrations import VERSION
from yanksync.state.sqlite.database import Database
from yanksync.state.state import State

FIRST = Path(__file__).with_name("first.db")  # made by schema 1; never to be made anew


def raw(path: Path, *statements: str) -> list[Any]:
    """Run statements without any code of ours; return the last one's rows."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        found: list[Any] = []
        for statement in statements:
            found = connection.execute(statement).fetchall()
        return found
    finally:
        connection.close()


def content(path: Path) -> dict[str, list[Any]]:
    tables = raw(path, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return {name: raw(path, f"SELECT * FROM {name}") for (name,) in tables}


def flags(state: State) -> list[str]:
    return [name for name in "abcd" if state.facts.flag(name)]


def test_a_new_one_is_made_with_its_directories(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "yanksync.db"
    with State(path) as state:
        assert state.facts.cursor is None
    assert raw(path, "PRAGMA user_version") == [(VERSION,)]
    assert raw(path, "PRAGMA journal_mode") == [("wal",)]
    with State(path, create=False) as state:
        assert list(state.history_rows.select()) == []


def test_a_commit_is_on_disk_when_it_returns(path: Path) -> None:
    database = Database(path)
    assert database.first_row("PRAGMA synchronous") == (2,)
    assert database.first_row("PRAGMA foreign_keys") == (1,)
    database.close()


@pytest.mark.parametrize(
    ("statements", "problem"),
    [
        pytest.param(["CREATE TABLE t (x)"], "not one of yanksync", id="foreign"),
        pytest.param(
            ["CREATE TABLE t (x)", f"PRAGMA user_version = {VERSION}"],
            "not one of yanksync",
            id="foreign-of-our-version",
        ),
        pytest.param(
            ["CREATE TABLE t (x)", "PRAGMA user_version = 99"],
            "not one of yanksync",
            id="foreign-of-a-newer-version",
        ),
        pytest.param(
            ["CREATE TABLE _sqlite_migrations (x)", "PRAGMA user_version = 99"],
            "a newer yanksync .schema 99",
            id="newer",
        ),
    ],
)
@pytest.mark.parametrize("create", [True, False])
def test_a_database_that_is_not_ours_is_left_as_it_is(
    path: Path, statements: list[str], problem: str, create: bool
) -> None:
    raw(path, *statements)
    before = path.read_bytes()
    with pytest.raises(StateError, match=problem) as caught:
        State(path, create=create)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("create", [True, False])
def test_a_file_that_is_no_database_is_left_as_it_is(path: Path, create: bool) -> None:
    path.write_bytes(b"This is a text and has been one for long.\n" * 100)
    before = path.read_bytes()
    with pytest.raises(StateError, match=r"not a database.*yanksync backup"):
        State(path, create=create)
    assert path.read_bytes() == before


def test_nothing_is_made_where_nothing_should_be(path: Path) -> None:
    with pytest.raises(StateError, match="run 'yanksync sync' first"):
        State(path, create=False)
    assert not path.exists()
    path.write_bytes(b"")
    with pytest.raises(StateError, match="there is no such state database"):
        State(path, create=False)
    assert path.read_bytes() == b""


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        ("file/yanksync.db", "cannot make its directory"),
        ("directory", "is a directory; mirror.state must name a file"),
        ("/proc/yanksync.db", "unable to open"),
    ],
)
def test_where_no_database_can_be(tmp_path: Path, where: str, problem: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "directory").mkdir()
    with pytest.raises(StateError, match=problem):
        State(tmp_path / where)


def test_a_damaged_database_says_what_to_do(path: Path) -> None:
    with State(path) as state:
        record(state)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    with pytest.raises(StateError, match=r"malformed.*full-resync"), State(path) as state:
        list(state.projects.listing())


def test_a_full_disk_is_called_that(path: Path) -> None:
    with closing(Database(path)) as database:
        database.execute("PRAGMA max_page_count = 1")  # no page more than it has
        with pytest.raises(StateError) as caught:
            database.execute("INSERT INTO meta VALUES ('x', zeroblob(100000))")
    assert caught.value.where == str(path)
    assert caught.value.problem == (
        "the disk is full (database or disk is full). Nothing that was recorded is lost: free "
        f"some room in {path.parent}, and the next run goes on from here"
    )


def put(state: State, *names: str, fails: bool = False) -> None:
    """Write flags in one transaction, each beyond the first in one further inside."""
    with state.transaction():
        state.facts.put(**{names[0]: 1})
        if names[1:]:
            put(state, *names[1:])
        if fails:
            raise ZeroDivisionError


def test_a_transaction_is_all_or_nothing(state: State) -> None:
    put(state, "a")
    with pytest.raises(ZeroDivisionError):
        put(state, "b", fails=True)
    assert flags(state) == ["a"]


def test_inner_transactions_are_undone_alone(state: State) -> None:
    with state.transaction():
        put(state, "a")
        with pytest.raises(ZeroDivisionError):
            put(state, "b", "c", fails=True)
        put(state, "d")
    assert flags(state) == ["a", "d"]


def test_an_outer_failure_undoes_inner_transactions(state: State) -> None:
    with pytest.raises(ZeroDivisionError):
        put(state, "a", "b", "c", fails=True)
    assert flags(state) == []


def break_a_promise(database: Database) -> None:
    with database.transaction():
        database.execute("PRAGMA defer_foreign_keys = ON")
        database.execute("INSERT INTO pages VALUES (99, '', '', NULL, '')")


def test_a_failed_commit_leaves_no_transaction_open(path: Path) -> None:
    database = Database(path)
    with pytest.raises(StateError, match="FOREIGN KEY"):
        break_a_promise(database)
    with database.transaction():
        database.execute("INSERT INTO meta VALUES ('a', 1)")
    assert (database.count("SELECT count(*) FROM pages"), database.count("SELECT 7")) == (0, 7)
    database.close()


def test_errors_of_statements_name_the_file(path: Path) -> None:
    database = Database(path)
    for ask in (
        lambda: database.execute("SELECT absent"),
        lambda: database.first_row("SELECT absent"),
        lambda: list(database.stream("SELECT absent")),
        lambda: database.execute_many("DELETE FROM meta WHERE absent", [()]),
    ):
        with pytest.raises(StateError, match=r"yanksync\.db: no such column"):
            ask()
    database.close()


@pytest.mark.parametrize("fails", [False, True])
def test_a_rehearsal_sees_its_writes_and_leaves_nothing(state: State, fails: bool) -> None:
    record(state)
    try:
        with state.rolled_back():
            with state.transaction():
                state.facts.put(a=1)
                state.projects.remove("demo", 99)
            assert flags(state) == ["a"] and project(state).serial == 99
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        assert fails
    assert flags(state) == [] and project(state).serial == 10
    with state.transaction():
        state.facts.put(b=1)
    assert flags(state) == ["b"]


def test_a_reader_is_not_kept_waiting_by_a_writer(path: Path, state: State) -> None:
    state.facts.put(a=1)
    with State(path, create=False) as reader, state.transaction():
        state.facts.put(b=1)
        assert flags(reader) == ["a"]


def test_a_backup_while_another_connection_writes(path: Path, state: State, tmp_path: Path) -> None:
    record(state)
    copy = tmp_path / "copy.db"
    with State(path, create=False) as other, state.transaction():
        state.facts.put(a=1)
        other.backup(copy)
    assert raw(copy, "PRAGMA integrity_check") == [("ok",)]
    with State(copy, create=False) as backup:
        assert project(backup).serial == 10 and flags(backup) == []
    assert flags(state) == ["a"]


def test_a_backup_that_cannot_be_written(state: State, tmp_path: Path) -> None:
    with pytest.raises(StateError, match="unable to open"):
        state.backup(tmp_path / "nowhere" / "copy.db")


def test_a_database_of_the_first_version_is_brought_up_to_date(path: Path) -> None:
    shutil.copy(FIRST, path)
    before = content(path)
    with State(path) as state:
        assert state.facts.cursor == 15 and state.facts.cursor_row is not None
        assert (
            project(state).published is not None and project(state, "shut").quarantine_serial == 14
        )
        assert [row.reason for row in state.history_rows.select() if row.serial is None] == [
            "\0\ud800"
        ]
        assert state.fetch_queue.counts() == (2, 0, 0) and state.publish_queue.counts() == (2, 0)
        state.history.attribute(99, NOW)
        assert [row.reason for row in state.history_rows.select() if row.serial == 5] == ["why"]
    assert set(before) <= set(content(path))
    for table in set(before) - {"_sqlite_migrations", "history", "unsettled", "reads"}:
        # A digest, revisions and times that were unknown; since when a look is doubted, approved.
        added = {"projects": (None, 0, None, None, None), "pending": (None, 0)}.get(table, ())
        assert content(path)[table] == [(*row, *added) for row in before[table]], table
    assert [row[0] for row in content(path)["reads"]] == [row[0] for row in before["reads"]]
    assert raw(path, "PRAGMA user_version") == [(VERSION,)]


def test_a_long_history_is_looked_up_by_indexes(path: Path) -> None:
    """Schema 7 has one for each question, so that none reads all rows of a project."""
    shutil.copy(FIRST, path)
    assert len(raw(path, "PRAGMA index_info(history_project)")) == 2
    before = raw(path, "SELECT * FROM history")
    State(path).close()
    assert [row[: len(before[0])] for row in raw(path, "SELECT * FROM history")] == before
    for where, index in (
        ("era = 0 AND place > 5", "history_project (project=? AND era=? AND place>?)"),
        (
            """version IS '1.0' AND file IS NULL AND (era, place) < (0, 9)
            ORDER BY era DESC, place DESC, id DESC""",
            "history_version (project=? AND version=? AND (era,place)<(?,?))",
        ),
        ("serial IS NULL AND high >= 5", "history_observed (project=? AND high>?)"),
        (
            "action = 'return' AND era = 0 AND place > 5",
            "history_returns (project=? AND era=? AND place>?)",
        ),
    ):
        ask = f"EXPLAIN QUERY PLAN SELECT * FROM history WHERE project = 'demo' AND {where}"
        assert [row[3] for row in raw(path, ask)] == [f"SEARCH history USING INDEX {index}"]


def test_opening_an_up_to_date_database_changes_nothing(path: Path) -> None:
    shutil.copy(FIRST, path)
    State(path).close()
    before = path.read_bytes()
    for create in (True, False):
        State(path, create=create).close()
        assert path.read_bytes() == before
    if VERSION == 1:
        assert before == FIRST.read_bytes()


class _Interrupted(Database):
    """One in which a signal comes right behind the first BEGIN."""

    armed = True

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        found = super().execute(sql, parameters)
        if sql.startswith("BEGIN") and self.armed:
            self.armed = False
            raise KeyboardInterrupt
        return found


def test_a_signal_right_behind_the_beginning_leaves_nothing_open(path: Path) -> None:
    database = _Interrupted(path)
    with pytest.raises(KeyboardInterrupt), database.transaction():
        pass
    with database.transaction():
        database.execute("INSERT INTO meta VALUES ('a', 1)")
    database.close()
    assert raw(path, "SELECT value FROM meta WHERE key = 'a'") == [(1,)]


def test_the_key_comes_first_in_tables_without_rowid(tmp_path: Path) -> None:
    """SQLite 3.40 takes another order for damage (PRAGMA quick_check), so no copy can be made."""
    path = tmp_path / "state.db"
    State(path).close()
    tables = raw(path, "SELECT name FROM sqlite_master WHERE sql LIKE '%WITHOUT ROWID'")
    assert ("forgotten_files",) in tables
    for (name,) in tables:
        keys = [place > 0 for *_, place in raw(path, f"PRAGMA table_info({name})")]
        assert keys == sorted(keys, reverse=True), name
