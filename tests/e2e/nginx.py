"""Debian's nginx with what ``yanksync show nginx`` prints, on free loopback ports."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

# The site goes into the http context of a configuration that touches nothing outside its
# directory. The two servers behind it pass on to the first, as a client that knows one form only.
_MAIN = """\
daemon off;
{user}
worker_processes 1;
pid {home}/nginx.pid;
error_log {home}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    include {home}/mirror.conf;
    server {{
        listen {html};
        location / {{
            proxy_pass http://{both};
            proxy_set_header Accept "application/vnd.pypi.simple.v1+html";
        }}
    }}
    server {{
        listen {json};
        location / {{
            proxy_pass http://{both};
            proxy_set_header Accept "application/vnd.pypi.simple.v1+json";
        }}
    }}
}}
"""


class Nginx:
    """A running nginx: ``root_url`` negotiates, ``simple("html")`` and ``simple("json")`` do not.

    :raises RuntimeError: when nginx is missing or fails to start
    """

    def __init__(self, output: Path, home: Path, site: Callable[[str], str] | None = None) -> None:
        """Serve ``output``, or what ``site`` returns for an address to listen at."""
        binary = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
        if binary is None:
            raise RuntimeError("these tests need nginx: run scripts/test, or apt-get install nginx")
        home.mkdir(exist_ok=True)
        both, html, json = free(3)
        (home / "mirror.conf").write_text(
            shown("nginx", output, both) if site is None else site(both)
        )
        main = home / "nginx.conf"
        # root's worker would be somebody who cannot read pytest's directories
        user = "user root;" if os.geteuid() == 0 else ""
        main.write_text(_MAIN.format(home=home, user=user, both=both, html=html, json=json))
        self._addresses = {"html": html, "json": json}
        self.root_url = f"http://{both}/"
        self._process = subprocess.Popen(
            [binary, "-p", str(home), "-e", str(home / "error.log"), "-c", str(main)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for address in (both, html, json):
            self._await(address)

    def simple(self, form: str) -> str:
        """Return the index URL that serves this form and no other."""
        return f"http://{self._addresses[form]}/simple/"

    def close(self) -> None:
        """Stop it, with its workers."""
        self._process.terminate()
        self._process.communicate(timeout=300)

    def _await(self, address: str) -> None:
        host, port = address.split(":")
        until = time.monotonic() + 60
        while self._process.poll() is None and time.monotonic() < until:
            try:
                socket.create_connection((host, int(port)), 1).close()
            except ConnectionRefusedError:
                time.sleep(0.01)
            else:
                return
        self._process.kill()
        raise RuntimeError(f"nginx does not start: {self._process.communicate()[1]}")


def shown(what: str, output: Path, listen: str) -> str:
    """Return what ``yanksync show`` prints for a mirror with this output."""
    return subprocess.run(
        [sys.executable, "-m", "yanksync", "show", what, "--listen", listen],
        env={**os.environ, "YANKSYNC_MIRROR_OUTPUT": str(output)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def free(count: int) -> list[str]:
    """Return addresses on which nobody listens."""
    with ExitStack() as stack:
        addresses = []
        for _ in range(count):
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            addresses.append("{}:{}".format(*listener.getsockname()))
        return addresses
