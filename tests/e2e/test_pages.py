"""The shell blocks, configurations and outputs of README.rst and docs/, in reading order.

Each page is run as it stands: only the root of the machine is another one. Pages that need object
storage, a container or a cache have tests of their own (``OWN``). README has the lines of a lesson.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.documents import PAGES, page_blocks, text_of
from tests.support.fake_index.index import FakeUpstream, serve
from tests.support.foreign_trees import Tree
from tests.support.machine import Prepared
from tests.support.page_runner import Step, blocks_of, run_page

pytestmark = pytest.mark.e2e

OWN = {  # page → the test that runs its blocks
    "docs/how-to/azure.rst": "clouds/test_azurite.py",
    "docs/how-to/cdn.rst": "e2e/test_readme_install.py",
    "docs/how-to/container.rst": "container/test_container.py",
    "docs/how-to/copy-elsewhere.rst": "sync/hooks/test_manifest.py",
    "docs/how-to/install.rst": "e2e/test_readme_install.py",
    "docs/how-to/kubernetes-and-ci.rst": "e2e/test_readme_install.py",
    "docs/how-to/purge-caches.rst": "e2e/test_purge.py",
    "docs/how-to/s3.rst": "e2e/test_readme_install.py",
}
TESTS = Path(__file__).parents[1]
NAMES = ("demo", "demo-tools", "unrelated", "pip", "six", "idna")
GONE = [f"gone-{number}" for number in range(110)]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Prepared]:
    upstream = FakeUpstream()
    for name in NAMES:
        upstream.upload(name, "1.0")
        upstream.upload(name, "2.0")
    with serve(upstream) as served:
        prepared = Prepared(tmp_path, upstream, served)
        prepared.nginx()
        yield prepared


def built(machine: Prepared) -> None:
    machine.run("yanksync sync")


def many_removals(machine: Prepared) -> None:
    """More than half of the published projects, and more than a hundred, are removed."""
    for name in GONE:
        machine.upstream.upload(name, "1.0")
    machine.set_projects("demo", "gone-*")
    machine.run("yanksync sync")
    for name in GONE:
        machine.upstream.remove_project(name)


def foreign_tree(machine: Prepared) -> None:
    """A tree of another program, older than many removals and a yank."""
    gone = [f"demo-{number}" for number in range(110)]
    for name in gone:
        machine.upstream.upload(name, "1.0")
    Tree(machine.upstream, machine.output).make()
    for name in gone:
        machine.upstream.remove_project(name)
    machine.upstream.yank("demo", "1.0", "bad")


def yanked(machine: Prepared) -> None:
    machine.upstream.yank("six", "1.0", "breaks on Windows")


def demo_yanked(machine: Prepared) -> None:
    """A release of a mirrored project is yanked, and another takes its place."""
    machine.upstream.upload("demo", "1.1")
    machine.upstream.yank("demo", "1.0", "breaks on Windows")


def cooling(machine: Prepared) -> None:
    """The mirror has a new release, and the first configuration of the page is added."""
    machine.upstream.clock = int(time.time())
    machine.upstream.upload("demo", "3.0")
    built(machine)
    part, *_ = page_blocks("how-to/cooldown", "toml")
    for place in ("", "etc/"):
        path = machine.root / f"{place}yanksync.toml"
        path.write_text(f"{path.read_text()}\n{part}")


PLACES = ("srv/mirror", "var/lib/yanksync", "yanksync.toml", "etc/yanksync.toml")


def other_machine(machine: Prepared) -> None:
    """What belongs to one of two machines is put away, and that of the other is put there."""
    for place in PLACES:
        here, away, swap = (machine.root / f"{place}{end}" for end in ("", ".away", ".swap"))
        for old, new in ((here, swap), (away, here), (swap, away)):
            if old.exists():
                old.rename(new)
    (machine.root / "var/lib/yanksync").mkdir(exist_ok=True)


def yanked_at_the_other(machine: Prepared) -> None:
    other_machine(machine)
    demo_yanked(machine)


def copied(machine: Prepared) -> None:
    """The mirror is copied, and then a release is yanked."""
    built(machine)
    shutil.copytree(machine.output, machine.root / "srv/other")
    demo_yanked(machine)


def demo_removed(machine: Prepared) -> None:
    """Upstream removes a release, of which a tree of files has a copy."""
    project = machine.upstream.project("demo")
    assert project is not None
    (machine.root / "srv/packages").mkdir()
    (machine.root / "srv/packages/demo-1.0.tar.gz").write_bytes(
        project.files["demo-1.0.tar.gz"].content
    )
    machine.upstream.remove_release("demo", "1.0")


def logged(machine: Prepared) -> None:
    """Files were fetched, before and after one of them was yanked."""
    demo_yanked(machine)
    line = '192.0.2.{} - - [01/Jan/{}:00:00:00 +0000] "GET /{} HTTP/1.1" 200 9 "-" "pip"\n'
    asked = [(1, 2020, "demo-1.0.tar.gz"), (1, 2026, "demo-1.0.tar.gz")]
    asked += [(2, 2026, "demo-1.0.tar.gz"), (2, 2026, "simple/demo/")]
    text = "".join(line.format(*one) for one in asked)
    (machine.root / "access.log").write_text(text)


def fresh(machine: Prepared) -> None:
    """Nothing is configured, pip installs from upstream, and nginx has Debian's site."""
    for place in ("", "etc/"):
        (machine.root / f"{place}yanksync.toml").unlink()
    machine.environ["PIP_INDEX_URL"] = machine.served.simple_url
    (machine.root / "etc/nginx/sites-enabled/default").touch()


