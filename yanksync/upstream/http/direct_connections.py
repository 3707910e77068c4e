"""Opens connections to upstream without the library requests.

This is possible without a proxy, credentials and ``.netrc``. Importing requests and urllib3 takes
longer than the rest of an ordinary pass, and a quarter of its memory
(docs/design/decisions/upstream.rst#decision-first-question). Certificates are checked against the
same authorities.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import weakref
from collections.abc import Mapping
from select import POLLIN, poll
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from yanksync.upstream.http.redirects import PORTS

if TYPE_CHECKING:
    import ssl

# Variables that requests obeys. If one is set, only requests knows its effect.
_OTHERS = frozenset({"http_proxy", "https_proxy", "all_proxy", "netrc"})
# Their settings may name a proxy, which requests asks for.
_SYSTEM_PROXIES = ("darwin", "win32")


class DirectConnection:
    """An open connection.

    ``used`` says whether a request went over it before.
    """

    __slots__ = ("sock", "used")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.used = False

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()

    def is_silent(self) -> bool:
        """Return True if nothing came while the connection was idle.

        Servers close idle connections. Some send a 408 first, which would count as the answer to
        the next request.
        """
        waiting = poll()
        waiting.register(self.sock, POLLIN)
        return not waiting.poll(0) and not getattr(self.sock, "pending", int)()


class DirectConnections:
    """Opens connections, and keeps those that are idle.

    Safe for use by many threads.
    """

    def __init__(self, timeout: float) -> None:
        """``timeout``: seconds, to connect and between bytes."""
        self._timeout = timeout
        self._idle: dict[tuple[str, str], list[DirectConnection]] = {}
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        weakref.finalize(self, _close_all, self._idle)  # as the pools of urllib3

    def take_idle(self, url: str) -> DirectConnection | None:
        """Take an idle connection for ``url``; None: there is none."""
        with self._lock:
            idle = self._idle.get(_place(url))
            while idle:
                connection = idle.pop()
                if connection.is_silent():
                    return connection
                connection.close()
        return None

    def give_back(self, url: str, connection: DirectConnection) -> None:
        """Keep a connection of ``url`` on which nothing is under way."""
        connection.used = True
        with self._lock:
            self._idle.setdefault(_place(url), []).append(connection)

    def open(self, url: str) -> DirectConnection:
        """Open a connection for ``url``. Raises ``OSError`` and ``ValueError``."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        # As bytes: for a str the library loads the tables of Unicode, half a megabyte.
        address: Any = host.encode() if host.isascii() else host
        wire = socket.create_connection((address, parts.port or PORTS[parts.scheme]), self._timeout)
        try:
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if parts.scheme == "https":
                wire = self._tls().wrap_socket(wire, server_hostname=host)
        except BaseException:
            wire.close()
            raise
        return DirectConnection(wire)

    def close(self) -> None:
        """Close every idle connection."""
        with self._lock:
            _close_all(self._idle)

    def _tls(self) -> ssl.SSLContext:
        """Return the context of all connections: reading the authorities takes 15 ms."""
        import ssl  # start-up: an http upstream does not need the TLS library

        with self._lock:
            if self._context is None:
                bundle = _authorities()
                self._context = (
                    ssl.create_default_context(capath=bundle)
                    if os.path.isdir(bundle)
                    else ssl.create_default_context(cafile=bundle)
                )
                self._context.set_alpn_protocols(["http/1.1"])
            return self._context


def _close_all(connections: Mapping[tuple[str, str], list[DirectConnection]]) -> None:
    for idle in connections.values():
        while idle:
            idle.pop().close()


def is_plain(url: str) -> bool:
    """Return whether ``url`` has no credentials, and is ASCII."""
    parts = urlsplit(url)
    return url.isascii() and "@" not in parts.netloc and bool(parts.hostname)


def needs_requests(environ: Mapping[str, str]) -> bool:
    """Return whether the machine may have a proxy or a .netrc."""
    if sys.platform in _SYSTEM_PROXIES:
        return True
    if any(name.lower() in _OTHERS for name in environ):
        return True
    home = os.path.expanduser("~")
    return any(os.path.exists(f"{home}/{name}") for name in (".netrc", "_netrc"))


def _authorities() -> str:
    """Return the path of the CA bundle that requests would use."""
    import certifi

    named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return named or certifi.where()


def _place(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
