"""Says what is wrong with a package file."""

from __future__ import annotations

from collections.abc import Callable

from yanksync.core.errors import PublishError
from yanksync.output.comparison import FindingKind
from yanksync.output.package_store import PackageEntry

Judgement = tuple[FindingKind, str | None]
"""What is wrong, and why."""


def judge_file(
    entry: PackageEntry | None, size: int | None, read: Callable[[], str | None] | None
) -> Judgement | None:
    """Return what is wrong with a file, or None.

    ``size`` is the right one, if it is known. ``read`` reads the file and returns what is wrong
    with its bytes. If it is None, the file stays unread.
    """
    if entry is None:
        return FindingKind.MISSING, None
    if not entry.is_file:
        return FindingKind.ALTERED, entry.problem
    if entry.problem is not None:
        return FindingKind.UNCHECKED, entry.problem
    if size is not None and entry.size != size:
        return FindingKind.ALTERED, f"has {entry.size} bytes, not {size}"
    try:
        problem = None if read is None else read()
    except FileNotFoundError:
        return FindingKind.MISSING, None
    except OSError as error:
        return FindingKind.UNCHECKED, error.strerror or str(error)
    except PublishError as error:
        return FindingKind.UNCHECKED, error.problem
    return None if problem is None else (FindingKind.ALTERED, problem)
