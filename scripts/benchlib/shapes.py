"""Makes projects of PyPI's shapes from a seed: median 4 to 5 files, mean about 20, a long tail."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

PageDict = dict[str, Any]

FIRST_SERIAL = 30_000_000
_MEDIAN, _MEAN = 4.6, 20.0
_SIGMA = math.sqrt(2 * math.log(_MEAN / _MEDIAN))
_MOST = 6_000  # files of one project
_YANKED = 0.015  # of releases
_WORDS = (
    "acid", "amber", "anvil", "apple", "arrow", "atlas", "bacon", "badge", "baker",
    "birch", "blaze", "block", "brick", "cable", "cargo", "cedar", "chalk", "cider",
    "cloud", "cobalt", "comet", "coral", "crane", "delta", "denim", "drift", "eagle",
    "ember", "fable", "falcon", "fern", "flint", "forge", "frost", "gamma", "ginger",
    "glass", "grape", "hazel", "helix", "honey", "icon", "iris", "ivory", "jade",
    "juno", "karma", "kite", "lark", "lemon", "lotus", "lunar", "maple", "marsh",
    "mason", "mint", "mosaic", "nectar", "noble", "nova", "ocean", "olive", "onyx",
    "opal", "orbit", "otter", "pearl", "pepper", "piano", "pixel", "plum", "polar",
    "prism", "quartz", "quill", "raven", "reef", "ridge", "river",
)  # fmt: skip
_SUFFIXES = ("", "", "-py", "-client", "-utils", "-sdk", "-cli", "-core")
_PYTHONS = (None, None, ">=3.8", ">=3.9", ">=3.10", ">=3.7,<4.0", "!=3.0.*,!=3.1.*,>=2.7")
_FILES_IN_RELEASE = (1, 2, 2, 2, 2, 2, 6, 24)
_REASONS = (
    "broken metadata",
    "Uploaded by mistake, use the next release",
    'does not import on Python 3.12, see the "known issues" <https://docs.example/issues>',
    "Security: upgrade please",
)
_PLATFORMS = (
    "manylinux_2_17_x86_64.manylinux2014_x86_64",
    "manylinux_2_17_aarch64.manylinux2014_aarch64",
    "musllinux_1_2_x86_64",
    "macosx_11_0_arm64",
    "win_amd64",
)


@dataclass(frozen=True, slots=True)
class Name:
    """A project as the list has it."""

    name: str  # normalised
    display: str
    serial: int


def names(seed: int, count: int, *, extra: int = 0) -> list[Name]:
    """Return ``count`` projects, or ``extra`` others whose serials lie below all of those."""
    if extra:
        rng = random.Random(f"{seed}:extra")
        return [
            Name(name, name, 1_000_000 + number)
            for number in range(extra)
            for name in [f"{rng.choice(_WORDS)}-{rng.choice(_WORDS)}-x{number}"]
        ]
    rng = random.Random(f"{seed}:{count}:names")
    serials = rng.sample(range(FIRST_SERIAL, FIRST_SERIAL + count * 8), count)
    made = []
    for number, serial in enumerate(serials):
        words = f"{rng.choice(_WORDS)}-{rng.choice(_WORDS)}{rng.choice(_SUFFIXES)}-{number}"
        display = words
        if rng.random() < 0.2:
            display = words.replace("-", "_", 1).capitalize()
        made.append(Name(words, display, serial))
    return made


def file_counts(seed: int, count: int) -> list[int]:
    """Return how many files each project has: quantiles of a log-normal, shuffled.

    Quantiles and not draws, so that the mean is alike for every seed and number of projects.
    """
    normal = NormalDist(math.log(_MEDIAN), _SIGMA)
    counts = [
        min(_MOST, max(1, round(math.exp(normal.inv_cdf((i + 0.5) / count))))) for i in range(count)
    ]
    random.Random(f"{seed}:{count}:counts").shuffle(counts)
    return counts


def project(seed: int, name: Name, files: int) -> PageDict:
    """Return the JSON page of a project with ``files`` files, in the shape that Warehouse gives."""
    rng = random.Random(f"{seed}:{name.name}:{files}")
    made: list[PageDict] = []
    versions: list[str] = []
    while len(made) < files:
        number = len(versions)
        version = f"{number // 40}.{number // 5 % 8}.{number % 5}"
        versions.append(version)
        yanked: bool | str = False
        if rng.random() < _YANKED:
            yanked = rng.choice(_REASONS) if rng.random() < 0.5 else True
        most = min(rng.choice(_FILES_IN_RELEASE), files - len(made))
        made += release(rng, name.name, version, most, yanked)
    return {
        "files": sorted(made, key=lambda file: str(file["filename"])),
        "meta": {"_last-serial": name.serial, "api-version": "1.4"},
        "name": name.name,
        "project-status": {"status": "active"},
        "versions": versions,
    }


def release(
    rng: random.Random, name: str, version: str, count: int, yanked: bool | str
) -> list[PageDict]:
    """Return the files of a release: a source distribution, then wheels."""
    requires = rng.choice(_PYTHONS)
    stem = f"{name.replace('-', '_')}-{version}"
    when = f"20{rng.randrange(15, 27)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"
    clock = f"T{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}"
    filenames = [f"{stem}.tar.gz"]
    if count == 2:
        filenames.append(f"{stem}-py3-none-any.whl")
    elif count > 2:
        filenames += [
            f"{stem}-cp3{python}-cp3{python}-{platform}.whl"
            for python in range(8, 15)
            for platform in _PLATFORMS
        ]
    return [
        _file(rng, filename, requires, f"{when}{clock}.{rng.randrange(10**6):06}Z", yanked)
        for filename in filenames[:count]
    ]


def _file(
    rng: random.Random, filename: str, requires: str | None, when: str, yanked: bool | str
) -> PageDict:
    path = f"{rng.getrandbits(256):064x}"
    metadata: Any = False
    if filename.endswith(".whl"):
        metadata = {"sha256": f"{rng.getrandbits(256):064x}"}
    return {
        "core-metadata": metadata,
        "data-dist-info-metadata": metadata,
        "filename": filename,
        "hashes": {"sha256": f"{rng.getrandbits(256):064x}"},
        "provenance": None,
        "requires-python": requires,
        "size": rng.randrange(2_000, 4_000_000),
        "upload-time": when,
        "url": f"https://files.example/packages/{path[:2]}/{path[2:4]}/{path[4:]}/{filename}",
        "yanked": yanked,
    }
