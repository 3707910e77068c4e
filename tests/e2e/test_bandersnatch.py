"""The real bandersnatch: its tree is adopted, and it follows a mirror that yanksync made.

It is installed by name from the index of the tests' other packages, into an environment of its own.
Under Python 3.11 that is 6.8. With a newer Python it is the newest one (8.2 in 2026).
"""

from __future__ import annotations

import glob
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import uv

from tests.e2e.mirror import LiveMirror, running
from tests.support.cli_runner import Cli
from tests.support.documents import page_blocks
from tests.support.fake_index.index import FakeUpstream, Served
from tests.support.page_assertions import HtmlPage

pytestmark = pytest.mark.e2e

CONFIGURATION = page_blocks("how-to/follow", "ini")[0]
REASON = 'broken "<b>&amp;</b>" \U0001f600'


def pythons() -> Iterator[str]:
    """Yield this Python, and the newest of those that bandersnatch 8 needs, if there is one."""
    yield sys.executable
    names = [f"python3.{minor}" for minor in range(16, sys.version_info.minor, -1)]
    places = [*os.get_exec_path(), *glob.glob(f"{Path.home()}/.pyenv/versions/*/bin")]
    for program in (Path(place, name) for name in names for place in places):
        if program.exists() and _runs(program):
            yield str(program)
            return


def _runs(program: Path) -> bool:
    """Whether it can make an environment: not so what only tells that there are versions of it."""
    done = subprocess.run([program, "-c", "import ensurepip, venv"], capture_output=True)
    return done.returncode == 0


