"""nginx on loopback: pages as static files, with a log of what was sent; twice, once delayed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

_ECHO = Path("/usr/lib/nginx/modules/ngx_http_echo_module.so")

_CONFIG = """
{user}
worker_processes 1;
pid {work}/nginx.pid;
error_log {work}/nginx-error.log;
{modules}
events {{ worker_connections 1024; }}
http {{
  types {{ text/html html; application/vnd.pypi.simple.v1+json v1_json; application/json json; }}
  log_format cheap '$bytes_sent $status $request_method $request_uri';
  access_log {work}/access.log cheap;
  sendfile on; tcp_nopush on; tcp_nodelay on; server_tokens off;
  keepalive_timeout 300; keepalive_requests 100000000; reset_timedout_connection on;
  client_body_temp_path {work}/tmp-body; proxy_temp_path {work}/tmp-proxy;
  fastcgi_temp_path {work}/tmp-1; uwsgi_temp_path {work}/tmp-2; scgi_temp_path {work}/tmp-3;
  proxy_max_temp_file_size 0; proxy_http_version 1.1;
  map $http_accept $form {{
    default html;
    "~*application/vnd\\.pypi\\.simple\\.(v1|latest)\\+json" v1_json;
  }}
{servers}
}}
"""

_SERVER = """
  server {{
    listen 127.0.0.1:{port};
    root {work}/www;
    location = /pypi {{ proxy_pass http://127.0.0.1:{journal}; }}
    location ~ ^{prefix}/simple/?$ {{
      try_files /overlay/list.$form /base/list.$form =404; add_header Vary Accept;
    }}
    location ~ ^{prefix}/simple/(?<name>[a-z0-9-]+)/$ {{
      try_files /overlay/simple/$name.$form /base/simple/$name.$form =404; add_header Vary Accept;
    }}
    location ~ ^{prefix}/pypi/(?<name>[A-Za-z0-9._-]+)/json$ {{
      try_files /overlay/legacy/$name.json /base/legacy/$name.json =404;
      add_header X-PyPI-Last-Serial 2000000000;
    }}
    {delay}
  }}
"""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What nginx sent."""

    requests: int
    pages: int
    received: int  # bytes, with headers
    errors: int  # statuses of 400 and above


class Nginx:
    """An nginx of our own, below a work directory."""

    def __init__(self, work: Path, journal: int, delay: float) -> None:
        """``delay``: seconds, of the second port."""
        self._work, self._journal, self._delay = work, journal, delay
        self.log = work / "access.log"
        self.port, self.slow_port = _free_port(), _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def can_delay(self) -> bool:
        """Whether the module that delays is installed."""
        return _ECHO.exists()

    def start(self) -> None:
        """Start and wait until it answers."""
        servers = self._server(self.port, "", "")
        if self.can_delay:
            servers += self._server(
                self.slow_port,
                "/now",
                f"location / {{ echo_sleep {self._delay}; echo_exec /now$uri; }}",
            )
        modules = f"load_module {_ECHO};" if self.can_delay else ""
        config = self._work / "nginx.conf"
        user = "user root;" if os.geteuid() == 0 else ""  # else it may not read the files
        config.write_text(
            _CONFIG.format(work=self._work, user=user, modules=modules, servers=servers)
        )
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        self._process = subprocess.Popen(
            [program, "-p", str(self._work), "-c", str(config), "-g", "daemon off;"],
            stdin=subprocess.DEVNULL,
        )
        for _ in range(100):
            if self._process.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"nginx does not start; see {self._work}/nginx-error.log")

    def stop(self) -> None:
        """Stop at once."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(10)

    def mark(self) -> int:
        """Return where the log ends."""
        return self.log.stat().st_size

    def traffic(self, since: int) -> Traffic:
        """Return what was sent since ``since``."""
        requests = pages = received = errors = 0
        with self.log.open("rb") as log:
            log.seek(since)
            for line in log:
                size, status, _, uri = line.split(b" ", 3)
                requests += 1
                received += int(size)
                errors += int(status) >= 400
                pages += is_page(uri)
        return Traffic(requests, pages, received, errors)

    def _server(self, port: int, prefix: str, delay: str) -> str:
        return _SERVER.format(
            port=port, work=self._work, journal=self._journal, prefix=prefix, delay=delay
        )


def is_page(uri: bytes) -> bool:
    """Whether a request line's path is that of a project, not of the list or the journal."""
    return uri.strip() not in (b"/simple/", b"/simple", b"/pypi")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_FEW = 2_500_000  # free inodes, of which a tree of a long list takes 700,000
GONE = "gone"
"""Where :func:`set_aside` puts trees, below the work directory."""


def set_aside(directory: Path) -> None:
    """Put a directory tree out of the way, to be deleted when nothing is measured any more.

    ext4 reuses a deleted inode only minutes later, and looks past it each time until then. So after
    a deletion between two runs, each new file of the next run costs several times as much. In
    memory nothing is dear but inodes.
    """
    if not directory.exists():
        return
    if 0 < os.statvfs(directory).f_favail < _FEW:
        clear(directory)
    else:
        gone = directory.parent / GONE
        gone.mkdir(exist_ok=True)
        directory.rename(gone / f"{directory.name}.{os.getpid()}.{len(os.listdir(gone))}")


def clear(directory: Path) -> None:
    """Remove a directory tree, quickly and whether or not it is there."""
    if directory.exists():
        stale = directory.with_name(f"{directory.name}.gone.{os.getpid()}")
        directory.rename(stale)
        subprocess.run(["rm", "-rf", str(stale)], check=True)
