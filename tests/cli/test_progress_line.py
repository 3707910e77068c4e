"""The line about how far a pass is."""

from __future__ import annotations

import pytest

from yanksync.cli.display.progress import Phase, progress_line
from yanksync.config.sizes import readable_size


def test_steps_have_a_rate_and_a_remaining_time() -> None:
    phase = Phase("pages", 1000, 0.0, first=100, done=400, failed=2)
    expected = "pages  400/1,000  30/s  2 failed  0:00:10 elapsed  0:00:20 left"
    assert progress_line(phase, 10.0) == expected


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (70, "pages  400/1,000  30/s  2 failed  0:00:10 elapsed  0:00:20 left"),
        (50, "pages  400/1,000  30/s  2 failed  0:00:20 left"),
        (45, "pages  400/1,000  30/s  2 failed"),
        (20, "pages  400/1,000"),
        (3, "pages"),
    ],
)
def test_what_does_not_fit_is_left_out(width: int, expected: str) -> None:
    phase = Phase("pages", 1000, 0.0, first=100, done=400, failed=2)
    assert progress_line(phase, 10.0, width) == expected


def test_files_have_a_rate_in_bytes() -> None:
    phase = Phase("copying files", 20, 0.0, done=1, size=100 << 20, came=25 << 20)
    expected = "copying files  1/20  2.5 MiB/s  0:00:10 elapsed  0:00:30 left"
    assert progress_line(phase, 10.0) == expected


def test_files_of_unknown_size_have_no_remaining_time_in_bytes() -> None:
    phase = Phase("copying files", 20, 0.0, done=10, came=5 << 20)
    expected = "copying files  10/20  512.0 KiB/s  0:00:10 elapsed  0:00:10 left"
    assert progress_line(phase, 10.0) == expected


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (1 << 30, "1.0 GiB"),
     (5 << 50, "5120.0 TiB")],
)  # fmt: skip
def test_sizes_are_readable(size: int, text: str) -> None:
    assert readable_size(size) == text
