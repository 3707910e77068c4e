"""Reads log files line by line, plain or compressed with gzip."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from yanksync.core.errors import InputFileError

STDIN = "-"
_GZIP = b"\x1f\x8b"
_LONGEST = 1 << 16  # bytes of a line; the rest of a longer line is left out


def lines(path: str, stdin: BinaryIO) -> Iterator[str]:
    """Yield the lines of a log, each with its line break.

    Raises :class:`InputFileError` if the log cannot be read to its end.
    """
    try:
        if path == STDIN:
            yield from _lines(stdin)
        else:
            with open(path, "rb") as file:
                yield from _lines(file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputFileError(path, f"is damaged, and was not read to its end: {error}") from error
    except OSError as error:
        raise InputFileError(path, f"cannot be read: {error.strerror or error}") from error


def check(path: str) -> None:
    """Check that a log can be opened. Raises :class:`InputFileError`."""
    if path != STDIN:
        try:
            with open(path, "rb") as file:
                file.peek(1)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            problem = getattr(error, "strerror", None) or str(error)
            raise InputFileError(path, f"cannot be read: {problem}") from error


def _lines(raw: BinaryIO) -> Iterator[str]:
    buffered = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(raw)  # type: ignore[type-var]
    file: BinaryIO = buffered
    if buffered.peek(2)[:2] == _GZIP:
        file = gzip.GzipFile(fileobj=buffered)  # type: ignore[assignment]
    while line := file.readline(_LONGEST):
        yield line.decode("utf-8", "replace")
        while len(line) == _LONGEST and not line.endswith(b"\n"):
            line = file.readline(_LONGEST)
