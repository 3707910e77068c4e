"""Checks which versions of an index a pin allows.

It also checks which files the pin knows.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import Specifier
from packaging.version import Version

from tests.support.builders.random_pages import CALM
from yanksync.core.model import File
from yanksync.core.names import NormalizedName
from yanksync.core.pins import Pin, PinnedFile, PinOperator, hash_pairs

_NUMBERS = st.lists(st.integers(0, 3).map(str), min_size=1, max_size=4).map(".".join)
_SUFFIXES = st.sampled_from(["", "a1", "rc2", ".post1", ".dev3", "-1", "+cpu", "+cpu.2", "+CPU"])
VERSIONS = st.tuples(st.sampled_from(["", "", "v", "1!"]), _NUMBERS, _SUFFIXES).map("".join)


def pin(version: str, operator: PinOperator) -> Pin:
    return Pin(project=NormalizedName("demo"), version=version, operator=operator)


@CALM
@given(pinned=VERSIONS, offered=VERSIONS)
def test_an_equal_pin_allows_what_packaging_allows(pinned: str, offered: str) -> None:
    wanted = Specifier(f"=={pinned}").contains(offered, prereleases=True)
    assert pin(pinned, PinOperator.EQUAL).allows(offered) == wanted


@CALM
@given(pinned=VERSIONS, offered=VERSIONS)
def test_an_arbitrary_pin_allows_what_packaging_allows(pinned: str, offered: str) -> None:
    offered = str(Version(offered))  # older releases of packaging compare this form alone
    wanted = Specifier(f"==={pinned}").contains(offered, prereleases=True)
    assert pin(pinned, PinOperator.ARBITRARY).allows(offered) == wanted


@pytest.mark.parametrize(
    ("operator", "pinned", "offered", "allowed"),
    [
        ("==", "1.0", "1.0.0", True),
        ("==", "1.0", "1.0+cpu", True),
        ("==", "1.0+cpu", "1.0", False),
        ("==", "1.0+cpu", "1.0+CPU", True),
        ("==", "2004d", "2004d", True),
        ("===", "1.0", "1.0.0", False),
        ("===", "2004D", "2004d", True),
        ("===", "1.0", "1.0+cpu", False),
        ("locked", "1.0", "1.0.0", True),
        ("locked", "1.0", "1.0+cpu", False),
        ("locked", "1.0+cpu", "1.0+cpu", True),
        ("locked", "1.0", "1.0.post1", False),
    ],
)
def test_pins_allow(operator: str, pinned: str, offered: str, allowed: bool) -> None:
    assert pin(pinned, PinOperator(operator)).allows(offered) is allowed


def test_only_a_hash_of_the_same_algorithm_contradicts() -> None:
    file = File(filename="demo-1.0.tar.gz", url="https://files.example/d", hashes=(("md5", "a"),))
    assert PinnedFile(hashes=hash_pairs(["MD5:A"])).is_like(file)
    assert PinnedFile(hashes=hash_pairs(["md5:b"])).contradicts(file)
    assert not PinnedFile(hashes=hash_pairs(["sha256:b", "nonsense", ""])).contradicts(file)
