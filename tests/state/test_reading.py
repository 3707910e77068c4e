"""Reads of a user who may not write beside the state, while runs write it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.state.test_database import raw
from yanksync.state.schema.migrations import VERSION
from yanksync.state.state import State
from yanksync.system.file_lock import lock

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

OTHER = 65534
FACT = "SELECT value FROM meta WHERE key = 'fact'"


class Reader:
    """A process of another user that has the state open."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._questions, self._answers = process.stdin, process.stdout

    def __call__(self, query: str = "") -> Any:
        self.ask(query)
        return self.answer()

    def ask(self, query: str) -> None:
        """Send a query; without text, the question how many files are open."""
        self._questions.write(query + "\n")
        self._questions.flush()

    def answer(self) -> Any:
        """Wait for the rows, or the text of an error."""
        return json.loads(self._answers.readline())


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """Start a reader, and end it."""
    command = [sys.executable, "-m", "tests.support.state_reader", str(path), str(OTHER)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        yield Reader(process)  # it ends with its input


@pytest.fixture
def place(where: Path) -> Path:
    """A state with a fact, where others may read."""
    where.chmod(0o755)
    write(where / "state.db", 0)
    return where / "state.db"


@pytest.fixture
def reader(place: Path) -> Iterator[Reader]:
    with reading(place) as made:
        yield made


def write(path: Path, fact: int) -> None:
    """Do what a run does: open the state, write, close it."""
    with State(path) as state:
        state.facts.put(fact=fact)


def test_each_query_sees_what_was_written_before_it(reader: Reader, place: Path) -> None:
    assert reader(FACT) == [[0]]
    opened = reader()
    for fact in range(1, 30):
        write(place, fact)
        assert reader(FACT) == [[fact]]
    assert reader() == opened


def test_a_state_that_was_exchanged_is_read(reader: Reader, place: Path) -> None:
    assert reader(FACT) == [[0]]
    backup = place.with_name("backup.db")
    shutil.copy(place, backup)
    write(backup, 7)
    os.utime(backup, ns=(0, place.stat().st_mtime_ns))
    backup.rename(place)
    assert reader(FACT) == [[7]]


@pytest.mark.parametrize("content", [None, b""])
def test_a_state_that_is_gone_is_not_made(
    reader: Reader, place: Path, content: bytes | None
) -> None:
    assert reader(FACT) == [[0]]
    place.parent.chmod(0o777)
    place.unlink()
    if content is not None:
        place.write_bytes(content)
    assert "there is no such state database" in reader(FACT)
    assert place.exists() == (content is not None)
    place.unlink(missing_ok=True)
    write(place, 3)
    assert reader(FACT) == [[3]]


def test_an_upgrade_that_begins_is_waited_for(place: Path) -> None:
    raw(place, f"PRAGMA user_version = {VERSION - 1}")
    with lock(place, "sync"), reading(place) as reader:
        reader.ask(FACT)
        time.sleep(1)  # so that it has looked; without that, nothing is tested
        raw(place, f"PRAGMA user_version = {VERSION}")
        assert reader.answer() == [[0]]


def test_a_database_with_another_programs_log_is_not_taken_for_finished(place: Path) -> None:
    raw(place, "PRAGMA journal_mode = DELETE")
    subprocess.run([sys.executable, "-c", _DIES, str(place)], check=True)
    assert place.with_name("state.db-journal").exists()
    with reading(place) as reader:
        assert "attempt to write a readonly database" in reader.answer()


_DIES = """
import os, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 1")
database.execute("BEGIN")
database.execute("UPDATE meta SET value = 9")
database.execute("CREATE TABLE large AS SELECT randomblob(1000000) AS x")
os._exit(0)
"""
