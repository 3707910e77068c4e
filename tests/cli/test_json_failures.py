"""A command with ``--json`` that fails says why on stderr; stdout is empty or valid JSON."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import click
import pytest

from yanksync import cli
from yanksync.adopt.results import AdoptOutcome, AdoptResult
from yanksync.cli import error_handling
from yanksync.cli.display.difference_rows import DifferenceWriter
from yanksync.cli.display.report_rows import ReportWriter
from yanksync.core.errors import StateError
from yanksync.core.names import NormalizedName
from yanksync.reports.compare.differences import Difference, DifferenceKind
from yanksync.state.state import State
from yanksync.system.file_lock import lock

COMMANDS = {
    "adopt": (),
    "approve": ("demo",),
    "audit": ("pins.txt", "--format", "json"),
    "bundle apply": ("pins.txt",),
    "bundle create": ("new.bundle",),
    "check": (),
    "compare": ("http://127.0.0.1:9/simple/",),
    "config check": (),
    "config show": (),
    "doctor": (),
    "exposure": ("pins.txt",),
    "forget": ("demo",),
    "full-resync": (),
    "history": (),
    "holds": (),
    "init": ("there",),
    "rescue": ("demo==1.0",),
    "restore": (),
    "status": (),
    "sync": (),
    "verify": (),
    "version": (),
    "why": ("demo",),
}
"""Every command with ``--json``, with arguments that it needs."""

Failure = Callable[[Path, ExitStack], None]


def bad_configuration(home: Path, _: ExitStack) -> None:
    (home / "yanksync.toml").write_text("[mirror]\nno_such_key = 1\n")


def bad_state(home: Path, _: ExitStack) -> None:
    (home / "yanksync.db").write_text("this is no database, whatever its name says\n" * 99)


def no_state(home: Path, _: ExitStack) -> None:
    (home / "mirror").mkdir()


def no_place(home: Path, _: ExitStack) -> None:
    (home / "mirror").write_text("a file where the output should be")


def busy(home: Path, stack: ExitStack) -> None:
    State(home / "yanksync.db").close()
    stack.enter_context(lock(home / "yanksync.db", "sync"))


FAILURES: tuple[Failure, ...] = (bad_configuration, bad_state, no_state, no_place, busy)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with a configuration whose upstream is out of reach."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    places = '[mirror]\noutput = "mirror"\nstate = "yanksync.db"\nprojects = ["demo"]\n'
    upstream = '[upstream]\nsimple_url = "http://127.0.0.1:9/simple/"\ntimeout = 1\n'
    (tmp_path / "yanksync.toml").write_text(upstream + places)
    (tmp_path / "pins.txt").write_text("demo==1.0\n")
    (tmp_path / "there").mkdir()
    (tmp_path / "there/yanksync.toml").write_text("[mirror]\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    yield tmp_path
    for number, handler in handlers.items():
        signal.signal(number, handler)
    error_handling.output_format = error_handling.OutputFormat()


def commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield all commands by name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")
        elif command is not None:
            yield f"{before}{name}", command


def test_the_table_has_every_command() -> None:
    found = {name for name, one in commands(cli.cli) if has_json(one)}
    assert found == COMMANDS.keys()


def has_json(command: click.Command) -> bool:
    names = {name for parameter in command.params for name in parameter.opts}
    return not names.isdisjoint({"--json", "--format"})


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_fails_in_the_same_way(
    home: Path,
    command: str,
    failure: Failure,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [*command.split(), *COMMANDS[command]]
    arguments += [] if "--format" in arguments else ["--json"]
    monkeypatch.setattr("sys.argv", ["yanksync", *arguments])
    with ExitStack() as stack:
        failure(home, stack)
        code = error_handling.run_guarded(cli.cli)
    out, err = capsys.readouterr()
    if out:
        json.loads(out)
    assert "Traceback" not in err and "internal error" not in err
    assert err or code == 0, out


def test_what_was_found_before_a_failure_is_valid(capsys: pytest.CaptureFixture[str]) -> None:
    fate = AdoptResult(kind=AdoptOutcome.KEPT, project="demo", path="simple/demo/")
    with suppress(StateError), ReportWriter("fates", as_json=True) as rows:
        rows.write(fate)
        raise StateError("yanksync.db", "is damaged")
    assert [one["project"] for one in json.loads(capsys.readouterr().out)["fates"]] == ["demo"]
    with suppress(StateError), DifferenceWriter(as_json=True, notes=True) as writer:
        writer.write(Difference(kind=DifferenceKind.AHEAD, project=NormalizedName("demo")))
        raise StateError("yanksync.db", "is damaged")
    assert len(json.loads(capsys.readouterr().out)["differences"]) == 1
