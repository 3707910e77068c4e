"""The commands of docs/how-to/purge-caches.rst: a real nginx with a cache, keys for Fastly."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.e2e.nginx import free, shown
from tests.support.cli_runner import Cli
from tests.support.documents import page_blocks
from tests.support.fake_index.index import FakeUpstream, serve
from tests.support.http_receiver import receiver

pytestmark = pytest.mark.e2e

MODULE = "/usr/lib/nginx/modules/ngx_http_cache_purge_module.so"
MAIN = """\
load_module {module};
daemon off;
{user}
worker_processes 1;
pid {home}/nginx.pid;
error_log {home}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    include {home}/mirror.conf;
    include {home}/cache.conf;
}}
"""
FORMS = ("text/html", "application/vnd.pypi.simple.v1+html", "application/vnd.pypi.simple.v1+json")


def recipe(kind: str, word: str) -> str:
    """Return the block of this kind in docs/ that has ``word`` in it."""
    (found,) = [text for text in page_blocks("how-to/purge-caches", kind) if word in text]
    return found


def script(path: Path, text: str) -> Path:
    path.write_text(text + "\n")
    path.chmod(0o755)
    return path


class Front:
    """What the recipe makes: a site, a cache before it, and the command that purges."""

    def __init__(self, home: Path, output: Path) -> None:
        origin, cache = free(2)
        self.url = f"http://{cache}/"
        self.kept = home / "kept"
        home.mkdir()
        (home / "mirror.conf").write_text(
            shown("nginx", output, origin) + self._placed(recipe("nginx", "$yanksync_key"))
        )
        text = recipe("nginx", "proxy_cache_path").replace("127.0.0.1:8080", origin)
        text = text.replace("listen 80;", f"listen {cache};")
        (home / "cache.conf").write_text(self._placed(text))
        text = recipe("sh", "/purge/").replace("127.0.0.1", cache)
        self.command = script(home / "purge", self._placed(text))
        user = "user root;" if os.geteuid() == 0 else ""
        (home / "nginx.conf").write_text(MAIN.format(module=MODULE, home=home, user=user))
        binary = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
        assert binary is not None and Path(MODULE).exists(), "scripts/test installs them"
        self._process = subprocess.Popen(
            [binary, "-p", home, "-e", home / "error.log", "-c", home / "nginx.conf"],
            stdin=subprocess.DEVNULL,
        )
        for address in (origin, cache):
            self._await(address)

    def _placed(self, text: str) -> str:
        return text.replace("/var/cache/nginx/mirror", str(self.kept))

    def _await(self, address: str) -> None:
        host, port = address.split(":")
        until = time.monotonic() + 60
        while True:
            assert self._process.poll() is None and time.monotonic() < until
            try:
                socket.create_connection((host, int(port)), 1).close()
            except ConnectionRefusedError:
                time.sleep(0.01)
            else:
                return

    def get(self, path: str, accept: str, *, packed: bool = True) -> str:
        """Return a page, or the status when there is none."""
        headers = {"Accept": accept, "Accept-Encoding": "gzip" if packed else "identity"}
        answer = requests.get(self.url + path, headers=headers, timeout=60)
        return answer.text if answer.ok else str(answer.status_code)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(60)


@contextmanager
def front(home: Path, output: Path) -> Iterator[Front]:
    made = Front(home, output)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def upstream() -> FakeUpstream:
    upstream = FakeUpstream()
    for name in ("demo", "other"):
        for version in ("1.0", "2.0"):
            upstream.upload(name, version)
    return upstream


def test_nginx_shows_a_yank_as_soon_as_the_pass_is_over(
    tmp_path: Path, upstream: FakeUpstream
) -> None:
    with serve(upstream) as served:
        yanksync = Cli(tmp_path, served.simple_url)
        with front(tmp_path / "nginx", yanksync.output) as cache:
            told = f'command = ["{cache.command}"]'
            yanksync.configure(f'simple_url = "{served.simple_url}"', hooks=told)
            assert yanksync("sync").silent
            paths = ("simple/demo/", "simple/demo/index.v1_json", "simple/", "simple/other/")
            before = {(path, form): cache.get(path, form) for path in paths for form in FORMS}
            upstream.yank("demo", "2.0", "broken")
            plain = tmp_path / "plain.toml"
            plain.write_text(yanksync.config.read_text().split("[hooks]")[0])
            # The cache gets no message, so it keeps what it has; in each form, packed or plain.
            assert yanksync("--config", str(plain), "sync").silent
            assert "broken" in (yanksync.output / "simple" / "demo" / "index.html").read_text()
            assert all(cache.get(*key) == text for key, text in before.items())
            upstream.yank("demo", "1.0", "broken, too")
            upstream.remove_project("other")
            assert yanksync("sync").silent
            for form in FORMS:
                assert "broken, too" in cache.get("simple/demo/", form)
                assert "broken, too" in cache.get("simple/demo/", form, packed=False)
                assert cache.get("simple/other/", form) == "404"
                assert "other" not in cache.get("simple/", form)
            assert "broken, too" in cache.get("simple/demo/index.v1_json", "*/*")
            # Everything at once.
            assert any(path.is_file() for path in cache.kept.rglob("*"))
            subprocess.run([cache.command], input=b"simple/*\n", check=True)
            assert not any(path.is_file() for path in cache.kept.rglob("*"))
        upstream.yank("demo", "2.0", "again")
        done = yanksync("-v", "sync")
        assert done.code == 3  # nobody is there to be told
        assert f"hooks.command: {cache.command} ended with 1: 000 {cache.url}purge/simp" in done.err
        assert yanksync("status", "--json").json["undelivered"] == 1


def test_fastly_is_told_the_keys_that_the_site_gives(
    tmp_path: Path, upstream: FakeUpstream
) -> None:
    with serve(upstream) as served, receiver() as inbox:
        yanksync = Cli(tmp_path, served.simple_url)
        text = recipe("sh", "Surrogate-Key").replace("https://api.fastly.example/", inbox.url)
        told = f'command = ["{script(tmp_path / "fastly", text)}"]'
        yanksync.configure(f'simple_url = "{served.simple_url}"', hooks=told)
        environ = {"FASTLY_KEY": "hush"}
        assert yanksync("sync", **environ).silent
        upstream.yank("demo", "2.0", "broken")
        assert yanksync("sync", **environ).silent
        purges = [(one.path, one.headers["surrogate-key"].split()) for one in inbox.taken]
        path = "/service/EXAMPLE/purge"
        assert purges == [
            (path, ["project/demo", "project/other", "list"]),
            (path, ["project/demo"]),
        ]
        assert {one.headers["fastly-key"] for one in inbox.taken} == {"hush"}
        subprocess.run(
            [tmp_path / "fastly"], input=b"simple/*\n", check=True, env=os.environ | environ
        )
        assert inbox.paths[-1] == "/service/EXAMPLE/purge_all"
        inbox.always = 403
        upstream.yank("demo", "1.0")
        assert yanksync("sync", **environ).code == 3
        with front(tmp_path / "nginx", yanksync.output) as cache:
            keys = {
                "simple/": "list",
                "simple/demo/": "project/demo",
                "simple/none/": "project/none",
            }
            keys |= {"simple/demo/index.html": "project/demo"}
            for page, key in keys.items():
                answer = requests.get(cache.url + page, timeout=60)
                assert answer.headers["Surrogate-Key"] == key
                assert "Accept" in answer.headers["Vary"].split(", ")  # what the site says stays
