"""Makes standard input, output and error safe to use.

They may be closed, full, or unable to show some characters.
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

    A closed stream (``yanksync sync >&-``) is replaced by ``/dev/null``. Otherwise the first file
    that is opened would get its number, and yanksync or a hook would write into that file.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest free number, which is this one
            os.set_inheritable(number, True)
    if sys.stdout is None:
        sys.stdout = _nowhere()
    if sys.stderr is None:  # print() would take standard output instead
        sys.stderr = _nowhere()
    with suppress(OSError):  # tests may have replaced it by an object without a file
        if os.name == "posix" and sys.stdout.fileno() == _STDOUT:
            sys.stdout = io.TextIOWrapper(
                io.BufferedWriter(_Output(_STDOUT, "wb", closefd=False)),
                encoding=sys.stdout.encoding,
                errors="backslashreplace",  # a reason may have characters that the locale lacks
                line_buffering=bool(sys.stdout.line_buffering),
            )


def discard_output() -> None:
    """Discard standard output.

    Otherwise Python writes to it again at exit.
    """
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Output(io.FileIO):
    """Standard output, whose errors have a separate class."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write. Raises :class:`StdoutError`; BrokenPipeError if the reader has ended."""
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise StdoutError(error.strerror or str(error)) from error


def _nowhere() -> io.TextIOWrapper:
    return open(os.devnull, "w", encoding="utf-8")  # for as long as the process lives
