"""Matches wheels with platforms and interpreters, by their tags (PEP 425)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import translate
from functools import lru_cache

from packaging.tags import Tag, compatible_tags, cpython_tags, generic_tags, parse_tag

PYTHON = re.compile(r"(cp|pp)([23])([0-9]{1,2})(t?)")
"""An interpreter as wheels name it: ``cp312``, ``cp313t`` (without the GIL), ``pp311``."""

_MOST = 1000  # tags of one wheel; a name with more is not read
_FAT = {  # the processors of macOS wheels for several processors
    "universal2": ("x86_64", "arm64"),
    "universal": ("x86_64", "i386"),
    "intel": ("x86_64", "i386"),
}


def is_for_platform(filename: str, patterns: tuple[str, ...]) -> bool:
    """Return whether one of the patterns names a platform of a wheel.

    A wheel for any platform fits every pattern.
    """
    matches = _expression(patterns).match
    return any(
        platform == "any" or matches(platform) is not None
        for tag in _tags(filename)
        for platform in _platforms(tag.platform)
    )


def is_for_python(filename: str, pythons: tuple[str, ...]) -> bool:
    """Return whether one of the interpreters can use a wheel.

    This ignores its platform.
    """
    usable = _usable(pythons)
    return any((tag.interpreter, tag.abi) in usable for tag in _tags(filename))


def _tags(filename: str) -> frozenset[Tag]:
    """Return the tags in the name of a wheel.

    None: it is not the name of a wheel.
    """
    parts = filename.removesuffix(".whl").split("-")
    return _parsed("-".join(parts[-3:])) if len(parts) in (5, 6) else frozenset()


@lru_cache(maxsize=4096)
def _parsed(text: str) -> frozenset[Tag]:
    interpreters, abis, platforms = (part.count(".") + 1 for part in text.split("-"))
    return frozenset() if interpreters * abis * platforms > _MOST else parse_tag(text)


@lru_cache(maxsize=8)
def _expression(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, patterns)))


def _platforms(platform: str) -> Iterator[str]:
    yield platform
    if platform.startswith("macosx_"):
        for fat, processors in _FAT.items():
            if platform.endswith(f"_{fat}"):
                for processor in processors:
                    yield platform.removesuffix(fat) + processor


@lru_cache(maxsize=8)
def _usable(pythons: tuple[str, ...]) -> frozenset[tuple[str, str]]:
    """Return the interpreter and ABI pairs that an interpreter can use."""
    return frozenset((tag.interpreter, tag.abi) for python in pythons for tag in _of_python(python))


def _of_python(python: str) -> Iterator[Tag]:
    match = PYTHON.fullmatch(python)
    assert match is not None  # the configuration is checked
    kind, major, minor, threaded = match.groups()
    version, name = (int(major), int(minor)), f"{kind}{major}{minor}"
    if kind == "cp":
        abis = [python, *(f"{python}{kind}" for kind in ("m", "mu") if version < (3, 8))]
        for tag in cpython_tags(version, abis=abis, platforms=["any"]):
            if not (threaded and tag.abi == "abi3"):
                yield tag
    else:
        abis = [f"pypy{major}{minor}_pp73", "pypy_73"]
        yield from generic_tags(name, abis=abis, platforms=["any"])
    yield from compatible_tags(version, interpreter=name, platforms=["any"])
