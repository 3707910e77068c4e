"""Compressed copies: which pages have them, and what ``verify`` says of the others."""

from __future__ import annotations

import gzip
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream, Served
from tests.support.verification import check, names, repair
from tests.support.world import DONE, World
from yanksync.core import layout
from yanksync.output.comparison import NOT_SMALLER
from yanksync.output.compress import compress, compress_chunks, compressed_copy, decompress_chunks

SMALL = [f"simple/small/{form}" for form in ("index.html", "index.v1_html", "index.v1_json")]


@pytest.fixture
def mixed(disk: World) -> World:
    """Make a mirror with two pages.

    Only one of them is worth a copy.
    """
    disk.configure(mirror_compress=["gzip"])
    disk.up.upload("demo", "1.0")
    disk.up.upload("small", "1.0", requires_python=None)
    assert disk.sync() == DONE
    return disk


def out(world: World, path: str) -> Path:
    return world.where / "out" / path


def as_an_older_release(world: World) -> None:
    """Give every page and the list a copy, and let the state say so as it did."""
    for path in out(world, "simple").rglob("index.*"):
        if path.suffix != ".gz":
            out(world, f"{path}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    with closing(sqlite3.connect(world.where / "state.db")) as db, db:
        db.execute("UPDATE projects SET codecs = 'gzip'")
        db.execute("DELETE FROM meta WHERE key = 'list_copies'")


@pytest.mark.parametrize("codec", ["gzip", "br", "zstd"])
def test_a_copy_saves_a_packet(codec: str) -> None:
    for size in range(0, 6000, 50):
        body = b"a" * size
        copy = compressed_copy(codec, body)
        assert (copy is not None) == (size - len(compress(codec, body)) >= layout.PACKET)
        assert copy is None or b"".join(decompress_chunks(codec, [copy])) == body


def test_a_small_page_has_none_and_that_is_right(mixed: World) -> None:
    assert [path for path in SMALL if out(mixed, f"{path}.gz").exists()] == []
    assert out(mixed, "simple/demo/index.v1_json.gz").exists()
    assert check(mixed)[:2] == ([], 0)


def test_a_page_that_shrinks_loses_its_copy_and_one_that_grows_gets_it(mixed: World) -> None:
    mixed.up.upload("demo", "2.0", requires_python=None)
    mixed.up.remove_release("demo", "1.0")
    mixed.up.upload("small", "2.0")
    assert mixed.sync() == DONE
    assert not out(mixed, "simple/demo/index.v1_json.gz").exists()
    for path in SMALL:
        page = out(mixed, path).read_bytes()
        assert gzip.decompress(out(mixed, f"{path}.gz").read_bytes()) == page
    assert check(mixed)[:2] == ([], 0)


def test_copies_of_an_older_release_are_found_and_go(mixed: World) -> None:
    as_an_older_release(mixed)
    found, code, _ = check(mixed)
    listed = [f"simple/{form}" for form in ("index.html", "index.v1_html", "index.v1_json")]
    assert names(found) == [("extra", f"{path}.gz") for path in sorted([*listed, *SMALL])]
    assert code == 1 and {one.detail for one in found} == {NOT_SMALLER}
    assert repair(mixed)[1] == DONE
    assert check(mixed)[:2] == ([], 0)
    assert not any(out(mixed, f"{path}.gz").exists() for path in (*listed, *SMALL))


def test_copies_of_an_older_release_go_when_their_page_is_published(mixed: World) -> None:
    as_an_older_release(mixed)
    mixed.up.yank("small", "1.0", "bad")
    assert mixed.sync() == DONE
    assert not any(out(mixed, f"{path}.gz").exists() for path in SMALL)


def test_one_that_is_not_missed_need_not_be_there(mixed: World) -> None:
    as_an_older_release(mixed)
    for path in SMALL:
        out(mixed, f"{path}.gz").unlink()
    assert [one for one in check(mixed)[0] if one.project == "small"] == []
    out(mixed, "simple/demo/index.html.gz").unlink()
    wanted = ("missing", "simple/demo/index.html.gz")
    assert wanted in names(check(mixed)[0])


def test_a_tree_is_adopted_without_copies_of_small_pages(mixed: World) -> None:
    as_an_older_release(mixed)
    mixed.lose_state()
    assert mixed.sync() == DONE
    assert not any(out(mixed, f"{path}.gz").exists() for path in SMALL)
    assert out(mixed, "simple/demo/index.html.gz").exists()
    assert check(mixed)[:2] == ([], 0)


@pytest.mark.parametrize("first", ["zlib", "isal"])
def test_another_library_is_no_difference(
    tmp_path: Path, upstream: FakeUpstream, served: Served, first: str
) -> None:
    (tmp_path / "none" / "isal").mkdir(parents=True)
    (tmp_path / "none/isal/__init__.py").write_text("raise ImportError")
    without = {"PYTHONPATH": str(tmp_path / "none")}
    for number in range(100, 230):  # of every size about the limit
        python = ",".join(f"!=3.5.{part}" for part in range(number))
        upstream.upload(f"size-{number}", "1.0", requires_python=python)
    mirror = Cli(tmp_path, served.simple_url)
    mirror.configure(f'simple_url = "{served.simple_url}"', mirror='compress = ["gzip"]')
    before, after = (without, {}) if first == "zlib" else ({}, without)
    assert mirror("sync", **before).code == 0
    copies = {path: path.read_bytes() for path in mirror.output.rglob("*.gz")}
    assert 3 * 9 < len(copies) < 3 * 121
    for command in (("verify",), ("full-resync",), ("verify",)):
        assert mirror(*command, **after).code == 0
        assert {
            path: path.read_bytes() for path in copies if path.exists()
        }.items() <= copies.items()


@pytest.mark.parametrize("with_isal", [True, False])
def test_the_same_bytes_in_every_run(tmp_path: Path, with_isal: bool) -> None:
    (tmp_path / "isal").mkdir()
    (tmp_path / "isal/__init__.py").write_text("raise ImportError")
    program = (
        "import hashlib; from yanksync.core.formats.deflate import gzip_compress, zlib_compress; "
        "body = b''.join(b'<a href=%d>' % n for n in range(9999)); "
        "print(hashlib.sha256(gzip_compress(body) + zlib_compress(body)).hexdigest())"
    )
    path = [] if with_isal else [str(tmp_path)]
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {[*path, root]!r}; {program}"]
    runs = {subprocess.check_output(command) for _ in range(2)}
    assert len(runs) == 1


def test_a_copy_is_the_same_whole_and_piece_by_piece() -> None:
    body = b"<a href='demo'>" * 5000
    assert gzip.decompress(b"".join(compress_chunks("gzip", [body[:9], body[9:]]))) == body
