"""The limits of copying, without a download."""

from __future__ import annotations

import pytest

from yanksync.config.files_settings import FilesSettings
from yanksync.sync.package_files.limits import Bandwidth, Claim, LimitReached, Room


def test_bytes_beyond_the_rate_wait() -> None:
    pauses: list[float] = []
    bandwidth = Bandwidth(1000, pauses.append)
    for _ in range(10):
        bandwidth.take(2_000_000)
    assert len(pauses) == 10
    assert pauses == sorted(pauses)
    assert 15_000 < pauses[-1] <= 20_000


def test_no_rate_is_no_limit() -> None:
    pauses: list[float] = []
    Bandwidth(0, pauses.append).take(1 << 40)
    assert pauses == []


def room(*, budget: int = 0, floor: int = 0, free: int = 1000) -> Room:
    return Room(FilesSettings(budget=budget, free_space=floor), 100, lambda: free)


def test_copies_that_are_there_count_in_the_budget() -> None:
    with pytest.raises(LimitReached, match=r"files\.budget"):
        Claim(room(budget=150), 51, 0)
    Claim(room(budget=150), 50, 0)


def test_room_that_is_given_back_can_be_taken() -> None:
    shared = room(budget=150)
    Claim(shared, 50, 0).release()
    Claim(shared, 50, 0)


def test_downloads_at_once_share_the_free_space() -> None:
    shared = room(floor=100)
    Claim(shared, 600, 0)
    with pytest.raises(LimitReached, match=r"files\.free_space"):
        Claim(shared, 301, 0)
    Claim(shared, 300, 0)


def test_a_part_on_the_disk_needs_no_more_room() -> None:
    Claim(room(floor=100), 1400, 500)


def test_another_program_may_fill_the_disk_meanwhile() -> None:
    free = [1000, 1000, 50]
    shared = Room(FilesSettings(free_space=100), 0, lambda: free.pop(0))
    claim = Claim(shared, 600, 0)
    claim.grow(10)
    with pytest.raises(LimitReached, match=r"files\.free_space"):
        claim.grow(10)
