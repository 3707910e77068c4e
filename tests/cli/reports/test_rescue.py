"""``yanksync rescue`` with caches that the real pip and uv filled, and with trees of files."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli_runner import Cli, Done
from tests.support.fake_index.index import FakeUpstream, serve, wheel
from tests.support.installer_caches import Caches, buildable_sdist

WHEEL, SOURCE = wheel("demo", "1.0"), buildable_sdist("source", "1.0")
ONLY_UV = wheel("only-uv", "1.0")
LOCK = """\
version = 1
requires-python = ">=3.11"
[[package]]
name = "{name}"
version = "1.0"
source = {{ registry = "https://upstream.example/simple/" }}
{key} = {value}
"""
_FILE = '{{ url = "https://files.example/{0}", hash = "sha256:{1}" }}'


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def locked(name: str, filename: str, content: bytes) -> str:
    """Return a uv.lock with one file."""
    file = _FILE.format(filename, sha256(content))
    if filename.endswith(".whl"):
        return LOCK.format(name=name, key="wheels", value=f"[{file}]")
    return LOCK.format(name=name, key="sdist", value=file)


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Caches:
    """What pip and uv keep after installations from an index that has nothing of it any more."""
    found = Caches(tmp_path_factory.mktemp("home"))
    upstream = FakeUpstream()
    upstream.upload("demo", "1.0", content=WHEEL, requires_python=None)
    upstream.upload("only-uv", "1.0", content=ONLY_UV, requires_python=None)
    upstream.upload("source", "1.0", "source-1.0.tar.gz", content=SOURCE, requires_python=None)
    with serve(upstream) as served:
        found.pip_install(served.simple_url, "demo==1.0", "source==1.0")
        found.uv_install(served.simple_url, "only-uv==1.0", "source==1.0")
    return found


@pytest.fixture
def yanksync(tmp_path: Path, caches: Caches) -> Cli:
    """The program in a directory without a configuration, beside these caches."""
    cli = Cli(tmp_path, None)
    cli.environ.update(caches.environ, PATH=f"{Path(sys.executable).parent}:/usr/bin:/bin")
    return cli


def files(done: Done) -> dict[str, list[dict[str, Any]]]:
    """Return the files of a report by outcome."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in done.json["files"]:
        found.setdefault(one["outcome"], []).append(one)
    return found


def test_a_wheel_of_pips_cache_is_verified_by_a_lock_and_installs(
    yanksync: Cli, caches: Caches
) -> None:
    (yanksync.home / "uv.lock").write_text(locked("demo", "demo-1.0-py3-none-any.whl", WHEEL))
    done = yanksync("rescue", "Demo==1.0.0", "--lock", "uv.lock", "--to", "my wheels")
    assert (done.code, done.err) == (0, "")
    copy = yanksync.home / "my wheels" / "demo-1.0-py3-none-any.whl"
    assert copy.read_bytes() == WHEEL
    first, *_, command = done.out.splitlines()
    assert first.startswith(f"{copy.name}  verified by uv.lock, copied to my wheels/{copy.name}")
    command = command.removeprefix("To install it: ")
    assert command == "pip install --no-index --find-links 'my wheels' demo==1.0.0"
    assert f"pip's cache  {caches.pip}: " in done.out
    assert f"uv's cache  {caches.uv}: " in done.out
    target = str(yanksync.home / "target")
    pip = f"{sys.executable} -m pip install -q --target {target} "
    caches.run("sh", "-c", command.replace("pip install ", pip), cwd=yanksync.home)
    assert (Path(target) / "demo.py").exists()


def test_hashes_without_names_are_enough(yanksync: Cli) -> None:
    (yanksync.home / "requirements.txt").write_text(
        f"demo==1.0 --hash=sha256:{sha256(WHEEL)}\nsource==1.0 --hash=sha256:{sha256(SOURCE)}\n"
    )
    for name, copy, content in (
        ("demo", "demo-1.0-py3-none-any.whl", WHEEL),
        ("source", "source-1.0.tar.gz", SOURCE),
    ):
        done = yanksync("rescue", f"{name}==1.0", "--lock", "requirements.txt")
        assert (done.code, done.err) == (0, "")
        assert (yanksync.home / copy).read_bytes() == content
    again = yanksync("rescue", "demo==1.0", "--hash", f"SHA256:{sha256(WHEEL)}")
    assert again.code == 0
    assert "it is already at demo-1.0-py3-none-any.whl" in again.out


def test_what_was_built_here_is_not_taken_for_the_original(yanksync: Cli) -> None:
    done = yanksync("rescue", "source==1.0", "--hash", f"sha256:{sha256(SOURCE)}", "--json")
    assert done.code == 0
    found = files(done)
    assert [one["copy"] for one in found["verified"]] == ["source-1.0.tar.gz"]
    assert {Path(one["path"]).name for one in found["built"]} == {"source-1.0-py3-none-any.whl"}
    assert not list(yanksync.home.glob("*.whl"))


