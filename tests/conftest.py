"""Fixtures of the tests that make whole passes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fake_upstream import FakeUpstream, Served, serve
from tests.harness import World


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """One server a module; a world exchanges its upstream."""
    with serve(FakeUpstream()) as running:
        yield running


@pytest.fixture
def world(served: Served, tmp_path: Path) -> World:
    """A mirror in memory."""
    return World(served, tmp_path)


@pytest.fixture
def disk(served: Served, tmp_path: Path) -> World:
    """A mirror on disk, with precompressed siblings."""
    return World(served, tmp_path, disk=True, mirror_compress=["gzip"])
