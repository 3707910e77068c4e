"""Runs the operator's command, with a time limit."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from tempfile import TemporaryFile
from typing import IO

from yanksync.core.errors import DeliveryError
from yanksync.system.signals import signals_held

_LAST = 2000  # bytes of its output that are read
_MOST = 16 << 20  # bytes of output: a command that writes more would fill the disk
_LOOK = 0.05  # seconds between two checks of that


def run_child(
    command: Sequence[str], lines: Iterable[str], seconds: float, environ: Mapping[str, str]
) -> None:
    """Run ``command`` with ``lines`` on standard input, in ``environ``.

    Returns when it ends with 0.

    After ``seconds`` it is killed, with everything that it has started. Its input and output are
    files. So the command costs no memory, even if it ignores its input or writes for ever. Raises
    :class:`DeliveryError`, with the last line that it wrote.
    """
    with _file(lines) as stdin, _file(()) as output:
        child = _Child(command, stdin, output, environ)
        try:
            code = _wait(child.begun(), output, seconds)
        except BaseException:  # after a signal it must not go on while the lock is free
            child.kill()
            raise
        if isinstance(code, str):
            child.kill()
            raise DeliveryError(f"{command[0]} {code}")
        if code:
            how = f"ended with {code}" if code > 0 else f"was ended by signal {-code}"
            raise DeliveryError(f"{command[0]} {how}{_last_line(output)}")


def _wait(process: subprocess.Popen[bytes], output: IO[bytes], seconds: float) -> int | str:
    """Return how a command ended, or why it must be killed."""
    end = time.monotonic() + seconds
    while True:
        try:
            return process.wait(max(min(_LOOK, end - time.monotonic()), 0.0))
        except subprocess.TimeoutExpired:
            if os.fstat(output.fileno()).st_size > _MOST:
                return f"was killed: it wrote more than {_MOST >> 20} MiB"
            if time.monotonic() >= end:
                return f"was killed after {seconds:g} s"


def _file(lines: Iterable[str]) -> IO[bytes]:
    """Return a file that holds ``lines`` and has no name. Raises :class:`DeliveryError`."""
    try:
        with ExitStack() as stack:
            file = stack.enter_context(TemporaryFile())
            file.write("".join(f"{line}\n" for line in lines).encode())
            file.seek(0)
            stack.pop_all()
            return file
    except OSError as error:
        raise DeliveryError(f"no temporary file can be made: {error.strerror}") from error


class _Child(threading.Thread):
    """Starts the command, in a thread.

    So a signal to this process cannot come between its start and its handle.
    """

    def __init__(
        self,
        command: Sequence[str],
        stdin: IO[bytes],
        output: IO[bytes],
        environ: Mapping[str, str],
    ) -> None:
        super().__init__(name="hook")
        self._command = command
        self._stdin = stdin
        self._output = output
        self._environ = environ
        self._process: subprocess.Popen[bytes] | None = None
        self._problem: str | None = None
        self._held: set[int] = set()  # signals that the command must not get

    def run(self) -> None:
        """Start it."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._held)
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=self._stdin,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                cwd=os.path.abspath(os.sep),
                env=self._environ,
                start_new_session=True,  # a separate group: its children end with it
            )
        except OSError as error:
            self._problem = error.strerror or str(error)

    def begun(self) -> subprocess.Popen[bytes]:
        """Return the process, once it runs. Raises :class:`DeliveryError`."""
        with signals_held() as self._held:  # a signal in a join marks the thread as ended
            self.start()
            self.join()
        if self._process is None:
            raise DeliveryError(f"{self._command[0]} cannot be started: {self._problem}")
        return self._process

    def kill(self) -> None:
        """End it, with all that it has started."""
        process = self._process
        if process is None or process.poll() is not None:
            return
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
