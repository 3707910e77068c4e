"""``yanksync show nginx`` on a real nginx, over a tree that yanksync wrote."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime

import pytest
import requests

from tests.e2e.mirror import LiveMirror, running
from tests.e2e.web_server import (
    BROWSER,
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
from tests.support.fake_index.index import FakeUpstream, serve

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveMirror]:
    with serve(FakeUpstream()) as served:
        for mirror in running(served, tmp_path_factory.mktemp("nginx")):
            for project in ("demo", "flip", "plain"):
                mirror.upload(project, "1.0", "2.0")
            mirror.sync()
            write_withdrawals(mirror.output)
            write_packages(mirror.output)
            shutil.copytree(mirror.output / "simple", mirror.output / "deleted/simple")
            yield mirror


def get(
    mirror: LiveMirror, path: str, accept: str | None = None, **headers: str
) -> requests.Response:
    # None keeps requests from sending a header of its own.
    asked = {"Accept": accept, "Accept-Encoding": None, **headers}
    return requests.get(
        mirror.nginx.root_url + path,
        headers=asked,
        allow_redirects=False,
        timeout=60,
    )


def modified(answer: requests.Response) -> datetime:
    return parsedate_to_datetime(answer.headers["Last-Modified"])


@pytest.mark.incident(38)
@pytest.mark.parametrize("path", ["simple/", "simple/demo/"])
@FORMS
def test_accept_decides_the_form(
    mirror: LiveMirror, path: str, accept: str | None, content_type: str, form: str
) -> None:
    answer = get(mirror, path, accept)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == content_type
    assert answer.content == (mirror.output / path / form).read_bytes()


@pytest.mark.incident(38)
def test_caches_keep_the_forms_apart_and_not_for_long(mirror: LiveMirror) -> None:
    for accept in (V1_JSON, None):
        for path in ("simple/", "simple/demo/", "simple/nothing/"):
            answer = get(mirror, path, accept)
            assert "Accept" in answer.headers["Vary"].split(", ")
            assert answer.headers["Cache-Control"] == "public, max-age=600"


@NO_PAGES
def test_what_is_no_page_is_not_found(mirror: LiveMirror, path: str) -> None:
    (mirror.output / "simple/empty").mkdir(exist_ok=True)
    for secret in ("simple/demo/.index.html.tmp", "simple/.hidden/index.html", "yanksync.db"):
        (mirror.output / secret).parent.mkdir(exist_ok=True)
        (mirror.output / secret).write_text("secret")
    answer = get(mirror, path, BROWSER)
    assert answer.status_code == 404
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    "path",
    ["simple", "simple/demo", "deleted/simple/demo", "withdrawals", "withdrawals/project/demo"],
)
def test_a_missing_slash_is_redirected_wherever_the_server_stands(
    mirror: LiveMirror, path: str
) -> None:
    answer = get(mirror, path, PIP)
    assert (answer.status_code, answer.headers["Location"]) == (301, f"/{path}/")


def test_the_root_is_redirected_to_the_list(mirror: LiveMirror) -> None:
    answer = get(mirror, "", BROWSER)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/simple/")


def test_the_compressed_sibling_is_sent_to_those_who_take_it(mirror: LiveMirror) -> None:
    plain = get(mirror, "simple/demo/", PIP)
    packed = get(mirror, "simple/demo/", PIP, **{"Accept-Encoding": "gzip, deflate"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Content-Type"] == V1_JSON
    assert set(packed.headers["Vary"].split(", ")) == {"Accept", "Accept-Encoding"}
    assert packed.content == plain.content


def test_a_page_without_a_copy_is_sent_itself(mirror: LiveMirror) -> None:
    mirror.upstream.upload("small", "1.0", requires_python=None)
    mirror.sync()
    assert not list((mirror.output / "simple/small").glob("*.gz"))
    plain = get(mirror, "simple/small/", PIP)
    asked = get(mirror, "simple/small/", PIP, **{"Accept-Encoding": "gzip, deflate"})
    assert (asked.status_code, asked.content) == (200, plain.content)
    assert "Content-Encoding" not in asked.headers
    assert (asked.headers["Content-Type"], asked.headers["Vary"]) == (V1_JSON, "Accept")


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("accept", [PIP, None])
def test_a_yank_of_the_same_size_in_the_same_second_is_no_304(
    mirror: LiveMirror, accept: str | None, encoding: str
) -> None:
    def ask(**headers: str) -> requests.Response:
        return get(mirror, "simple/flip/", accept, **{"Accept-Encoding": encoding}, **headers)

    mirror.upstream.yank("flip", "2.0", "reason A")
    mirror.sync()
    # No second that passes by chance makes the difference: the next page is written before these.
    for file in (mirror.output / "simple/flip").iterdir():
        os.utime(file, (time.time() + 5,) * 2)
    before = ask()
    assert ask(**{"If-None-Match": before.headers["ETag"]}).status_code == 304
    mirror.upstream.yank("flip", "2.0", "reason B")
    mirror.sync()
    after = ask()
    assert len(after.content) == len(before.content)
    assert modified(after) > modified(before)
    for condition, value in (("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified")):
        again = ask(**{condition: before.headers[value]})
        assert (again.status_code, "reason B" in again.text) == (200, True)
        assert ask(**{condition: after.headers[value]}).status_code == 304


def test_no_sibling_outlives_compression(mirror: LiveMirror) -> None:
    directory = mirror.output / "simple/plain"
    mirror.upstream.yank("plain", "2.0")
    mirror.sync(mirror_compress="")
    packed = get(mirror, "simple/plain/", PIP, **{"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in packed.headers
    assert [file["yanked"] for file in packed.json()["files"]] == [False, True]
    assert sorted(path.name for path in directory.iterdir()) == [
        "index.html",
        "index.v1_html",
        "index.v1_json",
    ]
    mirror.sync()
    assert (directory / "index.v1_json.gz").exists()


@PACKAGES
def test_package_files_are_kept_by_caches(mirror: LiveMirror, path: str, content_type: str) -> None:
    answer = get(mirror, path, **{"Accept-Encoding": "gzip"})
    assert_package(answer, path, content_type)


def test_a_part_of_a_package_file_is_sent(mirror: LiveMirror) -> None:
    answer = get(mirror, f"{PACKAGE}.tar.gz", Range="bytes=2-5")
    assert (answer.status_code, answer.text) == (206, "ckag")


@NO_PACKAGES
def test_what_is_no_package_file_is_not_found(mirror: LiveMirror, path: str) -> None:
    answer = get(mirror, path)
    assert answer.status_code == 404
    assert "secret" not in answer.text
    assert "immutable" not in answer.headers.get("Cache-Control", "")


@FORMS
def test_the_index_of_deleted_files_has_the_same_forms(
    mirror: LiveMirror, accept: str | None, content_type: str, form: str
) -> None:
    for path in ("deleted/simple/", "deleted/simple/demo/"):
        answer = get(mirror, path, accept)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, content_type)
        assert "Accept" in answer.headers["Vary"].split(", ")


@WITHDRAWALS
def test_withdrawals_have_a_strict_policy(mirror: LiveMirror, path: str, content_type: str) -> None:
    assert_withdrawn(get(mirror, path), content_type)


def test_withdrawals_are_compressed_on_the_way(mirror: LiveMirror) -> None:
    answer = get(mirror, "withdrawals/", **{"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert_withdrawn(answer, "text/html")


@pytest.mark.parametrize(("path", "serial"), FOLLOWED)
def test_followers_find_what_they_read(mirror: LiveMirror, path: str, serial: str | None) -> None:
    mirror.sync(mirror_legacy_json="true")
    answer = get(mirror, path)
    assert_followed(answer, serial)
    said = json.loads(answer.content)
    assert said.get("last_serial", said.get("demo")) > 0
    mirror.sync()
    assert get(mirror, path).status_code == 404


@NOT_FOLLOWED
def test_what_no_follower_reads_is_not_found(mirror: LiveMirror, path: str) -> None:
    mirror.sync(mirror_legacy_json="true")
    assert get(mirror, path).status_code == 404
    mirror.sync()
