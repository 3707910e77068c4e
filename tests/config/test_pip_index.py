"""Which index pip installs from: real pips are asked, with their configuration in ``tmp_path``."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from yanksync.config.pip_index import default_simple_url, run_command
from yanksync.core.errors import ConfigError

BARE = {name: text for name, text in os.environ.items() if not name.startswith("PIP_")}
SECRET = "https://user:it's%20me@upstream.example/simple"


@pytest.mark.parametrize(
    ("config", "environ", "expected"),
    [
        ("[global]\nindex-url = https://one.example/simple\n", {}, "https://one.example/simple/"),
        (
            "[global]\nindex_url = https://one.example/simple/\nquiet = 2\n",
            {},
            "https://one.example/simple/",
        ),
        (
            "[global]\nindex-url = https://one.example\n[install]\nindex-url = https://two.example\n",
            {},
            "https://two.example/",
        ),
        (
            "[global]\nindex-url =\n[install]\nno-color = true\nindex-url = https://two.example\n",
            {"PIP_INDEX_URL": " "},
            "https://two.example/",
        ),
        (
            "[install]\nindex-url = https://two.example\n",
            {"PIP_INDEX_URL": "https://three.example/simple"},
            "https://three.example/simple/",
        ),
        (f"[global]\nindex-url = {SECRET}\n", {}, f"{SECRET}/"),
        (
            f"[global]\nextra-index-url =\n    {SECRET}\nindex-url = file:///srv/simple\n",
            {},
            "file:///srv/simple/",
        ),
    ],
)
def test_configured(tmp_path: Path, config: str, environ: Mapping[str, str], expected: str) -> None:
    path = tmp_path / "pip.conf"
    path.write_text(config, encoding="utf-8")
    assert default_simple_url({**BARE, "PIP_CONFIG_FILE": str(path), **environ}) == expected


def test_the_default_of_a_real_pip() -> None:
    url = default_simple_url({**BARE, "PIP_CONFIG_FILE": os.devnull, "COLUMNS": "40"})
    assert url.startswith("https://")
    assert url.endswith("/simple/")


def test_a_broken_configuration_of_pip(tmp_path: Path) -> None:
    path = tmp_path / "pip.conf"
    path.write_text(f"[global\nindex-url = {SECRET}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"pip: .*name \[upstream\] simple_url") as caught:
        default_simple_url({**BARE, "PIP_CONFIG_FILE": str(path)})
    assert "it's" not in str(caught.value)


def test_the_pip_on_the_path_is_asked_where_this_python_has_none(tmp_path: Path) -> None:
    pip = tmp_path / "pip3"
    pip.write_text("#!/bin/sh\n[ $# = 3 ] && echo \"global.index-url='https://path.example'\"\n")
    pip.chmod(0o755)

    def run(command: Sequence[str], environ: Mapping[str, str]) -> str | None:
        return None if command[0] == sys.executable else run_command(command, environ)

    assert default_simple_url({"PATH": str(tmp_path)}, run) == "https://path.example/"


@pytest.mark.parametrize(
    ("executable", "answers"),
    [
        ("", []),
        ("/python", [None]),
        ("/python", ["global.index-url='half", None]),
        ("/python", ["global.index-url=''", "no default is named here"]),
    ],
)
def test_no_answer(
    monkeypatch: pytest.MonkeyPatch, executable: str, answers: list[str | None]
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    left = iter(answers)
    with pytest.raises(ConfigError) as caught:
        default_simple_url({"PATH": ""}, lambda command, environ: next(left))
    assert caught.value.key == "upstream.simple_url"
    assert list(left) == []


@pytest.mark.parametrize("command", [["/no/such/program"], [sys.executable, "-c", "exit(3)"]])
def test_a_command_that_cannot_answer(command: Sequence[str]) -> None:
    assert run_command(command, {}) is None
