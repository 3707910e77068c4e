"""What ``yanksync show caddy`` prints, on a real Caddy: the same answers as nginx gives."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from tests.e2e.nginx import free, shown
from tests.e2e.web_server import (
    FOLLOWED,
    FORMS,
    NO_PACKAGES,
    NO_PAGES,
    NOT_FOLLOWED,
    PACKAGE,
    PACKAGES,
    PIP,
    V1_JSON,
    WITHDRAWALS,
    assert_followed,
    assert_package,
    assert_withdrawn,
    write_packages,
    write_withdrawals,
)

pytestmark = pytest.mark.e2e

CADDY = shutil.which("caddy")
if CADDY is None:
    pytest.skip("there is no Caddy (apt-get install caddy)", allow_module_level=True)

PAGES = {
    "index.html": b"<!DOCTYPE html>html",
    "index.v1_html": b"<!DOCTYPE html>html",
    "index.v1_json": b"{}",
    "index.v1_json.gz": b"packed",
    "index.legacy_json": b"{}",
}


@pytest.fixture(scope="module")
def root_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("caddy")
    output = home / "mirror"
    for directory in ("simple", "simple/demo", "deleted/simple", "deleted/simple/demo"):
        (output / directory).mkdir(parents=True)
        for name, content in PAGES.items():
            (output / directory / name).write_bytes(content)
    (output / "simple/empty").mkdir()
    write_withdrawals(output)
    write_packages(output)
    for secret in (
        "simple/demo/.index.html.tmp",
        "simple/.hidden/index.html",
        "yanksync.db",
        "json/Demo",
    ):
        (output / secret).parent.mkdir(exist_ok=True)
        (output / secret).write_text("secret")
    (address,) = free(1)
    config = home / "Caddyfile"
    config.write_text("{\n\tadmin off\n}\n" + shown("caddy", output, address))
    assert CADDY is not None
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [CADDY, "run", "--adapter", "caddyfile", "--config", str(config)],
            env={"PATH": os.defpath, "HOME": str(home), "XDG_DATA_HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
    try:
        await_server(process, address, home / "log")
        yield f"http://{address}/"
    finally:
        process.terminate()
        process.wait(60)


def await_server(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    host, port = address.split(":")
    until = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < until:
        with suppress(ConnectionRefusedError):
            socket.create_connection((host, int(port)), 1).close()
            return
        time.sleep(0.02)
    raise AssertionError(log.read_text())


def get(
    url: str, accept: str | None = None, encoding: str | None = None, part: str | None = None
) -> requests.Response:
    asked = {"Accept": accept, "Accept-Encoding": encoding, "Range": part}
    with requests.get(url, headers=asked, allow_redirects=False, timeout=60, stream=True) as answer:
        answer.raw.decode_content = False
        answer.body = answer.raw.read()  # type: ignore[attr-defined]
    return answer


@pytest.mark.parametrize("path", ["simple/", "simple/demo/"])
@FORMS
def test_accept_decides_the_form(
    root_url: str, path: str, accept: str | None, content_type: str, form: str
) -> None:
    answer = get(root_url + path, accept)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == content_type
    assert answer.body == PAGES[form]  # type: ignore[attr-defined]


def test_caches_keep_the_forms_apart_and_not_for_long(root_url: str) -> None:
    for accept in (V1_JSON, None):
        for path in ("simple/", "simple/demo/", "simple/nothing/"):
            answer = get(root_url + path, accept)
            assert "Accept" in answer.headers["Vary"].split(", ")
            assert answer.headers["Cache-Control"] == "public, max-age=600"


@NO_PAGES
def test_what_is_no_page_is_not_found(root_url: str, path: str) -> None:
    answer = get(root_url + path)
    assert answer.status_code == 404
    assert b"secret" not in answer.body  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "path",
    ["simple", "simple/demo", "deleted/simple/demo", "withdrawals", "withdrawals/project/demo"],
)
def test_a_missing_slash_is_redirected_wherever_the_server_stands(root_url: str, path: str) -> None:
    answer = get(root_url + path, PIP)
    assert (answer.status_code, answer.headers["Location"]) == (301, f"/{path}/")


def test_the_root_is_redirected_to_the_list(root_url: str) -> None:
    answer = get(root_url, PIP)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/simple/")


def test_the_compressed_sibling_is_sent_to_those_who_take_it(root_url: str) -> None:
    packed = get(root_url + "simple/demo/", PIP, "gzip, deflate")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Content-Type"] == V1_JSON
    assert set(packed.headers["Vary"].split(", ")) == {"Accept", "Accept-Encoding"}
    assert packed.body == b"packed"  # type: ignore[attr-defined]


@PACKAGES
def test_package_files_are_kept_by_caches(root_url: str, path: str, content_type: str) -> None:
    answer = get(root_url + path, encoding="gzip")
    assert_package(answer, path, content_type)


def test_a_part_of_a_package_file_is_sent(root_url: str) -> None:
    answer = get(f"{root_url}{PACKAGE}.tar.gz", part="bytes=2-5")
    assert (answer.status_code, answer.body) == (206, b"ckag")  # type: ignore[attr-defined]


@NO_PACKAGES
def test_what_is_no_package_file_is_not_found(root_url: str, path: str) -> None:
    answer = get(root_url + path)
    assert answer.status_code == 404
    assert b"secret" not in answer.body  # type: ignore[attr-defined]
    assert "immutable" not in answer.headers.get("Cache-Control", "")


@FORMS
def test_the_index_of_deleted_files_has_the_same_forms(
    root_url: str, accept: str | None, content_type: str, form: str
) -> None:
    for path in ("deleted/simple/", "deleted/simple/demo/"):
        answer = get(root_url + path, accept)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, content_type)
        assert "Accept" in answer.headers["Vary"].split(", ")


@WITHDRAWALS
def test_withdrawals_have_a_strict_policy(root_url: str, path: str, content_type: str) -> None:
    assert_withdrawn(get(root_url + path), content_type)


def test_withdrawals_are_compressed_on_the_way(root_url: str) -> None:
    answer = get(root_url + "withdrawals/", encoding="gzip")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert_withdrawn(answer, "text/html")


@pytest.mark.parametrize(("path", "serial"), FOLLOWED)
def test_followers_find_what_they_read(root_url: str, path: str, serial: str | None) -> None:
    assert_followed(get(root_url + path), serial)


@NOT_FOLLOWED
def test_what_no_follower_reads_is_not_found(root_url: str, path: str) -> None:
    answer = get(root_url + path)
    assert answer.status_code == 404
    assert b"secret" not in answer.body  # type: ignore[attr-defined]
