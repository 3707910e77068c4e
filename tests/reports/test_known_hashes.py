"""The hashes that the state of a real mirror has of a release."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.world import DONE, HELD, World
from yanksync.config.project_filter import ProjectFilter
from yanksync.core.model import File
from yanksync.core.names import NormalizedName
from yanksync.reports.exposure.withdrawn_files import WithdrawnFiles
from yanksync.reports.rescue.known_hashes import hashes_of_state

DEMO = NormalizedName("demo")


def known(world: World, version: str = "1.0", name: str = "demo") -> dict[str, str | None]:
    with world.state() as state:
        found = hashes_of_state(state, NormalizedName(name), version)
    return {one.digest: one.filename for one in found}


def offered(world: World, version: str = "1.0") -> dict[str, str | None]:
    project = world.up.project("demo")
    assert project is not None
    files = project.files.values()
    return {one.sha256: one.filename for one in files if one.version == version}


def test_offered_and_removed_files_are_known(world: World) -> None:
    world.started()
    before = offered(world)
    assert known(world) == known(world, "1") == before
    world.up.remove_release("demo", "1.0")
    assert world.settle() == DONE
    assert (offered(world), known(world)) == ({}, before)
    world.up.remove_project("demo")
    assert world.settle() == DONE
    assert known(world) == before
    assert known(world, "3.0") == known(world, name="nobody") == {}


def test_a_file_that_has_two_hashes_does_not_count(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.started()

    def forged(page: dict[str, Any]) -> dict[str, Any]:
        files = [{**file, "hashes": {"sha256": "0" * 64}} for file in page["files"]]
        return {**page, "files": files}

    world.up.doctor = forged
    assert world.resync() == HELD
    assert known(world) == {}
    assert "demo-1.0.tar.gz has had 2 sha256 hashes, so none of them counts" in caplog.text


def test_names_that_are_not_safe_are_left_out(world: World) -> None:
    world.started()
    before = offered(world)
    with world.state() as state:
        row = state.projects.get(["demo"])[DEMO]
        bad = [
            File(filename=name, url="https://files.example/x", hashes=(("sha256", digit * 64),))
            for digit, name in (("1", "demo-1.0.tar.gz.tmp"), ("2", "demo-1.0/../x.zip"))
        ]
        state.removed_files.add(row.id, bad)
    assert {name for name in known(world).values() if name is not None} == {*before.values()}


def test_a_damaged_page_is_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.started()
    world.up.remove_release("demo", "1.0")
    assert world.settle() == DONE
    with world.state() as state:
        state._db.execute("UPDATE pages SET body = x'00'")
        find = WithdrawnFiles(state, ProjectFilter()).find
        assert find("demo-1.0.tar.gz") is None
    assert len(known(world)) == 1
    assert "what the state holds is damaged" in caplog.text
    assert "only what it lost is known" in caplog.text


def test_files_are_found_by_their_names(world: World) -> None:
    world.started("demo", "demo-tools")
    world.up.remove_release("demo-tools", "1.0")
    world.up.yank("demo", "1.0", "bad")
    assert world.settle() == DONE
    with world.state() as state:
        find = WithdrawnFiles(state, ProjectFilter(("*",), ("other",))).find
        told = {
            name: None if (one := find(name)) is None else (one.project, one.version, one.action)
            for name in (
                *("demo-1.0.tar.gz", "demo-2.0.tar.gz", "demo-tools-1.0.tar.gz", "x.zip"),
                *("Demo_Tools-1.0-py3-none-any.whl", "demo-1.0-py3.11.egg", "-.zip"),
            )
        }
    assert told == {
        "demo-1.0.tar.gz": ("demo", "1.0", "yank"),
        "demo-2.0.tar.gz": None,
        "demo-tools-1.0.tar.gz": ("demo-tools", "1.0", "remove"),
        "x.zip": None,
        "Demo_Tools-1.0-py3-none-any.whl": ("demo-tools", "1.0", "remove"),
        "demo-1.0-py3.11.egg": None,  # the release is yanked; upstream never had such a file
        "-.zip": None,
    }
