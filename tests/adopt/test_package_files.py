"""A tree with package files is taken over without a download of those that are right."""

from __future__ import annotations

import errno
import json
import os
from collections import Counter
from pathlib import Path

import pytest

from tests.support.dying_store import Killed
from tests.support.fake_index.http_server import Served
from tests.support.foreign_trees import Tree
from tests.support.page_assertions import JSON
from tests.support.system.audited_calls import audited
from tests.support.world import DONE, FAILED, World
from yanksync.adopt.adopt import adopt_output
from yanksync.adopt.results import AdoptResult

ONE, TWO = "ab" * 30, "cd" * 30
"""Names of projects that make upstream's addresses end in ``aa/bb/<60 hex>/name``."""

PLACE = "packages/aa/bb"


@pytest.fixture
def mirror(served: Served, tmp_path: Path) -> World:
    """A mirror to be made of bandersnatch's tree: two projects with two releases."""
    world = World(served, tmp_path, disk=True, mirror_files="copy")
    world.up.files_url = f"{served.root_url}{PLACE}/"
    for name in (ONE, TWO):
        world.up.upload(name, "1.0")
        world.up.upload(name, "2.0")
    Tree(world.up, tmp_path / "out", root="../..").make()
    for name in (ONE, TWO):
        for version in ("1.0", "2.0"):
            file = tmp_path / f"out/{PLACE}/{name}/{name}-{version}.tar.gz"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(f"{file.name}\n".encode())
    return world


def file(world: World, name: str = ONE, version: str = "1.0") -> Path:
    return world.where / f"out/{PLACE}/{name}/{name}-{version}.tar.gz"


def downloads(world: World) -> list[str]:
    return [one.path for one in world.requests if one.path.endswith(".tar.gz")]


def links(world: World, name: str) -> list[str]:
    page = json.loads((world.where / "out/simple" / name / JSON).read_bytes())
    return [str(file["url"]) for file in page["files"]]


def kinds(world: World) -> Counter[str]:
    return Counter(str(fate.kind) for fate in world.fates)


def test_right_files_become_copies_without_a_download(mirror: World) -> None:
    assert mirror.adopt() == DONE
    assert kinds(mirror) == {"rewritten": 2, "copy-kept": 4}
    assert downloads(mirror) == []
    wanted = [f"../../{PLACE}/{ONE}/{ONE}-{version}.tar.gz" for version in ("1.0", "2.0")]
    assert links(mirror, ONE) == wanted
    assert mirror.sync() == DONE
    assert downloads(mirror) == []


def test_files_of_pages_that_are_fetched_are_not_downloaded(mirror: World) -> None:
    mirror.up.yank(ONE, "1.0", "broken")
    assert mirror.adopt() == DONE
    assert kinds(mirror) == {"fetch": 1, "rewritten": 1, "copy-kept": 4}
    assert mirror.sync() == DONE
    assert downloads(mirror) == []
    assert all(link.startswith("../../packages/") for link in links(mirror, ONE))


def test_wrong_files_are_out_of_service_and_downloaded_by_the_next_pass(mirror: World) -> None:
    file(mirror).write_bytes(b"x" * file(mirror).stat().st_size)
    file(mirror, TWO).write_bytes(b"short")
    file(mirror, TWO, "2.0").unlink()
    assert mirror.adopt() == DONE
    assert kinds(mirror) == {"rewritten": 2, "copy-kept": 1, "copy-missing": 1, "altered": 2}
    assert {fate.path for fate in mirror.fates if fate.kind == "altered"} == {
        file(mirror, name).relative_to(mirror.where / "out").as_posix() for name in (ONE, TWO)
    }
    assert not file(mirror).exists()
    assert mirror.sync() == DONE
    assert len(downloads(mirror)) == 3
    assert file(mirror).read_bytes() == f"{ONE}-1.0.tar.gz\n".encode()


def test_a_link_is_not_taken_over(mirror: World) -> None:
    secret = mirror.where / "secret"
    secret.write_bytes(file(mirror).read_bytes())
    file(mirror).unlink()
    file(mirror).symlink_to(secret)
    mirror.adopt()
    assert kinds(mirror)["altered"] == 1
    assert not file(mirror).is_symlink()


@pytest.mark.parametrize("error", [errno.EACCES, errno.ESTALE, errno.EMFILE])
@pytest.mark.parametrize("project", [ONE, TWO])
def test_a_file_that_cannot_be_read_stays_and_the_next_adoption_continues(
    mirror: World, project: str, error: int
) -> None:
    name = file(mirror, project).name
    with audited(mirror.where) as audit:
        audit.refuse("open", name, error)
        assert mirror.adopt() == FAILED
    assert mirror.error == (
        f"{PLACE}/{project}/{name}: {os.strerror(error)}; "
        "the file stays in place; correct this, and run 'yanksync adopt' again"
    )
    assert file(mirror, project).exists()
    assert mirror.adopt() == DONE
    assert kinds(mirror)["copy-kept"] == 4


def test_a_dry_run_compares_sizes_and_changes_nothing(mirror: World) -> None:
    file(mirror).write_bytes(b"x" * file(mirror).stat().st_size)
    file(mirror, TWO).write_bytes(b"short")
    assert mirror.adopt(rehearse=True) == DONE
    assert kinds(mirror) == {"rewritten": 2, "copy-kept": 3, "altered": 1}
    assert file(mirror, TWO).read_bytes() == b"short"
    with mirror.state() as state:
        assert state.package_files.counts().served == 0


def test_an_interrupted_adoption_reads_no_file_twice(mirror: World) -> None:
    begun = set[str | None]()

    def stop(fate: AdoptResult) -> None:
        begun.add(fate.project)
        if begun == {ONE, TWO}:
            raise Killed

    with pytest.raises(Killed):
        mirror.work(lambda one: adopt_output(one, stop).exit_code)
    assert mirror.adopt() == DONE
    again = [fate.detail for fate in mirror.fates if fate.kind == "copy-kept"]
    assert again == ["taken over before"] * 2 + [None] * 2


def test_reading_keeps_to_its_rate(mirror: World) -> None:
    mirror.adopt(rate=32)
    read = sum(len(f"{name}-1.0.tar.gz\n") for name in (ONE, TWO) for _ in range(2))
    assert sum(mirror.clock.slept) == pytest.approx(read / 32)


def test_unreferenced_files_are_findings(mirror: World) -> None:
    left = mirror.where / f"out/{PLACE}/{'ef' * 30}/left-1.0.tar.gz"
    left.parent.mkdir()
    left.write_bytes(b"left")
    mirror.adopt()
    mirror.sync()
    with mirror.state() as state:
        paths = [path.relative_to(mirror.where / "out").as_posix() for path in (left, file(mirror))]
        assert state.copy_checks.unknown(paths) == paths[:1]
