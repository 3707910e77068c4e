"""A slip in the configuration, as the person at the terminal sees it: nothing is removed."""

from __future__ import annotations

import json

import pytest

from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream, Fault, Served


def published(yanksync: Cli) -> list[str]:
    return sorted(path.name for path in yanksync.output.glob("simple/*") if path.is_dir())


@pytest.fixture
def named(yanksync: Cli, served: Served) -> Cli:
    """A mirror of two projects by name."""
    yanksync.configure(f'simple_url = "{served.simple_url}"', mirror="projects = ['demo', 'other']")
    assert yanksync("sync").code == 0
    return yanksync


def misspelt(yanksync: Cli) -> None:
    yanksync.config.write_text(yanksync.config.read_text().replace("'demo'", "'demmo'"))


def test_a_misspelt_name_ends_with_4_and_is_explained(named: Cli, upstream: FakeUpstream) -> None:
    correct = named.config.read_text()
    assert named("status", "--max-lag", "3000").code == 0
    misspelt(named)
    done = named("sync")
    assert (done.code, done.out) == (4, "")
    assert "demmo" in done.err and "perhaps demo is meant" in done.err
    assert "nothing is removed" in done.err and "yanksync approve" in done.err
    assert published(named) == ["demo", "other"]
    (row,) = named("holds", "--json").json
    assert (row["project"], row["what"], row["files"]) == (None, "selection", [])
    assert named("holds").out.startswith("the selection, held since ")
    asked = named("status", "--max-lag", "3000")
    assert asked.code == 1 and "run 'yanksync holds'" in asked.err
    assert named("status").code == 0
    upstream.yank("demo", "1.0", "bad")
    assert named("sync").code == 4
    page = json.loads((named.output / "simple/demo/index.v1_json").read_bytes())
    assert [file["yanked"] for file in page["files"]] == ["bad", False]
    named.config.write_text(correct)
    assert named("sync").silent
    assert named("holds", "--json").json == []
    assert named("status", "--max-lag", "3000").code == 0


def test_an_approved_narrowing_is_made(named: Cli) -> None:
    misspelt(named)
    assert named("sync").code == 4
    assert named("approve").out == "approved: the selection\nnext: yanksync sync\n"
    assert named("sync").code == 0
    assert published(named) == ["other"]


def test_an_unset_variable_takes_nothing_away(named: Cli) -> None:
    """As in a container: the name comes from the environment, and it is another one."""
    done = named("sync", YANKSYNC_MIRROR_PROJECTS="x")
    assert done.code == 4 and "all 2 published projects: demo, other" in done.err
    assert published(named) == ["demo", "other"]
    assert named("sync").silent


def test_a_rehearsal_lists_each_removal_with_its_reason(named: Cli, upstream: FakeUpstream) -> None:
    narrowed = {"YANKSYNC_MIRROR_PROJECTS": "other"}
    left_out = "mirror.projects and mirror.exclude leave it out"
    done = named("sync", "--dry-run", **narrowed)
    assert done.code == 0 and f"- remove demo  {left_out}\n" in done.out
    plan = named("sync", "--dry-run", "--json", **narrowed).json
    assert (plan["removals"], plan["held"]) == ([{"name": "demo", "why": left_out}], [])
    upstream.remove_project("other")
    done = named("sync", "--dry-run", YANKSYNC_MIRROR_PROJECTS="x")
    assert done.code == 0
    assert "- remove other  upstream says that it was removed\n" in done.out
    assert "! hold selection: it takes away all 2 published projects: demo, other\n" in done.out
    assert published(named) == ["demo", "other"]


@pytest.mark.parametrize(
    ("projects", "journal", "missing"),
    [
        pytest.param("demmo", "auto", False, id="no-such-project"),
        pytest.param("demmo", "none", False, id="no-such-project-without-journal"),
        pytest.param("demo", "auto", True, id="no-such-index"),
        pytest.param("demo", "none", True, id="no-such-index-without-journal"),
        pytest.param("*", "auto", True, id="no-such-index-of-all"),
    ],
)
def test_a_first_build_that_finds_nothing_fails(
    yanksync: Cli, upstream: FakeUpstream, projects: str, journal: str, missing: bool
) -> None:
    chosen = {"YANKSYNC_MIRROR_PROJECTS": projects, "YANKSYNC_UPSTREAM_JOURNAL": journal}
    if missing:
        upstream.fail("^/", Fault.status(404), times=None)
    for _ in range(2):
        done = yanksync("sync", **chosen)
        assert (done.code, done.out) == (1, "")
        assert "upstream.simple_url" in done.err
        assert not list(yanksync.output.rglob("index*"))
        assert yanksync("status", "--max-lag", "3000", **chosen).code == 1
