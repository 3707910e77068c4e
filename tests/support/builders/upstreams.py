"""Upstreams to begin with."""

from __future__ import annotations

from tests.support.fake_index.index import FakeUpstream


def two_projects() -> FakeUpstream:
    """Return an upstream with two projects of two releases, the same each time."""
    upstream = FakeUpstream()
    for name in ("demo", "other"):
        for version in ("1.0", "2.0"):
            upstream.upload(name, version)
    return upstream
