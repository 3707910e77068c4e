"""Fixtures that many folders use, and the check of the markers ``rule`` and ``incident``."""

from __future__ import annotations

import logging
import os
import signal
import tempfile
from collections.abc import Iterator
from itertools import groupby, islice
from pathlib import Path

import pytest

from tests.clouds.servers import started
from tests.support.design import anchors
from tests.support.fake_index.client import Client, client_of
from tests.support.fake_index.index import FakeUpstream, Served, serve
from tests.support.s3_proxy import Gate, gate
from tests.support.s3_servers import Server, moto
from tests.support.world import SCRATCH, World

RULES = {f"R{number}" for number in anchors("rules.rst", "rule-r")}
INCIDENTS = {*anchors("incidents.rst", "incident-")}

SLOW = ("e2e", "soak", "test_", "passes/test_bounds.py", "cli/object_storage")
"""Folders and files with long tests."""

UNMEASURED = (
    *("e2e", "soak", "clouds", "cli/mishaps", "cli/object_storage", "passes/test_bounds.py"),
    *("test_bench.py", "test_docs.py", "test_packaging.py", "test_recording.py"),
)
"""Tests with processes that run without coverage.

Coverage doubles the time and the memory of each process. Other tests meet all lines that these
tests meet."""

# A job in the background of a script is started with SIGINT ignored, one of nohup with SIGHUP. What
# it starts would ignore them, too.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="module", autouse=True)
def measured(request: pytest.FixtureRequest) -> Iterator[None]:
    """Measure the processes of tests in a run that pytest measures."""
    here = Path(__file__).parent
    with pytest.MonkeyPatch.context() as patch:
        if request.config.pluginmanager.has_plugin("_cov") and not (
            request.path.relative_to(here).as_posix().startswith(UNMEASURED)
        ):
            patch.setenv("COVERAGE_PROCESS_START", str(here / "processes.coveragerc"))
            patch.setenv("COVERAGE_INCLUDE", f"{here.parent}/yanksync/*")
            patch.setenv("COVERAGE_FILE", str(here.parent / ".coverage"))
        yield


@pytest.fixture(autouse=True)
def logger_as_before() -> Iterator[None]:
    """Undo what a command in the process of a test changes: the next test reads the log."""
    logger = logging.getLogger("yanksync")
    level, propagates = logger.level, logger.propagate
    yield
    logger.setLevel(level)
    logger.propagate = propagates


class Markers(pytest.Item):
    """A test that fails with what is wrong with the markers: xdist hides other errors."""

    def runtest(self) -> None:
        pytest.fail(self.name, pytrace=False)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check the markers, and deal the slow tests out to the workers.

    Every marker names a rule or an incident, and each of these has a test.
    """
    named = {
        (name, argument)
        for item in items
        for name in ("rule", "incident")
        for mark in item.iter_markers(name)
        for argument in mark.args
    }
    known = {("rule", rule) for rule in RULES} | {("incident", number) for number in INCIDENTS}
    told = [f"there is no {name} {argument}" for name, argument in named - known]
    options = config.option
    part = options.keyword or options.markexpr or options.ignore or options.deselect
    if not part and {config.rootpath / path for path in config.args} == {config.rootpath / "tests"}:
        told += [f"no test is marked {name}({argument!r})" for name, argument in known - named]
    items[:] = dealt(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
    items += [Markers.from_parent(items[0].session, name=name) for name in sorted(told)]


def dealt(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Return the tests in an order in which each worker begins with slow modules.

    A worker gets a part of the list. If it began its slow tests last, the others would wait.
    """
    if workers < 2:
        return items
    slow: list[list[pytest.Item]] = [[] for _ in range(workers)]
    quick, number = list[pytest.Item](), 0
    for module, tests in groupby(items, lambda item: item.nodeid.partition("::")[0]):
        if module.removeprefix("tests/").startswith(SLOW):
            slow[number % workers] += tests
            number += 1
        else:
            quick += tests
    rest, share = iter(quick), len(items) // workers
    parts = [[*first, *islice(rest, max(share - len(first), 0))] for first in slow]
    return [item for part in parts for item in part] + list(rest)


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
