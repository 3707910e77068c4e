"""What all these tests leave out: their processes run without coverage, which ``tests/cli`` has."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="package", autouse=True)
def plain() -> Iterator[None]:
    """Start processes as a user does."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("COV")]:
            patch.delenv(name)
        yield
