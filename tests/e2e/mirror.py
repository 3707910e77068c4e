"""A mirror as an operator has it: a configuration file, cron's command line, a web server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.nginx import Nginx
from tests.support.cli_runner import ended
from tests.support.fake_index.index import FakeUpstream, Served, wheel
from tests.support.fork_server.start import Start

# The package, wherever the tests are started.
_KEPT = ("PATH", "HOME", "PYTHON", "LANG", "LC_")
_ENVIRON = {name: text for name, text in os.environ.items() if name.startswith(_KEPT)}


class LiveMirror:
    """Runs an upstream, its mirror and nginx.

    ``python -m yanksync`` makes the mirror. nginx is in front of it.
    """

    def __init__(self, served: Served, home: Path) -> None:
        self.upstream = FakeUpstream()
        served.upstream = self.upstream
        self.home = home
        self.output = home / "mirror"
        self.nginx = Nginx(self.output, home / "nginx")
        (home / "yanksync.toml").write_text(
            f'[upstream]\nsimple_url = "{served.simple_url}"\n'
            'journal = "xmlrpc"\njournal_interval = 0\n'
        )

    def upload(self, name: str, *versions: str, requires: tuple[str, ...] = ()) -> None:
        """Upload wheels that install."""
        for version in versions:
            self.upstream.upload(name, version, content=wheel(name, version, requires))

    def sync(self, **settings: str) -> None:
        """Run ``yanksync sync`` as cron does; settings as ``mirror_yanked="omit"``."""
        self.run("sync", **settings)

    def run(self, *command: str, **settings: str) -> str:
        """Run yanksync and return what it prints; it must succeed and say nothing else."""
        environ = {f"YANKSYNC_{key.upper()}": value for key, value in settings.items()}
        done = ended(Start(command, self.home, _ENVIRON | environ).piped())
        assert (done.code, done.err) == (0, "")
        return done.out

    def close(self) -> None:
        """Stop the web server."""
        self.nginx.close()


def running(served: Served, home: Path) -> Iterator[LiveMirror]:
    """Yield a mirror and stop it: the body of a fixture."""
    mirror = LiveMirror(served, home)
    try:
        yield mirror
    finally:
        mirror.close()
