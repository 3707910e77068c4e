"""``status``, ``history`` and ``holds``: the JSON that users rely on."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream, Fault
from yanksync import __version__

RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
COUNTS = ("projects", "yanked_releases", "pending", "unpublished", "held", "behind")
PROMISED = {*COUNTS, "journal_serial", "upstream_serial", "lag_seconds", "last_success",
            "last_error", "version"}  # fmt: skip
ROW = {"serial", "timestamp", "project", "version", "action", "file", "reason", "source"}
EVIL = "bad\x1b[31m\x07 \u202e<b>\r\nnext"


def test_status_before_the_first_run(yanksync: Cli) -> None:
    done = yanksync("status", "--json")
    found = done.json
    assert done.code == 1
    assert set(found) >= PROMISED
    assert {found[key] for key in COUNTS} == {0}
    for key in ("journal_serial", "upstream_serial", "lag_seconds", "last_success", "last_error"):
        assert found[key] is None
    assert found["version"] == __version__
    assert not yanksync.state.exists()
    assert "no mirror here yet" in yanksync("status").err


def test_status_of_a_mirror(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.yank("demo", "2.0")
    upstream.yank("demo", "1.0", "old")
    assert synced("sync").code == 0
    found = synced("status", "--json").json
    assert found["journal_serial"] == found["upstream_serial"] == upstream.last_serial
    assert (found["projects"], found["yanked_releases"]) == (2, 2)
    assert all(type(found[key]) is int for key in COUNTS)
    assert 0 <= found["lag_seconds"] < 60
    assert RFC_3339.fullmatch(found["last_success"])
    assert found["last_error"] is None
    text = synced("status").out
    assert f"serial            {upstream.last_serial} (upstream {upstream.last_serial})\n" in text
    assert "yanked releases   2\n" in text


def test_status_tells_who_is_pending_and_why(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.yank("demo", "2.0")
    upstream.fail("^/simple/demo/", Fault.maintenance(), times=None)
    synced("sync")
    found = synced("status", "--json").json
    assert found["pending"] == 1
    (problem,) = found["problems"]
    assert problem["name"] == "demo"
    assert RFC_3339.fullmatch(problem["since"])
    assert f"pending: demo: {problem['problem']}\n" in synced("status").out


def test_max_lag(synced: Cli) -> None:
    assert synced("status", "--max-lag", "3000").code == 0
    with synced.database() as connection:
        connection.execute("UPDATE meta SET value = value - 3600 WHERE key = 'complete_read'")
    done = synced("status", "--json", "--max-lag", "3000")
    assert done.code == 1
    assert 3600 <= done.json["lag_seconds"] < 3700
    assert synced("status").code == 0


def test_max_lag_before_the_first_run_is_1(yanksync: Cli) -> None:
    assert yanksync("status", "--max-lag", "1").code == 1


def test_history_as_json(synced: Cli, upstream: FakeUpstream) -> None:
    filename = next(iter(upstream.project("demo").files))  # type: ignore[union-attr]
    upstream.yank("demo", "2.0", "first")
    upstream.unyank("demo", "2.0")
    upstream.yank("demo", "2.0", "")
    upstream.remove_file("demo", filename)
    upstream.yank("other", "1.0", EVIL)
    upstream.remove_release("other", "2.0")
    assert synced("sync").code == 0
    upstream.quarantine_project("other")
    assert synced("sync").code == 0
    rows = synced("history", "--json").json
    assert [row["serial"] for row in rows] == sorted(row["serial"] for row in rows)
    assert {frozenset(row) for row in rows} == {frozenset(ROW)}
    short = [(r["project"], r["version"], r["action"], r["file"], r["reason"]) for r in rows]
    assert short == [
        ("demo", "2.0", "yank", None, None),  # no page ever showed its reason
        ("demo", "2.0", "unyank", None, ""),
        ("demo", "2.0", "yank", None, ""),
        ("demo", "1.0", "remove", filename, ""),
        ("other", "1.0", "yank", None, EVIL),
        ("other", "2.0", "remove", None, ""),
        ("other", None, "quarantine", None, ""),
    ]
    assert {row["source"] for row in rows} == {"journal"}
    assert all(RFC_3339.fullmatch(row["timestamp"]) for row in rows)


def test_a_yank_of_some_files_is_one_observed_row(synced: Cli, upstream: FakeUpstream) -> None:
    first = next(iter(upstream.project("demo").files))  # type: ignore[union-attr]
    upstream.upload("demo", "1.0")
    upstream.yank_file("demo", first, "bad build")
    assert synced("full-resync").code == 0
    (row,) = synced("history", "--json").json
    assert row["serial"] is None
    assert row["source"] == "observed"
    assert row["files"] == [first]
    assert (row["version"], row["action"], row["reason"]) == ("1.0", "yank", "bad build")
    assert f" yank    demo     1.0      ({first}) bad build\n" in synced("history").out


@pytest.fixture
def yanked(synced: Cli, upstream: FakeUpstream) -> Cli:
    """A mirror with three yanks in its history, a day apart."""
    for name, version in (("demo", "1.0"), ("demo", "2.0"), ("other", "2.0")):
        upstream.clock = 1_800_000_000 + 86400 * len(upstream.journal)
        upstream.yank(name, version, "why")
    assert synced("sync").code == 0
    return synced


def chosen(done: Any) -> list[tuple[str, str]]:
    return [(row["project"], row["version"]) for row in done.json]


def test_history_of_a_project_and_of_a_version(yanked: Cli) -> None:
    assert chosen(yanked("history", "DEMO", "--json")) == [("demo", "1.0"), ("demo", "2.0")]
    assert chosen(yanked("history", "demo", "2.0.0", "--json")) == [("demo", "2.0")]
    assert yanked("history", "nobody", "--json").json == []
    done = yanked("history", "nobody")
    assert (done.code, done.out) == (1, "") and "the mirror knows no such project" in done.err


def test_history_since(yanked: Cli) -> None:
    rows = yanked("history", "--json").json
    moment = rows[1]["timestamp"]
    assert chosen(yanked("history", "--json", "--since", moment)) == chosen_from(rows[1:])
    assert chosen(yanked("history", "--json", "--since", moment[:10])) == chosen_from(rows[1:])
    assert yanked("history", "--json", "--since", "2999-01-01").json == []


def chosen_from(rows: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(row["project"], row["version"]) for row in rows]


def test_history_before_the_first_run(yanksync: Cli) -> None:
    for command in (("history", "--json"), ("history",)):
        done = yanksync(*command)
        assert (done.code, done.out.strip()) == (1, "[]" if "--json" in command else "")
        assert "no mirror here yet" in done.err
    assert not yanksync.state.exists()


def test_nothing_that_a_terminal_obeys_is_printed(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.yank("demo", "2.0", EVIL)
    assert synced("sync").code == 0
    upstream.fail("^/pypi", Fault.rpc_fault(-32500, "no\x9b31m \u202e"), times=None)
    told = synced("sync")
    assert told.code == 1
    history = synced("history").out
    assert history.endswith(r" demo     2.0      bad\x1b[31m\x07 \u202e<b>\r\nnext" + "\n")
    for text in (told.err, synced("status").out):
        assert all(c.isprintable() or c == "\n" for c in text)
        assert r"no\x9b31m \u202e" in text


def test_a_reason_that_the_locale_cannot_write(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.yank("demo", "2.0", "sad 🙁")
    assert synced("sync").code == 0
    done = synced("history", PYTHONIOENCODING="latin-1")
    assert done.code == 0
    assert r"sad \U0001f641" in done.out
    assert "sad 🙁" in synced("history", PYTHONIOENCODING="utf-8").out


def test_holds_of_nothing(yanksync: Cli) -> None:
    done = yanksync("holds", "--json")
    assert (done.code, done.json) == (1, [])
    assert "no mirror here yet" in done.err
    assert not yanksync.state.exists()
    assert yanksync("sync").code == 0
    assert yanksync("holds", "--json").json == []
    done = yanksync("holds")
    assert (done.code, done.out, done.err) == (0, "nothing is held\n", "")
