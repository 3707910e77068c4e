"""``yanksync doctor --url`` before a real nginx: as it should be, and as it should not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.mirror import LiveMirror, running
from tests.e2e.nginx import Nginx, shown
from tests.support.fake_index.index import FakeUpstream, serve

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveMirror]:
    with serve(FakeUpstream()) as served:
        for mirror in running(served, tmp_path_factory.mktemp("doctor")):
            for project in ("demo", "other"):
                mirror.upload(project, "1.0")
            mirror.sync(mirror_files="copy")
            yield mirror


def web(mirror: LiveMirror, url: str) -> dict[str, Any]:
    """Return the checks of the web server by name; the exit code is as they say."""
    done = subprocess.run(
        [sys.executable, "-m", "yanksync", "doctor", "--json", "--url", url],
        cwd=mirror.home,
        capture_output=True,
        text=True,
    )
    found = json.loads(done.stdout)["checks"]
    assert done.returncode == any(check["level"] == "failure" for check in found)
    return {check["name"]: check for check in found if check["name"].startswith("web ")}


@pytest.mark.parametrize("path", ["", "simple/", "simple"])
def test_what_show_nginx_prints_is_well(mirror: LiveMirror, path: str) -> None:
    found = web(mirror, mirror.nginx.root_url + path)
    assert list(found) == [
        f"web {what}{more}" for what in ("list", "page") for more in ("", " Vary", " content")
    ]
    assert {check["level"] for check in found.values()} == {"ok"}, found
    assert "pip, uv, Poetry, an old pip, a browser, curl" in found["web page"]["text"]


def test_json_for_everybody_is_a_failure(mirror: LiveMirror) -> None:
    found = web(mirror, mirror.nginx.simple("json"))
    assert found["web page"]["level"] == "failure"
    assert "a browser gets application/vnd.pypi.simple.v1+json" in found["web page"]["text"]
    assert "yanksync show nginx" in found["web page"]["advice"]


def test_html_for_everybody_is_a_warning(mirror: LiveMirror) -> None:
    def site(listen: str) -> str:
        return (
            f"server {{ listen {listen}; root {mirror.output}; "
            "location / { types { text/html html; } default_type application/octet-stream; } }"
        )

    found = told(mirror, site, "plain")
    assert found["web page"]["level"] == "warning"
    assert "pip gets text/html" in found["web page"]["text"]
    assert found["web page Vary"]["text"] == "not needed: there is one form"
    assert found["web page content"]["level"] == "ok"


def told(mirror: LiveMirror, site: Callable[[str], str], home: str) -> dict[str, Any]:
    with closing(Nginx(mirror.output, mirror.home / home, site)) as nginx:
        return web(mirror, nginx.root_url)


def test_a_content_type_that_no_client_knows(mirror: LiveMirror) -> None:
    def site(listen: str) -> str:
        return shown("nginx", mirror.output, listen).replace(
            "application/vnd.pypi.simple.v1+json", "application/json"
        )

    found = told(mirror, site, "types")
    assert found["web page"]["level"] == "failure"
    assert "uv gets application/json" in found["web page"]["text"]


def test_forms_that_a_cache_would_mix_up(mirror: LiveMirror) -> None:
    def site(listen: str) -> str:
        lines = shown("nginx", mirror.output, listen).splitlines(keepends=True)
        return "".join(line for line in lines if " Vary " not in line)

    found = told(mirror, site, "vary")
    assert found["web page"]["level"] == "ok"
    assert found["web page Vary"]["level"] == "failure"
    assert "no 'Vary: Accept'" in found["web page Vary"]["text"]


def test_another_tree_and_an_address_without_one(mirror: LiveMirror, tmp_path: Path) -> None:
    def site(listen: str) -> str:
        return shown("nginx", tmp_path, listen)

    (tmp_path / "simple").mkdir()
    assert "answered 404" in told(mirror, site, "empty")["web list"]["text"]
    for name in ("index.html", "index.v1_html", "index.v1_json"):
        (tmp_path / "simple" / name).write_text("another list")
    found = told(mirror, site, "another")
    assert found["web list content"]["level"] == "warning"
    assert found["web page"]["level"] == "failure"


def test_a_package_file_is_asked_for(mirror: LiveMirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YANKSYNC_MIRROR_FILES", "copy")
    found = web(mirror, mirror.nginx.root_url)["web package"]
    assert (found["level"], found["text"].split(",")[0]) == ("ok", "served as it was copied")

    def plain(listen: str) -> str:
        return f"server {{ listen {listen}; root {mirror.output}; }}"

    def pages_only(listen: str) -> str:
        return plain(listen)[:-1] + "location /packages/ { return 404; } }"

    found = told(mirror, plain, "plain-packages")["web package"]
    assert (found["level"], "no 'Cache-Control: immutable'" in found["text"]) == ("warning", True)
    found = told(mirror, pages_only, "no-packages")["web package"]
    assert (found["level"], found["text"].split()[-2:]) == ("failure", ["answered", "404"])
