"""Sends the first journal call of a pass without importing requests.

Most passes make this one call, and importing requests would take longer than the rest of the pass
(docs/design/decisions/upstream.rst#decision-first-question). Without a proxy and credentials the
call goes over a connection of its own. If the answer is unusual, the caller repeats it with
requests.
"""

from __future__ import annotations

import os
import socket
import time
import zlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from yanksync.core.errors import UpstreamUnreachable
from yanksync.core.urls import redacted
from yanksync.upstream.http1_parser import (
    BodyTooLarge,
    HttpResponse,
    ResponseParser,
    UnsupportedResponse,
)
from yanksync.upstream.http_answers import SLOW_FACTOR, BodyDecoder, SizeLimit, root_cause, too_slow

_CHUNK = 1 << 18  # bytes asked of the socket at once
_LARGE = 16 << 20  # bytes as they come; of more, requests unpacks what it reads as it comes
# What requests would heed: where any is set, requests has to be asked what it means.
_OTHERS = frozenset({"http_proxy", "https_proxy", "all_proxy", "netrc"})


def minimal_post(
    url: str, body: bytes, headers: Mapping[str, str], timeout: float, limit: SizeLimit
) -> HttpResponse | None:
    """Send ``body`` to ``url``; return the unpacked answer.

    None: the caller uses requests.

    Args:
        url: http or https.
        body: what is sent.
        headers: of the request, besides those that HTTP itself needs.
        timeout: seconds, to connect and between bytes.
        limit: the most bytes of body that are taken.

    Raises:
        UpstreamUnreachable, InvalidAnswer: an answer is broken, or none came in time; requests
            would raise the same.
    """
    parts, shown = urlsplit(url), redacted(url)
    if not url.isascii() or "@" in parts.netloc or not parts.hostname or _is_special(os.environ):
        return None
    try:
        request = _request(parts, body, headers)
        wire = _connected(parts, timeout)
    except (OSError, ValueError):
        return None  # requests may know a way, and says better what is wrong
    try:
        with wire:
            wire.sendall(request)
            reply = _read(wire, shown, ResponseParser(min(limit.size, _LARGE)), timeout)
        unpacker = BodyDecoder(shown, reply.status, reply.headers, limit)
        unpacker.feed(reply.body)
        return HttpResponse(reply.status, reply.reason, reply.headers, unpacker.body(), keep=False)
    except UnsupportedResponse:
        return None
    except BodyTooLarge as error:
        if limit.size > _LARGE:
            return None
        raise limit.exceeded(shown) from error
    except TimeoutError as error:
        raise UpstreamUnreachable(shown, "no answer in time") from error
    except (OSError, zlib.error) as error:
        raise UpstreamUnreachable(shown, root_cause(error)) from error


def _is_special(environ: Mapping[str, str]) -> bool:
    """Return True if a proxy or a .netrc is configured."""
    if any(name.lower() in _OTHERS for name in environ):
        return True
    home = os.path.expanduser("~")
    return any(os.path.exists(f"{home}/{name}") for name in (".netrc", "_netrc"))


def _connected(parts: SplitResult, timeout: float) -> socket.socket:
    tls = parts.scheme == "https"
    host = parts.hostname or ""
    # As bytes: for a str the library loads the tables of Unicode, half a megabyte.
    address: Any = host.encode() if host.isascii() else host
    wire = socket.create_connection((address, parts.port or (443 if tls else 80)), timeout)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not tls:
        return wire
    try:
        import ssl

        bundle = _authorities()
        context = (
            ssl.create_default_context(capath=bundle)
            if os.path.isdir(bundle)
            else ssl.create_default_context(cafile=bundle)
        )
        return context.wrap_socket(wire, server_hostname=host)
    except BaseException:
        wire.close()
        raise


def _authorities() -> str:
    """Return the path of the CA bundle that requests would use."""
    import certifi

    named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return named or certifi.where()


def _request(parts: SplitResult, body: bytes, headers: Mapping[str, str]) -> bytes:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"POST {target} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a request of several lines")
    return ("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode("latin-1") + body


def _read(wire: socket.socket, url: str, reader: ResponseParser, timeout: float) -> HttpResponse:
    deadline = time.monotonic() + timeout * SLOW_FACTOR
    while data := wire.recv(_CHUNK):
        reply = reader.feed(data)
        if reply is not None:
            return reply
        if time.monotonic() > deadline:
            raise UpstreamUnreachable(url, too_slow(timeout))
    raise UpstreamUnreachable(url, "the answer was cut off")
