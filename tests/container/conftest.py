"""One engine for all tests, and the images that they share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container.engine import Engine
from tests.support.fake_index.index import FakeUpstream
from tests.support.source_copy import copy_sources


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """podman, able to start something."""
    engine = Engine(tmp_path_factory.mktemp("engine"))
    try:
        engine.prepare()
        yield engine
    finally:
        engine.close()


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources, with what somebody who works there has beside them."""
    checkout = copy_sources(tmp_path_factory.mktemp("sources") / "yanksync")
    for name in (".git/config", ".venv/bin/python", "yanksync.toml", "yanksync.db", "mirror/x"):
        path = checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("not for anybody else")
    return checkout


@pytest.fixture
def upstream() -> FakeUpstream:
    """An upstream with three projects of two releases, one of which the pages leave out."""
    upstream = FakeUpstream()
    for name in ("demo", "demo-tools", "unrelated"):
        upstream.upload(name, "1.0")
        upstream.upload(name, "2.0")
    return upstream
