"""Applying a bundle takes no more memory for more files."""

from __future__ import annotations

import json
import tracemalloc
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.support.bundles import Receiver, with_manifest, write_members
from tests.support.system.traced_memory import peak
from yanksync.bundle.apply import apply_file
from yanksync.bundle.places import open_places
from yanksync.mirror.progress import NoProgress

MIB = 1 << 20
MANY = 1200  # lines of so many files do not stay in memory


def path(number: int) -> str:
    digest = sha256(b"%d" % number).hexdigest()
    return f"packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/demo-{number}.tar.gz"


def bundle(where: Path, files: int, removed: int = 0) -> Path:
    """Write a bundle with everything, or one behind it that only removes files."""
    header = {"format": 1, "mirror": "m", "since": 0, "cursor": 1, "token": "one"}
    if removed:
        header |= {"since": 1, "since_token": "one", "cursor": 2, "token": "two"}
    members = {
        "bundle.json": json.dumps(header).encode(),
        "removed.ndjson": b"".join(
            json.dumps(path(number)).encode() + b"\n" for number in range(removed)
        ),
        **{path(number): b"%d" % number for number in range(files)},
        **({"simple/index.html": b"<html>", "simple/index.v1_json": b"{}"} if files else {}),
    }
    return write_members(where / "one.bundle", with_manifest(members))


class Looking:
    """Notes what Python holds whenever package files are to be removed; passes all else on."""

    def __init__(self, packages: object) -> None:
        self._packages = packages
        self.held: list[int] = []  # bytes

    def __getattr__(self, name: str) -> Any:
        if name in ("packages", "delete_packages"):
            self.held.append(tracemalloc.get_traced_memory()[0])
        return getattr(self._packages, name)


def most_held(receiver: Receiver, bundle: Path) -> int:
    """Apply a bundle; return the bytes that Python held when it began to remove files."""
    tracemalloc.start()
    try:
        with open_places(receiver.settings, "bundle apply", NoProgress()) as places:
            looking = Looking(places.packages)
            apply_file(replace(places, packages=looking), bundle, dry_run=False)
            return max(looking.held)
    finally:
        tracemalloc.stop()


@pytest.fixture
def receiver(where: Path) -> Receiver:
    receiver = Receiver(where / "receiver")
    receiver.apply(bundle(where, 10))  # everything is imported then
    return receiver


def with_pages(where: Path, count: int) -> Path:
    """Write a bundle with pages of 2 MiB each, in both forms together."""
    header = {"format": 1, "mirror": "m", "since": 0, "cursor": 1, "token": "one"}
    forms = ("index.html", "index.v1_json")
    members = {
        "bundle.json": json.dumps(header).encode(),
        "removed.ndjson": b"",
        **{f"simple/p{number}/{form}": bytes(MIB) for number in range(count) for form in forms},
        **{f"simple/{form}": b"{}" for form in forms},
    }
    return write_members(where / "one.bundle", with_manifest(members))


def test_few_large_pages_are_held_in_memory(receiver: Receiver, where: Path) -> None:
    peaks = []
    for count in (10, 30):
        pages = with_pages(where, count)
        peaks.append(peak(partial(receiver.apply, pages)))
    assert len(receiver.files()) == 30 * 3 + 3
    assert peaks[1] < peaks[0] + 2 * MIB


def test_files_are_not_held_in_memory(receiver: Receiver, where: Path) -> None:
    few = most_held(receiver, bundle(where, MANY))
    many = most_held(receiver, bundle(where, 2 * MANY))
    assert (many - few) / MANY < 20
    assert len(receiver.files()) == 2 * MANY + 3


def test_removals_are_not_held_in_memory(receiver: Receiver, where: Path) -> None:
    few = most_held(receiver, bundle(where, 0, 4 * MANY))
    many = most_held(receiver, bundle(where, 0, 8 * MANY))
    assert (many - few) / (4 * MANY) < 20
