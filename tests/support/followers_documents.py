"""Reads the documents that followers read."""

from __future__ import annotations

import gzip
import json
from typing import Any

from tests.support.world import World

NAME = "index.legacy_json"


def documents(world: World) -> dict[str, dict[str, Any]]:
    """Return every document by project, and under "" the serials; siblings hold the same."""
    files = world.files()
    found = {path: body for path, body in files.items() if path.endswith(f"/{NAME}")}
    for path, body in found.items():
        if f"{path}.gz" in files:
            assert gzip.decompress(files[f"{path}.gz"]) == body
    return {path[7 : -len(NAME) - 1]: json.loads(body) for path, body in found.items()}
