"""A machine for the commands of README.rst and docs/, in a directory of the test.

``/etc``, ``/media``, ``/opt``, ``/srv``, ``/usr/local`` and ``/var`` are below it. What would
change this machine (users, services) is a program of the same name that only notes what it was
asked; everything else is the real thing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.fake_index.index import FakeUpstream, Served

_ROOTED = re.compile(r"(?<![\w.~])/(?=(?:etc|media|opt|srv|usr/local|var)\b)")
_CONFIGURATION = """\
[upstream]
simple_url = "https://upstream.example/simple/"

[mirror]
output = "/srv/mirror"
state = "/var/lib/yanksync/yanksync.db"
projects = {projects}
"""
_NGINX = """\
pid {root}/nginx.pid; error_log {root}/error.log; events {{}}
http {{ access_log off; client_body_temp_path {root}/body; proxy_temp_path {root}/proxy;
fastcgi_temp_path {root}/f; uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;
include {root}/etc/nginx/conf.d/*.conf; }}
"""


class Machine:
    """A machine with a shell; ``bin`` in its root has what the tests put there."""

    def __init__(self, root: Path, **environ: str) -> None:
        self.root = root
        self.output = root / "srv/mirror"
        self._bin = root / "bin"
        self.environ = {
            "PATH": f"{self._bin}:{root}/usr/local/bin:/usr/sbin:{os.defpath}",
            "HOME": str(root),
            **environ,
        }
        for directory in (
            *("bin", "etc/systemd/system", "etc/nginx/conf.d", "etc/caddy", "etc/cron.d", "opt"),
            *("srv", "etc/nginx/sites-enabled", "media/usb"),
            *("var/lib/yanksync", "var/backups", "usr/local/bin"),
        ):
            (root / directory).mkdir(parents=True)

    def program(self, name: str, body: str, where: str = "bin") -> Path:
        """Put a program there, as lines of shell."""
        path = self.root / where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def configure(self, block: str, served: Served) -> None:
        """Write a configuration of the documents, with an upstream that exists."""
        text = self.rooted(block).replace("https://upstream.example/simple/", served.simple_url)
        text = text.replace("[upstream]", "[upstream]\njournal_interval = 0\n")
        for place in (self.root, self.root / "etc"):
            (place / "yanksync.toml").write_text(text)

    def rooted(self, text: str) -> str:
        """Return ``text`` with the directories of a machine below the test's."""
        return _ROOTED.sub(f"{self.root}/", text)

    def run(
        self,
        block: str,
        code: int = 0,
        *,
        where: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> str:
        """Run the lines of a block in a shell that stops at the first failure, ending in ``code``.

        Returns what they print; on a success nothing may be said beside it but warnings.
        """
        done = subprocess.run(
            ["/bin/sh", "-e", "-c", self.rooted(block)],
            cwd=where or self.root,
            env={**self.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,  # the installation asks an index for packages
        )
        errors = [line for line in done.stderr.splitlines() if "yanksync: warning: " not in line]
        assert done.returncode == code and (code or not errors), (block, done.stderr)
        return done.stdout

    def show(self, block: str, code: int = 0) -> str:
        """Run the lines of a block; return what a terminal would show, with upstream's name."""
        done = subprocess.run(
            ["/bin/sh", "-e", "-c", self.rooted(block)],
            cwd=self.root,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, (block, done.stdout)
        return done.stdout.replace(str(self.root), "")

    def nginx(self) -> None:
        """Let ``nginx`` be the real one, with a main configuration of its own."""
        real = shutil.which("nginx", path=f"/usr/sbin:{os.defpath}")
        main = self.root / "nginx.conf"
        main.write_text(_NGINX.format(root=self.root))
        where = f"-p {self.root} -e {self.root}/error.log -c {main}"
        # No server runs here that could be told to read it again.
        self.program("nginx", f'[ "$1" != -s ] || exit 0\nexec {real} {where} -q "$@"')


class Prepared(Machine):
    """A machine that has just what most sections need: yanksync, configured for two projects.

    yanksync is the tested package, where :mod:`tests.e2e.test_readme_install` installs it.
    """

    def __init__(self, root: Path, upstream: FakeUpstream, served: Served) -> None:
        super().__init__(root, PYTHONPATH=os.environ.get("PYTHONPATH", ""))
        self.upstream = upstream
        self.served = served
        self.called = root / "called"
        for where in ("bin", "opt/yanksync/bin"):
            self.program("yanksync", f'exec {sys.executable} -m yanksync "$@"', where)
        for name in ("useradd", "systemctl", "service"):
            self.program(name, f'echo "{name} $*" >> {self.called}')
        self.program("install", 'for last; do case $last in /*) mkdir -p "$last" ;; esac; done')
        self.program("runuser", 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"')
        self.set_projects("demo", "demo-*")

    def set_projects(self, *patterns: str) -> None:
        """Write a configuration that mirrors these."""
        self.configure(_CONFIGURATION.format(projects=json.dumps(patterns)), self.served)
