"""What people expect of any program: help, colours, a log file, completion, exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli_runner import Cli, ended, wait_for
from tests.support.fake_index.index import FakeUpstream, Fault

PROGRAM = str(Path(sys.executable).parent / "yanksync")


@pytest.mark.parametrize(
    ("typed", "meant"), [("snyc", "sync"), ("statsu", "status"), ("hold", "holds")]
)
def test_a_mistyped_command_is_recognised(yanksync: Cli, typed: str, meant: str) -> None:
    for arguments in ((typed,), ("help", typed)):
        done = yanksync(*arguments)
        assert done.code == 2
        assert f"there is no command '{typed}'; did you mean '{meant}'?" in done.err


@pytest.mark.parametrize("typed", ["dmeo", "demmo", "edmo", "dem"])
def test_a_mistyped_project_is_recognised(synced: Cli, typed: str) -> None:
    meant = "did you mean 'demo'?"
    done = synced("history", typed)
    assert (done.code, done.out) == (1, "")
    told = f"yanksync: {typed}: the mirror knows no such project; {meant}\n"
    assert done.err == told == synced("why", typed).err
    done = synced("-q", "history", typed, "1.0")
    assert (done.code, done.silent) == (1, True)
    done = synced("approve", typed)
    assert done.code == 1 and f"{typed}: nothing of it is held; {meant}" in done.err
    told = f"yanksync: {typed}: mirror.projects and mirror.exclude leave it out; {meant}\n"
    assert synced("history", typed, YANKSYNC_MIRROR_PROJECTS="demo").err == told
    done = synced("full-resync", typed)
    assert f"warning: {typed}: upstream does not have it; {meant}\n" in done.err
    named = synced("full-resync", typed, YANKSYNC_MIRROR_PROJECTS="demo")
    assert named.code == 2 and f"{typed} is not mirrored; {meant}" in named.err


def test_nothing_is_suggested_for_a_project_that_is_known_or_like_none(
    synced: Cli, upstream: FakeUpstream
) -> None:
    assert synced("history", "demo").silent
    upstream.remove_project("other")
    assert synced("sync").code == 0
    assert synced("history", "other").err == ""
    assert synced("history", "d*").err == ""
    assert synced("history", "zebra").err == "yanksync: zebra: the mirror knows no such project\n"
    both = synced("history", "other", "zebra")
    assert both.code == 1 and "remove  other" in both.out


def test_help_of_a_command(yanksync: Cli) -> None:
    assert yanksync("help", "sync").out == yanksync("sync", "--help").out
    assert yanksync("help").out == yanksync("--help").out


def test_no_line_of_the_help_is_cut_off(yanksync: Cli) -> None:
    commands = yanksync("help").out.partition("Setting up:")[2]
    assert "..." not in commands
    for line in commands.splitlines():
        if line.startswith("  "):
            assert len(line.split(maxsplit=1)[1]) <= 45


def test_the_version(yanksync: Cli) -> None:
    version = json.loads(yanksync("version", "--json").out)["version"]
    assert yanksync("version").out == f"yanksync {version}\n"
    assert yanksync("--version").out.strip().endswith(version)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_completion(yanksync: Cli, shell: str) -> None:
    assert "_YANKSYNC_COMPLETE" in yanksync("completion", shell).out


def complete(yanksync: Cli, *words: str) -> list[str]:
    """Return what bash offers for the last of ``words``."""
    quoted = " ".join(f"'{word}'" for word in words)
    script = (
        f"source <('{PROGRAM}' completion bash); COMP_WORDS=(yanksync {quoted}); "
        f"COMP_CWORD={len(words)}; _yanksync_completion '{PROGRAM}'; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    return subprocess.check_output(
        ["bash", "-c", script], cwd=yanksync.home, text=True, env=yanksync.environ
    ).split()


def test_bash_completes_commands_and_options(yanksync: Cli) -> None:
    assert complete(yanksync, "sta") == ["status"]
    assert "--dry-run" in complete(yanksync, "sync", "--")


def test_bash_completes_the_projects_of_the_state(synced: Cli) -> None:
    assert complete(synced, "full-resync", "de") == ["demo"]
    assert complete(synced, "history", "") == ["demo", "other"]


def in_shell(yanksync: Cli, *command: str) -> str:
    """Run a shell that finds the program; return what it prints."""
    path = f"{Path(PROGRAM).parent}:{os.environ['PATH']}"
    environ = {**yanksync.environ, "PATH": path, "HOME": str(yanksync.home), "TERM": "xterm"}
    return subprocess.check_output(
        command, cwd=yanksync.home, text=True, env=environ, timeout=60, stdin=subprocess.DEVNULL
    )


def test_fish_completes_the_projects_of_the_state(synced: Cli) -> None:
    script = "yanksync completion fish | source; complete -C 'yanksync full-resync '"
    assert in_shell(synced, "fish", "-c", script).split() == ["demo", "other"]


def test_zsh_completes_the_projects_of_the_state(synced: Cli) -> None:
    """It completes only what is typed on a terminal."""
    script = """
        zmodload zsh/zpty
        zpty shell zsh -f
        zpty -w shell 'autoload -U compinit; compinit -u; PS1=; source <(yanksync completion zsh)'
        zpty -w shell 'print re""ady'
        zpty -r shell before '*ready*'
        zpty -w -n shell $'yanksync full-resync de\t'
        zpty -r shell typed '*full-resync demo*' && print completed
    """
    assert in_shell(synced, "zsh", "-f", "-c", script) == "completed\n"


def test_nothing_is_completed_without_a_state(yanksync: Cli) -> None:
    assert complete(yanksync, "full-resync", "de") == []
    assert not yanksync.state.exists()


@pytest.mark.parametrize("before", [True, False])
def test_a_log_file_gets_what_is_logged(synced: Cli, before: bool) -> None:
    log = synced.home / "sync.log"
    log.write_text("kept\n")
    option = ("--log-file", str(log))
    assert synced(*option, "-v", "sync").code == 0 if before else synced("-v", "sync", *option)
    lines = log.read_text().splitlines()
    assert lines[0] == "kept"
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ info: up to date at serial 12", lines[-1])


def test_a_log_file_gets_the_error_that_ended_the_command(yanksync: Cli) -> None:
    done = yanksync("--log-file", "run.log", "--config", "none.toml", "sync")
    assert done.code == 2
    said = done.err.removeprefix("yanksync: ").strip()
    assert (yanksync.home / "run.log").read_text().strip().endswith(f"error: {said}")


def test_a_log_file_gets_a_mistake_of_the_command_line(yanksync: Cli) -> None:
    done = yanksync("--log-file", "run.log", "sync", "--wait", "soon")
    assert done.code == 2 and done.err.startswith("Usage: yanksync sync ")
    (line,) = (yanksync.home / "run.log").read_text().splitlines()
    assert "error: Invalid value for '--wait': 'soon' is no duration" in line


def test_a_log_file_that_cannot_be_written_is_2(yanksync: Cli) -> None:
    done = yanksync("--log-file", "none/run.log", "sync")
    assert done.code == 2
    assert "--log-file: none/run.log: No such file or directory" in done.err


def test_colours(yanksync: Cli) -> None:
    wrong = ("--config", "none.toml", "sync")
    assert "\x1b[31myanksync:\x1b[0m" in yanksync.on_terminal(*wrong, NO_COLOR="")[2]
    assert "\x1b" not in yanksync.on_terminal("--color", "never", *wrong, NO_COLOR="")[2]
    assert "\x1b" not in yanksync(*wrong).err
    assert "\x1b[31m" in yanksync("--color", "always", *wrong).err
    assert "\x1b" not in yanksync.on_terminal(*wrong)[2]
    assert "\x1b[31mError:\x1b[0m No such" in yanksync("--color", "always", "sync", "--gone").err


def test_sync_waits_for_the_lock(synced: Cli, upstream: FakeUpstream) -> None:
    upstream.yank("demo", "2.0", "broken")
    with synced.locked():
        done = synced("sync", "--wait", "1s")
        assert done.code == 75
        assert "(process 4711 on elsewhere, since " in done.err
        assert "in 1 s it did not end, and nothing was done" in done.err
        assert "; waiting for it\n" in synced("-v", "sync", "--wait", "1s").err
        waiting = synced.start("sync", "--wait", "1m")
        wait_for(lambda: synced("status", "--json").code == 0)
        assert waiting.poll() is None
    assert ended(waiting).silent
    assert "broken" in (synced.output / "simple/demo/index.html").read_text()


def test_no_duration_is_2(synced: Cli) -> None:
    for option in ("--wait", "--stats"):
        done = synced("sync", option, "soon")
        assert done.code == 2 and "'soon' is no duration" in done.err


def test_stats_are_logged_off_a_terminal(yanksync: Cli, upstream: FakeUpstream) -> None:
    for number in range(30):
        upstream.upload(f"many-{number}", "1.0")
    upstream.fail("^/simple/many-", Fault.delay(0.4), times=None)
    done = yanksync("sync", "--stats", "0.2s", YANKSYNC_UPSTREAM_WORKERS="4")
    assert done.code == 0 and done.out == ""
    lines = done.err.splitlines()
    assert lines
    shown = r"fetching pages  \d+/32  \d+/s|[a-z ]+(  \d+  \d+/s)?"
    for line in lines:
        assert re.fullmatch(rf"yanksync: ({shown})  0:\d\d:\d\d elapsed(  0:.. left)?.*", line)
    assert any("fetching pages" in line for line in lines)


def test_a_terminal_shows_phase_and_count(yanksync: Cli, upstream: FakeUpstream) -> None:
    for number in range(30):
        upstream.upload(f"many-{number}", "1.0")
    err = yanksync.on_terminal("sync")[2]
    assert re.search(r"fetching pages  32/32  [\d,]+/s  0:00:0\d elapsed", err)


def test_a_backup_to_a_pipe(synced: Cli) -> None:
    command = [PROGRAM, "backup", "-"]
    copy = subprocess.check_output(command, cwd=synced.home, env=synced.environ)
    assert copy.startswith(b"SQLite format 3\0")
    restored = synced.home / "restored.db"
    restored.write_bytes(copy)
    done = synced("status", "--json", YANKSYNC_MIRROR_STATE=str(restored))
    assert done.json["journal_serial"] == 12


def test_a_backup_is_not_written_to_a_terminal(synced: Cli) -> None:
    assert synced.on_terminal("backup", "-")[0] == 2
