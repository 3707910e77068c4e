"""Fixtures of the tests that make whole passes, and of those of the upstream that they follow."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clouds.servers import started
from tests.support.fake_index.client import Client, client_of
from tests.support.fake_index.index import FakeUpstream, Served, serve
from tests.support.s3_proxy import Gate, gate
from tests.support.s3_servers import Server, moto
from tests.support.world import SCRATCH, World


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """One server a module; a world exchanges its upstream."""
    with serve(FakeUpstream()) as running:
        yield running


@pytest.fixture
def where() -> Iterator[Path]:
    """A directory that waits for no disk."""
    with tempfile.TemporaryDirectory(prefix="yanksync-", dir=SCRATCH) as directory:
        yield Path(directory)


@pytest.fixture
def world(served: Served, where: Path) -> World:
    """A mirror in memory."""
    return World(served, where)


@pytest.fixture
def disk(served: Served, where: Path) -> World:
    """A mirror on disk, with precompressed siblings."""
    return World(served, where, disk=True, mirror_compress=["gzip"])


@pytest.fixture
def upstream(served: Served) -> FakeUpstream:
    """A fresh upstream behind the module's server."""
    fresh = FakeUpstream()
    served.upstream = fresh
    return fresh


@pytest.fixture
def client(served: Served) -> Iterator[Client]:
    """Somebody who asks it."""
    with client_of(served) as ready:
        yield ready


@pytest.fixture(scope="session")
def seaweed() -> Iterator[Server]:
    """A real S3 server that checks signatures, policies and conditions, or another cloud's.

    ``scripts/clouds`` names that in ``$YANKSYNC_TEST_CLOUD``.
    """
    with started(os.environ.get("YANKSYNC_TEST_CLOUD", "")) as running:
        yield running


@pytest.fixture(scope="session")
def motor() -> Iterator[Server]:
    """A real S3 server that keeps every key there can be."""
    with moto() as running:
        yield running


@pytest.fixture
def s3_gate(seaweed: Server) -> Iterator[Gate]:
    """What stands between a client and the first of them."""
    with gate(seaweed.url) as standing:
        yield standing
