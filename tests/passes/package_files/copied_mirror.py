"""What stands in the output of a mirror that copies files."""

from __future__ import annotations

import json

from tests.support.world import World


def links(mirror: World, name: str = "demo") -> dict[str, str]:
    """Return the addresses on a published page, by file name."""
    page = json.loads((mirror.where / "out/simple" / name / "index.v1_json").read_bytes())
    return {file["filename"]: file["url"] for file in page["files"]}


def copies(mirror: World) -> dict[str, bytes]:
    """Return what stands below packages/, by file name; received files aside."""
    found = sorted((mirror.where / "out/packages").rglob("*"), key=lambda path: path.name)
    return {
        path.name: path.read_bytes()
        for path in found
        if path.is_file() and path.parent.name != ".incoming"
    }


def incoming(mirror: World) -> list[str]:
    """Return the names of received files."""
    place = mirror.where / "out/packages/.incoming"
    return sorted(path.name for path in place.iterdir()) if place.exists() else []
