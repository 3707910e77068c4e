"""The mirrors of the command line, with the server that ``scripts/clouds`` names."""

from __future__ import annotations

import os

from tests.cli.conftest import fleet, mirror, served, upstream
from tests.clouds.servers import CLOUDS

__all__ = ["fleet", "mirror", "served", "upstream"]

_CLOUD = os.environ.get("YANKSYNC_TEST_CLOUD", "")
# scripts/test has none of these servers.
collect_ignore = [f"test_{name}.py" for name in CLOUDS if name != _CLOUD]
