"""yanksync as a user, or cron, starts it: a process in a directory of its own."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pty
import select
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.fork_server.start import Options, Process, Start

_PATIENCE = 300.0  # seconds that a process gets; a machine under load is slow
HOURS = 3600.0


@dataclass(frozen=True)
class Done:
    """How a process ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)

    @property
    def silent(self) -> bool:
        """Whether cron would send no mail."""
        return self.out == self.err == ""


class Cli:
    """The program with ``yanksync.toml`` in a directory that it is started in."""

    options = Options()

    def __init__(self, home: Path, simple_url: str | None) -> None:
        self.home = home
        self.state = home / "yanksync.db"
        self.output = home / "mirror"
        self.config = home / "yanksync.toml"
        self.environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("YANKSYNC_", "PIP_", "COLUMNS", "LINES"))
        }
        self.environ["HOME"] = str(home)
        if simple_url is not None:
            self.configure(f'simple_url = "{simple_url}"')

    def configure(self, upstream: str = "", **sections: str) -> None:
        """Write the configuration; ``upstream`` is what follows ``[upstream]``."""
        fast = "stale_retry = 0\njournal_interval = 0\ntimeout = 20\n"
        text = f"[upstream]\n{fast}{upstream}\n"
        text += "".join(f"[{name}]\n{body}\n" for name, body in sections.items())
        self.config.write_text(text)

    def start(self, *args: str, **environ: str) -> Process:
        """Start a process and return it."""
        return Start(args, self.home, self.environ | environ, self.options).piped()

    def __call__(self, *args: str, **environ: str) -> Done:
        """Run to the end."""
        return ended(self.start(*args, **environ))

    def on_terminal(self, *args: str, **environ: str) -> tuple[int, str, str]:
        """Run with standard output and standard error on two terminals."""
        outer, inner = zip(pty.openpty(), pty.openpty(), strict=True)
        plain = {"TERM": "xterm", "NO_COLOR": "1"}
        start = Start(args, self.home, self.environ | plain | environ, self.options)
        with open(os.devnull, "rb") as nothing:
            process = start.on((nothing.fileno(), *inner))
        for descriptor in inner:
            os.close(descriptor)
        out, err = _read_all(outer)
        return process.wait(_PATIENCE), out, err

    def tree(self) -> dict[str, tuple[str, int]]:
        """Return every file of the output with a digest and its mtime."""
        return {
            str(path.relative_to(self.output)): (
                hashlib.sha256(path.read_bytes()).hexdigest(),
                path.stat().st_mtime_ns,
            )
            for path in sorted(self.output.rglob("*"))
            if path.is_file()
        }

    def leftovers(self) -> list[Path]:
        """Return every temporary file there is."""
        return [path for path in self.home.rglob(".*") if path.name.endswith(".tmp")]

    def content(self) -> list[str]:
        """Return all that the state holds, as SQL."""
        with self.database() as connection:
            return list(connection.iterdump())

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        """Open the state database, as a test may that lets time pass."""
        connection = sqlite3.connect(self.state)
        try:
            with connection:
                yield connection
        finally:
            connection.close()

    def let_pass(self, seconds: float) -> None:
        """Make everything that the state remembers of runs older."""
        with self.database() as connection:
            connection.execute("UPDATE runs SET started = started - ?", (seconds,))

    @contextmanager
    def locked(self, age: float = 0.0) -> Iterator[None]:
        """Hold the lock, as a run does that began ``age`` seconds ago."""
        with open(f"{self.state}.lock", "w", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(f"4711 {int(time.time() - age)} elsewhere")
            file.flush()
            yield


def ended(process: Process) -> Done:
    """Wait for a process; however it goes, no traceback is printed."""
    out, err = process.communicate(timeout=_PATIENCE)
    assert "Traceback" not in out + err, err
    assert "internal error" not in out + err, err
    return Done(process.wait(), out, err)


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until ``condition`` holds."""
    end = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def _read_all(descriptors: tuple[int, ...]) -> list[str]:
    """Read terminals until the other side is closed."""
    found = dict.fromkeys(descriptors, b"")
    still = set(descriptors)
    while still:
        ready, _, _ = select.select(list(still), [], [], _PATIENCE)
        assert ready, "the process says nothing and does not end"
        for descriptor in ready:
            try:
                text = os.read(descriptor, 65536)
            except OSError:  # EIO: how Linux says that the last one closed it
                text = b""
            found[descriptor] += text
            if not text:
                os.close(descriptor)
                still.discard(descriptor)
    return [text.decode() for text in found.values()]
