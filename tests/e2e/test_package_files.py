"""Package files of a mirror that copies them, as installers get them from nginx."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.e2e.mirror import LiveMirror
from tests.e2e.nginx import Nginx
from tests.support.cli_runner import Cli
from tests.support.fake_index.index import FakeUpstream, serve, wheel
from tests.support.installers import Client

pytestmark = pytest.mark.e2e

WHEEL = "demo-1.0-py3-none-any.whl"


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveMirror]:
    """A mirror with copies, whose upstream is switched off."""
    with serve(FakeUpstream()) as served:
        mirror = LiveMirror(served, tmp_path_factory.mktemp("copied"))
        mirror.upload("demo", "1.0", "1.1")
        mirror.upload("parent", "1.0", requires=("demo==1.0",))
        mirror.upstream.yank("demo", "1.0", "broken")
        mirror.sync(mirror_files="copy")
    yield mirror
    mirror.close()


@pytest.mark.parametrize("client", ["pip-html", "pip-json", "uv-html", "uv-json"])
def test_installers_need_no_upstream(copied: LiveMirror, client: str, tmp_path: Path) -> None:
    tool, form = client.split("-")
    installer = Client(tool, form, tmp_path)
    assert "yanked" in installer.install(copied, "demo==1.0")
    assert (installer.target / "demo.py").read_text() == "__version__ = '1.0'\n"
    Client(tool, form, tmp_path / "other").install(copied, "demo")
    assert "1.1" in (tmp_path / "other/target/demo.py").read_text()


def test_a_file_that_was_altered_is_not_served_after_verify(tmp_path: Path) -> None:
    upstream = FakeUpstream()
    body = wheel("demo", "1.0", ())
    upstream.upload("demo", "1.0", content=body)
    with serve(upstream) as served:
        yanksync = Cli(tmp_path, served.simple_url)
        yanksync.configure(f'simple_url = "{served.simple_url}"', mirror='files = "copy"')
        assert yanksync("sync").silent
        (copy,) = (yanksync.output / "packages").rglob(WHEEL)
        nginx = Nginx(yanksync.output, tmp_path / "nginx")
        try:
            url = nginx.root_url + copy.relative_to(yanksync.output).as_posix()
            planted = body[:-1] + b"?"
            copy.write_bytes(planted)
            assert requests.get(url, timeout=10).content == planted
            assert yanksync("verify").silent, "its size is right"
            assert yanksync("verify", "--hash").code == 1
            assert requests.get(url, timeout=10).status_code == 404
            page = requests.get(f"{nginx.root_url}simple/demo/", timeout=10).text
            assert served.files_url in page
            assert "packages/" not in page
            assert yanksync("sync").silent
            assert requests.get(url, timeout=10).content == body
        finally:
            nginx.close()
