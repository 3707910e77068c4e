"""Azurite, Microsoft's own stand-in for Azure Blob Storage, on loopback.

It is not on PyPI: ``scripts/clouds`` installs it from npm and names where in ``$AZURITE``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from urllib.parse import parse_qsl, urlsplit

from tests.clouds.google import fake_gcs
from tests.support.s3_servers import BUCKET, Server, free_ports, running, wait_for, weed

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""What the documentation of Azurite gives to everybody: these open nothing else."""
_VERSION = "2021-08-06"


@dataclass(frozen=True)
class Azurite(Server):
    """A running Azurite; its URL ends with the account."""

    name: str = "azurite"
    url: str = ""
    key: str = ACCOUNT
    secret: str = KEY
    scheme: str = "az"

    @property
    def options(self) -> dict[str, str | bool]:
        """What ``[storage]`` says for it."""
        return {
            "account_name": self.key,
            "account_key": self.secret,
            "endpoint": self.url,
            "max_retries": "1",
            "timeout": "20s",
        }


@contextmanager
def azurite() -> Iterator[Server]:
    """Run Azurite with a container of which everybody may read each blob."""
    with tempfile.TemporaryDirectory(prefix="azurite-") as home:
        (port,) = free_ports(1)
        command = [
            os.environ["AZURITE"],
            "--blobHost=127.0.0.1",
            f"--blobPort={port}",
            f"--location={home}",
            "--disableTelemetry",
            "--skipApiVersionCheck",
            "--silent",
        ]
        with running(command, {}, home):
            url = f"http://127.0.0.1:{port}"
            wait_for(url, refused=True)
            server = Azurite(url=f"{url}/{ACCOUNT}")
            asked(
                "PUT",
                f"{server.url}/{BUCKET}?restype=container",
                {"x-ms-blob-public-access": "blob"},
            )
            yield server


CLOUDS = {"azurite": azurite, "fake_gcs": fake_gcs}


def started(name: str) -> AbstractContextManager[Server]:
    """Run the server for the tests that any storage must pass.

    It stands for the storage.
    """
    return CLOUDS[name]() if name else weed()


def asked(
    method: str, url: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> tuple[int, dict[str, str], bytes]:
    """Ask Azurite for what the client does not, as the owner of the account.

    The signature is Microsoft's "Shared Key" for the Blob service.
    """
    parts = urlsplit(url)
    sent = {"x-ms-date": formatdate(time.time(), usegmt=True), "x-ms-version": _VERSION}
    sent |= headers or {}
    ours = sorted((name.lower(), value) for name, value in sent.items() if name.startswith("x-ms-"))
    length, kind = (str(len(body)) if body else ""), sent.get("Content-Type", "")
    lines = [method, "", "", length, "", kind, "", "", "", "", "", ""]
    lines += [f"{name}:{value}" for name, value in ours]
    lines += [f"/{ACCOUNT}{parts.path}"]
    lines += [f"{name}:{value}" for name, value in sorted(parse_qsl(parts.query))]
    digest = hmac.new(base64.b64decode(KEY), "\n".join(lines).encode(), hashlib.sha256).digest()
    sent["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
    request = urllib.request.Request(url, body or None, sent, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.status, dict(answer.headers.items()), answer.read()
