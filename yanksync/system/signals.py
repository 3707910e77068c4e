"""Ends the program at SIGTERM and SIGINT.

The handler raises an exception, so that everything is put in order on the way out. Python, and
libraries in C that call back, may lose such an exception or raise another one in its place. So it
is raised again until the program ends.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

CLEANUP = 30.0
"""Seconds for the way out. Then it is interrupted, too: it may wait for a lock for ever."""

_AGAIN = 0.25  # seconds
_ENDING = (signal.SIGTERM, signal.SIGINT)


class Terminated(BaseException):
    """A signal came; cleanup happens on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class SignalHandler:
    """Raises :class:`Terminated` at a signal, in the main thread."""

    def __init__(self, cleanup: float = CLEANUP) -> None:
        """``cleanup``: seconds, see :data:`CLEANUP`."""
        self._cleanup = cleanup
        self._number = 0  # of the newest signal; 0: none came
        self._end = 0.0  # of the time for the way out
        self.is_over = False  #: True: signals change nothing any more

    def install(self) -> None:
        """Handle signals from now on, except those that are ignored already.

        nohup, and "&" of shells, ignore some.
        """
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
        for number in _ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._terminate)
        sys.unraisablehook = _unraisable

    def check(self) -> None:
        """Raise :class:`Terminated` if a signal came, whatever became of its exception."""
        if self._number:
            raise Terminated(self._number) from None

    def uninstall(self) -> None:
        """Let a signal end the process at once: no work is left."""
        if self._number:
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number in _ENDING:
            if signal.getsignal(number) == self._terminate:
                signal.signal(number, signal.SIG_DFL)

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        if self.is_over:
            return
        if not self._number:
            self._end = time.monotonic() + self._cleanup
            signal.signal(signal.SIGALRM, self._remind)
            signal.setitimer(signal.ITIMER_REAL, _AGAIN, _AGAIN)
        self._number = number
        raise Terminated(number)

    def _remind(self, _: int, frame: FrameType | None) -> None:
        if self.is_over:
            return
        if time.monotonic() > self._end or not _is_on_its_way(sys.exc_info()[1]):
            raise Terminated(self._number)


def _is_on_its_way(error: BaseException | None) -> bool:
    """Return whether the running code puts things in order after a signal."""
    while error is not None and not isinstance(error, Terminated):
        error = error.__context__
    return error is not None


def _unraisable(lost: sys.UnraisableHookArgs) -> None:
    """Say nothing of a signal in a destructor: it is raised again."""
    if not isinstance(lost.exc_value, Terminated):
        sys.__unraisablehook__(lost)


@contextmanager
def signals_held() -> Iterator[set[int]]:
    """Let signals wait until the end, in this thread.

    Threads that it starts inside never get them. Yields the signals that were held before.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, set())
    try:
        # A signal that came just before it may raise here, when the others are held already.
        signal.pthread_sigmask(signal.SIG_BLOCK, {*_ENDING, signal.SIGALRM})
        yield {int(number) for number in before}
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
