"""Reads copies at a limited rate, and checks their hashes."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable
from typing import Protocol

from yanksync.mirror.context import Mirror
from yanksync.output.package_store import PackageStore

_MOST = 1.0  # seconds of one wait


class Digest(Protocol):
    """A digest of hashlib, as far as it is used here."""

    def update(self, data: bytes, /) -> None:
        """Add bytes."""


class ReadPace:
    """Limits how many bytes per second are read from files."""

    def __init__(
        self,
        rate: int | None,
        monotonic: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        """``rate``: None means no limit."""
        self._rate = rate
        self._monotonic, self._sleep = monotonic, sleep
        self._due = monotonic()

    def wait_for(self, count: int) -> None:
        """Wait until ``count`` more bytes are within the rate."""
        if self._rate is None:
            return
        self._due = max(self._due, self._monotonic()) + count / self._rate
        while (left := self._due - self._monotonic()) > 0:
            self._sleep(min(left, _MOST))


def read_pace(mirror: Mirror, rate: int | None) -> ReadPace:
    """Return the pace of a run."""
    return ReadPace(rate, mirror.monotonic, mirror.sleep)


def hash_problem(
    packages: PackageStore,
    path: str,
    wanted: tuple[str, str] | None,
    pace: ReadPace,
    *,
    is_only: bool = False,
) -> str | None:
    """Read a file; return what is wrong with its bytes.

    ``wanted`` is the algorithm and the hex digest; None: nothing is read. Raises :class:`OSError`
    when the file cannot be read now. With ``is_only`` no other can be had, so what the disk cannot
    read counts as that: a later read may succeed.
    """
    if wanted is None:
        return None
    algorithm, digest = wanted
    found = hashlib.new(algorithm, usedforsecurity=False)
    problem = read_into(found, packages, path, pace)
    if problem is not None and is_only:
        raise OSError(errno.EIO, problem, path)
    if problem is not None or found.hexdigest() == digest:
        return problem
    return f"its {algorithm} is not that of the page"


def read_into(found: Digest, packages: PackageStore, path: str, pace: ReadPace) -> str | None:
    """Feed a file to ``found``; return why its bytes cannot be read.

    Raises :class:`OSError` when the file cannot be read now.
    """
    try:
        for chunk in packages.package_chunks(path):
            found.update(chunk)
            pace.wait_for(len(chunk))
    except OSError as error:
        if error.errno == errno.EIO:
            return "the disk cannot read it any more"
        raise
    return None
