"""The pages on installing, S3, CDNs, Kubernetes and CI (docs/how-to), word for word.

One test builds and installs yanksync as how-to/install says, into an environment of its own, from
the index that this machine's pip uses. The storage is a real S3 server, with policy and signatures.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import yaml

from tests.e2e.nginx import Nginx
from tests.support.documents import page_blocks
from tests.support.fake_index.index import FakeUpstream, Served, wheel
from tests.support.installers import Client
from tests.support.machine import Machine, Prepared
from tests.support.s3_servers import Server, weed
from tests.support.source_copy import copy_sources
from yanksync import __version__
from yanksync.config.settings import Bucket

pytestmark = pytest.mark.e2e

HTML = "text/html; charset=utf-8"
JSON = "application/vnd.pypi.simple.v1+json"


def pip_settings() -> dict[str, str]:
    """Return where this machine's pip finds packages."""
    found = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("PIP_", "SSL_", "XDG_")) or name.lower().endswith("_proxy")
    }
    return found | {"PIP_QUIET": "2", "PIP_NO_COMPILE": "1", "HOME": os.environ.get("HOME", "/")}


@pytest.fixture
def installed(tmp_path: Path) -> Machine:
    """A machine on which the lines of docs/how-to/install.rst have installed it.

    It takes longer than anything else here, so one test has everything for it.
    """
    install, more, *_ = page_blocks("how-to/install", "sh")
    machine = Machine(tmp_path)
    machine.program("git", ":")
    machine.program("python3", f'exec {sys.executable} "$@"')
    checkout = copy_sources(machine.root / "checkout")
    for block in (install, more):
        machine.run(block, where=checkout, environ=pip_settings())
    (machine.root / "etc/yanksync.toml").touch()
    return machine


def test_install_and_upgrade(
    installed: Machine, served: Served, upstream: FakeUpstream, bucket: Server
) -> None:
    assert installed.run("command -v yanksync") == f"{installed.root}/usr/local/bin/yanksync\n"
    for program in ("yanksync", "/opt/yanksync/bin/python -m yanksync"):
        assert installed.run(f"{program} --version").endswith(f"version {__version__}\n")
    installed.run("/opt/yanksync/bin/python -c 'import brotli, zstandard, obstore'")
    *_, manual = page_blocks("how-to/install", "sh")
    _, _, where, name = manual.split()
    assert Path(installed.rooted(where), "man1", f"{name}.1").is_file()
    crontab = installed.run("yanksync --config /etc/yanksync.toml show crontab")
    *_, user, program, _, _, _, _ = crontab.split()
    assert (user, program) == ("yanksync", f"{installed.root}/opt/yanksync/bin/yanksync")
    in_bucket, _ = page_blocks("how-to/s3", "toml")
    installed.configure(in_bucket, served)
    installed.run("yanksync sync", environ=credentials(bucket))
    assert "demo/index.v1_json" in keys(bucket, "pypi/simple")
    (configuration,) = page_blocks("tutorials/from-bandersnatch", "toml")
    installed.configure(configuration, served)
    installed.run("yanksync sync")
    _, _, upgrade, *_ = page_blocks("how-to/install", "sh")
    checkout = installed.root / "checkout"
    said = installed.run(upgrade, where=checkout, environ=pip_settings())
    assert said.endswith(f"version {__version__}\n")
    assert (installed.root / "var/backups/yanksync.db").stat().st_size


@pytest.fixture
def machine(tmp_path: Path, served: Served, upstream: FakeUpstream) -> Machine:
    """A machine with the package that is tested."""
    return Prepared(tmp_path, upstream, served)


@pytest.fixture
def bucket() -> Iterator[Server]:
    """A server with an empty bucket that has the name of the pages."""
    with weed() as server:
        yield server


@pytest.fixture
def upstream(served: Served) -> FakeUpstream:
    fresh = FakeUpstream()
    for version in ("1.0", "2.0"):
        fresh.upload("demo", version, content=wheel("demo", version))
    fresh.yank("demo", "2.0", "broken")
    served.upstream = fresh
    return fresh


def credentials(server: Server) -> dict[str, str]:
    """Return what the pages leave to the environment, and where the storage is."""
    return {
        "AWS_ACCESS_KEY_ID": server.key,
        "AWS_SECRET_ACCESS_KEY": server.secret,
        "YANKSYNC_STORAGE_ENDPOINT": server.url,
    }


def keys(server: Server, prefix: str) -> set[str]:
    objects = server.objects(Bucket(scheme="s3", bucket="mirror", prefix=prefix))
    return {listed.key for listed in objects.list("")}


