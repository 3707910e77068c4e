"""A copy of the sources, as somebody has who has just checked them out."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_LEFT_OUT = (".*", "build", "dist", "*.egg-info", "__pycache__", "bench-*")
_KEPT = (".ci", ".dockerignore")


def copy_sources(target: Path) -> Path:
    """Copy the checkout, without what was made in it, to ``target``, and return that."""
    everything = shutil.ignore_patterns(*_LEFT_OUT)

    def left_out(directory: str, names: list[str]) -> set[str]:
        return everything(directory, names) - set(_KEPT)

    return Path(shutil.copytree(ROOT, target, ignore=left_out))
