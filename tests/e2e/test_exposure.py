"""The logs that a real nginx writes are read: combined, compressed, and in JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

from tests.e2e.nginx import Nginx
from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream, serve

pytestmark = pytest.mark.e2e

SITE = """\
log_format as_json escape=json '{{"time":"$time_iso8601","remote_addr":"$remote_addr",'
    '"request":"$request","status":$status,"user_agent":"$http_user_agent"}}';
server {{
    listen {address};
    root {files};
    access_log {home}/access.log combined;
    access_log {home}/access.log.gz combined gzip;
    access_log {home}/access.json as_json;
}}
"""
NAME = "demo-1.0+cu1-py3-none-any.whl"


def test_what_nginx_logs_is_counted(tmp_path: Path) -> None:
    upstream = FakeUpstream()
    upstream.upload("demo", "1.0+cu1", NAME)
    upstream.upload("demo", "2.0")
    with serve(upstream) as served:
        yanksync = Cli(tmp_path, served.simple_url)
        assert yanksync("sync").code == 0
        upstream.yank("demo", "1.0+cu1", "bad")
        assert yanksync("sync").code == 0
    files, home = tmp_path / "files", tmp_path / "nginx"
    files.mkdir()
    (files / NAME).write_bytes(b"a wheel")
    (files / f"{NAME}.metadata").write_bytes(b"metadata")
    nginx = Nginx(
        tmp_path, home, lambda address: SITE.format(address=address, files=files, home=home)
    )
    try:
        whole = requests.get(f"{nginx.root_url}{NAME}", headers={"User-Agent": 'a "b"'}, timeout=60)
        tag = {"If-None-Match": whole.headers["ETag"]}
        for path, headers in (
            ("demo-1.0%2Bcu1-py3-none-any.whl?x=/y", {"Range": "bytes=0-2"}),
            (NAME, tag),
            (f"{NAME}.metadata", {}),
            ("demo-9.0.tar.gz", {}),
        ):
            requests.get(nginx.root_url + path, headers=headers, timeout=60)
        requests.head(f"{nginx.root_url}{NAME}", timeout=60)
    finally:
        nginx.close()
    for log in ("access.log", "access.log.gz", "access.json"):
        done = yanksync("exposure", str(home / log), "--json", "--show-addresses")
        assert (done.code, done.err) == (0, "")
        (found,) = json.loads(done.out)["files"]
        assert (found["filename"], found["version"]) == (NAME, "1.0+cu1")
        assert found["after"] == {"requests": 2, "clients": 1}
        assert (found["unchanged"], found["partial"]) == (1, 1)
        assert [one["client"] for one in found["clients"]] == ["127.0.0.1"]
