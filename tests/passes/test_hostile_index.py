"""Checks passes with a hostile upstream and a jumping clock (R10)."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.support.page_assertions import HTML, HtmlPage, assert_equal_to_upstream
from tests.support.world import DAY, DONE, PARTIAL, World

BREAKOUTS = (
    '"><script>alert(1)</script>', "' onx='1", "--></a><!--", "</title>", "<!--SERIAL 999999-->",
    "\x1b]0;owned\x07", "\u202e\u2066", "&#34;&lt;&amp;amp;", "\r\n\r\nHTTP/1.1 200 OK", "a\x00b",
    "<![CDATA[x]]>", "javascript:alert(1)", "../../../etc/passwd", "😀" * 2000, "\u2028", "\ufeff",
)  # fmt: skip


def test_no_reason_breaks_out_of_its_place(world: World) -> None:
    world.started(*(f"p{number}" for number in range(len(BREAKOUTS))))
    for number, reason in enumerate(BREAKOUTS):
        world.up.yank(f"p{number}", "1.0", reason)
    assert world.sync() == DONE
    assert_equal_to_upstream(world)
    for number, reason in enumerate(BREAKOUTS):
        body = world.files()[f"simple/p{number}/{HTML}"]
        assert b"<script" not in body and body.count(b"<a ") == body.count(b"</a>") == 2
        assert body.count(b"<!--") == 1 and HtmlPage(body).serial != 999999
        assert world.yanked(f"p{number}")[f"p{number}-1.0.tar.gz"] == reason


def test_a_reason_of_a_megabyte_is_not_cut(world: World) -> None:
    world.started()
    world.up.yank("demo", "1.0", "<&\">'" * 200_000)
    assert world.sync() == DONE
    assert_equal_to_upstream(world)


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../x",
        "a/b",
        "a\\b",
        "%2e%2e",
        "\u017f",
        "dem\u043e",
        "-x",
        "CON:",
        "a\n",
        " a",
    ],
)
def test_names_that_are_paths_or_look_alike(disk: World, name: str) -> None:
    disk.started()
    before = disk.stamps()
    for action in ("create", "yank release", "remove project", "project quarantined"):
        disk.up.raw_row(name, None, action)
    assert disk.sync() == DONE
    assert {path: stamp for path, stamp in disk.stamps().items() if "/demo/" in path} == {
        path: stamp for path, stamp in before.items() if "/demo/" in path
    }
    assert disk.asked == []
    assert {path.name for path in (disk.where / "out/simple").iterdir() if path.is_dir()} == {
        "demo"
    }
    assert {path.name for path in disk.where.iterdir()} <= {"out", "state.db"}


@pytest.mark.parametrize(
    "name", ["namespaces", "index.html", "con", "aux", "index-html", "v1-json"]
)
def test_names_that_mean_something_elsewhere(disk: World, name: str) -> None:
    disk.started(name, "demo")
    disk.up.yank(name, "1.0", "bad")
    assert disk.sync() == DONE
    assert_equal_to_upstream(disk)
    disk.up.remove_project(name)
    assert disk.sync() == DONE
    assert_equal_to_upstream(disk)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("filename", "../../demo-1.0.tar.gz"),
        ("filename", "index.html"),
        ("filename", "a\x1b[31m.whl"),
        ("url", "javascript:alert(1)"),
        ("url", "file:///etc/passwd"),
        ("url", "https://user:secret@files.example/demo-1.0.tar.gz"),
        ("url", "http://files.example/demo-1.0.tar.gz"),
        ("url", "https://files.example/another-1.0.tar.gz"),
        ("hashes", {"sha256": '"><script>'}),
        ("hashes", "none"),
        ("requires-python", '"><script>'),
        ("provenance", "file:///x"),
        ("size", -1),
        ("upload-time", "<b>"),
        ("yanked", {"a": "b"}),
    ],
)
def test_one_hostile_field_never_reaches_a_page(
    world: World, field: str, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    world.started("demo", "other")
    caplog.set_level(logging.DEBUG)

    def spoil(page: dict[str, Any]) -> dict[str, Any]:
        if page["name"] != "demo":
            return page
        return {**page, "files": [{**page["files"][0], field: value}, *page["files"][1:]]}

    world.up.doctor = spoil
    world.up.yank("demo", "2.0", "bad")
    world.up.yank("other", "2.0", "bad")
    assert world.sync() in (DONE, PARTIAL)
    assert world.yanked("other")["other-2.0.tar.gz"] == "bad"
    text = b"\n".join(world.files().values()).decode()
    for banned in ("<script", "javascript:", "file://", "secret", "../", "\x1b", "passwd"):
        assert banned not in text.replace(r"\"><script>", "")
        if banned in ("secret", "\x1b"):
            assert banned not in repr(caplog.text)
    world.up.doctor = None
    world.up.cdn_clear()
    world.up.raw_row("demo", None, "frobnicate")
    assert world.settle(later=DAY) == DONE
    assert_equal_to_upstream(world)


@pytest.mark.parametrize("jump", [-3650 * DAY, -DAY, 3650 * DAY])
def test_a_clock_that_jumps_stops_nothing(disk: World, jump: float) -> None:
    disk.started("demo", "other")
    disk.up.yank("demo", "1.0", "before")
    disk.up.serve_stale("demo", 2)
    assert disk.sync() == PARTIAL
    disk.clock.time += jump
    disk.up.yank("other", "1.0", "after")
    disk.sync()
    assert disk.yanked("other")["other-1.0.tar.gz"] == "after"
    assert disk.settle(3) == DONE  # what is due beyond any back-off is due
    disk.clock.time -= jump
    disk.up.yank("other", "2.0", "and back")
    assert disk.settle(8) == DONE
    assert_equal_to_upstream(disk)


@pytest.mark.incident(29)
def test_a_name_of_200_characters(disk: World) -> None:
    """Publish the longest usable name.

    Longer names leave no room for a sibling's temporary name. PyPI lacks such names.
    """
    name = "a" * 200
    disk.started(name, "demo")
    disk.up.yank(name, "1.0", "long")
    disk.up.upload("b" * 201, "1.0")
    disk.up.raw_row("c" * 5000, None, "create")
    assert disk.sync() == DONE
    assert disk.yanked(name)[f"{name}-1.0.tar.gz"] == "long"
    assert disk.listed() == [name, "demo"]


@pytest.mark.incident(35)
def test_directories_of_another_case_are_left_alone(disk: World) -> None:
    """Delete only what the mirror knows exactly.

    The file system may ignore case.
    """
    disk.started("demo", "other")
    other = disk.where / "out/simple/DeMo"
    other.mkdir()
    (other / "index.html").write_bytes(b"theirs")
    disk.up.remove_project("other")
    disk.up.yank("demo", "1.0", "bad")
    assert disk.sync() == DONE
    assert disk.resync() == DONE
    disk.lose_state()
    assert disk.settle(later=DAY) == DONE
    assert (other / "index.html").read_bytes() == b"theirs"
    assert disk.yanked("demo")["demo-1.0.tar.gz"] == "bad"