STEPS: dict[str, Step] = {
    "a fresh machine": fresh,
    "built": built,
    "a mirror with a backup": built,
    "many removals": many_removals,
    "a tree of bandersnatch": foreign_tree,
    "six 1.0 is yanked": yanked,
    "/srv/other has a copy of the mirror, and demo 1.0 is yanked after that": copied,
    "at the second machine": other_machine,
    "at the first machine, where demo 1.0 is yanked": yanked_at_the_other,
    "demo 1.0 is yanked": demo_yanked,
    "demo 3.0 is new, and the cooldown is on": cooling,
    "demo 1.0 is yanked, and access.log has requests": logged,
    "demo 1.0 is removed, and /srv/packages has a copy": demo_removed,
}


# Every process of a run of the tests collects this: it parses no page.
SHELL = [page for page in PAGES if ".. code-block:: sh\n" in text_of(page)]
RUN = [page for page in SHELL if page not in {"README.rst", *OWN}]


@pytest.mark.parametrize("page", RUN)
def test_a_page_does_what_it_says(machine: Prepared, page: str) -> None:
    wanted = [block.kind for block in blocks_of(page)]
    assert run_page(page, machine, STEPS) == wanted.count("sh") - skipped(page)


def skipped(page: str) -> int:
    """Return how many shell blocks have a reason why this module does not run them."""
    kinds = [block.kind for block in blocks_of(page)]
    return sum(pair == ("not run", "sh") for pair in pairwise(kinds))


@pytest.mark.parametrize(("page", "test"), OWN.items())
def test_a_page_has_a_test_of_its_own(page: str, test: str) -> None:
    name = page.removeprefix("docs/").removesuffix(".rst")
    assert f'page_blocks("{name}"' in (TESTS / test).read_text()


def test_the_quick_start_is_that_of_the_tutorial() -> None:
    _, quick, client = page_blocks("../README", "sh")
    lesson = [line for text in page_blocks("tutorials/first-mirror") for line in text.splitlines()]
    assert {*quick.splitlines(), *client.splitlines()} <= {*lesson}
    _, install = page_blocks("how-to/install", "sh")[0].split("\n", 1)
    assert install in quick
