"""What is handed out: the wheel and the sdist that ``build`` makes, the man page, the metadata."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import uv

from tests.support.source_copy import ROOT, copy_sources
from yanksync import __version__
from yanksync.cli import COMMANDS
from yanksync.core.withdrawals.web.shell import ASSETS
from yanksync.service.deployment_files import FILES, UNITS

PAGES = {"yanksync.1", *(f"yanksync-{name}.1" for name in COMMANDS)}


def run(*command: str | Path, where: Path) -> str:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("YANKSYNC")}
    environ.pop("PYTHONPATH", None)
    done = subprocess.run(
        command, cwd=where, env=environ, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(sources: Path, out: Path) -> Path:
    """Build the wheel and the sdist with scripts/release; return their directory."""
    copy_sources(sources)
    environ_path = f"{Path(uv.find_uv_bin()).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, sources / "scripts/release", out],
        capture_output=True,
        env={**os.environ, "PATH": environ_path, "SOURCE_DATE_EPOCH": "1700000000"},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the wheel and the sdist, made of a copy of the sources."""
    return build(tmp_path_factory.mktemp("sources") / "yanksync", tmp_path_factory.mktemp("dist"))


def test_a_second_build_gives_the_same_bytes(built: Path, tmp_path: Path) -> None:
    umask = os.umask(0o077)
    try:
        again = build(tmp_path / "elsewhere", tmp_path / "dist")
    finally:
        os.umask(umask)
    first, second = (
        {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in where.iterdir()}
        for where in (built, again)
    )
    assert first == second
    assert len(first) == 2


def test_an_index_takes_the_metadata_and_the_readme(built: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "twine", "check", "--strict", *built.iterdir(), where=tmp_path)


def test_the_sdist_has_what_tests_and_scripts_need(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    assert sdist.name == f"yanksync-{__version__}.tar.gz"
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for path in (
        *("README.rst", "LICENSE", "RATIONALE.rst", "Containerfile", "setup.cfg", ".ci/run"),
        *("docs/conf.py", "docs/index.rst", "docs/how-to/cron.rst", "scripts/docs"),
        *("SECURITY.rst", "CHANGELOG.rst", "docs/design/rules.rst", "scripts/release"),
        *(".dockerignore", "scripts/container", "tests/container/engine.py"),
        *(
            "scripts/test",
            "scripts/lowest",
            "tests/lowest.txt",
            "scripts/ruff.toml",
            "tests/support/fake_index/index.py",
            "tests/state/first.db",
        ),
        *("yanksync/py.typed", *(f"yanksync/service/templates/{name}" for name in FILES)),
    ):
        assert path in names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_the_wheel_runs_in_a_clean_environment(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0] for name in names} == {
        "yanksync",
        f"yanksync-{__version__}.dist-info",
        f"yanksync-{__version__}.data",
    }
    others = [name for name in names if name.startswith("yanksync/") and name[-3:] != ".py"]
    templates = {f"yanksync/service/templates/{name}" for name in FILES}
    assets = {f"yanksync/core/withdrawals/web/assets/{name}" for name in ASSETS}
    assert set(others) == {"yanksync/py.typed", *templates, *assets}
    tool, environment = uv.find_uv_bin(), tmp_path / "clean"
    run(tool, "venv", "--quiet", "--python", sys.executable, environment, where=tmp_path)
    installing = (tool, "pip", "install", "--quiet", "--python", environment / "bin/python")
    run(*installing, wheel, where=tmp_path)
    program = environment / "bin/yanksync"
    assert run(program, "--version", where=tmp_path) == f"yanksync, version {__version__}\n"
    (tmp_path / "yanksync.toml").write_text("[mirror]\noutput = '/srv/mirror'\n")
    assert "root /srv/mirror;" in run(program, "show", "nginx", where=tmp_path)
    crontab = run(program, "show", "crontab", where=tmp_path)
    assert crontab.endswith(f"{program} --config {tmp_path}/yanksync.toml sync --cron\n")
    assert "Make passes" in run(program, "run", "--help", where=tmp_path)
    manuals = environment / "share/man/man1"
    assert {page.name for page in manuals.iterdir()} == PAGES
    check_units(program, tmp_path, manuals / "yanksync.1")


def check_units(program: Path, home: Path, manual: Path) -> None:
    """Let systemd look at the units, with their programs and manual pages, where it is."""
    units = [home / name for name in UNITS]
    for unit in units:
        unit.write_text(run(program, "show", unit.name, where=home))
        assert f"\nDocumentation=file:{manual}\n" in unit.read_text()
    if analyze := shutil.which("systemd-analyze"):
        done = subprocess.run([analyze, "verify", *units], capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("python", [sys.executable, f"{sys.base_prefix}/bin/python3"])
def test_the_man_pages(tmp_path: Path, python: str) -> None:
    checkout = copy_sources(tmp_path / "checkout")
    ours = Path(sys.executable).parent  # scripts/env would make another one, for a minute
    (checkout / "scripts/env").write_text(f"PATH={ours}:$PATH\n")
    made = tmp_path / "made"
    run(python, checkout / "scripts/man", made, where=tmp_path)  # not each Python has click
    assert {page.name for page in made.iterdir()} == PAGES
    known = (".TH", ".SH", ".SS", ".PP", ".TP", ".B", ".BR", ".nf", ".fi")
    for page in made.iterdir():
        text = page.read_text()
        assert text.startswith(f".TH {page.stem.upper()} 1 ".replace("-", "\\-"))
        lines = [line for line in text.splitlines() if line.startswith(".")]
        assert {line.split()[0] for line in lines} <= set(known)
    if mandoc := shutil.which("mandoc"):
        assert run(mandoc, "-T", "lint", "-W", "warning", *made.iterdir(), where=tmp_path) == ""
        shown = run(mandoc, "-T", "utf8", made / "yanksync-sync.1", where=tmp_path)
        assert "yanksync --config /etc/yanksync.toml sync --now" in shown


def test_a_stale_man_page_is_named(tmp_path: Path) -> None:
    checkout = copy_sources(tmp_path / "checkout")
    check = [sys.executable, str(checkout / "scripts/man"), "--check"]
    assert subprocess.run(check, capture_output=True).returncode == 0
    page = checkout / "man/yanksync-sync.1"
    page.write_text(page.read_text().replace("OPTIONS", "CHOICES"))
    (checkout / "man/yanksync-gone.1").write_text(".TH GONE 1\n")
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 1
    named = {line.partition(" ")[0] for line in done.stderr.splitlines()}
    assert named == {"man/yanksync-sync.1", "man/yanksync-gone.1"}


def test_the_container_file_copies_what_there_is() -> None:
    text = (ROOT / "Containerfile").read_text()
    assert "USER 10001:10001" in text
    assert 'ENTRYPOINT ["yanksync"]' in text
    assert 'CMD ["run"]' in text
