"""A test upstream on loopback, and yanksync in a directory that is configured to follow it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.bucket_mirrors import Fleet, Machine, Mirror
from tests.support.builders.upstreams import two_projects
from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream, Served, serve
from tests.support.s3_proxy import Gate, gate
from tests.support.s3_servers import Server, fresh_place


@pytest.fixture(scope="session")
def index_server() -> Iterator[Served]:
    """One socket for all tests of a process: the first build that they share names its port."""
    with serve(two_projects()) as served:
        yield served


@pytest.fixture(scope="session")
def first_build(index_server: Served, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The program after its first build of what ``upstream`` has; tests get copies."""
    index_server.upstream = two_projects()
    built = Cli(tmp_path_factory.mktemp("first"), index_server.simple_url)
    assert built("sync").code == 0
    return built


@pytest.fixture
def upstream() -> FakeUpstream:
    """An upstream with two projects of two releases."""
    return two_projects()


@pytest.fixture
def served(index_server: Served, upstream: FakeUpstream) -> Served:
    """The upstream on a socket."""
    index_server.upstream = upstream
    return index_server


@pytest.fixture
def yanksync(tmp_path: Path, served: Served) -> Cli:
    """The program, configured and never run."""
    return Cli(tmp_path, served.simple_url)


@pytest.fixture
def synced(first_build: Cli, yanksync: Cli) -> Cli:
    """The program right after its first build."""
    left_out = shutil.ignore_patterns(first_build.config.name)
    shutil.copytree(first_build.home, yanksync.home, dirs_exist_ok=True, ignore=left_out)
    with yanksync.database() as state:
        ((ended,),) = state.execute("SELECT max(ended) FROM runs")
        age = (time.time() - ended,)
        state.execute("UPDATE runs SET started = started + ?1, ended = ended + ?1", age)
        state.execute("UPDATE meta SET value = value + ? WHERE key = 'complete_read'", age)
        state.execute("UPDATE reads SET started = started + ?", age)
    return yanksync


@pytest.fixture
def mirror(tmp_path: Path, served: Served, seaweed: Server, s3_gate: Gate) -> Iterator[Mirror]:
    """A mirror in a bucket, configured and never run."""
    made = Mirror(tmp_path, served, seaweed, s3_gate)
    yield made
    made.store.close()


@pytest.fixture
def fleet(tmp_path: Path, served: Served, seaweed: Server) -> Iterator[Fleet]:
    """Two machines of one mirror in a bucket."""
    with ExitStack() as stack:
        place = fresh_place(seaweed.scheme)
        first, second = (
            Machine(tmp_path / name, served, seaweed, stack.enter_context(gate(seaweed.url)), place)
            for name in ("first", "second")
        )
        made = Fleet(first, second)
        yield made
        made.store.close()
