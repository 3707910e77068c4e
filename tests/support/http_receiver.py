"""Somebody who is told things over HTTP, on loopback, and may be out of order in several ways."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Told(NamedTuple):
    """One request that arrived whole."""

    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """What has arrived, and how the next ones are answered: a status, "hang", "drip" or "reset"."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.told: list[Told] = []  # whatever was answered to it
        self.taken: list[Told] = []  # answered with 2xx
        self.moods: deque[int | str] = deque()  # then 200
        self.always: int | str | None = None
        self.closing = threading.Event()
        self.url = "http://{}:{}/".format(*server.server_address[:2])

    @property
    def paths(self) -> list[str]:
        return [told.path for told in self.told]

    def mood(self) -> int | str:
        if self.always is not None:
            return self.always
        return self.moods.popleft() if self.moods else 200


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    inbox: Receiver

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Be quiet: clients that give up are what is tested."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        """Take a message and answer as the mood is."""
        inbox = self.server.inbox
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        told = Told(self.path, headers, body)
        inbox.told.append(told)
        mood = inbox.mood()
        if isinstance(mood, int):
            if 200 <= mood < 300:
                inbox.taken.append(told)
            self._answer(mood)
            return
        self.close_connection = True
        if mood == "hang":
            inbox.closing.wait()
        elif mood == "drip":
            self._drip()
        else:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", f"{self.server.inbox.url}elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _drip(self) -> None:
        """Send an endless header, a byte at a time.

        So no socket ever times out.
        """
        try:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
            while not self.server.inbox.closing.wait(0.05):
                self.wfile.write(b"x")
        except OSError:
            return

    def log_message(self, format: str, *args: Any) -> None:
        """Be quiet."""


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Serve on a free port of loopback."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.inbox = inbox = Receiver(server)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield inbox
    finally:
        inbox.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
