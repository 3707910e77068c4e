"""The state of one test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.empty_state import open_state
from yanksync.state.state import State


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "yanksync.db"


@pytest.fixture
def state(path: Path) -> Iterator[State]:
    with open_state(path) as opened:
        yield opened
