"""The fake upstream on a real socket: HTTP/1.1 with keep-alive, quiet, every fault included."""

from __future__ import annotations

import socket
import struct
import sys
import threading
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType, TracebackType
from typing import Any, Self

from tests.support.fake_index import xmlrpc
from tests.support.fake_index.answers import Reply, altered, get_reply, post_reply
from tests.support.fake_index.faults import Fault, Kind, Request
from tests.support.fake_index.repository import Repository

_PIECES = 16  # a drip's


class Served:
    """A running server; :attr:`upstream` may be exchanged while it runs."""

    def __init__(self, upstream: Repository, host: str = "127.0.0.1", port: int = 0) -> None:
        self._server = _Server((host, port), _Handler)
        host, port = self._server.server_address[:2]  # type: ignore[assignment]
        self.root_url = f"http://{host}:{port}/"
        self.simple_url = f"{self.root_url}simple/"
        self.journal_url = f"{self.root_url}pypi"
        self.files_url = f"{self.root_url}files/"
        self.upstream = upstream
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    @property
    def upstream(self) -> Repository:
        """The upstream that answers; setting it points its file URLs here."""
        return self._server.upstream

    @upstream.setter
    def upstream(self, upstream: Repository) -> None:
        upstream.files_url = self.files_url
        self._server.upstream = upstream

    def close(self) -> None:
        """Stop, and cut the connections that still stand."""
        self._server.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.cut_connections()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def serve(upstream: Repository, host: str = "127.0.0.1", port: int = 0) -> Served:
    """Serve ``upstream`` until ``close()``, or as a context manager; port 0 takes a free one."""
    return Served(upstream, host, port)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    upstream: Repository

    def __init__(self, *args: Any) -> None:
        self.closing = threading.Event()
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def cut_connections(self) -> None:
        """End the threads that wait for a kept-alive client's next request."""
        with self._open_lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:  # the client was faster
                    continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Be quiet about clients that went away, and about nothing else."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        """Answer a GET."""
        self._answer(b"")

    def do_HEAD(self) -> None:
        """Answer a HEAD: as a GET, without the body."""
        self._answer(b"")

    def do_POST(self) -> None:
        """Answer a POST: XML-RPC."""
        self._answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def log_message(self, *args: Any) -> None:
        """Say nothing: the upstream keeps its own log."""

    def _answer(self, body: bytes) -> None:
        # The test may be over, and another upstream in place, when a slow answer is sent.
        self._upstream = upstream = self.server.upstream
        call = xmlrpc.Call(body) if self.command == "POST" else None
        target = f"{self.path} {call}" if call else self.path
        fault = upstream.take_fault(target)
        if fault and fault.kind is Kind.DELAY:
            self.server.closing.wait(fault.seconds)
        if fault and fault.kind in (Kind.RESET, Kind.HANG):
            self._log(call, 0)
            self._vanish(fault)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        if call is not None:
            reply = post_reply(upstream, self.path, headers, call, fault)
        else:
            reply = get_reply(upstream, self.path, headers, fault)
        reply = altered(reply, fault)
        self._log(call, reply.status)  # before sending: whoever has the answer finds it logged
        self._send(reply, fault)

    def _log(self, call: xmlrpc.Call | None, status: int) -> None:
        headers = MappingProxyType({n.lower(): v for n, v in self.headers.items()})
        request = Request(self.command, self.path, headers, status, str(call) if call else "")
        self._upstream.log(request)

    def _vanish(self, fault: Fault) -> None:
        self.close_connection = True
        if fault.kind is Kind.HANG:
            self.server.closing.wait(fault.seconds)
            return
        linger = struct.pack("ii", 1, 0)  # close with RST instead of FIN
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()

    def _send(self, reply: Reply, fault: Fault | None) -> None:
        kind = fault.kind if fault else None
        phrase = HTTPStatus(reply.status).phrase if reply.status in _KNOWN else "Unknown"
        lines = [f"HTTP/1.1 {reply.status} {phrase}", *(f"{n}: {v}" for n, v in reply.headers)]
        upstream = self._upstream
        if upstream.date is not None:
            lines.append(f"Date: {formatdate(upstream.date(), usegmt=True)}")
            lines.append(f"Age: {upstream.age}")
        if reply.status not in (204, 304):
            lines.append(f"Content-Length: {len(reply.body)}")
        if kind is Kind.TRUNCATE:
            lines.append("Connection: close")
            self.close_connection = True
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        body = b"" if self.command == "HEAD" or reply.status in (204, 304) else reply.body
        if kind is Kind.TRUNCATE:
            body = body[: len(body) // 2]
        if fault and kind is Kind.DRIP:
            self.wfile.write(head)
            self._drip(body, fault.seconds)
        else:
            self.wfile.write(head + body)

    def _drip(self, body: bytes, seconds: float) -> None:
        size = max(1, -(-len(body) // _PIECES))
        for start in range(0, len(body), size):
            self.server.closing.wait(seconds / _PIECES)
            self.wfile.write(body[start : start + size])


_KNOWN = frozenset(int(status) for status in HTTPStatus)
