"""Standard input, output and error, whatever they were given to us as.

Closed, full or narrow.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from yanksync.core.errors import StdoutError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_STDOUT = 1


def make_safe() -> None:
    """Make the three streams safe to use.

    One that is closed (``yanksync sync >&-``) leads nowhere from here on. Else the first file to be
    opened would get its number, and something of ours, or of a hook, would write into it.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
            os.set_inheritable(number, True)
    if sys.stdout is None:
        sys.stdout = _nowhere()
    if sys.stderr is None:  # print() would take standard output instead
        sys.stderr = _nowhere()
    with suppress(OSError):  # not a file, when tests have taken its place
        if os.name == "posix" and sys.stdout.fileno() == _STDOUT:
            sys.stdout = io.TextIOWrapper(
                io.BufferedWriter(_Output(_STDOUT, "wb", closefd=False)),
                encoding=sys.stdout.encoding,
                errors="backslashreplace",  # a reason may have what the locale cannot write
                line_buffering=bool(sys.stdout.line_buffering),
            )


def discard_output() -> None:
    """Discard standard output.

    Otherwise Python writes to it again at exit.
    """
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Output(io.FileIO):
    """Standard output, whose errors have a class of their own."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write. Raises :class:`StdoutError`; BrokenPipeError when the reader has gone."""
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise StdoutError(error.strerror or str(error)) from error


def _nowhere() -> io.TextIOWrapper:
    return open(os.devnull, "w", encoding="utf-8")  # for as long as the process lives
