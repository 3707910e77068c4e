"""What locks, upgrades and reports make of a yank."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import uv

from tests.e2e.mirror import LiveMirror, running
from tests.support.fake_index.index import FakeUpstream, serve
from tests.support.pip_runner import run_pip

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveMirror]:
    """A mirror of two projects; tests yank and unyank what they need."""
    with serve(FakeUpstream()) as served:
        for mirror in running(served, tmp_path_factory.mktemp("locks")):
            mirror.upload("demo", "1.0", "2.0")
            mirror.sync()
            yield mirror


@pytest.fixture
def mirror(shelf: LiveMirror) -> Iterator[LiveMirror]:
    """The shelf, with nothing yanked."""
    yield shelf
    shelf.upstream.unyank("demo", "2.0")
    shelf.sync()


@pytest.fixture(params=["html", "json"])
def index(request: pytest.FixtureRequest, mirror: LiveMirror) -> str:
    """The address of one form of the mirror."""
    return mirror.nginx.simple(request.param)


class Shell:
    """Runs pip and uv in a directory, cut off from this machine's settings."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._environ = {
            "PATH": os.defpath,
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_CACHE_DIR": "1",
            "UV_NO_CONFIG": "1",
            "UV_NO_CACHE": "1",
            "UV_PYTHON": sys.executable,
            "UV_LINK_MODE": "copy",
        }

    def pip(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = run_pip(*arguments, where=self.home, environ=self._environ)
        assert done.returncode == 0, done.stderr
        return done

    def uv(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [uv.find_uv_bin(), *arguments],
            cwd=self.home,
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_a_lock_of_uv_keeps_what_was_yanked_until_it_is_upgraded(
    mirror: LiveMirror, index: str, shell: Shell
) -> None:
    (shell.home / "pyproject.toml").write_text(
        '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.11"\n'
        'dependencies = ["demo"]\n'
    )
    lock = shell.home / "uv.lock"
    shell.uv("lock", "--default-index", index)
    first = lock.read_text()
    assert 'version = "2.0"' in first
    mirror.upstream.yank("demo", "2.0", "bad")
    mirror.sync()
    shell.uv("lock", "--default-index", index)
    assert lock.read_text() == first, "addresses and hashes are the same, too"
    shell.uv("sync", "--locked", "--no-install-project", "--default-index", index)
    (installed,) = (shell.home / ".venv").rglob("demo.py")
    assert installed.read_text() == "__version__ = '2.0'\n"
    shell.uv("lock", "--upgrade", "--default-index", index)
    assert 'version = "1.0"' in lock.read_text() and 'version = "2.0"' not in lock.read_text()


def test_pins_with_hashes_and_upgrades_of_pip(mirror: LiveMirror, index: str, shell: Shell) -> None:
    where = ("install", "--index-url", index, "--target", str(shell.home / "there"))
    stored = mirror.upstream.project("demo")
    assert stored is not None
    (file,) = (one for one in stored.files.values() if one.version == "2.0")
    (shell.home / "pins.txt").write_text(f"demo==2.0 --hash=sha256:{file.sha256}\n")
    mirror.upstream.yank("demo", "2.0", "bad, in <b>bold</b>")
    mirror.sync()
    said = shell.pip(*where, "--require-hashes", "-r", "pins.txt").stderr
    assert "Reason for being yanked: bad, in <b>bold</b>" in said
    venv = shell.home / "venv"
    shell.uv("venv", str(venv))
    inside = ("--python", str(venv))
    shell.pip(*inside, "install", "--index-url", index, "demo==2.0")
    shell.pip(*inside, "install", "--upgrade", "--index-url", index, "demo")
    listed = json.loads(shell.pip(*inside, "list", "--format", "json").stdout)
    assert {"name": "demo", "version": "2.0"} in listed


def test_what_pip_tells_of_versions(mirror: LiveMirror, index: str, shell: Shell) -> None:
    def told(requirement: str) -> tuple[str, bool]:
        report = shell.pip(
            "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-",
            "--index-url", index, requirement,
        )  # fmt: skip
        (item,) = json.loads(report.stdout)["install"]
        return item["metadata"]["version"], item["is_yanked"]

    assert told("demo") == ("2.0", False)
    mirror.upstream.yank("demo", "2.0")
    mirror.sync()
    assert told("demo") == ("1.0", False) and told("demo==2.0") == ("2.0", True)
    versions = shell.pip("index", "versions", "--json", "--index-url", index, "demo")
    assert json.loads(versions.stdout)["latest"] == "1.0"


def test_a_tree_of_files_is_an_index_for_pip(mirror: LiveMirror, shell: Shell) -> None:
    mirror.upstream.yank("demo", "2.0", "bad")
    mirror.sync()
    index = (mirror.output / "simple").as_uri()
    shell.pip("install", "--index-url", index, "--target", str(shell.home / "there"), "demo")
    assert (shell.home / "there/demo.py").read_text() == "__version__ = '1.0'\n"
    said = shell.pip(
        "install", "--dry-run", "--ignore-installed", "--index-url", index, "demo==2.0"
    ).stderr
    assert "Reason for being yanked: bad" in said
