"""Files that others read: each is replaced in one step, and they see all of it or the old one."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from yanksync.publish import durable

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)


def replace(path: Path, temporary: str, chunks: Iterable[str], *, lasting: bool) -> None:
    """Write a file of ``chunks`` to ``path``, 0644 under the umask; its directory is made.

    ``temporary`` is its name until then: the same in every run, so that none is left over. It is
    made anew: others may write in that directory, and no link of theirs is written through (F3).
    With ``lasting`` it is on stable storage in the end. Raises :class:`OSError`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(temporary)
    with suppress(FileNotFoundError):
        half.unlink()
    descriptor = os.open(half, _NEW, 0o644)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(chunks)
        if lasting:
            durable.sync_files([str(half)], str(path.parent))
        os.replace(half, path)
    except BaseException:
        with suppress(OSError):
            half.unlink()
        raise
    if lasting:
        durable.sync_directories([str(path.parent)], str(path.parent))
