"""Manifests: whoever follows them, with rsync or by hand, has what the output has."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.documents import page_blocks
from tests.support.dying_store import Killed
from tests.support.fake_index.index import Served
from tests.support.system.file_size_limit import small_files
from tests.support.world import DAY, DONE, PARTIAL, World
from yanksync.state.queues.hooks import OutputChange
from yanksync.sync.hooks import manifest

_, LINES, RSYNC, PACK, UNPACK = page_blocks("how-to/copy-elsewhere")
ALL = ["index.html", "index.v1_html", "index.v1_json"]


@pytest.fixture
def world(served: Served, where: Path) -> World:
    world = World(
        served,
        where,
        disk=True,
        hooks_manifest=str(where / "manifests"),
        mirror_compress=["gzip"],
    )
    for name in ("demo", "other", "third"):
        for version in ("1.0", "2.0"):
            world.up.upload(name, version)
    assert world.sync() == DONE
    return world


def found(world: World) -> list[Path]:
    return sorted((world.where / "manifests").iterdir())


def read(path: Path) -> list[str]:
    return path.read_text().splitlines()


GZIPPED = ("index.v1_json.gz", "index.html.gz")


def test_a_form_without_a_copy_has_none_to_put() -> None:
    small = OutputChange("demo", frozenset({"gzip"}), ("index.v1_json.gz",))  # type: ignore[arg-type]
    assert list(manifest.lines([small])) == [
        "delete simple/demo/index.html.gz",
        "put simple/demo/index.html",
        "delete simple/demo/index.v1_html.gz",
        "put simple/demo/index.v1_html",
        "put simple/demo/index.v1_json.gz",
        "put simple/demo/index.v1_json",
    ]


def test_lines() -> None:
    gone = OutputChange(None, frozenset({"gzip", "br"}), GZIPPED)
    assert list(manifest.lines([gone]))[:3] == [
        "delete simple/index.html.br",
        "put simple/index.html.gz",
        "put simple/index.html",
    ]
    removed = OutputChange("demo", frozenset({"gzip"}), None)  # type: ignore[arg-type]
    demo = OutputChange("demo", frozenset({"gzip", "br"}), GZIPPED)  # type: ignore[arg-type]
    assert list(manifest.lines([demo]))[:3] == LINES.splitlines()
    assert list(manifest.lines([removed])) == [
        *(f"delete simple/demo/{form}{suffix}" for form in ALL for suffix in (".gz", "")),
        "delete simple/demo/",
    ]


def test_one_for_each_run_that_changed_something(world: World) -> None:
    (first,) = found(world)
    assert sorted(line.removeprefix("put ") for line in read(first)) == sorted(world.files())
    assert read(first)[-1] == "put simple/index.v1_json"  # the list comes last
    assert re.fullmatch(r"\d{8}T\d{6}Z-00000001\.txt", first.name)
    assert stat.S_IMODE(first.stat().st_mode) == 0o644
    assert world.sync() == DONE
    assert found(world) == [first]
    world.up.yank("demo", "2.0")
    assert world.sync() == DONE
    assert read(found(world)[1]) == [
        f"put simple/demo/{form}{suffix}" for form in ALL for suffix in (".gz", "")
    ]


def test_a_state_that_was_lost_does_not_know_what_stands_beside_the_list(world: World) -> None:
    before = set(found(world))
    world.lose_state()
    world.configure(mirror_compress=[])
    assert world.settle() == DONE
    told = [line for path in found(world) if path not in before for line in read(path)]
    assert {f"delete simple/{form}.gz" for form in ALL} <= {*told}


def test_the_names_sort_whatever_the_clock_says(world: World) -> None:
    for later in (300.0, -9000.0, 1.0):
        world.up.yank("demo", "2.0", str(later))
        assert world.sync(later=later) == DONE
    names = [path.name for path in found(world)]
    assert [name[-8:-4] for name in names] == ["0001", "0002", "0003", "0004"]


def test_old_ones_go_and_nothing_else(world: World) -> None:
    (first,) = found(world)
    other = first.with_name("notes.txt")
    other.touch()
    world.up.yank("demo", "2.0")
    assert world.sync(later=31 * DAY) == DONE
    assert not first.exists() and other.exists() and len(found(world)) == 2


def test_one_that_cannot_be_written_is_written_later(world: World) -> None:
    directory = world.where / "manifests"
    (first,) = found(world)
    moved = directory.rename(world.where / "kept")
    directory.touch()
    world.up.yank("demo", "2.0")
    assert world.sync() == PARTIAL
    directory.unlink()
    moved.rename(directory)
    world.up.remove_project("other")
    assert world.sync() == DONE
    assert first in found(world)
    told = read(found(world)[1])
    assert "put simple/demo/index.html" in told and "delete simple/other/" in told


def follow(world: World, copy: Path, seen: set[Path]) -> None:
    """Do to ``copy`` what the new manifests say, with only those."""
    out = world.where / "out"
    for path in found(world):
        for line in read(path) if path not in seen else ():
            verb, _, name = line.partition(" ")
            if verb == "put" and (out / name).exists():  # else a later one deletes it
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(out / name, copy / name)
            elif verb == "delete" and name.endswith("/"):
                shutil.rmtree(copy / name, ignore_errors=True)
            elif verb == "delete":
                (copy / name).unlink(missing_ok=True)
        seen.add(path)


def tree(root: Path) -> dict[str, bytes | None]:
    """Return files with their content, and directories with None."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else None
        for path in root.rglob("*")
    }


