"""A server of a few lines, for answers that no real upstream would give."""

from __future__ import annotations

import socket
import ssl
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

    def url(self, path: str = "simple/", userinfo: str = "") -> str:
        return f"http://{userinfo}127.0.0.1:{self.port}/{path}"

    def paths(self) -> list[str]:
        return [head.split(" ", 2)[1] for head in self.heads]


Answer = Callable[[str], bytes | Iterable[bytes]]
"""From the head of a request to the bytes that answer it, or their pieces."""


def reply(body: bytes = b"", status: str = "200 OK", **more: str) -> bytes:
    """Return an answer; ``_`` in a header's name stands for ``-``."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def _speak(
    running: Wire, answer: Answer, client: socket.socket, tls: ssl.SSLContext | None
) -> None:
    """Answer the requests of one connection."""
    with suppress(OSError):
        if tls is not None:
            client = tls.wrap_socket(client, server_side=True)
        _answer(running, answer, client)


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
            for piece in (sent,) if isinstance(sent, bytes) else sent:
                client.sendall(piece)
            if not isinstance(sent, bytes) or b"Connection: close" in sent:
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
    clients: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                running.connections += 1
                clients.append(client)
                speaker = threading.Thread(
                    target=_speak, args=(running, answer, client, tls), daemon=True
                )
                speaker.start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield running
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for client in clients:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
