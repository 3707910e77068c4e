"""fake-gcs-server on loopback, and before it somebody who translates.

The client speaks the XML API of Google's storage. The server knows that for reading, listing and
deleting, but puts only in the words of the JSON API, where it checks the generation. So a put is
passed on in those words, one of several parts as a whole; nothing else is changed on the way.
``scripts/clouds`` installs the server and names where in ``$FAKE_GCS``.
"""

from __future__ import annotations

import http.client
import json
import os
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from tests.support.s3_servers import BUCKET, Server, free_ports, running, wait_for


@dataclass(frozen=True)
class FakeGcs(Server):
    """A running server; it believes everybody."""

    name: str = "fake-gcs"
    url: str = ""
    scheme: str = "gs"

    @property
    def options(self) -> dict[str, str | bool]:
        """What ``[storage]`` says for it."""
        account = {"client_email": "", "private_key": "", "private_key_id": ""}
        return {
            "service_account_key": json.dumps(
                {**account, "disable_oauth": True, "gcs_base_url": self.url}
            ),
            "allow_http": True,
            "max_retries": "1",
            "timeout": "20s",
        }


@contextmanager
def fake_gcs() -> Iterator[Server]:
    """Run fake-gcs-server with a bucket, in memory."""
    with tempfile.TemporaryDirectory(prefix="fake-gcs-") as home:
        (port,) = free_ports(1)
        address = f"127.0.0.1:{port}"
        command = [os.environ["FAKE_GCS"], "-backend=memory", "-scheme=http", "-host=127.0.0.1",
                   f"-port={port}", f"-public-host={address}", "-log-level=error"]  # fmt: skip
        with running(command, {}, home):
            wait_for(f"http://{address}/_internal/healthcheck", refused=True)
            bucket = json.dumps({"name": BUCKET}).encode()
            kind = {"Content-Type": "application/json"}
            url = f"http://{address}/storage/v1/b?project=test"
            urllib.request.urlopen(urllib.request.Request(url, bucket, kind)).close()
            translator = _Translator(address)
            threading.Thread(target=translator.serve_forever, daemon=True).start()
            yield FakeGcs(url=f"http://127.0.0.1:{translator.server_address[1]}")
            translator.shutdown()
            translator.server_close()


class _Translator(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, target: str) -> None:
        self.target = target
        self.parts: dict[str, dict[int, bytes]] = {}  # of unfinished puts
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Be quiet: clients go away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Translator

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        given = {name: value for name, value in self.headers.items() if name.lower() not in _NOT}
        # Google unpacks compressed content for clients that do not ask for it so. Objects with
        # no-transform, as ours, stay packed. The server does not know that word.
        given["Accept-Encoding"] = "gzip"
        status, headers, content = self._ask(self.command, self.path, given, body)
        self._answer(status, headers, content)

    do_GET = do_DELETE = do_HEAD = _pass

    def do_POST(self) -> None:
        """Begin a put in parts, or finish it; all else is passed on."""
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        if "uploads" in query:
            upload = str(len(self.server.parts))
            self.server.parts[upload] = {}
            names = f"<Bucket>b</Bucket><Key>k</Key><UploadId>{upload}</UploadId>"
            self._answer_xml("InitiateMultipartUploadResult", names)
        elif "uploadId" in query:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = self.server.parts.pop(query["uploadId"][0])
            self._put(b"".join(body for _, body in sorted(parts.items())), whole=False)
        else:
            self._pass()

    def do_PUT(self) -> None:
        """Put an object, or a part of one."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = parse_qs(urlsplit(self.path).query)
        if "uploadId" not in query:
            self._put(body)
            return
        number = int(query["partNumber"][0])
        self.server.parts[query["uploadId"][0]][number] = body
        self._answer(200, {"ETag": f'"{number}"'}, b"")

    def _answer_xml(self, name: str, content: str) -> None:
        self._answer(200, {"Content-Type": "text/xml"}, f"<{name}>{content}</{name}>".encode())

    def _put(self, body: bytes, *, whole: bool = True) -> None:
        """Put an object in the words of the JSON API."""
        bucket, _, key = urlsplit(self.path).path.removeprefix("/").partition("/")
        said = {
            "name": unquote(key),
            "contentType": self.headers.get("Content-Type"),
            "cacheControl": self.headers.get("Cache-Control"),
            "contentEncoding": self.headers.get("Content-Encoding"),
        }
        query = {"uploadType": "multipart"}
        if (generation := self.headers.get("x-goog-if-generation-match")) is not None:
            query["ifGenerationMatch"] = generation
        about = json.dumps({name: value for name, value in said.items() if value is not None})
        kind = said["contentType"] or "application/octet-stream"
        parts = (
            f"--{_BORDER}\r\nContent-Type: application/json\r\n\r\n{about}\r\n"
            f"--{_BORDER}\r\nContent-Type: {kind}\r\n\r\n"
        ).encode()
        status, headers, content = self._ask(
            "POST",
            f"/upload/storage/v1/b/{bucket}/o?{urlencode(query)}",
            {"Content-Type": f"multipart/related; boundary={_BORDER}"},
            parts + body + f"\r\n--{_BORDER}--\r\n".encode(),
        )
        if status == 200 and not whole:
            tag = json.loads(content)["etag"]
            names = f"<Bucket>b</Bucket><Key>k</Key><Location>l</Location><ETag>{tag}</ETag>"
            self._answer_xml("CompleteMultipartUploadResult", names)
            return
        if status == 200:
            done = json.loads(content)
            headers = {"ETag": f'"{done["etag"]}"', "x-goog-generation": done["generation"]}
            content = b""
        self._answer(status, headers, content)

    def _ask(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.server.target, timeout=60)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _NOT or (self.command == "HEAD" and name == "Content-Length"):
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


_BORDER = "between-the-parts-3d1f0c"
_NOT = ("connection", "content-length", "date", "host", "server", "te", "transfer-encoding")
