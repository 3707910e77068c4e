"""Fixtures of the tests of the wire."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.certificates import found


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a certificate authority that no machine knows of."""
    where = tmp_path_factory.mktemp("authority")
    found(where)
    return where
