"""Asks several things at once, and takes the answers in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def in_order(
    ask: Callable[[K], V], keys: Iterable[K], at_once: int
) -> Generator[tuple[K, Future[V]], None, None]:
    """Yield each of ``keys`` with what ``ask`` returns or raises.

    ``keys`` is drawn from in the caller's thread, and at most ``at_once`` answers are kept.
    """
    pool = ThreadPoolExecutor(at_once)
    running: deque[tuple[K, Future[V]]] = deque()
    try:
        for key in keys:
            running.append((key, pool.submit(ask, key)))
            while running and (len(running) == at_once or running[0][1].done()):
                yield running.popleft()
        while running:
            yield running.popleft()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
