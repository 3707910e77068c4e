"""Uploads at the time of a test's clock, and what both forms of a page offer."""

from __future__ import annotations

from typing import Any

from tests.support.world import World


def upload(world: World, name: str, version: str, **about: Any) -> None:
    """Upload a file now, by the world's clock."""
    world.up.clock = int(world.clock.time)
    world.up.upload(name, version, **about)


def names(world: World, project: str = "demo") -> list[str]:
    """Return the files that both forms of a page have."""
    pages = world.pages(project)
    assert pages is not None, project
    in_json = sorted(file["filename"] for file in pages[0]["files"])
    assert in_json == sorted(name for name, _ in pages[1].anchors)
    return in_json
