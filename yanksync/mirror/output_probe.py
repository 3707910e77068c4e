"""Finds out with one look whether the output has pages."""

from __future__ import annotations

import os
from pathlib import Path

from yanksync.config.settings import Settings
from yanksync.core import layout
from yanksync.core.errors import YanksyncError


def has_pages(settings: Settings) -> bool:
    """Return whether the output has pages of projects.

    Raises :class:`OSError`, :class:`yanksync.core.errors.YanksyncError`.
    """
    output = settings.mirror.output
    if isinstance(output, Path):
        with os.scandir(output / layout.ROOT) as entries:
            return any(entry.is_dir(follow_symlinks=False) for entry in entries)
    from yanksync.output.object_storage.bucket import (
        BucketClient,  # start-up: a mirror on disk needs no client
    )

    bucket = BucketClient(output, settings.storage, str(settings.source or "the configuration"))
    return next(bucket.list(layout.ROOT), None) is not None


def output_problem(settings: Settings) -> str | None:
    """Return why the output has no pages; None: it has some."""
    output = settings.mirror.output
    try:
        return None if has_pages(settings) else f"the output {output} is empty"
    except FileNotFoundError:
        is_there = isinstance(output, Path) and os.path.exists(output)
        return f"the output {output} is {'empty' if is_there else 'gone'}"
    except OSError as error:
        return f"the output {output} cannot be read: {error.strerror}"
    except YanksyncError as error:
        return f"the output cannot be read: {error}"
