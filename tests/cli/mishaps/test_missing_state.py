"""Checks the reports of a missing state.

The output is there. Every command that opens the state reports it.
"""

from __future__ import annotations

import json

import pytest

from tests.support.bucket_mirrors import Mirror
from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream

MISSING = "is missing, though "
COMMANDS = {
    "sync": 0,
    "sync --dry-run": 0,
    "full-resync": 0,
    "full-resync demo": 0,
    "status": 0,
    "status --max-lag 60": 1,
    "history --json": 0,
    "holds": 0,
    "approve": 0,
    "approve demo": 1,
    "adopt": 0,
    "backup copy.db": 1,
    "verify": 1,
    "verify --repair": 1,
}


@pytest.mark.parametrize("empty", [False, True], ids=["missing", "0 bytes"])
@pytest.mark.parametrize(("command", "code"), COMMANDS.items(), ids=COMMANDS)
def test_every_command_reports_a_missing_state(
    synced: Cli, command: str, code: int, empty: bool
) -> None:
    for path in synced.home.glob("yanksync.db*"):
        path.unlink()
    if empty:  # as a full disk or a crash leaves it
        synced.state.touch()
    tree = synced.tree()
    done = synced(*command.split())
    assert done.code == code
    assert done.err.count(f"warning: {synced.state} {MISSING}{synced.output} has pages; ") == 1
    assert "yanksync backup" in done.err
    if command != "full-resync demo":
        assert {path: digest for path, (digest, _) in synced.tree().items()} == {
            path: digest for path, (digest, _) in tree.items()
        }


@pytest.mark.parametrize("command", ["status", "history", "holds", "approve"])
def test_before_the_first_run_nothing_is_missing(yanksync: Cli, command: str) -> None:
    assert MISSING not in yanksync(command).err
    (yanksync.output / "simple").mkdir(parents=True)  # made, and without a page
    assert MISSING not in yanksync(command).err


def test_it_is_reported_in_json_and_not_with_quiet(synced: Cli) -> None:
    synced.state.unlink()
    line = json.loads(synced("--log-format", "json", "status").err)
    assert line["level"] == "warning" and MISSING in line["message"]
    assert synced("-q", "status").err == ""


def test_a_resumed_first_build_is_reported_on_a_terminal_or_when_asked(
    yanksync: Cli, upstream: FakeUpstream
) -> None:
    for number in range(20):
        upstream.upload(f"p{number:02}", "1.0")
    said = "resuming a first build: 22 of 23 done"

    def interrupted() -> None:
        with yanksync.database() as connection:  # as it was before the last of its pages came
            connection.execute("DELETE FROM meta WHERE key IN ('list_written', 'list_stamp')")
            connection.execute("INSERT OR REPLACE INTO pending (name, since) VALUES ('new', 0)")
        for path in yanksync.output.glob("simple/index.*"):
            path.unlink()

    assert yanksync("sync").silent
    for how in ("", "-v", "terminal", "quiet terminal"):
        interrupted()
        if how.endswith("terminal"):
            quiet = ["-q"] if how.startswith("quiet") else []
            code, _, err = yanksync.on_terminal(*quiet, "sync")
        else:
            done = yanksync(*how.split(), "sync")
            code, err = done.code, done.err
        assert code == 0
        assert (said in err) is (how in ("-v", "terminal")), how
        assert ("\rfetching pages  22/23  0/s" in err) is (how == "terminal"), how
        assert ("fetching pages  22/23" in err) is (how == "terminal")


@pytest.mark.s3
def test_a_command_without_network_asks_no_storage(mirror: Mirror) -> None:
    assert mirror("sync").silent
    for path in mirror.home.glob("yanksync.db*"):
        path.unlink()
    mirror.gate.forget()
    assert "was not asked for pages" in mirror("status").err
    assert mirror.gate.requests == []
    done = mirror("sync")
    assert done.code == 0 and MISSING in done.err
