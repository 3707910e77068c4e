"""Puts a gate between a client and an S3 server.

It is real HTTP on loopback. It passes everything on, except for what a test wants to go wrong on
the way.
"""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit


class Mishap(StrEnum):
    """What may happen to a request."""

    SLOW_DOWN = "503"  # the answer of S3 to a client that asks too much
    DENIED = "403"
    UNKNOWN = "501"  # what somebody says who has never heard of it
    CONFLICT = "409"  # another request for the object is not finished yet
    HANG = "hang"  # no answer at all, for as long as the gate stands
    CUT = "cut"  # the connection is lost before the server sees the request
    ANSWER_LOST = "answer lost"  # ... and after it has done what was asked
    PAUSE = "pause"  # kept until the test lets it go on


@dataclass
class Rule:
    """What goes wrong, how often, and for which requests."""

    mishap: Mishap
    wanted: Callable[[str, str], bool]  # method, key
    times: int | None = None  # None: from now on
    skip: int = 0  # so many go well first
    caught: threading.Event = field(default_factory=threading.Event)  # PAUSE: one has come
    go: threading.Event = field(default_factory=threading.Event)  # PAUSE: let it go on

    def takes(self, method: str, key: str) -> bool:
        if self.times == 0 or not self.wanted(method, key):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Gate:
    """A running gate."""

    def __init__(self, server_url: str) -> None:
        self.target = urlsplit(server_url).netloc
        self.base = urlsplit(server_url).path  # Azurite's has the name of the account
        self.requests: list[tuple[str, str]] = []  # method and key, as they came
        self.headers: list[dict[str, str]] = []
        self.rules: list[Rule] = []
        self.ahead = timedelta()  # by which leases look older than they are
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self._http = _Server(self)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}{self.base}"
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def when(
        self,
        mishap: Mishap,
        wanted: Callable[[str, str], bool] = lambda method, key: True,
        *,
        times: int | None = None,
        skip: int = 0,
    ) -> Rule:
        """Let ``mishap`` happen to the requests that are ``wanted``."""
        rule = Rule(mishap, wanted, times, skip)
        with self.lock:
            self.rules.append(rule)
        return rule

    def pass_time(self, seconds: float) -> None:
        """Let so much time pass, as far as a client asks the storage what time it is."""
        self.ahead += timedelta(seconds=seconds)

    def heal(self) -> None:
        """Let everything go well from now on."""
        with self.lock:
            rules, self.rules = self.rules, []
            for rule in rules:
                rule.go.set()

    def forget(self) -> None:
        """Forget which requests came."""
        with self.lock:
            self.requests.clear()
            self.headers.clear()

    def asked(self, method: str) -> list[str]:
        """Return the keys of the requests of one method, in order."""
        with self.lock:
            return [key for found, key in self.requests if found == method]

    def close(self) -> None:
        self.heal()
        self.closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@contextmanager
def gate(server_url: str) -> Iterator[Gate]:
    """Stand before a server."""
    standing = Gate(server_url)
    try:
        yield standing
    finally:
        standing.close()


def puts(method: str, key: str) -> bool:
    """Whether a request puts an object."""
    return method == "PUT"


def puts_of(name: str) -> Callable[[str, str], bool]:
    """Whether a request puts an object of one project."""
    return lambda method, key: method == "PUT" and f"/simple/{name}/" in key


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Be quiet: clients go away, and that is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def _pass(self) -> None:
        gate = self.server.gate
        key = unquote(urlsplit(self.path).path).removeprefix(gate.base)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with gate.lock:
            gate.requests.append((self.command, key))
            gate.headers.append({name.lower(): value for name, value in self.headers.items()})
            rule = next((rule for rule in gate.rules if rule.takes(self.command, key)), None)
        mishap = None if rule is None else rule.mishap
        if rule is not None and mishap is Mishap.PAUSE:
            rule.caught.set()
            rule.go.wait()
        if mishap is Mishap.SLOW_DOWN:
            self._refuse(503, "SlowDown", "Please reduce your request rate.")
        elif mishap is Mishap.DENIED:
            self._refuse(403, "AccessDenied", "Access Denied.")
        elif mishap is Mishap.UNKNOWN:
            self._refuse(501, "NotImplemented", "A header implies functionality that is not there.")
        elif mishap is Mishap.CONFLICT:
            self._refuse(409, "ConditionalRequestConflict", "A conflicting operation occurred.")
        elif mishap is Mishap.HANG:
            gate.closing.wait()
            self._vanish()
        elif mishap is Mishap.CUT:
            self._vanish()
        else:
            self._forward(body, lost=mishap is Mishap.ANSWER_LOST)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass

    def _forward(self, body: bytes, *, lost: bool) -> None:
        connection = http.client.HTTPConnection(self.server.gate.target, timeout=60)
        try:
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "te"):
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if lost:
            self._vanish()
            return
        self.send_response(answer.status, answer.reason)
        key = unquote(urlsplit(self.path).path)
        for name, value in answer.getheaders():
            if name.lower() == "last-modified" and key.endswith(".lease.now"):
                moved = parsedate_to_datetime(value) + self.server.gate.ahead
                value = format_datetime(moved, usegmt=True)
            if name.lower() not in ("connection", "transfer-encoding", "date", "server"):
                self.send_header(name, value)
        if answer.getheader("Content-Length") is None:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _refuse(self, status: int, code: str, message: str) -> None:
        body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _vanish(self) -> None:
        self.close_connection = True
        linger = struct.pack("ii", 1, 0)  # close with RST instead of FIN
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()
