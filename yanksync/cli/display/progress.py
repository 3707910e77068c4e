"""Shows how far a pass is.

It is one line on a terminal, or sometimes a line of the log.
"""

from __future__ import annotations

import os
import sys
import threading
import time

from msgspec import Struct

from yanksync.cli.error_handling import output_format, print_line
from yanksync.config.sizes import readable_size

_TICK = 1.0  # seconds between updates when nothing else happens
_SOON = 0.1  # shortest time between updates, in seconds
_FEW = 10  # steps that need no line, unless they take long
_MUCH = 1 << 24  # bytes


class Phase(Struct):
    """A part of a pass."""

    what: str
    total: int  # steps; 0: not known before
    began: float  # monotonic seconds
    first: int = 0  # steps that an earlier run had done
    done: int = 0
    failed: int = 0
    size: int = 0  # bytes of all steps; 0: not known
    came: int = 0  # bytes so far

    @property
    def is_long(self) -> bool:
        """Whether it is shown at once, before a second has passed."""
        return self.total > _FEW or self.size > _MUCH


class ProgressBars:
    """Shows the phase of a pass; clears it at the end.

    On a terminal one line is updated at least once a second. With ``stats``, a line is logged
    every so many seconds.
    """

    def __init__(self, *, shown: bool | None = None, stats: float | None = None) -> None:
        self._shown = sys.stderr.isatty() if shown is None else shown
        self._stats = stats
        self._phase: Phase | None = None
        self._drawn = 0  # characters of the line on the terminal
        self._drawn_at = self._told_at = time.monotonic()
        self._lock = threading.RLock()
        self._over = threading.Event()

    def __enter__(self) -> ProgressBars:
        if self._shown or self._stats is not None:
            threading.Thread(target=self._tick, name="progress", daemon=True).start()
        if self._shown:
            output_format.clear = self._clear
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._end()
        output_format.clear = None

    def expect(self, what: str, total: int, done: int = 0, *, size: int = 0) -> None:
        """Begin a phase of ``total`` steps, ``done`` by an earlier run.

        All steps bring ``size`` bytes.
        """
        with self._lock:
            self._end()
            self._phase = Phase(what, total, time.monotonic(), done, done, size=size)
            if self._phase.is_long:
                self._draw()

    def advance(self, steps: int, failed: int = 0, *, size: int = 0) -> None:
        """Count steps, how many of them failed, and the bytes that came."""
        with self._lock:
            if self._phase is None:
                return
            self._phase.done += steps
            self._phase.failed += failed
            self._phase.came += size
            if time.monotonic() - self._drawn_at >= _SOON and self._phase.is_long:
                self._draw()

    def say(self, text: str) -> None:
        """Print one line where the progress is shown."""
        if self._shown:
            print_line(text, "info")

    def _tick(self) -> None:
        while not self._over.wait(_TICK if self._shown else min(self._stats or _TICK, _TICK)):
            with self._lock:
                if self._phase is not None:
                    self._draw()
                    self._log(self._phase)

    def _log(self, phase: Phase) -> None:
        now = time.monotonic()
        if self._stats is not None and now - self._told_at >= self._stats:
            self._told_at = now
            print_line(progress_line(phase, now), "info")

    def _draw(self) -> None:
        if not self._shown or self._phase is None:
            return
        self._drawn_at = time.monotonic()
        width = _width()
        text = progress_line(self._phase, self._drawn_at, width)[:width]
        print(f"\r{text:<{min(self._drawn, width)}}", end="", file=sys.stderr, flush=True)
        self._drawn = len(text)

    def _clear(self) -> None:
        """Clear the line before another one is printed."""
        with self._lock:
            if self._drawn:
                print("\r" + " " * self._drawn + "\r", end="", file=sys.stderr, flush=True)
                self._drawn = 0

    def _end(self) -> None:
        with self._lock:
            if self._drawn:
                self._draw()
                print(file=sys.stderr, flush=True)
            self._drawn, self._phase = 0, None


def _width() -> int:
    """Return the usable columns of the terminal on standard error."""
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):  # no terminal, or a stream without a file
        columns = 0
    return (columns or 80) - 1


def progress_line(phase: Phase, now: float, width: int | None = None) -> str:
    """Return phase, count, rate, failures, elapsed and remaining time.

    If the line is wider than ``width``, parts are left out: first the elapsed time, then the last
    part.
    """
    seconds = now - phase.began
    of = f"/{phase.total:,}" if phase.total else ""
    parts = [phase.what]
    if phase.total or phase.done:  # otherwise the total is unknown, or cannot be counted
        parts.append(f"{phase.done:,}{of}")
        parts.append(_rate(phase, seconds))
    if phase.failed:
        parts.append(f"{phase.failed:,} failed")
    elapsed = len(parts)
    parts.append(f"{_clock(seconds)} elapsed")
    if (left := _left(phase, seconds)) is not None:
        parts.append(f"{_clock(left)} left")
    while width is not None and len(parts) > 1 and len("  ".join(parts)) > width:
        del parts[elapsed if elapsed < len(parts) else -1]
    return "  ".join(parts)


def _rate(phase: Phase, seconds: float) -> str:
    seconds = seconds or 1.0
    if phase.size or phase.came:
        return f"{readable_size(phase.came / seconds)}/s"
    return f"{(phase.done - phase.first) / seconds:,.0f}/s"


def _left(phase: Phase, seconds: float) -> float | None:
    """Return the remaining seconds, by bytes if they are known."""
    done, total = phase.done - phase.first, phase.total - phase.first
    if phase.size:
        done, total = phase.came, max(phase.size, phase.came)
    if done <= 0 or total <= done or seconds <= 0:
        return None
    return (total - done) * seconds / done


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
