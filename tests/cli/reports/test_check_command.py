"""``check``: Nagios' exit codes, its first line and its performance data."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream, Served

FIGURES = re.compile(r" \| lag=\d+s;1800 held=\d+\n")


def removed(yanksync: Cli, upstream: FakeUpstream, many: int) -> None:
    """Let upstream remove more projects at once than is believed without a person."""
    for number in range(many):
        upstream.upload(f"many-{number}", "1.0")
    assert yanksync("sync").code == 0
    for number in range(many):
        upstream.remove_project(f"many-{number}")
    assert yanksync("sync").code == 4


def test_a_mirror_that_is_well_is_0(synced: Cli, upstream: FakeUpstream) -> None:
    done = synced("check")
    assert (done.code, done.err) == (0, "")
    start, figures = done.out.split(" | ")
    assert start == f"OK: up to date at serial {upstream.last_serial}, 2 projects"
    assert FIGURES.fullmatch(f" | {figures}")
    assert synced("check", "--json").json == {
        "status": "OK", "code": 0, "problems": [], "held": 0,
        "lag_seconds": pytest.approx(0, abs=600),
    }  # fmt: skip


def test_what_is_held_is_critical(yanksync: Cli, upstream: FakeUpstream) -> None:
    removed(yanksync, upstream, 102)
    done = yanksync("check")
    assert done.code == 2
    assert re.fullmatch(
        r"CRITICAL: 102 removals held since \d\d:\d\d, run 'yanksync holds'"
        r" \| lag=\d+s;1800 held=102\n",
        done.out,
    )
    assert done.err == "yanksync: the mirror needs a look; see 'yanksync status'\n"
    assert yanksync("-q", "check").err == ""
    assert yanksync("check", "--max-held", "101").code == 2
    done = yanksync("check", "--max-held", "102")
    assert done.code == 0 and " held=102\n" in done.out
    asked = yanksync("status", "--max-lag", "1h")
    assert asked.code == 1 and "102 removals held since " in asked.err


def late(yanksync: Cli, seconds: float) -> None:
    with yanksync.database() as connection:
        connection.execute(
            "UPDATE meta SET value = value - ? WHERE key = 'complete_read'", (seconds,)
        )


def test_the_lag_is_critical(synced: Cli) -> None:
    late(synced, 3000)
    done = synced("check")
    assert done.code == 2
    assert done.out.startswith("CRITICAL: 50 min behind upstream, 30 min allowed | lag=30")
    assert synced("check", "--max-lag", "1h").code == 0
    assert ";3600 held=0" in synced("check", "--max-lag", "3600").out


def test_no_run_for_too_long_is_critical(synced: Cli) -> None:
    with synced.database() as connection:
        connection.execute("UPDATE runs SET started = started - 7200, ended = ended - 7200")
    done = synced("check")
    assert done.code == 2
    assert re.match(r"CRITICAL: no run since (\d{4}-\d\d-\d\d )?\d\d:\d\d \| ", done.out)
    assert synced("check", "--max-age", "3h").code == 0
    assert synced("check", "--max-lag", "3h").code == 0
    assert synced("check", "--max-lag", "3h", "--max-age", "1h").code == 2
    assert "no run since " in synced("status", "--max-lag", "1h").err
    with synced.locked():  # it is at work
        assert synced("check").code == 0


@pytest.mark.parametrize("how", ["gone", "empty", "no projects"])
def test_an_output_that_is_gone_or_empty_is_critical(synced: Cli, how: str) -> None:
    shutil.rmtree(synced.output)
    if how == "empty":
        synced.output.mkdir()
    if how == "no projects":
        (synced.output / "simple").mkdir(parents=True)
    word = "gone" if how == "gone" else "empty"
    done = synced("check")
    assert done.code == 2
    assert done.out.startswith(f"CRITICAL: the output {synced.output} is {word} | lag=")
    asked = synced("status", "--max-lag", "1h")
    assert asked.code == 1 and f"is {word}" in asked.err
    assert synced("sync").code == 0  # writes it again
    assert synced("check").code == 0


def test_named_projects_that_are_all_unknown_are_critical(yanksync: Cli, served: Served) -> None:
    def configure(*names: str) -> None:
        yanksync.configure(f'simple_url = "{served.simple_url}"', mirror=f"projects = {[*names]}")

    configure("demo", "nobody")
    assert yanksync("sync").code == 0
    assert yanksync("check").code == 0  # one of them is known
    with yanksync.database() as connection:
        connection.execute("UPDATE projects SET presence = 'unknown', json_digest = NULL")
    done = yanksync("check")
    assert done.code == 2
    assert "upstream has none of the projects in mirror.projects (demo, nobody)" in done.out


def test_blocked_projects_alone_are_a_warning(synced: Cli) -> None:
    with synced.database() as connection:
        connection.execute(
            """INSERT INTO unpublished (id, sort, since, problem)
            SELECT id, 'page', 0, 'No space | left' FROM projects WHERE name = 'demo'"""
        )
    done = synced("check")
    assert done.code == 1
    assert done.out.startswith("WARNING: demo could not be written: No space / left | lag=")
    asked = synced("status", "--max-lag", "1h")
    assert asked.code == 1 and "demo could not be written" in asked.err
    late(synced, 3000)
    done = synced("check")
    assert done.code == 2
    assert re.match(r"CRITICAL: 50 min behind .*; demo could not be written", done.out)


def test_undelivered_hooks_alone_are_a_warning(synced: Cli) -> None:
    synced.config.write_text(synced.config.read_text() + '[hooks]\nmanifest = "changes"\n')
    with synced.database() as connection:
        connection.execute(
            "INSERT INTO outbox (hook, project, before) VALUES ('manifest', 'demo', '')"
        )
    done = synced("check")
    assert done.code == 1
    assert done.out.startswith("WARNING: hooks wait for 1 changes (manifest 1) | lag=")


def test_without_a_state_it_is_unknown(yanksync: Cli) -> None:
    before = sorted(yanksync.home.iterdir())
    done = yanksync("check")
    assert done.code == 3
    assert done.out.startswith("UNKNOWN: no mirror here yet: ") and " | lag=U held=0\n" in done.out
    assert done.err.startswith("yanksync: no mirror here yet: ")
    assert sorted(yanksync.home.iterdir()) == before
    assert yanksync("sync").code == 0
    for path in yanksync.home.glob("yanksync.db*"):
        path.unlink()
    done = yanksync("check")
    assert done.code == 3
    assert done.out.startswith(f"UNKNOWN: the state {yanksync.state} is missing")


def test_a_state_that_cannot_be_read_is_unknown(synced: Cli) -> None:
    synced.state.write_bytes(b"no database at all" * 1000)
    done = synced("check")
    assert done.code == 3 and done.out.startswith("UNKNOWN: ") and done.out.count("\n") == 1
    assert done.err.count("\n") == 1


def test_a_bad_configuration_is_unknown(yanksync: Cli) -> None:
    yanksync.config.write_text("[upstream]\nworkers = 'many'\n")
    done = yanksync("check", "--json")
    assert done.code == 3
    assert done.json["status"] == "UNKNOWN" and done.json["code"] == 3
    assert "upstream.workers" in done.json["problems"][0]["text"]
    assert "upstream.workers" in done.err


@pytest.mark.parametrize(
    "arguments", [("--max-lag", "x"), ("--max-held", "-1"), ("--nope",), ("x",)]
)
def test_usage_errors_are_unknown(synced: Cli, arguments: tuple[str, ...]) -> None:
    done = synced("check", *arguments)
    assert done.code == 3
    assert done.out.startswith("UNKNOWN: ") and done.out.count("\n") == 1
    assert done.err
