"""A test upstream on loopback, and yanksync in a directory that is configured to follow it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.runner import Cli
from tests.fake_upstream import FakeUpstream, Served, serve


@pytest.fixture
def upstream() -> FakeUpstream:
    """An upstream with two projects of two releases."""
    upstream = FakeUpstream()
    for name in ("demo", "other"):
        for version in ("1.0", "2.0"):
            upstream.upload(name, version)
    return upstream


@pytest.fixture
def served(upstream: FakeUpstream) -> Iterator[Served]:
    """The upstream on a socket."""
    with serve(upstream) as served:
        yield served


@pytest.fixture
def yanksync(tmp_path: Path, served: Served) -> Cli:
    """The program, configured and never run."""
    return Cli(tmp_path, served.simple_url)


@pytest.fixture
def synced(yanksync: Cli) -> Cli:
    """The program after its first build."""
    assert yanksync("sync").code == 0
    return yanksync
