"""The lock files that real tools write today are audited correctly.

Each tool comes from the package index of this machine, into an environment of its own, and locks
against the index on loopback.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uv

from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream, serve, wheel

pytestmark = pytest.mark.e2e

TOOLS = {  # what is installed for each; pdm breaks with hishel 2
    "poetry": ("poetry",),
    "pdm": ("pdm", "hishel>=1,<2"),
    "pip-compile": ("pip-tools",),
    "pip": ("pip>=25.1",),
}
NAMES = ("demo", "other-thing", "sick", "fine")
_PROJECT = """\
[project]
name = "mine"
version = "0"
requires-python = ">=3.11"
dependencies = ["demo<1.2", "other-thing", "sick", "fine"]
"""
_POETRY = """\
[tool.poetry]
package-mode = false
[[tool.poetry.source]]
name = "there"
url = "{0}"
priority = "primary"
"""
_PDM = """\
[[tool.pdm.source]]
name = "pypi"
url = "{0}"
"""
LOCKS = (  # directory and file
    ("uv", "uv.lock"),
    ("uv", "requirements.txt"),
    ("uv", "pylock.uv.toml"),
    ("poetry", "poetry.lock"),
    ("pdm", "pdm.lock"),
    ("pip-compile", "requirements.txt"),
    ("pip", "pylock.toml"),
)


@dataclass(frozen=True)
class Locked:
    """Lock files, and what happened to what they pin."""

    home: Path
    index: str
    mirror: Cli

    def audit(self, directory: str, file: str, *source: str) -> list[dict[str, Any]]:
        """Audit one lock file; return the rows of its pins."""
        program = self.mirror
        done = program("audit", str(self.home / directory / file), "--format", "json", *source)
        assert (done.code, done.err) == (1, "yanksync: 3 of 4 pins are not fine\n")
        return list(done.json["pins"])


def uploaded() -> FakeUpstream:
    """An index with wheels that install."""
    upstream = FakeUpstream()
    for version in ("1.0", "1.1", "1.2", "2.0"):
        upstream.upload("demo", version, content=wheel("demo", version), requires_python=">=3.8")
    for name, version in (("Other.Thing", "1.0"), ("sick", "3.1"), ("fine", "0.1")):
        content = wheel(name, version, ("demo>=1",))
        upstream.upload(name, version, content=content, requires_python=None)
    return upstream


def run(command: list[str], cwd: Path, environ: dict[str, str]) -> None:
    done = subprocess.run(
        command, cwd=cwd, env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)


class Locker:
    """Writes the lock file of each tool below a directory."""

    def __init__(self, home: Path, index: str) -> None:
        self.home = home
        self.index = index
        self.environ = {
            "PATH": os.defpath,
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": index,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "UV_NO_CONFIG": "1",
            "UV_DEFAULT_INDEX": index,
            "UV_PYTHON_DOWNLOADS": "never",
            "PDM_CHECK_UPDATE": "false",
        }

    def lock(self, tool: str) -> None:
        place = self.home / tool
        place.mkdir()
        extra = {"poetry": _POETRY, "pdm": _PDM}.get(tool, "").format(self.index)
        (place / "pyproject.toml").write_text(_PROJECT + extra)
        for command in self.commands(tool):
            run(command, place, self.environ)

    def commands(self, tool: str) -> list[list[str]]:
        """Return the commands that write the lock files of a tool."""
        if tool == "uv":
            lock = [uv.find_uv_bin(), "export", "-q", "--no-emit-project"]
            return [[*lock, "-o", name] for name in ("requirements.txt", "pylock.uv.toml")]
        program = self.installed(tool)
        return [
            {
                "poetry": [program, "lock", "-n"],
                "pdm": [program, "lock"],
                "pip-compile": [program, "-q", "--generate-hashes", "-o", "requirements.txt"],
                "pip": [program, "lock", "-q", "demo<1.2", "other-thing", "sick", "fine"],
            }[tool]
        ]

    def installed(self, tool: str) -> str:
        """Install a tool with this machine's own settings; return its program."""
        place = self.home / f"{tool}-venv"
        here, program = os.environ.copy(), uv.find_uv_bin()
        run([program, "venv", "-q", str(place)], self.home, here)
        python = str(place / "bin" / "python")
        run([program, "pip", "install", "-q", "--python", python, *TOOLS[tool]], self.home, here)
        return str(place / "bin" / tool)


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    """Lock files of every tool; afterwards three of their four pins were withdrawn."""
    upstream = uploaded()
    home = tmp_path_factory.mktemp("locks")
    with serve(upstream) as served:
        mirror = Cli(tmp_path_factory.mktemp("mirror"), served.simple_url)
        assert mirror("sync").code == 0
        locker = Locker(home, served.simple_url)
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(locker.lock, ("uv", *TOOLS)))
        upstream.yank("demo", "1.1", "breaks on Windows")
        upstream.remove_release("Other.Thing", "1.0")
        upstream.quarantine_project("sick")
        assert mirror("sync").code == 0
        yield Locked(home, served.simple_url, mirror)


def test_what_each_tool_locks_is_audited(locked: Locked) -> None:
    """One test: each process that had a part of it would install the tools."""
    for directory, file in LOCKS:
        for source in ((), ("--index", locked.index)):
            check(locked, directory, file, source)


def check(locked: Locked, directory: str, file: str, source: tuple[str, ...]) -> None:
    rows = locked.audit(directory, file, *source)
    found = {row["project"]: [one["kind"] for one in row["findings"]] for row in rows}
    assert found == {
        "demo": ["yanked"],
        "other-thing": ["removed"],
        "sick": ["quarantined"],
        "fine": [],
    }, (file, source)
    (demo,) = (row for row in rows if row["project"] == "demo")
    assert (demo["version"], demo["nearest"]) == ("1.1", "1.2")
    assert demo["findings"][0]["reason"] == "breaks on Windows"
    lines = (locked.home / directory / file).read_text().split("\n")
    for row in rows:
        assert row["project"] in lines[row["line"] - 1].lower().replace(".", "-")
