"""Bringing files to stable storage, few at a time or a whole batch at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import cache

_MANY = 32
"""From so many files on, one call for the whole file system is cheaper (components.md, 4)."""


def sync_files(paths: Sequence[str], root: str) -> None:
    """Return when the contents of ``paths``, all below ``root``, are on stable storage."""
    if len(paths) >= _MANY and _whole(root):
        return
    for path in dict.fromkeys(paths):
        _sync(path, os.O_RDONLY)


def sync_directories(paths: Sequence[str], root: str) -> None:
    """Return when the entries of the directories ``paths`` are on stable storage."""
    if os.name == "nt":  # directories cannot be opened there, and NTFS keeps a journal of them
        return
    if len(paths) >= _MANY and _whole(root):
        return
    for path in dict.fromkeys(paths):
        _sync(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))


def _sync(path: str, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _whole(root: str) -> bool:
    """Sync the file system of ``root``; False where the system cannot do that."""
    call = _syncfs()
    if call is None:
        return False
    descriptor = os.open(root, os.O_RDONLY)
    try:
        return call(descriptor) == 0
    finally:
        os.close(descriptor)


@cache
def _syncfs() -> Callable[[int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        import ctypes  # start-up: only a large batch needs it

        call = ctypes.CDLL(None, use_errno=True).syncfs
    except (ImportError, OSError, AttributeError):  # too many open files end an import, too
        return None
    return lambda descriptor: int(call(descriptor))
