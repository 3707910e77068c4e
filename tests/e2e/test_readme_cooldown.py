"""Cooldown and overrides before real installers, and the page for security teams as it stands."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uv

from tests.e2e.mirror import LiveMirror, running
from tests.e2e.nginx import free
from tests.support.documents import page_blocks
from tests.support.fake_index.index import FakeUpstream, serve, wheel
from tests.support.installers import Client
from tests.support.pip_runner import run_pip

pytestmark = pytest.mark.e2e

DAY = 86400
AGE = "9d"
FORMS = ("html", "json")
COOLDOWN, OVERRIDES, ADVISORIES = page_blocks("how-to/cooldown", "toml")


@pytest.fixture(params=["pip-html", "pip-json", "uv-html", "uv-json"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Client:
    tool, form = request.param.split("-")
    return Client(tool, form, tmp_path)


@pytest.fixture(scope="module")
def hiding(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveMirror]:
    """A mirror that hides files while they are too young."""
    yield from _mirror(tmp_path_factory.mktemp("hiding"), "hide")


@pytest.fixture(scope="module")
def marking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveMirror]:
    """A mirror that marks them yanked."""
    yield from _mirror(tmp_path_factory.mktemp("marking"), "yank")


def _mirror(home: Path, mode: str) -> Iterator[LiveMirror]:
    with serve(FakeUpstream()) as served:
        for mirror in running(served, home):
            stock(mirror)
            mirror.sync()
            for form in FORMS:
                lock(home / form, mirror.nginx.simple(form))
            mirror.sync(cooldown_age=AGE, cooldown_mode=mode)
            yield mirror


@pytest.fixture(params=["hiding", "marking"])
def cooling(request: pytest.FixtureRequest) -> LiveMirror:
    """A mirror of either mode."""
    mirror: LiveMirror = request.getfixturevalue(request.param)
    return mirror


def marks(mirror: LiveMirror) -> bool:
    """Return True if the page has the young release, which is marked."""
    return len(offered(mirror)) == 3


def lock(home: Path, index: str) -> None:
    """Make a project that pins the young release, and lock it.

    Lock it while ``index`` offers that release.
    """
    home.mkdir(exist_ok=True)
    (home / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "0"\nrequires-python = ">=3.11"\n'
        'dependencies = ["demo==3.0"]\n'
    )
    made = _uv(home, "lock", "--python", sys.executable, "--default-index", index,
               "--project", str(home))  # fmt: skip
    assert made.returncode == 0, made.stderr


def stock(mirror: LiveMirror) -> None:
    """Upload two old releases and a young one, and a project that is young as a whole."""
    mirror.upstream.clock = int(time.time()) - 90 * DAY
    mirror.upload("demo", "1.0", "2.0")
    mirror.upstream.clock = int(time.time()) - DAY
    mirror.upload("demo", "3.0")
    mirror.upload("young", "0.1", "0.2")


@pytest.mark.parametrize(
    ("asked", "picks"),
    [("demo", "2.0"), ("demo==3.0", None), ("demo>=3", None), ("demo==2.0", "2.0")],
)
def test_a_hidden_release(
    client: Client, hiding: LiveMirror, asked: str, picks: str | None
) -> None:
    found = client.resolve(hiding, asked)
    assert found.picks == (None if picks is None else {"demo": picks}), found.says
    if asked == "demo==3.0" and client.tool == "pip":
        assert "(from versions: 1.0, 2.0)" in found.says


def test_a_page_without_files(client: Client, hiding: LiveMirror) -> None:
    found = client.resolve(hiding, "young")
    assert found.picks is None
    assert ("from versions: none" if client.tool == "pip" else "no versions") in found.says


@pytest.mark.parametrize(
    ("asked", "picks"), [("demo", "2.0"), ("demo==3.0", "3.0"), ("demo>=3", None)]
)
def test_a_release_that_is_marked(
    client: Client, marking: LiveMirror, asked: str, picks: str | None
) -> None:
    found = client.resolve(marking, asked)
    assert found.picks == (None if picks is None else {"demo": picks}), found.says
    if asked == "demo==3.0":
        assert "too new for this mirror until 2" in found.says
    if asked == "demo>=3":
        says = "Ignored the following yanked versions: 3.0"
        wanted = says if client.tool == "pip" else "too new for this mirror until 2"
        assert wanted in " ".join(found.says.split())


@pytest.mark.parametrize("asked", ["young", "young>=0.1", "young==0.*"])
def test_a_project_that_is_marked_as_a_whole(
    client: Client, marking: LiveMirror, asked: str
) -> None:
    assert client.resolve(marking, asked).picks is None


# Limits


@pytest.mark.parametrize("form", FORMS)
def test_a_second_index_defeats_it_for_pip_alone(
    cooling: LiveMirror, form: str, tmp_path: Path
) -> None:
    upstream, mirror = _upstream(cooling), cooling.nginx.simple(form)
    report = tmp_path / "report.json"
    pip = ["--ignore-installed", "--report", str(report), "--index-url", mirror]
    done = _dry_pip(tmp_path, *pip, "--extra-index-url", upstream, "demo")
    assert done.returncode == 0, done.stderr
    (item,) = json.loads(report.read_text())["install"]
    assert item["metadata"]["version"] == "3.0"
    indexes = ["--index", mirror, "--default-index", upstream]
    pin = "demo==3.0" if marks(cooling) else None
    for name, wanted in (("demo", "demo==2.0"), ("young", None), ("demo==3.0", pin)):
        found = _uv(tmp_path, "pip", "compile", "--no-header", "--no-annotate", *indexes, "-",
                    text=name)  # fmt: skip
        assert (found.stdout.strip() or None) == wanted, found.stderr


@pytest.mark.parametrize("form", FORMS)
def test_a_lock_file_with_urls_bypasses_pages(
    cooling: LiveMirror, form: str, tmp_path: Path
) -> None:
    lock_file, target = tmp_path / "pylock.toml", tmp_path / "target"
    index = ["--default-index", _upstream(cooling)]
    made = _uv(tmp_path, "pip", "compile", "-o", str(lock_file), *index, "-", text="demo==3.0")
    assert made.returncode == 0, made.stderr
    only = ["--default-index", cooling.nginx.simple(form), "--target", str(target)]
    done = _uv(tmp_path, "pip", "install", "--python", sys.executable, *only, "-r", str(lock_file))
    assert done.returncode == 0, done.stderr
    assert (target / "demo-3.0.dist-info").is_dir()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("option", ["--frozen", "--locked"])
def test_a_sync_from_a_lock_of_this_index_asks_no_page(
    cooling: LiveMirror, form: str, option: str, tmp_path: Path
) -> None:
    index = cooling.nginx.simple(form)
    done = _synced(tmp_path / "there", cooling.home / form, option, index)
    assert "+ demo==3.0" in done.stderr, done.stderr
    assert "yanked" not in done.stderr
    nowhere = f"http://{free(1)[0]}/simple/"  # no server listens here, so a request fails
    moved = tmp_path / "moved"
    shutil.copytree(cooling.home / form, moved)
    (moved / "uv.lock").write_text((moved / "uv.lock").read_text().replace(index, nowhere))
    done = _synced(tmp_path / "away", moved, option, nowhere)
    assert "+ demo==3.0" in done.stderr, done.stderr


@pytest.mark.parametrize("form", FORMS)
def test_a_locked_sync_from_a_lock_of_another_index_asks_the_page(
    cooling: LiveMirror, form: str, tmp_path: Path
) -> None:
    made, index = tmp_path / "made", cooling.nginx.simple(form)
    lock(made, _upstream(cooling))
    frozen = _synced(tmp_path / "frozen", made, "--frozen", index)
    assert "+ demo==3.0" in frozen.stderr, frozen.stderr
    locked = _synced(tmp_path / "locked", made, "--locked", index)
    assert locked.returncode != 0
    assert "+ demo" not in locked.stderr
    says = " ".join(locked.stderr.split())
    if marks(cooling):
        assert "too new for this mirror until 2" in says
        assert "needs to be updated" in says
    else:
        assert "no version of demo==3.0" in says


def _synced(home: Path, project: Path, option: str, index: str) -> subprocess.CompletedProcess[str]:
    """Sync a copy of ``project`` in ``home``."""
    shutil.copytree(project, home)
    return _uv(home, "sync", option, "--no-install-project", "--python", sys.executable,
               "--default-index", index, "--project", str(home))  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_requirement_with_a_hash_asks_the_page(
    cooling: LiveMirror, form: str, tmp_path: Path
) -> None:
    digest = hashlib.sha256(wheel("demo", "3.0")).hexdigest()
    (tmp_path / "r.txt").write_text(f"demo==3.0 --hash=sha256:{digest}\n")
    index = ["--index-url", cooling.nginx.simple(form)]
    done = _dry_pip(tmp_path, *index, "-r", str(tmp_path / "r.txt"))
    if marks(cooling):
        assert done.returncode == 0, done.stderr
        assert "too new for this mirror until 2" in done.stderr
    else:
        assert done.returncode != 0
        assert "from versions: 1.0, 2.0" in done.stderr


def test_a_clients_own_cooldown_works_on_these_pages(hiding: LiveMirror, tmp_path: Path) -> None:
    index = ["--default-index", hiding.nginx.simple("json")]
    for days, wanted in ((30, "demo==2.0"), (120, "")):
        before = time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(time.time() - days * DAY))
        found = _uv(tmp_path, "pip", "compile", "--no-header", "--no-annotate", *index,
                    "--exclude-newer", before, "-", text="demo")  # fmt: skip
        assert found.stdout.strip() == wanted, found.stderr
        pip = ["--ignore-installed", "--index-url", index[1], "--uploaded-prior-to", before]
        said = _dry_pip(tmp_path, *pip, "demo")
        assert (said.returncode == 0) == bool(wanted), said.stderr
        assert ("Would install demo-2.0" in said.stdout) == bool(wanted), said.stdout


def _upstream(mirror: LiveMirror) -> str:
    """Return the address of the index that has everything."""
    text = (mirror.home / "yanksync.toml").read_text()
    return text.partition('simple_url = "')[2].partition('"')[0]


def _environ(home: Path) -> dict[str, str]:
    return {"PATH": os.defpath, "HOME": str(home), "UV_NO_CONFIG": "1", "LANG": "C.UTF-8",
            "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}  # fmt: skip


def _dry_pip(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    install = ("install", "--dry-run", "--no-cache-dir")
    return run_pip(*install, *words, where=home, environ=_environ(home))


def _uv(home: Path, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [uv.find_uv_bin(), *words, "--no-cache"], env=_environ(home), input=text,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


# The page for security teams


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[LiveMirror]:
    with serve(FakeUpstream()) as served:
        yield from running(served, tmp_path)


def offered(mirror: LiveMirror, name: str = "demo") -> list[str]:
    page = json.loads((mirror.output / "simple" / name / "index.v1_json").read_text())
    return [file["filename"] for file in page["files"]]


def add(mirror: LiveMirror, text: str) -> None:
    path = mirror.home / "yanksync.toml"
    path.write_text(f"{path.read_text()}\n{text}\n")


def test_turning_it_on(mirror: LiveMirror) -> None:
    stock(mirror)
    mirror.upload("our-tool", "1.0")
    mirror.sync()
    add(mirror, COOLDOWN)
    plan = mirror.run("sync", "--dry-run").splitlines()
    assert [line for line in plan if line.endswith(".whl")] == [
        f"- {name}-py3-none-any.whl" for name in ("demo-3.0", "young-0.1", "young-0.2")
    ]
    mirror.sync()
    assert offered(mirror) == ["demo-1.0-py3-none-any.whl", "demo-2.0-py3-none-any.whl"]
    assert offered(mirror, "our-tool")
    assert "hidden by cooldown.age until" in mirror.run("why", "demo", "3.0")
    assert "cooldown waiting  3 files" in mirror.run("status")
    mirror.upstream.remove_release("demo", "3.0")
    mirror.sync()
    assert "demo" in mirror.run("history", "--action", "averted")


def test_letting_a_fix_through(mirror: LiveMirror) -> None:
    mirror.upstream.clock = int(time.time())
    mirror.upload("urllib3", "2.6.0", "2.7.0")
    mirror.upload("demo", "1.0", "2.0")
    text = OVERRIDES
    until = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 5 * DAY))
    add(mirror, text.replace("2026-12-06", until))
    mirror.sync(cooldown_age="3d")
    assert offered(mirror, "urllib3") == ["urllib3-2.7.0-py3-none-any.whl"]
    mirror.sync()
    assert offered(mirror) == ["demo-2.0-py3-none-any.whl"]


def test_hiding_malware(mirror: LiveMirror) -> None:
    mirror.upload("demo", "1.0", "2.0")
    package = {"ecosystem": "PyPI", "name": "demo"}
    record = {"id": "MAL-1", "affected": [{"package": package, "versions": ["2.0"]}]}
    (mirror.home / "MAL-1.json").write_text(json.dumps(record))
    text = ADVISORIES
    assert "/srv/osv/PyPI.zip" in text
    add(mirror, text.replace("/srv/osv/PyPI.zip", str(mirror.home / "MAL-1.json")))
    mirror.sync()
    assert offered(mirror) == ["demo-1.0-py3-none-any.whl"]
    assert "hidden by advisory MAL-1 (MAL-1)" in mirror.run("why", "demo")
