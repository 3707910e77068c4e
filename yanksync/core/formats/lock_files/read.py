"""Chooses the reader of a lock file by the file's name."""

from __future__ import annotations

import re
from collections.abc import Callable

from yanksync.core.formats.lock_files.pdm_lock import read_pdm_lock
from yanksync.core.formats.lock_files.pipfile_lock import read_pipfile_lock
from yanksync.core.formats.lock_files.poetry_lock import read_poetry_lock
from yanksync.core.formats.lock_files.pylock_toml import read_pylock_toml
from yanksync.core.formats.lock_files.uv_lock import read_uv_lock
from yanksync.core.pins import PinSet

LockReader = Callable[[bytes], PinSet]

_READERS: tuple[tuple[str, LockReader], ...] = (
    (r"pylock(\.[^.]+)?\.toml", read_pylock_toml),  # PEP 751
    (r".*uv\.lock", read_uv_lock),
    (r".*poetry\.lock", read_poetry_lock),
    (r".*pdm\.lock", read_pdm_lock),
    (r".*Pipfile\.lock", read_pipfile_lock),
)

NAMES = "pylock.toml, uv.lock, poetry.lock, pdm.lock, Pipfile.lock"
"""The files that have a reader, for messages."""


def reader_of(filename: str) -> LockReader | None:
    """Return the reader for a file name; None: no lock file."""
    return next((read for name, read in _READERS if re.fullmatch(name, filename)), None)
