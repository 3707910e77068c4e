"""Durations as people read them."""

from __future__ import annotations

import pytest

from yanksync.config.durations import elapsed


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (0.44, "0.4 s"),
        (59.9, "59.9 s"),
        (60, "1 min 0 s"),
        (125.4, "2 min 5 s"),
        (3599.6, "1 h 0 min"),
        (7380, "2 h 3 min"),
    ],
)
def test_how_long_something_took(seconds: float, text: str) -> None:
    assert elapsed(seconds) == text