class Bandersnatch:
    """bandersnatch in an environment of its own, configured as in docs/how-to/follow.rst."""

    def __init__(self, home: Path, python: str) -> None:
        tool, environment = uv.find_uv_bin(), home / "environment"
        for arguments in (
            ["venv", "--python", python, str(environment)],
            ["pip", "install", "--python", str(environment), "bandersnatch"],
        ):
            subprocess.run([tool, "--quiet", *arguments], check=True, timeout=300)
        self._program = environment / "bin/bandersnatch"
        self.tree = home / "tree"
        self._home = home
        self._upstream = ""

    def follow(self, home: Path, upstream: str, files: str, **keys: str) -> None:
        """Be configured to follow ``upstream`` (a URL), with more ``keys``, and with no tree."""
        home.mkdir()
        self.tree = home / "tree"
        self._home = home
        text = CONFIGURATION.replace("https://mirror.example", upstream.rstrip("/"))
        text = text.replace("/srv/bandersnatch", str(self.tree))
        text = text.replace("https://files.example", files.rstrip("/"))
        for key, value in {"allow-non-https": "true", **keys}.items():
            text = "".join(line for line in text.splitlines(True) if not line.startswith(key))
            text = f"{text.rstrip()}\n{key} = {value}\n"
        (home / "bandersnatch.conf").write_text(text)

    def __call__(self) -> Path:
        """Make a pass, and return the directory that its web server would serve."""
        done = subprocess.run(
            [self._program, "--config", self._home / "bandersnatch.conf", "mirror"],
            cwd=self._home,
            env={"PATH": os.defpath, "HOME": str(self._home)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return self.tree / "web"


@pytest.fixture(scope="module", params=list(pythons()), ids=lambda path: Path(path).name)
def bandersnatch(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Bandersnatch:
    return Bandersnatch(tmp_path_factory.mktemp("bandersnatch"), request.param)


def anchors(page: Path) -> dict[str, dict[str, str | None]]:
    """Return what an HTML page says of each file; bandersnatch leaves metadata out."""
    found = HtmlPage(page.read_bytes()).anchors
    left_out = ("data-core-metadata", "data-dist-info-metadata", "data-provenance")
    return {
        text: {key: value for key, value in attributes.items() if key not in left_out}
        for text, attributes in found
    }


def pages(output: Path) -> dict[str, dict[str, dict[str, str | None]]]:
    """Return what the HTML page of each project says."""
    return {page.parent.name: anchors(page) for page in output.glob("simple/*/index.html")}


@pytest.mark.parametrize("relative", [False, True])
def test_its_tree_is_adopted(
    bandersnatch: Bandersnatch, served: Served, tmp_path: Path, relative: bool
) -> None:
    upstream = FakeUpstream()
    served.upstream = upstream
    upstream.files_url = f"{served.root_url}packages/"
    for name in ("demo", "Other.Thing", "gone", "plain", "late"):
        for version in ("1.0", "2.0"):
            upstream.upload(name, version, requires_python=">=3.8")
    upstream.yank("demo", "1.0", REASON)
    upstream.yank("Other.Thing", "2.0")
    # With files of its own it writes relative links, as most that exist do.
    keys = {"release-files": "true", "verifiers": "1"} if relative else {}
    root = "" if relative else served.root_url
    bandersnatch.follow(tmp_path / "bandersnatch", served.root_url, root, **keys)
    output = bandersnatch()
    assert pages(output).keys() == {"demo", "other-thing", "gone", "plain", "late"}
    upstream.yank("late", "1.0", "after its last pass")
    upstream.remove_project("gone")
    foreign = {path for path in output.rglob("*") if "simple" not in path.parts}
    yanksync = Cli(tmp_path, served.simple_url)
    yanksync.configure(f'simple_url = "{served.simple_url}"', mirror=f'output = "{output}"')
    said = yanksync("adopt", "--json").json
    fates = {fate["project"]: fate["kind"] for fate in said["fates"] if fate["project"]}
    assert fates == {
        "demo": "fetch",  # its JSON page has lost the reason
        "other-thing": "rewritten",  # there was none, as its HTML page shows
        "plain": "rewritten",
        "late": "fetch",
        "gone": "gone",
    }
    assert yanksync("sync").silent and yanksync("verify").silent
    assert {path for path in output.rglob("*") if "simple" not in path.parts} == foreign
    home = tmp_path / "fresh"
    home.mkdir()
    fresh = Cli(home, served.simple_url)
    assert fresh("sync").silent
    assert pages(output) == pages(fresh.output)
    reasons = {
        text: attributes.get("data-yanked")
        for project in ("demo", "late", "other-thing")
        for text, attributes in pages(output)[project].items()
    }
    assert reasons == {
        "demo-1.0.tar.gz": REASON,
        "demo-2.0.tar.gz": None,
        "late-1.0.tar.gz": "after its last pass",
        "late-2.0.tar.gz": None,
        "other_thing-1.0.tar.gz": None,
        "other_thing-2.0.tar.gz": "",
    }


@pytest.fixture
def mirror(served: Served, tmp_path: Path) -> Iterator[LiveMirror]:
    """The mirror that is followed."""
    for made in running(served, tmp_path):
        made.upstream.files_url = f"{served.root_url}packages/"
        yield made


def test_it_follows(
    bandersnatch: Bandersnatch, mirror: LiveMirror, served: Served, tmp_path: Path
) -> None:
    upstream = mirror.upstream
    for name in ("demo", "other", "gone", "doubtful"):
        for version in ("1.0", "2.0"):
            upstream.upload(name, version, requires_python=">=3.8")
    upstream.yank("demo", "1.0", REASON)
    bandersnatch.follow(tmp_path / "bandersnatch", mirror.nginx.root_url, served.root_url)

    def followed() -> dict[str, dict[str, dict[str, str | None]]]:
        mirror.sync(mirror_list_interval="0", mirror_legacy_json="true")
        return pages(bandersnatch())

    assert followed() == pages(mirror.output)
    upstream.yank("demo", "2.0", "worse")
    upstream.unyank("demo", "1.0")
    upstream.upload("other", "3.0")
    upstream.upload("new", "1.0")
    assert followed() == pages(mirror.output)
    upstream.remove_file("other", "other-1.0.tar.gz")
    upstream.yank("new", "1.0")
    assert followed() == pages(mirror.output)
    found = json.loads((bandersnatch.tree / "web/simple/demo/index.v1_json").read_text())
    assert [file["yanked"] for file in found["files"]] == [
        False,
        True,
    ]  # as how-to/follow says
    # docs/how-to/follow.rst says that it keeps what leaves the list; everything else goes on.
    before = pages(mirror.output)
    upstream.quarantine_project("doubtful")
    upstream.remove_project("gone")
    upstream.yank("other", "2.0", "late")
    now = followed()
    assert now["doubtful"] == before["doubtful"] and now["gone"] == before["gone"]
    assert now["other"] == pages(mirror.output)["other"] != before["other"]


def test_its_files_are_adopted_without_a_download(
    bandersnatch: Bandersnatch, served: Served, tmp_path: Path
) -> None:
    upstream = FakeUpstream()
    served.upstream = upstream
    upstream.files_url = f"{served.root_url}packages/aa/bb/"
    names = ["ab" * 30, "cd" * 30]  # the addresses end as those of PyPI: aa/bb/<60 hex>/name
    for name in names:
        upstream.upload(name, "1.0")
        upstream.upload(name, "2.0")
    upstream.yank(names[0], "1.0", REASON)
    keys = {"release-files": "true", "verifiers": "1"}
    bandersnatch.follow(tmp_path / "bandersnatch", served.root_url, "", **keys)
    output = bandersnatch()
    (altered,) = output.rglob(f"{names[1]}-1.0.tar.gz")
    altered.write_bytes(b"x" * altered.stat().st_size)
    yanksync = Cli(tmp_path, served.simple_url)
    mirror = f'output = "{output}"\nfiles = "copy"'
    yanksync.configure(f'simple_url = "{served.simple_url}"', mirror=mirror)
    upstream.clear_log()
    said = yanksync("adopt", "--rate", "50MiB").out
    assert "3 package files taken over, their hashes are right" in said
    assert yanksync("sync").silent
    asked = [one.path for one in upstream.requests if one.path.endswith(".tar.gz")]
    assert asked == [f"/packages/aa/bb/{names[1]}/{altered.name}"], "the altered one alone"
    assert yanksync("verify", "--hash").silent
    page = json.loads((output / "simple" / names[0] / "index.v1_json").read_bytes())
    assert all(file["url"].startswith("../../packages/aa/bb/") for file in page["files"])
