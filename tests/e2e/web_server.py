"""What any web server must answer over a tree that yanksync wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from yanksync.core.withdrawals.web.shell import HEADER_POLICY

HTML = "text/html; charset=utf-8"


V1_HTML = "application/vnd.pypi.simple.v1+html"


V1_JSON = "application/vnd.pypi.simple.v1+json"


# What these send, word for word.
PIP = f"{V1_JSON}, {V1_HTML}; q=0.1, text/html; q=0.01"


UV = f"{V1_JSON}, {V1_HTML};q=0.2, text/html;q=0.01"


POETRY = f"{V1_JSON}, */*;q=0.1"


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


LATEST = "application/vnd.pypi.simple.latest"


FORMS = pytest.mark.parametrize(
    ("accept", "content_type", "form"),
    [
        pytest.param(PIP, V1_JSON, "index.v1_json", id="pip and PDM"),
        pytest.param(UV, V1_JSON, "index.v1_json", id="uv"),
        pytest.param(POETRY, V1_JSON, "index.v1_json", id="Poetry"),
        pytest.param(BROWSER, HTML, "index.html", id="browser"),
        pytest.param("*/*", HTML, "index.html", id="curl"),
        pytest.param(None, HTML, "index.html", id="no header"),
        pytest.param("text/html", HTML, "index.html", id="old pip"),
        pytest.param(V1_HTML, V1_HTML, "index.v1_html", id="v1+html"),
        pytest.param(V1_JSON.upper(), V1_JSON, "index.v1_json", id="upper case"),
        pytest.param(f"{LATEST}+json", V1_JSON, "index.v1_json", id="latest+json"),
        pytest.param(f"{LATEST}+html", V1_HTML, "index.v1_html", id="latest+html"),
        pytest.param(f"text/html, {V1_JSON};q=0", HTML, "index.html", id="JSON ruled out"),
        pytest.param(
            f"{V1_JSON} ; q=0.00, {V1_HTML}",
            V1_HTML,
            "index.v1_html",
            id="JSON ruled out for v1+html",
        ),
        pytest.param(f"{V1_JSON};q=0.01", V1_JSON, "index.v1_json", id="a weight that is not 0"),
        pytest.param("application/json", HTML, "index.html", id="JSON of no API"),
    ],
)


NO_PAGES = pytest.mark.parametrize(
    "path",
    [
        "simple/nothing/",
        "simple/nothing",
        "simple/empty/",
        "simple/DEMO/",
        "simple/demo/demo-1.0.tar.gz",
        "simple/demo/.index.html.tmp",
        "simple/.hidden/",
        "yanksync.db",
        "../yanksync.db",
    ],
)


_WITHDRAWALS = {
    "index.html": "text/html",
    "project/demo/index.html": "text/html",
    "project/demo/feed.atom": "application/atom+xml",
    "project/demo/withdrawn.json": "application/json",
    "assets/filter.js": "text/javascript",
    "assets/withdrawals.css": "text/css",
    "assets/icon.svg": "image/svg+xml",
    "log/000001.ndjson": "application/x-ndjson",
    "osv/all.zip": "application/zip",
}


WITHDRAWALS = pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("withdrawals/", "text/html"),
        ("withdrawals/project/demo/", "text/html"),
        *((f"withdrawals/{name}", content_type) for name, content_type in _WITHDRAWALS.items()),
    ],
)


def write_withdrawals(output: Path) -> None:
    """Write a file of each kind that is published below ``withdrawals/``."""
    for name in _WITHDRAWALS:
        path = output / "withdrawals" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"withdrawn" * 1000)


PACKAGE = "packages/ab/cd/ef/demo-1.0"


_PACKAGES = {
    f"{PACKAGE}-py3-none-any.whl": "application/octet-stream",
    f"{PACKAGE}-py3-none-any.whl.metadata": "text/plain; charset=utf-8",
    f"{PACKAGE}.tar.gz": "application/octet-stream",
    f"{PACKAGE}.tar": "application/octet-stream",
    f"{PACKAGE}.exe": "application/octet-stream",
}


PACKAGES = pytest.mark.parametrize(("path", "content_type"), _PACKAGES.items())


NO_PACKAGES = pytest.mark.parametrize(
    "path",
    [
        "packages/.incoming/abc",
        "packages/ab/cd/ef/.half",
        "packages/ab/cd/ef/",
        "packages/ab/cd/ef",
        "packages/",
        "packages/ab/cd/ef/other-1.0.whl",
    ],
)


def write_packages(output: Path) -> None:
    """Write a file of each kind below ``packages/``, and some that must not be served."""
    for name in (*_PACKAGES, "packages/.incoming/abc", "packages/ab/cd/ef/.half"):
        path = output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"secret" if "/." in name else name.encode())


def assert_package(answer: requests.Response, path: str, content_type: str) -> None:
    """An installer gets the file itself, and every cache may keep it."""
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, content_type)
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Content-Encoding" not in answer.headers
    assert "Vary" not in answer.headers
    assert int(answer.headers["Content-Length"]) == len(path)


ANY_SERIAL = "9223372036854775807"


FOLLOWED = [
    pytest.param("pypi/demo/json", ANY_SERIAL, id="bandersnatch"),
    pytest.param("json/demo", ANY_SERIAL, id="shadowmire"),
    pytest.param("local.json", None, id="shadowmire's list"),
]


NOT_FOLLOWED = pytest.mark.parametrize(
    "path",
    [
        "json/Demo",
        "json/nothing",
        "json/",
        "pypi/demo/json/",
        "pypi/nothing/json",
        "pypi",
        "json/a/b",
    ],
)


def assert_followed(answer: requests.Response, serial: str | None) -> None:
    """A follower takes the answer, and no cache keeps it."""
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers.get("X-PyPI-Last-Serial") == serial


def assert_withdrawn(answer: requests.Response, content_type: str) -> None:
    """A browser takes the answer for what it is, and loads nothing from elsewhere."""
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].partition(";")[0] == content_type
    assert answer.headers["Content-Security-Policy"] == HEADER_POLICY
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-cache"
