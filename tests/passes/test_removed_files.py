"""Whole passes: the hashes of files that upstream takes away stay known."""

from __future__ import annotations

from tests.support.fake_index.index import FakeUpstream
from tests.support.world import DONE, World


def known(world: World, name: str = "demo") -> dict[str, str]:
    """Return what the state remembers of removed files."""
    with world.state() as state:
        row = state.projects.get([name])[name]  # type: ignore[index]
        return {one.filename: dict(one.hashes)["sha256"] for one in state.removed_files.of(row.id)}


def offered(upstream: FakeUpstream, name: str = "demo") -> dict[str, str]:
    project = upstream.project(name)
    assert project is not None
    return {file.filename: file.sha256 for file in project.files.values()}


def test_a_removed_release_and_file_stay_known(world: World) -> None:
    world.started()
    world.up.upload("demo", "2.0")  # its source archive
    assert world.sync() == DONE
    assert known(world) == {}
    before = offered(world.up)
    wheel, source = sorted(name for name in before if "2.0" in name)
    world.up.remove_release("demo", "1.0")
    world.up.remove_file("demo", source)
    assert world.settle() == DONE
    assert known(world) == {name: digest for name, digest in before.items() if name != wheel}


def test_a_quarantined_project_stays_known(world: World) -> None:
    world.started()
    before = offered(world.up)
    world.up.quarantine_project("demo")
    assert world.settle() == DONE
    assert known(world) == before


def test_a_project_that_is_made_again_keeps_the_files_of_the_old_one(world: World) -> None:
    world.started()
    before = offered(world.up)
    world.up.remove_project("demo")
    assert world.settle() == DONE
    assert known(world) == before
    world.up.upload("demo", "7.0")
    assert world.settle() == DONE
    assert known(world) == before


def test_a_project_that_is_made_again_at_once_keeps_the_files_of_the_old_one(world: World) -> None:
    world.started()
    before = offered(world.up)
    world.up.remove_project("demo")
    world.up.upload("demo", "7.0")
    assert world.settle() == DONE
    assert known(world) == before