def test_what_uv_unpacked_is_told_and_not_copied(yanksync: Cli, caches: Caches) -> None:
    name = "only_uv-1.0-py3-none-any.whl"
    (yanksync.home / "uv.lock").write_text(locked("only-uv", name, ONLY_UV))
    done = yanksync("rescue", "only-uv==1.0", "--lock", "uv.lock")
    assert done.code == 1
    assert f"{name}  not verified: uv keeps it unpacked" in done.out
    assert "uv noted the known hash of it" in done.out
    assert done.err == (
        "yanksync: no file of only-uv==1.0 could be verified by uv.lock, so nothing was copied. "
        "Name a mirror or another machine's cache with --from\n"
    )
    assert not list(yanksync.home.glob("*.whl"))
    (one,) = yanksync("rescue", "only-uv==1.0", "--lock", "uv.lock", "--json").json["files"]
    assert (one["outcome"], one["known"], one["copy"]) == ("unpacked", True, None)
    assert (Path(one["path"]) / "only_uv.py").exists()
    (other,) = yanksync("rescue", "only-uv==1.0", "--hash", f"sha256:{'0' * 64}", "--json").json[
        "files"
    ]
    assert (other["hash"], other["known"]) == (f"sha256:{sha256(ONLY_UV)}", False)


def test_the_command_named_for_unpacked_wheels_works(
    yanksync: Cli, caches: Caches, tmp_path: Path
) -> None:
    """uv sync installs from its cache what no index has."""
    upstream = FakeUpstream()
    upstream.upload("only-uv", "1.0", content=ONLY_UV, requires_python=None)
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "0"\nrequires-python = ">=3.11"\n'
        'dependencies = ["only-uv"]\n'
    )
    with serve(upstream) as served:
        caches.run("uv", "sync", "-q", "--default-index", served.simple_url, cwd=tmp_path)
    environment = tmp_path / ".venv"
    environment.rename(tmp_path / "old")
    caches.run("uv", "sync", "-q", "--frozen", "--offline", cwd=tmp_path)
    assert list(environment.rglob("only_uv.py"))


def test_the_state_knows_the_hashes_of_what_is_gone(tmp_path: Path, yanksync: Cli) -> None:
    upstream = FakeUpstream()
    upstream.upload("demo", "1.0", content=WHEEL)
    upstream.upload("demo", "2.0")
    tree = tmp_path / "files" / "ab" / "cd"
    tree.mkdir(parents=True)
    with serve(upstream) as served:
        mirror = Cli(tmp_path, served.simple_url)
        mirror.environ.update(yanksync.environ)
        assert mirror("sync").code == 0
        upstream.remove_release("demo", "1.0")
        assert mirror("sync").code == 0
    (tree / "demo-1.0-py3-none-any.whl").write_bytes(WHEEL + b"forged")
    source = ("rescue", "demo==1.0", "--from", "files")
    (tmp_path / "elsewhere").mkdir()
    done = mirror(*source, PIP_CACHE_DIR=str(tmp_path / "none"))
    assert done.code == 1
    assert "not verified: its hash sha256:" in done.out
    assert f"pip's cache  {tmp_path / 'none'}: there is no such directory" in done.out
    (tree / "demo-1.0-py3-none-any.whl").write_bytes(WHEEL)
    done = mirror(*source, "--to", "new/place", PIP_CACHE_DIR=str(tmp_path / "none"))
    assert (done.code, done.err) == (0, "")
    assert f"verified by the state {mirror.state}" in done.out
    assert (tmp_path / "new/place/demo-1.0-py3-none-any.whl").read_bytes() == WHEEL
    done = mirror("rescue", "demo==3.0")
    assert done.code == 1
    assert "has no hash of demo==3.0, so no file can be verified" in done.err


def test_another_file_is_never_replaced(yanksync: Cli) -> None:
    other = yanksync.home / "demo-1.0-py3-none-any.whl"
    other.write_text("mine")
    done = yanksync("rescue", "demo==1.0", "--hash", f"sha256:{sha256(WHEEL)}")
    assert done.code == 1
    assert "another file has this name" in done.out
    assert done.err == (
        "yanksync: not every verified file was copied; name another directory with --to\n"
    )
    assert other.read_text() == "mine"
    assert yanksync.leftovers() == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["demo"], "'demo' is no exact pin; write NAME==VERSION"),
        (["demo==1.*"], "is no exact pin"),
        (["demo==1.0", "--hash", "md5:00"], "'md5:00' verifies no file"),
        (["demo==1.0", "--hash", "sha256:zz"], "verifies no file"),
        (["demo==1.0", "--from", "nowhere"], "there is no directory nowhere"),
        (["demo==1.0", "--lock", "uv.lock"], "uv.lock: cannot be read"),
        (["demo==1.0"], "so no hash of demo==1.0 is known. Name a lock file with --lock"),
        (["other==1.0", "--lock", "p.txt"], "p.txt: has no such pin: other==1.0"),
        (["demo==1.0", "--lock", "p.txt"], "p.txt: pins it without a SHA-2 hash"),
    ],
)
def test_wrong_usage_ends_with_2(yanksync: Cli, arguments: list[str], told: str) -> None:
    (yanksync.home / "p.txt").write_text("demo==1.0\n")
    done = yanksync("rescue", *arguments)
    assert (done.code, done.out) == (2, "")
    assert told in " ".join(done.err.split())


def test_tools_that_are_missing_are_told(yanksync: Cli) -> None:
    done = yanksync(
        "rescue", "demo==1.0", "--hash", f"sha256:{'0' * 64}", PATH="/nowhere", VIRTUAL_ENV="/no"
    )
    assert done.code == 1
    assert "pip's cache  was not searched: /no/bin/python cannot be asked: No such file" in done.out
    assert "uv's cache  was not searched: uv cannot be asked: No such file" in done.out
    done = yanksync("rescue", "demo==1.0", "--hash", f"sha256:{'0' * 64}", PIP_NO_CACHE_DIR="1")
    assert "pip's cache  was not searched: '" in done.out
