"""Runs the operator's own command, in a time that is kept, and says what it came to."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from tempfile import TemporaryFile
from typing import IO

from yanksync.errors import Undelivered

_LAST = 2000  # bytes of its output that are looked at


def run(command: Sequence[str], lines: Iterable[str], seconds: float) -> None:
    """Run ``command`` with ``lines`` on standard input; return when it ends with 0.

    After ``seconds`` it is killed, with everything that it has started. Files stand at both of its
    ends, so that one that does not read or does not stop writing costs no memory. Raises
    :class:`Undelivered`, with the last line that it wrote.
    """
    with TemporaryFile() as stdin, TemporaryFile() as output:
        stdin.write("".join(f"{line}\n" for line in lines).encode())
        stdin.seek(0)
        try:
            process = subprocess.Popen(
                command,
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=os.path.abspath(os.sep),
                start_new_session=True,  # a group of its own: its children end with it
            )
        except OSError as error:
            raise Undelivered(f"{command[0]} cannot be started: {error.strerror}") from None
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            _kill(process)
            raise Undelivered(f"{command[0]} was killed after {seconds:g} s") from None
        except BaseException:  # a signal: it must not work on when the lock is free
            _kill(process)
            raise
        if code:
            how = f"ended with {code}" if code > 0 else f"was ended by signal {-code}"
            raise Undelivered(f"{command[0]} {how}{_last_line(output)}")


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _last_line(output: IO[bytes]) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(size - _LAST, 0))
    lines = output.read().decode(errors="replace").strip().splitlines()
    return f": {lines[-1]}" if lines else ""
