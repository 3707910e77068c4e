"""Long output on a terminal, shown by a pager."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress

import click

_PATIENCE = 1.0  # seconds for the pager to leave the terminal as it was


def show(lines: Iterable[str]) -> None:
    """Print lines, on a terminal with ``$PAGER`` or ``less``.

    ``less`` ends by itself if all lines fit.
    """
    pager = _pager()
    if pager is None:
        for line in lines:
            click.echo(line)
        return
    sys.stdout.flush()
    environ = {"LESS": "FRX", "LESSCHARSET": "utf-8"} | os.environ
    process = subprocess.Popen(
        pager, stdin=subprocess.PIPE, env=environ, text=True, encoding="utf-8", errors="replace"
    )
    ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the pager, which goes on
    assert process.stdin is not None
    try:
        with suppress(BrokenPipeError):  # the reader has seen enough
            for line in lines:
                process.stdin.write(line + "\n")
            process.stdin.close()
        process.wait()
    except BaseException:
        _end(process)  # it may wait for its reader
        raise
    finally:
        with suppress(BrokenPipeError):
            process.stdin.close()
        signal.signal(signal.SIGINT, ignored)


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
    finally:  # also after a second signal
        process.kill()
        process.wait()


def _pager() -> list[str] | None:
    """Return the command of the pager.

    None if there is no terminal, or no pager.
    """
    if not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return None
    try:
        words = shlex.split(os.environ.get("PAGER", "less"))
    except ValueError:  # an unclosed quote
        return None
    if not words or words == ["cat"] or shutil.which(words[0]) is None:
        return None
    return words
