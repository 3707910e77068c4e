"""Writes a seeded upstream as files, once: the same seed and number find them again."""

from __future__ import annotations

import json
import os
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from . import pages, shapes
from .shapes import Name, PageDict

_FORMAT = 1  # raise it when the files change: the cached ones are of no use then
_CHUNK = 250


def upstream_files(cache: Path, seed: int, count: int) -> Path:
    """Return the directory of an upstream with ``count`` projects, made if it is not there."""
    target = cache / f"upstream-{_FORMAT}-{seed}-{count}"
    if target.is_dir():
        return target
    print(f"bench: making an upstream of {count} projects in {target}", file=sys.stderr)
    fresh = cache / f".{target.name}.{os.getpid()}"
    for part in ("simple", "legacy"):
        (fresh / part).mkdir(parents=True)
    work = list(zip(shapes.names(seed, count), shapes.file_counts(seed, count), strict=True))
    chunks = [work[i : i + _CHUNK] for i in range(0, count, _CHUNK)]
    with ProcessPoolExecutor() as pool:
        sizes = list(pool.map(partial(_write, fresh, seed), chunks))
    facts = {
        "files": sum(files for _, files in work),
        "json_bytes": sum(sizes),
        "largest": max(files for _, files in work),
        "median": sorted(files for _, files in work)[count // 2],
    }
    (fresh / "facts.json").write_text(json.dumps(facts))
    try:
        fresh.rename(target)
    except OSError:  # another run was quicker
        shutil.rmtree(fresh)
    return target


def write_page(root: Path, page: PageDict, display: str, when: int | None = None) -> int:
    """Write every form of a page below ``root``; return the size of the JSON.

    ``when``: the time of the files. nginx makes ETags of time and size. Two changes of a project
    may come within a second and leave its size alone.
    """
    name, body = page["name"], pages.page_json(page)
    forms = {
        root / "simple" / f"{name}.{pages.JSON}": body,
        root / "simple" / f"{name}.{pages.HTML}": pages.page_html(page),
        root / "legacy" / f"{name}.json": pages.legacy(page, display),
    }
    for path, content in forms.items():
        path.write_bytes(content)
        if when is not None:
            os.utime(path, (when, when))
    return len(body)


def _write(root: Path, seed: int, chunk: list[tuple[Name, int]]) -> int:
    return sum(
        write_page(root, shapes.project(seed, name, files), name.display) for name, files in chunk
    )
