"""A server of a few lines, for answers that no real upstream would give."""

from __future__ import annotations

import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress


class Wire:
    """What was asked of a running server, and where it is."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.heads: list[str] = []
        self.connections = 0
        self.speakers: list[threading.Thread] = []
        self.clients: list[socket.socket] = []

    def url(self, path: str = "simple/", userinfo: str = "") -> str:
        return f"http://{userinfo}127.0.0.1:{self.port}/{path}"

    def cut(self) -> None:
        """End all connections."""
        for client in self.clients:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """End all connections, and wait until nothing is left of them."""
        self.cut()
        for speaker in self.speakers:
            speaker.join(10)

    def paths(self) -> list[str]:
        return [head.split(" ", 2)[1] for head in self.heads]


Answer = Callable[[str], bytes | Iterable[bytes] | None]
"""From the head of a request to the bytes that answer it, or their pieces.

After the pieces the connection is closed, unless they are a list. None: closed at once.
"""


class Kept(list[bytes]):
    """Pieces that are made as they are sent; the connection is kept."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        super().__init__()
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)


TLS_HANDSHAKE = b"\x16"
"""The first byte of a connection that is not plain HTTP."""

RESET = b"(reset)"
"""A piece: the connection ends with a reset."""


def reply(body: bytes = b"", status: str = "200 OK", **more: str) -> bytes:
    """Return an answer; ``_`` in a header's name stands for ``-``."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


INTERIM = (
    b"HTTP/1.1 100 Continue\r\n\r\n"
    b"HTTP/1.1 102 Processing\r\n\r\n"
    b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nContent-Length: 5\r\n\r\n"
)
"""Responses that may come before an answer, any number of them (RFC 9110, 15.2)."""

HINT = b"HTTP/1.1 103 Early Hints\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"


def _speak(
    running: Wire, answer: Answer, client: socket.socket, tls: ssl.SSLContext | None
) -> None:
    """Answer the requests of one connection."""
    try:
        if tls is not None:
            client = tls.wrap_socket(client, server_side=True)
            running.clients.append(client)
        elif client.recv(1, socket.MSG_PEEK) == TLS_HANDSHAKE:
            client.close()  # who asks would wait for an answer until a timeout
            return
        _answer(running, answer, client)
    except OSError:
        client.close()


def _answer(running: Wire, answer: Answer, client: socket.socket) -> None:
    with client, client.makefile("rb") as lines:
        head = b""
        for line in lines:
            head += line
            if line != b"\r\n":
                continue
            running.heads.append(head.decode("latin-1"))
            head = b""
            sent = answer(running.heads[-1])
            if sent is None:
                return
            for piece in (sent,) if isinstance(sent, bytes) else sent:
                if piece is RESET:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                client.sendall(piece)
            if not isinstance(sent, bytes | list) or b"Connection: close" in sent:
                return


def dripping(length: int, seconds: float, **headers: str) -> Iterator[bytes]:
    """Yield an answer of ``length`` bytes, a byte every ``seconds``."""
    yield reply(b" " * length, **headers)[:-length]
    for _ in range(length):
        time.sleep(seconds)
        yield b" "


@contextmanager
def wire(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[Wire]:
    """Answer every request with the bytes of ``answer``; close after ``Connection: close``."""
    listener = socket.create_server(("127.0.0.1", 0))
    running = Wire(listener.getsockname()[1])

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                running.connections += 1
                running.clients.append(client)
                speaker = threading.Thread(
                    target=_speak, args=(running, answer, client, tls), daemon=True
                )
                speaker.start()
                running.speakers.append(speaker)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield running
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        running.end()


class Proxy:
    """What was asked of a running proxy, and where it is."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.heads: list[str] = []


@contextmanager
def tunnels(target: int, tls: ssl.SSLContext | None = None, slowly: float = 0.0) -> Iterator[Proxy]:
    """Lead every CONNECT to the port ``target`` on loopback, whatever host it names.

    ``slowly``: seconds between pieces of what comes back.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    running = Proxy(listener.getsockname()[1])
    ends: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def lead(near: socket.socket) -> None:
        with suppress(OSError):
            near = near if tls is None else tls.wrap_socket(near, server_side=True)
            far = socket.create_connection(("127.0.0.1", target))
            ends.extend((near, far))
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += near.recv(1)
            running.heads.append(head.decode("latin-1"))
            near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _pump(near, far, slowly)

    def accept() -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                thread = threading.Thread(target=lead, args=(near,), daemon=True)
                thread.start()
                threads.append(thread)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield running
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(10)
        for end in ends:
            end.close()


def _pump(near: socket.socket, far: socket.socket, slowly: float) -> None:
    """Pass on what comes, until an end is closed."""
    while True:
        for ready in select.select((near, far), (), ())[0]:
            if ready is near:
                data = near.recv(1 << 18)
                far.sendall(data)
            elif data := far.recv(1000 if slowly else 1 << 18):
                time.sleep(slowly)
                near.sendall(data)
            if not data:
                return
