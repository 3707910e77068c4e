"""Logs each request for a bug report (``-vv``).

Address, status, size and time, without secrets.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from types import TracebackType

log = logging.getLogger("yanksync")


def is_wanted() -> bool:
    """Return whether requests are logged."""
    return log.isEnabledFor(logging.DEBUG)


def log_answer(
    what: str, status: int, headers: Mapping[str, str], seconds: float, size: int | None = None
) -> None:
    """Log the answer to a request.

    ``what`` is its method and its address, without secrets.

    ``size`` is that of the body of a 200 as it came; None: it was not read.
    """
    if is_wanted():
        log.debug("%s: %s in %.3f s", what, _described(status, headers, size), seconds)


def log_done(what: str, seconds: float) -> None:
    """Log a request that was answered as it should be."""
    if is_wanted():
        log.debug("%s: done in %.3f s", what, seconds)


def log_failure(what: str, problem: object, seconds: float) -> None:
    """Log that a request brought no answer."""
    if is_wanted():
        log.debug("%s: %s, after %.3f s", what, problem, seconds)


class LoggedRequest:
    """Logs the result of the request inside: answer or error."""

    def __init__(self, what: str) -> None:
        """``what`` is the method and the address, without secrets."""
        self._what = what
        self._began = time.monotonic()
        self._answer: str | None = None

    def answered(self, status: int, headers: Mapping[str, str], size: int | None = None) -> None:
        """Note the answer (see :func:`log_answer`)."""
        if is_wanted():
            self._answer = _described(status, headers, size)

    def __enter__(self) -> LoggedRequest:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not is_wanted() or not isinstance(error, Exception | None):
            return
        seconds = time.monotonic() - self._began
        if error is not None and self._answer is None:
            address = self._what.partition(" ")[2]
            log_failure(self._what, str(error).removeprefix(f"{address}: "), seconds)
        elif self._answer is not None:
            log.debug("%s: %s in %.3f s", self._what, self._answer, seconds)


def _described(status: int, headers: Mapping[str, str], size: int | None) -> str:
    serial = headers.get("x-pypi-last-serial")
    parts = [str(status)]
    parts += [] if serial is None else [f"serial {serial}"]
    parts += [] if size is None or status != 200 else [f"{size} bytes"]
    return ", ".join(parts)
