"""Starting: the ways to start, the configuration, and where the default upstream comes from."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream, Fault, Served, serve
from tests.support.fork_server.start import Options
from yanksync import __version__
from yanksync.cli import COMMANDS


def test_the_script_and_the_module_are_the_same(yanksync: Cli) -> None:
    script = Path(sysconfig.get_path("scripts")) / "yanksync"
    done = subprocess.run([script, "--help"], capture_output=True, text=True, check=True)
    assert done.stdout == yanksync("--help").out
    assert yanksync("--version").out == f"yanksync, version {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(yanksync: Cli, command: str) -> None:
    yanksync.options = Options(fresh=True)  # whatever it needs is imported
    done = yanksync(command, "--help")
    assert done.code == 0
    assert "Example" in done.out
    assert f"yanksync {command}" in done.out


@pytest.mark.parametrize(
    "arguments",
    [(), ("nope",), ("sync", "extra"), ("-v", "-q", "status"),
     ("status", "-v", "-q"), ("-v", "status", "--quiet"), ("status", "--log-format", "xml"),
     ("--log-format", "xml", "status"), ("status", "--max-lag", "-1"), ("backup",), ("backup", ""),
     ("full-resync", "-x"), ("full-resync", "nope/"), ("history", "no pe"), ("approve", "../x"),
     ("history", "--since", "yesterday"), ("status", "--max-lag", "nan")],
)  # fmt: skip
def test_wrong_usage_is_told_and_is_2(yanksync: Cli, arguments: tuple[str, ...]) -> None:
    done = yanksync(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "Usage: " in done.err
    assert not yanksync.state.exists()


def test_global_options_are_accepted_after_the_command(
    synced: Cli, upstream: FakeUpstream, tmp_path: Path
) -> None:
    synced.config.rename(tmp_path / "other.toml")
    upstream.yank("demo", "2.0", "bad")
    done = synced("sync", "-v", "--config", "other.toml", "--log-format=json")
    assert done.code == 0
    lines = [json.loads(line) for line in done.err.splitlines()]
    assert "info" in {line["level"] for line in lines}
    upstream.upload("odd", "1.0")
    upstream.fail("^/simple/odd", Fault.status(503), None)
    told = synced("sync", "--config", "other.toml")
    assert told.code == 3 and "warning" in told.err
    done = synced("sync", "--now", "--config", "other.toml", "-q")
    assert (done.code, done.out, done.err) == (3, "", "")
    done = synced("holds", "-q", "--config", "gone.toml")
    assert done.code == 2 and "gone.toml" in done.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_completion(yanksync: Cli, shell: str) -> None:
    done = yanksync(_YANKSYNC_COMPLETE=f"{shell}_source")
    assert done.code == 0
    assert "_YANKSYNC_COMPLETE" in done.out


def test_completion_offers_the_commands(yanksync: Cli) -> None:
    done = yanksync(_YANKSYNC_COMPLETE="bash_complete", COMP_WORDS="yanksync ", COMP_CWORD="1")
    assert [line.partition(",")[2] for line in done.out.splitlines()] == list(COMMANDS)


@pytest.mark.parametrize(
    ("text", "key", "advice"),
    [
        ("[mirror]\nyankd = 'omit'", "mirror.yankd", "did you mean yanked?"),
        ("[miror]\n", "miror", "did you mean mirror?"),
        ("[upstream]\nworkers = 'many'", "upstream.workers", "must be a whole number, not 'many'"),
        ("[mirror]\ndeleted = 'yank'", "mirror.deleted", 'needs mirror.files = "copy"'),
        ("[mirror]\noutput = 's3://bucket/a//x'", "mirror.output", "must be like s3://bucket"),
    ],
)
def test_wrong_configuration_names_file_and_key(
    yanksync: Cli, text: str, key: str, advice: str
) -> None:
    yanksync.config.write_text(text)
    for command in ("sync", "status", "history", "holds", "approve", "full-resync"):
        done = yanksync(command)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith(f"yanksync: {yanksync.config}: {key}: ")
        assert advice in done.err
        assert done.err.count("\n") == 1


def test_wrong_environment_names_the_variable(yanksync: Cli) -> None:
    done = yanksync("status", YANKSYNC_MIRROR_YANKED="hide")
    assert done.code == 2
    assert done.err.startswith("yanksync: $YANKSYNC_MIRROR_YANKED: mirror.yanked: must be one of")


def test_a_named_file_must_be_there(yanksync: Cli) -> None:
    for done in (
        yanksync("--config", "gone.toml", "status"),
        yanksync("status", YANKSYNC_CONFIG="gone.toml"),
    ):
        assert done.code == 2
        assert done.err == f"yanksync: {yanksync.home}/gone.toml: there is no such file\n"


def test_paths_are_relative_to_the_file(yanksync: Cli, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.mkdir()
    yanksync.config.rename(away / "other.toml")
    assert yanksync("--config", "away/other.toml", "sync").silent
    assert (away / "mirror/simple/demo/index.html").exists()
    assert (away / "yanksync.db").exists()
    assert not yanksync.output.exists()


def test_pip_is_asked_for_the_default_index_once(tmp_path: Path, served: Served) -> None:
    yanksync = Cli(tmp_path, None)
    yanksync.configure()
    (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = {served.simple_url}\n")
    asking = {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}
    assert yanksync("sync", **asking).silent
    with yanksync.database() as connection:
        rows = connection.execute("SELECT value FROM meta WHERE key = 'simple_url'").fetchall()
    assert rows == [(served.simple_url,)]
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = http://127.0.0.1:9/simple/\n")
    assert yanksync("sync", **asking).silent  # remembered, whatever pip says now


def test_the_index_of_pips_environment_counts(tmp_path: Path, served: Served) -> None:
    yanksync = Cli(tmp_path, None)
    yanksync.configure()
    assert yanksync("sync", PIP_INDEX_URL=served.simple_url).silent
    assert yanksync("status", "--json").json["projects"] == 2


@pytest.mark.parametrize(
    "command",
    [
        *(["sync"], ["sync", "--dry-run"], ["full-resync"], ["run"], ["adopt"], ["doctor"]),
        *(["approve"], ["verify"], ["restore"], ["backup", "copy.db"]),
    ],
)
def test_without_a_configuration_init_is_named(
    tmp_path: Path, served: Served, upstream: FakeUpstream, command: list[str]
) -> None:
    yanksync = Cli(tmp_path, None)
    done = yanksync(*command, PIP_INDEX_URL=served.simple_url, YANKSYNC_SERVICE_HOST="10.0.0.1")
    assert (done.code, done.out) == (2, "")
    assert "'yanksync init'" in done.err
    assert list(tmp_path.iterdir()) == [] and upstream.requests == []


@pytest.mark.parametrize("variable", ["MIRROR_PROJECTS=demo", "UPSTREAM_JOURNAL=auto"])
def test_a_variable_is_a_configuration(tmp_path: Path, served: Served, variable: str) -> None:
    yanksync = Cli(tmp_path, None)
    key, _, value = variable.partition("=")
    given = {f"YANKSYNC_{key}": value, "PIP_INDEX_URL": served.simple_url}
    assert yanksync("sync", **given).code == 0


def test_a_dry_run_remembers_no_index(synced: Cli) -> None:
    with serve(FakeUpstream()) as another:
        synced.configure()
        before = synced.content()
        synced("sync", "--dry-run", PIP_INDEX_URL=another.simple_url)
    assert synced.content() == before


def test_start_up_leaves_heavy_packages_alone() -> None:
    # Cron starts the tool 288 times a day.
    code = "import sys, yanksync.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded.isdisjoint({"apscheduler", "lxml", "obstore", "pip"})


def test_an_empty_pass_loads_no_more_with_cooldown(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.date = time.time

    def loaded() -> set[str]:
        assert synced("sync").code == 0  # takes a change of the configuration in
        done = synced("sync", PYTHONPROFILEIMPORTTIME="1")
        assert done.code == 0
        return {line.rpartition("|")[2].strip() for line in done.err.splitlines()}

    without = loaded()
    with synced.config.open("a") as file:
        file.write('[cooldown]\nage = "1d"\n')
    assert loaded() == without
    assert "yanksync.sync.policy.cutoff" in without
