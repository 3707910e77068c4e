"""Searching and copying, in process: old caches, names, and what cannot be read."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from pathlib import Path

import msgspec
import pytest

from tests.support.fake_index.index import wheel
from tests.support.fake_index.package_files import sdist
from yanksync.core.names import NormalizedName
from yanksync.reports.rescue.findings import (
    KnownHash,
    Outcome,
    Place,
    RescueReport,
    Wanted,
)
from yanksync.reports.rescue.rescue import rescue

DEMO = wheel("demo", "1.0")


def wanted(*contents: bytes, name: str | None = None) -> Wanted:
    return Wanted(
        project=NormalizedName("demo"),
        version="1.0",
        source="the test",
        hashes=tuple(
            KnownHash("sha256", hashlib.sha256(one).hexdigest(), name) for one in contents
        ),
    )


def searched(home: Path, release: Wanted) -> RescueReport:
    """Search ``cache`` below a directory, and copy to ``to``."""
    return rescue(release, [Place(title="cache", path=str(home / "cache"))], home / "to")


def cached(home: Path, name: str, content: bytes) -> Path:
    path = home / "cache" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def entry(body: object) -> bytes:
    """Return an entry of pip's cache as pip wrote it before 23.3."""
    headers = {"content-type": "application/octet-stream"}
    answer = {"body": body, "headers": headers, "status": 200, "decode_content": False}
    return b"cc=4," + msgspec.msgpack.encode({"response": answer, "vary": {}})


def copied(report: RescueReport) -> list[str]:
    return [Path(one.path).name for one in report.copies if one.problem is None]


def test_entries_of_older_pips_have_the_file_inside(tmp_path: Path) -> None:
    cached(tmp_path, f"http/a/b/{'a' * 56}", entry(DEMO))
    for number, bad in enumerate((b"", b"cc=4,\xc1", b"cc=2,x", entry("text"), entry(b"<html>"))):
        cached(tmp_path, f"http/a/b/{number:056}", bad)
    report = searched(tmp_path, wanted(DEMO))
    assert copied(report) == ["demo-1.0-py3-none-any.whl"]
    assert (tmp_path / "to/demo-1.0-py3-none-any.whl").read_bytes() == DEMO
    assert (report.others, report.places[0].examined) == ((), 6)


def with_tags(*tags: str, build: str = "") -> bytes:
    """Return a wheel with these tags."""
    text = "Wheel-Version: 1.0\n" + (f"Build: {build}\n" if build else "")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("demo-1.0.dist-info/WHEEL", text + "".join(f"Tag: {t}\n" for t in tags))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (with_tags("py2-none-any", "py3-none-any"), "demo-1.0-py2.py3-none-any.whl"),
        (with_tags("cp311-abi3-linux_x86_64", build="7"), "demo-1.0-7-cp311-abi3-linux_x86_64.whl"),
        (with_tags("py2-none-any", "py3-abi3-any"), "demo-1.0.zip"),  # no name has these tags
        (with_tags("broken"), "demo-1.0.zip"),
        (with_tags(), "demo-1.0.zip"),
        (sdist("demo", "1.0"), "demo-1.0.tar.gz"),
        (b"\x1f\x8bnot at all", "demo-1.0.tar.gz"),
        (b"PK\x03\x04nor this", "demo-1.0.zip"),
    ],
)
def test_names_come_from_the_content(tmp_path: Path, content: bytes, name: str) -> None:
    cached(tmp_path, "http-v2/x.body", content)
    assert copied(searched(tmp_path, wanted(content))) == [name]


def test_no_content_names_a_place_elsewhere(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("demo-1.0-1/../../x.dist-info/WHEEL", "Tag: py3-none-any\n")
    cached(tmp_path, "http-v2/a/b.body", packed.getvalue())
    (tmp_path / "to/demo-1.0-1").mkdir(parents=True)
    assert copied(searched(tmp_path, wanted(packed.getvalue()))) == ["demo-1.0.zip"]


def test_the_name_of_a_lock_file_comes_first(tmp_path: Path) -> None:
    cached(tmp_path, "http-v2/x.body", DEMO)
    release = wanted(DEMO, name="demo-1.0-1-py3-none-any.whl")
    assert copied(searched(tmp_path, release)) == ["demo-1.0-1-py3-none-any.whl"]


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    for name in ("demo-1.1-py3-none-any.whl", "demo_x-1.0.tar.gz", ".demo-1.0.tar.gz", "demo-1.0"):
        cached(tmp_path, name, DEMO)
    cached(tmp_path, "x.body", wheel("other", "1.0"))
    cached(tmp_path, "wheels-v8/index/ab/demo/2.0-py3-none-any.http", b"")
    cached(tmp_path, "sdists-v11/index/ab/demo/2.0/revision.http", b"")
    report = searched(tmp_path, wanted(DEMO))
    assert (report.copies, report.others, report.failed) == ((), (), True)


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    os.mkfifo(tmp_path / "cache/demo-1.0.tar.gz")
    (tmp_path / "cache/demo-1.0.zip").symlink_to("nowhere")
    (tmp_path / "cache/x.body").symlink_to("nowhere")
    report = searched(tmp_path, wanted(DEMO))
    assert [(one.outcome, one.problem) for one in report.others] == [
        (Outcome.UNREADABLE, "is no regular file"),
        (Outcome.UNREADABLE, "No such file or directory"),
    ]


def test_one_file_in_several_places_is_copied_once(tmp_path: Path) -> None:
    first = cached(tmp_path, "a/demo-1.0-py3-none-any.whl", DEMO)
    cached(tmp_path, "b/demo-1.0-py3-none-any.whl", DEMO)
    (copy,) = searched(tmp_path, wanted(DEMO)).copies
    assert (copy.found.path, copy.problem) == (str(first), None)


def test_a_target_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    cached(tmp_path, "demo-1.0-py3-none-any.whl", DEMO)
    (tmp_path / "to").write_text("a file")
    report = searched(tmp_path, wanted(DEMO))
    assert [one.problem for one in report.copies] == ["File exists"]
    assert report.failed


def test_a_directory_without_hashes_verifies_nothing(tmp_path: Path) -> None:
    cached(tmp_path, "demo-1.0-py3-none-any.whl", DEMO)
    (found,) = searched(tmp_path, wanted()).others
    assert found.outcome is Outcome.MISMATCH
    assert str(found.hash) == f"sha256:{hashlib.sha256(DEMO).hexdigest()}"
