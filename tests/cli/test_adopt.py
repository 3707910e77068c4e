"""``yanksync adopt`` as an operator runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream
from tests.support.foreign_trees import Tree


@pytest.fixture
def tree(upstream: FakeUpstream, yanksync: Cli) -> Tree:
    """What another mirror has left in the configured output."""
    tree = Tree(upstream, yanksync.output)
    tree.make()
    return tree


def everything(home: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(home)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in home.rglob("*")
        if path.is_file()
    }


def test_adopt_says_what_it_did_and_what_comes_next(
    upstream: FakeUpstream, yanksync: Cli, tree: Tree
) -> None:
    upstream.yank("demo", "1.0", "bad")
    (yanksync.output / "todo").write_text("")
    done = yanksync("adopt")
    assert done.code == 0 and "is missing, though" in done.err and done.err.count("\n") == 1
    first, second, sums, last = done.out.splitlines()
    assert first == "foreign  todo"
    assert second.startswith("fetch  simple/demo/: it is at serial ")
    assert sums == (
        "0 projects taken over as they are, 1 written again; to be fetched: 1 that are not right, "
        "0 that are missing; 0 gone upstream, 0 not selected, 1 not ours"
    )
    assert last == "next: yanksync sync"
    assert yanksync("status", "--json").json["pending"] == 1
    assert yanksync("sync").silent
    assert yanksync("verify").silent
    page = json.loads((yanksync.output / "simple/demo/index.v1_json").read_text())
    assert {file["yanked"] for file in page["files"]} == {False, "bad"}


@pytest.mark.usefixtures("tree")
def test_a_dry_run_leaves_no_trace(yanksync: Cli) -> None:
    before = everything(yanksync.home)
    done = yanksync("adopt", "--dry-run")
    assert done.code == 0 and "taken over as those of another program" in done.err
    assert done.out.startswith("0 projects would be taken over as they are, 2 written again; ")
    assert everything(yanksync.home) == before


@pytest.mark.usefixtures("tree")
def test_json_tells_of_everything(yanksync: Cli) -> None:
    said = yanksync("adopt", "--dry-run", "--json").json
    assert said["rewritten"] == 2 and said["fetch"] == 0 and said["lacks"] == []
    assert sorted(said["fates"], key=lambda fate: str(fate["path"]))[0] == {
        "kind": "rewritten",
        "project": "demo",
        "path": "simple/demo/",
        "detail": None,
    }
    assert yanksync("adopt", "--json").json["fates"] == said["fates"]
    assert yanksync("-q", "adopt", "--dry-run").code == 1  # the state is not empty any more


def test_json_of_an_empty_tree(yanksync: Cli) -> None:
    (yanksync.output / "simple").mkdir(parents=True)
    said = yanksync("adopt", "--dry-run", "--json").json
    assert {fate["kind"] for fate in said["fates"]} == {"missing"} and said["missing"] == 2


def test_a_directory_has_to_be_the_output(
    upstream: FakeUpstream, yanksync: Cli, tmp_path: Path
) -> None:
    Tree(upstream, tmp_path / "elsewhere/web").make()
    tree = str(tmp_path / "elsewhere/web")
    assert "2 written again" in yanksync("adopt", "--dry-run", tree).out
    done = yanksync("adopt", tree)
    assert done.code == 2
    assert (
        f"mirror.output: is {yanksync.output}, and a tree is adopted in place: set it" in done.err
    )
    assert yanksync("adopt", tree, YANKSYNC_MIRROR_OUTPUT=tree).code == 0
    hint = yanksync("adopt", "--dry-run", str(tmp_path / "elsewhere"))
    assert hint.code == 2 and f"the tree of bandersnatch is {tree}" in hint.err


def test_adopt_of_a_mirror_in_use_and_under_a_lock(synced: Cli) -> None:
    done = synced("adopt")
    assert done.code == 1
    assert "only an empty state can adopt a tree" in done.err and done.out == ""
    with synced.locked():
        assert synced("adopt").code == 75
    assert synced("status", "--json").json["last_error"] is None  # that is about passes


def test_what_lacks_is_told(upstream: FakeUpstream, yanksync: Cli) -> None:
    upstream.archive("demo")
    Tree(upstream, yanksync.output).make()
    assert "upstream's pages also have project-status, these have not; " in yanksync("adopt").out


@pytest.mark.usefixtures("tree")
def test_progress_is_shown_on_a_terminal(upstream: FakeUpstream, yanksync: Cli) -> None:
    for number in range(20):
        upstream.upload(f"p{number}", "1.0")
    Tree(upstream, yanksync.output).make()
    code, out, err = yanksync.on_terminal("adopt")
    assert code == 0 and "next: yanksync sync" in out and "reading the tree" in err
