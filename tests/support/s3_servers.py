"""Real S3 servers on loopback, from PyPI wheels: ``weed`` (SeaweedFS) and moto.

``weed`` checks signatures and policies, and conditions atomically. moto keeps keys that end in a
slash; ``weed`` loses them. Between them and the client a
:class:`tests.support.s3_proxy.Gate` can stand.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from yanksync.config.settings import Bucket, StorageSettings
from yanksync.output.object_storage.bucket import BucketClient
from yanksync.output.object_storage.client import RequestTimeouts

BUCKET = "mirror"
_PATIENCE = 300.0  # seconds that a server gets to start
_SCRIPTS = Path(sysconfig.get_path("scripts"))
_ROOT = Path(__file__).parents[2]
_numbers = itertools.count()


@dataclass(frozen=True)
class Server:
    """A running server."""

    name: str
    url: str
    key: str = "testkey"
    secret: str = "testsecret"
    scheme: str = "s3"

    def behind(self, url: str) -> Server:
        """Return the same server, as it is reached through a gate."""
        return replace(self, url=url)

    def reader(self) -> Server:
        """Return the server for somebody who may read and not write (``weed``)."""
        return replace(self, key="readkey", secret="readsecret")

    @property
    def options(self) -> dict[str, str | bool]:
        """What ``[storage]`` says for it. Nothing is tried for long."""
        return {
            "endpoint": self.url,
            "access_key_id": self.key,
            "secret_access_key": self.secret,
            "region": "us-east-1",
            "max_retries": "1",
            "timeout": "20s",
        }

    def storage(self, **options: str | bool) -> StorageSettings:
        """Return ``[storage]`` for it."""
        return StorageSettings(tuple(sorted({**self.options, **options}.items())))

    def toml(self, **options: str | bool) -> str:
        """Return the body of ``[storage]`` for it."""
        given = {**self.options, **options}
        return "\n".join(f"{key} = {json.dumps(value)}" for key, value in given.items())

    def objects(
        self,
        place: Bucket | None = None,
        patience: RequestTimeouts | None = None,
        **options: str | bool,
    ) -> BucketClient:
        """Return a client for a place of its own, or for ``place``."""
        place = place or fresh_place(self.scheme)
        return BucketClient(place, self.storage(**options), "the test", patience)


def fresh_place(scheme: str = "s3") -> Bucket:
    """Return a part of the bucket that no test has used."""
    return Bucket(scheme=scheme, bucket=BUCKET, prefix=f"{os.getpid()}/t{next(_numbers)}")


@contextmanager
def weed() -> Iterator[Server]:
    """Run SeaweedFS with a bucket, an administrator and a reader."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(_weed())
        except Ended:  # somebody was quicker to take one of its ten ports
            server = stack.enter_context(_weed())
        yield server


@contextmanager
def _weed() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="weed-") as home:
        config = Path(home, "s3.json")
        config.write_text(json.dumps({"identities": [_ADMIN, _READER]}))
        ports = free_ports(5)
        names = ("s3", "master", "volume", "filer", "admin")
        command = [
            str(_SCRIPTS / "weed"),
            "mini",
            "-master.telemetry=false",
            f"-dir={home}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-admin.ui=false",
            "-webdav=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.autoCreateBucket=false",
            f"-s3.config={config}",
            *(f"-{name}.port={port}" for name, port in zip(names, ports, strict=True)),
        ]
        environ = {"AWS_ACCESS_KEY_ID": "testkey", "AWS_SECRET_ACCESS_KEY": "testsecret"}
        try:
            with running(command, {**environ, "S3_BUCKET": BUCKET}, home) as process:
                server = Server("weed", f"http://127.0.0.1:{ports[0]}")
                wait_for(f"{server.url}/healthz", process)
                _wait_for_bucket(server)
                yield server
        finally:
            # A server that is killed leaves its sockets.
            for port in (*ports, *(port + 10_000 for port in ports)):
                for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                    left.unlink()


_ADMIN = {
    "name": "admin",
    "credentials": [{"accessKey": "testkey", "secretKey": "testsecret"}],
    "actions": ["Admin", "Read", "List", "Tagging", "Write"],
}
_READER = {
    "name": "reader",
    "credentials": [{"accessKey": "readkey", "secretKey": "readsecret"}],
    "actions": [f"Read:{BUCKET}", f"List:{BUCKET}"],
}


@contextmanager
def moto() -> Iterator[Server]:
    """Run moto with a bucket; it believes everybody."""
    with tempfile.TemporaryDirectory(prefix="moto-") as home:
        (port,) = free_ports(1)
        command = [sys.executable, "-P", "-m", "tests.support.moto_server", str(port)]
        with running(command, {"PYTHONPATH": str(_ROOT)}, home) as process:
            server = Server("moto", f"http://127.0.0.1:{port}")
            wait_for(f"{server.url}/moto-api/", process)
            for what, body in (("", None), ("?policy", json.dumps(POLICY).encode())):
                url = f"{server.url}/{BUCKET}{what}"
                headers = {"Content-Type": "application/json"}
                made = urllib.request.Request(url, body, headers, method="PUT")
                urllib.request.urlopen(made).close()
            yield server


POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{BUCKET}/*",
        }
    ],
}
"""Everybody may read a page, and nobody else may list or write: what docs/how-to/s3.rst advises."""


@contextmanager
def running(
    command: list[str], environ: dict[str, str], home: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server whose files are below ``home``, and end it; what it says is in ``home/log``."""
    with open(Path(home, "log"), "wb") as log:
        process = subprocess.Popen(
            command,
            cwd=home,
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            yield process
        finally:
            process.kill()  # weed takes seconds to end by itself, and all of it is thrown away
            process.wait()
            shutil.rmtree(home, ignore_errors=True)
            os.makedirs(home, exist_ok=True)  # for whoever removes it in the end


def free_ports(count: int) -> list[int]:
    """Return free ports.

    The port 10,000 above each is free as well: weed takes it for gRPC. Both are below the ports
    that the system gives to connections. Those come and go.
    """
    taken: list[int] = []
    start = 10_000 + os.getpid() * 16 % 12_000
    for port in itertools.chain(range(start, 22_000), range(10_000, start)):
        if len(taken) == count:
            break
        if _free(port) and _free(port + 10_000):
            taken.append(port)
    return taken


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Ended(AssertionError):
    """A server ended before it was up."""


def wait_for(
    url: str, process: subprocess.Popen[bytes] | None = None, *, refused: bool = False
) -> None:
    """Return once a URL can be read; with ``refused``, once it is answered in any way.

    Raises :class:`Ended` when ``process``, which is to answer, has ended.
    """
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, OSError) as error:
            if refused and isinstance(error, urllib.error.HTTPError):
                return
            if process is not None and process.poll() is not None:
                raise Ended(f"{url} does not come up: {process.args!r}") from error
            assert time.monotonic() < end, f"{url} does not come up"
            time.sleep(0.05)


def _wait_for_bucket(server: Server) -> None:
    """Return once an object can be put."""
    from yanksync.core.errors import ObjectStorageError
    from yanksync.output.object_storage.bucket import ObjectHeaders

    objects = server.objects()
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            objects.put("ready", b"", ObjectHeaders())
            return
        except ObjectStorageError:
            assert time.monotonic() < end, "the bucket does not come up"
            time.sleep(0.1)
