"""pip and uv, each made to use one form of a page, cut off from this machine's settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import uv

from tests.e2e.mirror import LiveMirror
from tests.support.pip_runner import run_pip

OLDEST_PIP = 26  # as setup.cfg has it


class Verdict(NamedTuple):
    """What a client would install, None when it refuses, and what it says."""

    picks: dict[str, str] | None
    says: str


class Client:
    """An installer that is given an index of one form."""

    def __init__(self, tool: str, form: str, home: Path) -> None:
        self.tool = tool
        self.form = form
        self.target = home / "target"
        self._report = home / "report.json"
        self._cache = home / "cache"
        self._environ = {
            "PATH": os.defpath,
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "UV_NO_CONFIG": "1",
        }

    def install(self, mirror: LiveMirror, requirement: str) -> str:
        """Install into :attr:`target` and return what is said."""
        index = mirror.nginx.simple(self.form)
        where = ["--target", str(self.target), requirement]
        if self.tool == "pip":
            done = self._run_pip("install", "--index-url", index, "--no-cache-dir", *where)
        else:
            uv_install = [uv.find_uv_bin(), "pip", "install", "--python", sys.executable]
            done = self._run([*uv_install, "--default-index", index, "--no-cache", *where])
        assert done.returncode == 0, done.stderr
        return done.stderr

    def resolve(self, mirror: LiveMirror, *requirements: str, cached: bool = False) -> Verdict:
        """Resolve ``requirements``; ``cached``: with what an earlier such call has kept."""
        return self.ask(mirror.nginx.simple(self.form), *requirements, cached=cached)

    def ask(self, index: str, *requirements: str, cached: bool = False) -> Verdict:
        """Resolve ``requirements`` from an index."""
        resolve = self._pip if self.tool == "pip" else self._uv
        return resolve(index, requirements, cached)

    def _pip(self, index: str, requirements: Sequence[str], cached: bool) -> Verdict:
        cache = ["--cache-dir", str(self._cache)] if cached else ["--no-cache-dir"]
        done = self._run_pip(
            *("install", "--dry-run", "--ignore-installed", "--report", str(self._report), *cache),
            *("--index-url", index, *requirements),
        )
        if done.returncode:
            return Verdict(None, done.stderr)
        chosen = [item["metadata"] for item in json.loads(self._report.read_text())["install"]]
        return Verdict({item["name"]: item["version"] for item in chosen}, done.stderr)

    def _uv(self, index: str, requirements: Sequence[str], cached: bool) -> Verdict:
        # What it has kept, it asks for again within max-age only if told to.
        cache = ["--cache-dir", str(self._cache), "--refresh"] if cached else ["--no-cache"]
        command = [uv.find_uv_bin(), "pip", "compile", "--no-header", "--no-annotate", *cache, "-"]
        python = ["--python", sys.executable]
        done = self._run([*command, *python, "--default-index", index], "\n".join(requirements))
        if done.returncode:
            return Verdict(None, done.stderr)
        return Verdict(dict(line.split("==") for line in done.stdout.splitlines()), done.stderr)

    def _run_pip(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_pip(*arguments, where=Path.cwd(), environ=self._environ)

    def _run(self, command: Sequence[str], text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self._environ,
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
