"""Deletions on a condition, where a server on loopback gives out credentials as a machine does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.s3_proxy import Gate
from tests.support.s3_servers import Server, fresh_place
from yanksync.config.settings import StorageSettings
from yanksync.core.errors import PreconditionFailed
from yanksync.output.object_storage.bucket import BucketClient, ObjectHeaders


class Giver(ThreadingHTTPServer):
    """Gives the server's credentials, and may refuse whoever comes with a condition."""

    daemon_threads = True

    def __init__(self, server: Server, *, strict: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.server = server
        self.strict = strict
        self.refused = 0


class _Handler(BaseHTTPRequestHandler):
    server: Giver

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer as the agent of a container does."""
        if self.server.strict and self.headers.get("If-Match") is not None:
            self.server.refused += 1
            self.send_error(412)
            return
        found = {
            "AccessKeyId": self.server.server.key,
            "SecretAccessKey": self.server.server.secret,
            "Token": "",
            "Expiration": "2099-01-01T00:00:00Z",
        }
        body = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(params=[False, True], ids=["lenient", "strict"])
def giver(request: pytest.FixtureRequest, seaweed: Server) -> Iterator[Giver]:
    with Giver(seaweed, strict=request.param) as giving:
        thread = threading.Thread(target=giving.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield giving
        giving.shutdown()
        thread.join()


def test_they_do_not_hang_on_who_gives_out_credentials(
    giver: Giver, s3_gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client sends the condition there, too; nobody knows what comes of it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    token = tmp_path / "token"
    token.write_text("token")
    options: dict[str, str | bool] = {
        "endpoint": s3_gate.url,
        "region": "us-east-1",
        "max_retries": "1",
        "container_credentials_full_uri": f"http://127.0.0.1:{giver.server_address[1]}/",
        "container_authorization_token_file": str(token),
        "allow_http": True,
    }
    objects = BucketClient(
        fresh_place(), StorageSettings(tuple(sorted(options.items()))), "the test"
    )
    first = objects.put("a", b"one", ObjectHeaders())
    second = objects.put("a", b"two", ObjectHeaders())
    assert first is not None and second is not None
    with pytest.raises(PreconditionFailed):
        objects.delete_if_match("a", first)
    assert objects.get("a") is not None
    objects.delete_if_match("a", second)
    assert objects.get("a") is None
    assert (giver.refused > 0) == giver.strict
    assert (s3_gate.asked("DELETE") == []) == giver.strict
