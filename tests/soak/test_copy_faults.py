"""The oracle for copies sees what goes wrong in an output."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.copy_oracle import (
    check_links,
    check_out_of_service,
    check_settled,
    served_copies,
)
from tests.support.fake_index.index import Served
from tests.support.world import World


@pytest.fixture
def output(served: Served, tmp_path: Path) -> Path:
    """An output with two copies and their metadata, in which all is right."""
    World(served, tmp_path, disk=True, mirror_files="copy").started(core_metadata=True)
    check_settled(tmp_path / "out")
    return tmp_path / "out"


def copy(output: Path, suffix: str = ".tar.gz") -> Path:
    return output / next(path for path in served_copies(output) if path.endswith(suffix))


@pytest.mark.parametrize("suffix", [".tar.gz", ".metadata"])
def test_an_altered_and_a_missing_copy_are_seen(output: Path, suffix: str) -> None:
    copy(output, suffix).write_bytes(b"other")
    with pytest.raises(AssertionError):
        check_links(output)
    copy(output, suffix).unlink()
    with pytest.raises(FileNotFoundError):
        check_links(output)


def test_a_copy_that_no_page_names_is_seen(output: Path) -> None:
    path = copy(output)
    (path.parent / "more.tar.gz").write_bytes(b"more")
    check_links(output)
    with pytest.raises(AssertionError):
        check_settled(output)


def test_a_received_file_that_is_left_is_seen(output: Path) -> None:
    (output / "packages/.incoming").mkdir(exist_ok=True)
    (output / "packages/.incoming/part").write_bytes(b"half")
    with pytest.raises(AssertionError):
        check_settled(output)


def test_a_page_that_links_to_upstream_is_seen(output: Path) -> None:
    page = output / "simple/demo/index.v1_json"
    page.write_bytes(page.read_bytes().replace(b"../../packages/", b"https://upstream.example/"))
    with pytest.raises(AssertionError):
        check_settled(output)


def test_a_quarantined_file_that_is_served_is_seen(output: Path) -> None:
    check_out_of_service(output, {"gone.tar.gz": b"gone"})
    with pytest.raises(AssertionError):
        check_out_of_service(output, {"demo.tar.gz": copy(output).read_bytes()})
