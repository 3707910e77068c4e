"""A machine that was booted by systemd: a container with an init, and a network of its own.

The test's upstream listens on that machine's loopback, though it runs in the test.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.container.engine import INSTALLED, Engine
from tests.support.documents import page_blocks
from tests.support.fake_index.index import FakeUpstream, Served, serve

NAME = "booted"
UNITS = "/etc/systemd/system"
_NETWORK = 0x40000000  # CLONE_NEWNET
_PATIENCE = 180.0  # seconds; a timer fires once a minute, and up to half of one late


class Booted:
    """The machine. docs/how-to/install.rst was followed on it; nothing is configured yet."""

    def __init__(self, engine: Engine, upstream: FakeUpstream) -> None:
        self._engine = engine
        self._upstream = upstream
        # Mounting is what systemd fences a service in with.
        engine.podman(
            *("run", "--detach", "--name", NAME, "--systemd=always", "--cap-add", "SYS_ADMIN"),
            *("--network", "none", "--cgroupns", "private", INSTALLED),
        )
        self.served = self._up(0)

    def _up(self, port: int) -> Served:
        """Wait until everything runs, and serve there."""
        try:
            wait_for(lambda: "running" in self.sh("systemctl is-system-running || true"))
        except AssertionError:
            pytest.exit(f"systemd does not come up here: {self.sh('systemctl --failed')}", 1)
        pid = self._engine.inspect(NAME)["State"]["Pid"]
        return serve_within(pid, self._upstream, port)

    def sh(self, lines: str, code: int = 0) -> str:
        """Run lines as root, ending in ``code``; return what they print."""
        told = ("exec", "--workdir", "/etc", NAME, "sh", "-e", "-c", lines)
        return self._engine.podman(*told, code=code)

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        file = self._engine.home / "file"
        file.write_text(text)
        self.sh(f"mkdir -p {os.path.dirname(path)}")
        self._engine.podman("cp", str(file), f"{NAME}:{path}")

    def configure(self, more: str = "") -> None:
        """Write the configuration of a tutorial, and ``more``."""
        (text,) = page_blocks("tutorials/from-bandersnatch", "toml")
        text = text.replace("https://upstream.example/simple/", self.served.simple_url)
        text = text.replace("[upstream]", "[upstream]\njournal_interval = 0\nstale_retry = 0")
        self.write("/etc/yanksync.toml", f"{text}\n{more}")

    def amend(self, unit: str, text: str) -> None:
        """Change a service as an administrator would, with a file of one's own beside it."""
        self.write(f"{UNITS}/{unit}.d/test.conf", f"[Service]\n{text}")
        self.sh("systemctl daemon-reload")

    def show(self, unit: str, name: str) -> str:
        """Return a property of a unit."""
        return self.sh(f"systemctl show --value --property {name} {unit}").strip()

    def journal(self, unit: str) -> str:
        """Return what a unit told, and what systemd told of it."""
        return self.sh(f"journalctl --no-pager --output cat --unit {unit}")

    def page(self, name: str = "demo") -> str:
        """Return a page, or nothing."""
        return self.sh(f"cat /srv/mirror/simple/{name}/index.html 2>/dev/null || true")

    def copy(self, path: Path, to: str) -> None:
        """Copy a file of the tests."""
        self._engine.podman("cp", str(path), f"{NAME}:{to}")

    def reboot(self) -> None:
        """Shut the machine down in order, and start it again."""
        port = int(self.served.root_url.rstrip("/").rpartition(":")[2])
        self.served.close()
        self._engine.podman("stop", "--time", "120", NAME)
        self._engine.podman("start", NAME)
        self.served = self._up(port)

    def close(self) -> None:
        """Away with it."""
        self.served.close()
        self._engine.remove(NAME)


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until ``condition`` holds, looking seldom: each look is a process in the container."""
    end = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.3)


def serve_within(pid: int, upstream: FakeUpstream, port: int) -> Served:
    """Serve on the loopback of the network that process ``pid`` is in.

    A socket stays in the network in which it was made. So only the thread that makes it goes there.
    """
    made: list[Served] = []
    libc = ctypes.CDLL(None, use_errno=True)

    def make() -> None:
        with open(f"/proc/{pid}/ns/net", "rb") as network:
            if libc.setns(network.fileno(), _NETWORK) == 0:
                made.append(serve(upstream, port=port))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    assert made, os.strerror(ctypes.get_errno())
    return made[0]