def history(world: World) -> Iterator[str]:
    """Let things happen, and say what; a pass is made after each."""
    up = world.up
    up.yank("demo", "2.0", "broken")
    yield "a yank"
    up.remove_project("other")
    yield "a removal"
    up.quarantine_project("third")
    yield "a quarantine"
    world.configure(mirror_compress=["gzip", "br", "zstd"])
    yield "more siblings"
    up.upload("other", "3.0")
    up.unyank("demo", "2.0")
    yield "a return"
    world.configure(mirror_compress=[])
    yield "no siblings"
    world.configure(mirror_exclude=["demo"])
    yield "an exclusion"


def test_who_follows_them_has_the_same_tree(world: World) -> None:
    copy, seen = world.where / "copy", set[Path]()
    follow(world, copy, seen)
    assert tree(copy) == tree(world.where / "out")
    for what in history(world):
        assert world.settle() == DONE, what
        follow(world, copy, seen)
        assert tree(copy) == tree(world.where / "out"), what


@pytest.mark.parametrize("after", [False, True])
def test_who_follows_them_misses_no_run_that_dies(world: World, after: bool) -> None:
    copy, seen = world.where / "copy", set[Path]()
    follow(world, copy, seen)
    for index, what in enumerate(history(world)):
        world.kills.at, world.kills.after = index % 2, after
        try:
            world.sync()
        except Killed:
            world.kills.at = None
        assert world.settle() == DONE, what
        follow(world, copy, seen)
        assert tree(copy) == tree(world.where / "out"), what


@pytest.mark.parametrize("after", [False, True])
def test_who_follows_them_lets_go_of_what_a_run_that_died_removed(
    world: World, after: bool
) -> None:
    copy, seen = world.where / "copy", set[Path]()
    world.configure(mirror_legacy_json=True)
    follow(world, copy, seen)
    world.configure(mirror_legacy_json=False, mirror_compress=[])
    world.kills.at, world.kills.after = 0, after
    with pytest.raises(Killed):
        world.sync()
    world.kills.at = None
    shutil.rmtree(world.where / "out" / "simple")
    assert world.settle() == DONE
    follow(world, copy, seen)
    assert tree(copy) == tree(world.where / "out")


def test_what_does_not_fit_leaves_nothing_behind(tmp_path: Path) -> None:
    with small_files(1000), pytest.raises(OSError, match="File too large"):
        manifest.write_manifest(tmp_path, 1, 0.0, ["put simple/demo/index.html"] * 1000)
    assert list(tmp_path.iterdir()) == []


def test_what_others_keep_there_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "20261399T000000Z-00000001.txt"  # no date
    theirs.write_text("theirs")
    ours = manifest.write_manifest(tmp_path, 1, 0.0, ["put simple/demo/index.html"])
    manifest.tidy(tmp_path, 1e9)
    assert (theirs.read_text(), ours.exists()) == ("theirs", False)


def shell(line: str, **values: Path) -> None:
    for name, value in values.items():
        line = line.replace(name, str(value))
    subprocess.run(["sh", "-euc", line], check=True, env=os.environ | {"LC_ALL": "C"})


def test_rsync_follows_them(world: World) -> None:
    out, copy, seen = world.where / "out", world.where / "copy", set[Path]()
    copy.mkdir()
    for what in ("a first build", *history(world)):
        assert world.settle() == DONE, what
        for path in [path for path in found(world) if path not in seen]:
            line = RSYNC.replace("backup:/srv/mirror", "COPY").replace("/srv/mirror", "OUT")
            shell(line, MANIFEST=path, COPY=copy, OUT=out)
            seen.add(path)
        assert tree(copy) == tree(out), what


def test_an_archive_crosses_an_air_gap(world: World) -> None:
    out, copy, seen = world.where / "out", world.where / "copy", set[Path]()
    copy.mkdir()
    for what in ("a first build", *history(world)):
        assert world.settle() == DONE, what
        for path in [path for path in found(world) if path not in seen]:
            archive = world.where / "changes.tgz"
            pack = PACK.replace("/srv/mirror", "OUT")
            unpack = UNPACK.splitlines()
            shell(pack, MANIFEST=path, OUT=out, **{"changes.tgz": archive})
            for line in unpack:
                shell(f"cd {copy} && {line}", MANIFEST=path, **{"changes.tgz": archive})
            seen.add(path)
        assert tree(copy) == tree(out), what