def status(server: Server, method: str, path: str) -> int:
    """Return what somebody without credentials is answered."""
    body = b"evil" if method == "PUT" else None
    try:
        with urllib.request.urlopen(
            urllib.request.Request(f"{server.url}/mirror{path}", body, method=method)
        ) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_object_storage(
    machine: Machine, bucket: Server, served: Served, upstream: FakeUpstream, tmp_path: Path
) -> None:
    configuration, _ = page_blocks("how-to/s3", "toml")
    (sync,) = page_blocks("how-to/s3", "sh")
    (policy,) = page_blocks("how-to/s3", "json")
    (site,) = page_blocks("how-to/cdn", "nginx")
    machine.configure(configuration, served)
    environ = credentials(bucket)
    machine.run(sync, environ=environ)
    pages = {f"demo/{form}" for form in ("index.html", "index.v1_html", "index.v1_json")}
    lists = {page.removeprefix("demo/") for page in pages}
    assert keys(bucket, "pypi/simple") == pages | lists
    client = boto3.client(
        "s3",
        endpoint_url=bucket.url,
        aws_access_key_id=bucket.key,
        aws_secret_access_key=bucket.secret,
        region_name="eu-central-1",
    )
    place = "/pypi/simple/demo/index.html"
    assert status(bucket, "GET", place) == 403
    client.put_bucket_policy(Bucket="mirror", Policy=policy)
    client.put_object(Bucket="mirror", Key="state/yanksync.db", Body=b"secret")
    assert [status(bucket, "GET", path) for path in (place, "/pypi/simple/index.v1_json")] == [
        200
    ] * 2
    for method, path in (
        *(("PUT", place), ("DELETE", place), ("GET", "/state/yanksync.db")),
        *(("GET", "?list-type=2"), ("GET", "?list-type=2&prefix=pypi/simple/")),
    ):
        assert status(bucket, method, path) == 403, (method, path)
    nginx = Nginx(tmp_path, tmp_path / "nginx", lambda address: proxied(site, address, bucket))
    try:
        for form in ("html", "json"):
            pip = Client("pip", form, tmp_path)
            assert pip.ask(nginx.simple(form), "demo").picks == {"demo": "1.0"}
        for accept, kind in (("*/*", HTML), ("text/html", HTML), (JSON, JSON)):
            asked = urllib.request.Request(
                f"{nginx.root_url}simple/demo/", headers={"Accept": accept}
            )
            with urllib.request.urlopen(asked) as answer:
                assert answer.headers["Content-Type"] == kind
                assert "Accept" in answer.headers.get_all("Vary", [])
                assert answer.headers["Cache-Control"] == "public, max-age=600"
                assert b"broken" in answer.read()
        for missing in ("simple/none/", "simple/demo/index.html", "state/yanksync.db"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(nginx.root_url + missing)
    finally:
        nginx.close()


def proxied(site: str, address: str, server: Server) -> str:
    """Return the site of the page, listening at ``address`` and asking ``server``."""
    assert "127.0.0.1:8080" in site and "http://127.0.0.1:8333/" in site
    return site.replace("127.0.0.1:8080", address).replace("http://127.0.0.1:8333", server.url)


def test_more_than_one_machine(
    machine: Machine, bucket: Server, served: Served, upstream: FakeUpstream
) -> None:
    configuration, job, exports, backup = page_blocks("how-to/kubernetes-and-ci")
    environ = {**credentials(bucket), "TMPDIR": str(machine.root)}
    machine.configure(configuration, served)
    machine.run("yanksync sync", environ=environ)
    assert keys(bucket, "state") == {"yanksync.db", "yanksync.db.lease"}
    # Another one, without a file: everything comes from the environment.
    (machine.root / "yanksync.toml").unlink()
    upstream.yank("demo", "1.0", "as well")
    upstream.clear_log()
    asked = "https://upstream.example/simple/"
    machine.run(exports.replace(asked, served.simple_url), environ=environ)
    assert [request.project for request in upstream.page_requests()] == ["demo"]
    # A third, as the CronJob would start it.
    spec = yaml.safe_load(job)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    given = {
        one["name"]: one["value"].replace(asked, served.simple_url) for one in container["env"]
    }
    upstream.unyank("demo", "2.0")
    machine.run(" ".join(["yanksync", *container["args"]]), environ=environ | given)
    told = json.loads(machine.run("yanksync history --json", environ=environ | given))
    assert [(row["version"], row["action"]) for row in told] == [("1.0", "yank"), ("2.0", "unyank")]
    # The state comes back to one machine, as it went there.
    machine.run(backup, environ=environ | given)
    copy = machine.root / "copy.db"
    before = keys(bucket, "pypi")
    given["YANKSYNC_MIRROR_STATE"] = str(copy)
    machine.run("yanksync sync && yanksync verify", environ=environ | given)
    assert keys(bucket, "pypi") == before
