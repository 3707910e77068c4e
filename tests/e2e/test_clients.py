"""What pip and uv make of our pages: installers' policies, in both forms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pip
import pytest

from tests.e2e.mirror import LiveMirror, running
from tests.support.fake_index.index import FakeUpstream, serve, wheel
from tests.support.installers import OLDEST_PIP, Client

pytestmark = pytest.mark.e2e

REASON = 'broken <b>"x"</b> & co'
IGNORED = "ERROR: Ignored the following yanked versions:"
NOT_FOUND = "ERROR: Could not find a version that satisfies the requirement"


@pytest.fixture(params=["pip-html", "pip-json", "uv-html", "uv-json"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Client:
    assert int(pip.__version__.split(".")[0]) >= OLDEST_PIP, "run scripts/test"
    tool, form = request.param.split("-")
    return Client(tool, form, tmp_path)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveMirror]:
    """A mirror that nobody changes, with a yanked release of each sort."""
    with serve(FakeUpstream()) as served:
        for mirror in running(served, tmp_path_factory.mktemp("shelf")):
            stock(mirror)
            yield mirror


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[LiveMirror]:
    with serve(FakeUpstream()) as served:
        yield from running(served, tmp_path)


def stock(mirror: LiveMirror) -> None:
    upstream = mirror.upstream
    for name in ("demo", "mute"):
        mirror.upload(name, "1.0", "1.1", "2.0")
    mirror.upload("parent", "1.0", requires=("demo==2.0",))
    mirror.upload("rangep", "1.0", requires=("demo>=1.0",))
    mirror.upload("part", "1.0", "2.0")
    better = wheel("part", "2.0", requires=["demo"])  # who takes it gets more than part
    upstream.upload("part", "2.0", "part-2.0-1-py3-none-any.whl", content=better)
    for name in ("locked", "gone", "spent"):
        mirror.upload(name, "1.0")
    mirror.sync()
    upstream.yank("demo", "2.0", REASON)
    upstream.yank("mute", "2.0")
    upstream.yank("spent", "1.0", "all of it")
    upstream.yank_file("part", "part-2.0-1-py3-none-any.whl", "this build", row=True)
    upstream.quarantine_project("locked")
    upstream.remove_project("gone")
    mirror.sync()


# What each client picks, None for a refusal. If pip and uv differ, both are within PEP 592.
@pytest.mark.parametrize(
    ("asked", "by_pip", "by_uv"),
    [
        ("demo", "1.1", "1.1"),
        ("demo==2.0", "2.0", "2.0"),
        ("demo==2.0.0", "2.0", "2.0"),
        ("demo===2.0", "2.0", "2.0"),
        ("demo==2.*", None, None),
        ("demo>=2.0", None, None),
        ("demo~=2.0", None, None),
        ("demo>=1.5,==2.0", "2.0", None),
        ("demo>=2.0,<=2.0", None, None),
        ("parent", "2.0", None),
        ("demo==2.0 rangep", "2.0", "2.0"),
        ("part", "2.0", "2.0"),
        ("mute", "1.1", "1.1"),  # without a reason
        ("spent", None, None),  # all releases yanked
        ("spent==1.0", "1.0", "1.0"),
    ],
)
def test_which_release_is_picked(
    shelf: LiveMirror, client: Client, asked: str, by_pip: str | None, by_uv: str | None
) -> None:
    expected = by_pip if client.tool == "pip" else by_uv
    picks, says = client.resolve(shelf, *asked.split())
    if expected is None:
        assert picks is None
        return
    project = "demo" if asked == "parent" else re.split("[=<>~ ]", asked)[0]
    assert (picks or {}).get(project) == expected, says
    assert ("yanked" in says) == ("==" in asked or asked == "parent")


@pytest.mark.parametrize(
    ("asked", "pip_says", "uv_says"),
    [
        (
            "demo==2.0",
            f"Reason for being yanked: {REASON}\n",
            f'warning: `demo==2.0` is yanked (reason: "{REASON}")\n',
        ),
        (
            "mute==2.0",
            "Reason for being yanked: <none given>\n",
            "warning: `mute==2.0` is yanked\n",
        ),
        (
            "demo>=2.0",
            f"{IGNORED} 2.0\n{NOT_FOUND} demo>=2.0 (from versions: 1.0, 1.1)\n",
            f"Because demo==2.0 was yanked (reason: {REASON})",
        ),
        (  # the page is there and has no file
            "locked",
            f"{NOT_FOUND} locked (from versions: none)\n",
            "Because there are no versions of locked",
        ),
        (
            "gone",
            f"{NOT_FOUND} gone (from versions: none)\n",
            "Because gone was not found in the package registry",
        ),
    ],
)
def test_what_is_said(
    shelf: LiveMirror, client: Client, asked: str, pip_says: str, uv_says: str
) -> None:
    says = client.resolve(shelf, asked).says
    if client.tool == "pip":
        assert pip_says in says
    else:  # uv breaks its explanations into lines
        assert uv_says.rstrip() in " ".join(says.split())


def test_a_pin_installs_the_yanked_release(shelf: LiveMirror, client: Client) -> None:
    assert "yanked" in client.install(shelf, "demo==2.0")
    assert (client.target / "demo.py").read_text() == "__version__ = '2.0'\n"


def test_the_good_build_of_a_half_yanked_release_is_taken(
    shelf: LiveMirror, client: Client
) -> None:
    client.install(shelf, "part")
    assert [path.name for path in client.target.glob("*.py")] == ["part.py"]


# With caches: each look sees what the pass before it has published, and no 304 hides it.
def test_yank_unyank_and_yank_again(mirror: LiveMirror, client: Client) -> None:
    def picked(requirement: str) -> str | None:
        picks = client.resolve(mirror, requirement, cached=True).picks
        return None if picks is None else picks["demo"]

    mirror.upload("demo", "1.0", "2.0")
    mirror.sync()
    assert picked("demo") == "2.0"
    mirror.upstream.yank("demo", "2.0", "reason A")
    mirror.sync()
    assert picked("demo") == "1.0"
    mirror.upstream.unyank("demo", "2.0")
    mirror.sync()
    assert picked("demo") == "2.0"
    mirror.upstream.yank("demo", "2.0", "reason B")
    mirror.sync()
    assert picked("demo") == "1.0"
    assert "reason B" in client.resolve(mirror, "demo==2.0", cached=True).says
    mirror.sync(mirror_yanked="omit")
    assert picked("demo") == "1.0"
    assert picked("demo==2.0") is None
    mirror.sync()
    assert picked("demo==2.0") == "2.0"


def test_history_tells_the_same_story(mirror: LiveMirror) -> None:
    mirror.upload("demo", "1.0")
    mirror.sync()
    mirror.upstream.yank("demo", "1.0", REASON)
    mirror.upstream.unyank("demo", "1.0")
    mirror.sync()
    told = [line.split() for line in mirror.run("history", "demo").splitlines()]
    _header, *rows = told
    assert [row[2] for row in rows] == ["yank", "unyank"]
