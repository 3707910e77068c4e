"""Starts yanksync, and pip, as forks of a process that has imported their modules.

Imports take most of the time of a short run. What only a new interpreter shows is tested with one
(:attr:`Options.fresh`).
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parents[3]


class Forked:
    """A running process, with what tests use of :class:`subprocess.Popen`."""

    def __init__(self, ended: socket.socket) -> None:
        self._ended = ended  # brings the number of the process, and its exit code
        self.pid = self._read()
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, or None while the process runs."""
        with suppress(BlockingIOError):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end, and return the exit code."""
        if self.returncode is None:
            self._ended.settimeout(timeout)
            self.returncode = self._read()
            self._ended.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, where the process has not ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask the process to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process at once."""
        self.send_signal(signal.SIGKILL)

    def _read(self) -> int:
        message = self._ended.recv(32)
        if not message:
            raise RuntimeError("the fork server has ended")
        return int(message)


class Piped(Forked):
    """One whose output is read."""

    def __init__(self, ended: socket.socket, outputs: list[int]) -> None:
        super().__init__(ended)
        self.stdout, self.stderr = (os.fdopen(pipe, encoding="utf-8") for pipe in outputs)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Read what the process prints until its end; ``timeout`` is for each part of that."""
        found = {self.stdout.fileno(): b"", self.stderr.fileno(): b""}
        with selectors.DefaultSelector() as still:
            for pipe in found:
                still.register(pipe, selectors.EVENT_READ)
            while still.get_map():
                ready = still.select(timeout)
                if not ready:
                    raise subprocess.TimeoutExpired("yanksync", timeout or 0)
                for key, _ in ready:
                    data = os.read(key.fd, 65536)
                    found[key.fd] += data
                    if not data:
                        still.unregister(key.fd)
        self.stdout.close()
        self.stderr.close()
        self.wait(timeout)
        out, err = (text.decode().replace("\r\n", "\n") for text in found.values())
        return out, err


Process = Piped | subprocess.Popen[str]


@dataclass(frozen=True)
class Options:
    """What a process has of its own; the rest is that of the tests."""

    program: str = "yanksync"  # or pip
    fresh: bool = False  # an interpreter
    session: bool = False
    user: int | None = None
    umask: int | None = None


@dataclass(frozen=True)
class Start:
    """Says what to start: ``yanksync ARGS``, or ``pip ARGS``.

    It is a fork if the fork does the same as an interpreter.
    """

    args: tuple[str, ...]
    where: Path
    environ: dict[str, str]
    options: Options = Options()

    def piped(self) -> Process:
        """Start it without input, and with pipes for its output."""
        if self._forks:
            readers, writers = zip(os.pipe(), os.pipe(), strict=True)
            with open(os.devnull, "rb") as nothing:
                ended = self._fork((nothing.fileno(), *writers))
            for pipe in writers:
                os.close(pipe)
            return Piped(ended, list(readers))
        pipe = subprocess.PIPE
        return self._popen((subprocess.DEVNULL, pipe, pipe))

    def on(self, streams: tuple[int, int, int]) -> Forked | subprocess.Popen[str]:
        """Start it with these for standard input, output and error."""
        return Forked(self._fork(streams)) if self._forks else self._popen(streams)

    @property
    def _forks(self) -> bool:
        if self.options.fresh or not hasattr(os, "pidfd_open"):
            return False
        return _read_early(self.environ) == self._server.read_early

    @property
    def _server(self) -> _Server:
        return _yanksync() if self.options.program == "yanksync" else _pip()

    def _popen(self, streams: tuple[int, int, int]) -> subprocess.Popen[str]:
        stdin, stdout, stderr = streams
        return subprocess.Popen(
            [sys.executable, "-m", self.options.program, *self.args],
            cwd=self.where,
            env=self.environ,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            text=True,
            start_new_session=self.options.session,
        )

    def _fork(self, streams: tuple[int, int, int]) -> socket.socket:
        ended, told = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = [self.args, str(self.where), self.environ, asdict(self.options)]
        with told:
            socket.send_fds(
                self._server.control, [json.dumps(request).encode()], [*streams, told.fileno()]
            )
        return ended


def _read_early(environ: dict[str, str]) -> dict[str, str]:
    """Return the variables that an interpreter reads when it starts."""
    names = ("PYTHON", "LANG", "LC_", "LD_", "MALLOC_", "TZ")
    return {name: value for name, value in environ.items() if name.startswith(names)}


@dataclass(frozen=True)
class _Server:
    """The server, which ends with the other side of its socket."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    read_early: dict[str, str]


@cache
def _yanksync() -> _Server:
    return _started("yanksync", dict(os.environ))


@cache
def _pip() -> _Server:
    return _started("pip", {"PATH": os.defpath, "LANG": "C.UTF-8"})


def _started(program: str, environ: dict[str, str]) -> _Server:
    """Start the server of a program."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server = "tests.support.fork_server.server"
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", server, str(theirs.fileno()), program],
            cwd=_ROOT,
            env={name: text for name, text in environ.items() if not name.startswith("COVERAGE_")},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    return _Server(process, ours, _read_early(environ))
