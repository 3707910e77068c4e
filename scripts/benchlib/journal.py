"""The XML-RPC journal: a thread that sleeps while nobody asks, so that pages have the machine."""

from __future__ import annotations

import threading
import xmlrpc.client
from bisect import bisect_right
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Row = tuple[str, str | None, int, str, int]
"""Name, version, timestamp, action, serial."""

PAGE = 50_000


class Journal:
    """Rows in the order of their serials, and the answers to the calls that mirrors make."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: list[Row] = []
        self._serials: list[int] = []
        self._packages: dict[str, int] = {}
        self._answers: dict[tuple[Any, ...], bytes] = {}

    def replace(self, rows: Iterable[Row], packages: dict[str, int]) -> None:
        """Take ``rows`` and what ``list_packages_with_serial`` says in place of what was."""
        with self._lock:
            self._rows = list(rows)
            self._serials = [row[4] for row in self._rows]
            self._packages = packages
            self._answers.clear()

    def answer(self, method: str, parameters: tuple[Any, ...]) -> bytes:
        """Return the XML that answers a call; the same call is rendered once."""
        with self._lock:
            key = (method, *parameters)
            if key not in self._answers:
                value = self._value(method, parameters)
                self._answers[key] = xmlrpc.client.dumps(
                    value if isinstance(value, xmlrpc.client.Fault) else (value,),
                    methodresponse=True,
                    allow_none=True,
                ).encode()
            return self._answers[key]

    def _value(self, method: str, parameters: tuple[Any, ...]) -> Any:
        if method == "changelog_last_serial":
            return self._serials[-1]
        if method == "changelog_since_serial":
            start = bisect_right(self._serials, parameters[0])
            return [list(row) for row in self._rows[start : start + PAGE]]
        if method == "list_packages_with_serial":
            return self._packages
        return xmlrpc.client.Fault(-32601, "server error; requested method not found")


class JournalServer:
    """Serves a :class:`Journal` on a loopback port of its own."""

    def __init__(self, journal: Journal) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                parameters, method = xmlrpc.client.loads(self.rfile.read(length))
                body = journal.answer(method or "", parameters)
                self.send_response(200)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(3600,), daemon=True).start()

    def close(self) -> None:
        """Stop taking calls; the thread goes with the process."""
        self._server.socket.close()
